package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lines takes nats-server's log: warnings and worse go on, a few at a time,
// because whoever is enrolled can cause one with each packet.
type lines struct {
	log        *slog.Logger
	violations atomic.Uint64
	closing    atomic.Bool // what cannot be done any more is nobody's fault
	names      sync.Map    // peer by remote address, as text: nats-server's lines begin with the address

	mu      sync.Mutex
	fatal   error // the first one since it was last taken
	tokens  float64
	filled  time.Time
	dropped int
}

// The limit on log lines: burst, then one in each interval.
const (
	logBurst    = 10
	logInterval = 2 * time.Second
)

// mayLog takes one line from the limit.
func (l *lines) mayLog() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.filled.IsZero() {
		l.tokens = logBurst
	} else {
		l.tokens = min(logBurst, l.tokens+now.Sub(l.filled).Seconds()/logInterval.Seconds())
	}
	l.filled = now
	if l.tokens < 1 {
		l.dropped++
		return false
	}
	l.tokens--
	return true
}

func (l *lines) write(level slog.Level, format string, v ...any) {
	if !l.mayLog() {
		return
	}
	l.mu.Lock()
	dropped := l.dropped
	l.dropped = 0
	l.mu.Unlock()
	said := fmt.Sprintf(format, v...)
	about := []any{"said", said}
	if addr, _, ok := strings.Cut(said, " - "); ok {
		if name, ok := l.names.Load(addr); ok {
			about = append(about, "peer", name)
		}
	}
	if dropped > 0 {
		about = append(about, "lines_left_out", dropped)
	}
	l.log.Log(context.Background(), level, "broker", about...)
}

func (l *lines) Noticef(string, ...any) {}
func (l *lines) Debugf(string, ...any)  {}
func (l *lines) Tracef(string, ...any)  {}

func (l *lines) Warnf(format string, v ...any) { l.write(slog.LevelWarn, format, v...) }

// Errorf also counts what permissions refused, which is no error of the broker's: who
// has just been enrolled may ask for more than it may read yet. nats-server tells of
// it nowhere but here; a test holds that it still says so in these words, which follow
// the connection and the user in the line.
func (l *lines) Errorf(format string, v ...any) {
	level := slog.LevelError
	if l.closing.Load() {
		level = slog.LevelDebug
	}
	if strings.HasSuffix(format, " - Publish Violation - Subject %q") ||
		strings.Contains(format, " - Subscription Violation - Subject ") {
		l.violations.Add(1)
		level = min(level, slog.LevelWarn)
	}
	l.write(level, format, v...)
}

// Fatalf does not end the process: what it reports is asked for after a start.
func (l *lines) Fatalf(format string, v ...any) {
	l.mu.Lock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, v...)
	}
	l.mu.Unlock()
	l.write(slog.LevelError, format, v...)
}

// takeFatal is what kept a server from starting, once.
func (l *lines) takeFatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.fatal
	l.fatal = nil
	return err
}
