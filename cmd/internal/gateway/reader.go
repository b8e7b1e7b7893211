package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/hw/scanner"
	"tombolo/passport/qr"
)

// unreadableEvery is how often a reader's noise reaches the door log.
const unreadableEvery = time.Second

// read runs a reader until ctx ends; one that is unplugged is a fault, not an
// end. tried is called once it is known whether the reader is there.
func (g *Gateway) read(ctx context.Context, r reader, tried func()) error {
	if r.cfg.Kind == wiring.SimReader {
		return g.readSim(ctx, r, tried)
	}
	log := g.cfg.Log.With("reader", r.name)
	code := func(frame []byte) {
		if err := g.Controller.Code(ctx, r.door, r.exit, frame); err != nil && ctx.Err() == nil {
			log.Error("a code was not decided", "err", err)
		}
	}
	unread := limiter{every: unreadableEvery}
	unread.left = func(n int) {
		log.Warn("more that was no code was read, and is not recorded", "count", n)
		// Somebody may have shown it who wants out: late, and never denied.
		if r.exit && ctx.Err() == nil && unread.allow() {
			code(nil)
		}
	}
	defer unread.stop()
	unreadable := func(err error) {
		if unread.allow() {
			log.Warn("what was read is no code", "err", err)
			code(nil)
		}
	}
	down := false
	return scanner.Run(ctx, scanner.Config{
		Port: r.cfg.Port, Baud: r.cfg.Baud, Log: log,
		Frame: func(frame []byte) {
			if _, err := qr.Decode(frame); err != nil {
				unreadable(err)
				return
			}
			code(frame)
		},
		Refused: unreadable,
		State: func(up bool, err error) { // the scanner logs it
			defer tried()
			switch {
			case !up:
				g.fault(ctx, r.name, fmt.Sprintf("no reader at %s: %v", r.cfg.Port, err), false)
			case down:
				g.fault(ctx, r.name, "the reader answers again", true)
			}
			down = !up
		},
	})
}

// limiter lets one of something through in a while, and counts the rest.
type limiter struct {
	every time.Duration
	left  func(count int) // told once in each such while of what did not pass

	mu    sync.Mutex
	timer *time.Timer // runs while nothing passes
	count int
}

// allow reports whether this one passes.
func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.count++
		return false
	}
	l.timer = time.AfterFunc(l.every, l.flush)
	return true
}

func (l *limiter) flush() {
	l.mu.Lock()
	count := l.count
	l.timer, l.count = nil, 0
	l.mu.Unlock()
	if count > 0 {
		l.left(count)
	}
}

// stop tells of what is left; nothing may ask any more.
func (l *limiter) stop() {
	l.mu.Lock()
	running := l.timer != nil && l.timer.Stop()
	l.mu.Unlock()
	if running {
		l.flush()
	}
}
