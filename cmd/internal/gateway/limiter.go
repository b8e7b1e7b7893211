package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// unreadableEvery is how often a reader's noise reaches the door log.
const unreadableEvery = time.Second

// unread passes on that a reader could make nothing of what it was shown, and
// not more often than the door log bears. On the way in it is refused, so that
// whoever stands there tries again; nobody is denied the way out.
type unread struct {
	limiter
	ctx context.Context // the reader's
	r   reader
	to  Doors
	log *slog.Logger
}

func newUnread(ctx context.Context, r reader, to Doors, log *slog.Logger) *unread {
	u := &unread{limiter: limiter{every: unreadableEvery}, ctx: ctx, r: r, to: to, log: log}
	u.left = func(n int) {
		log.Warn("more that cannot be read was shown, and is not recorded", "count", n)
		// Somebody may have shown it who wants out: late, and never denied.
		if r.exit && ctx.Err() == nil && u.allow() {
			u.present()
		}
	}
	return u
}

func (u *unread) refused(err error) {
	if u.allow() {
		u.log.Warn("what was shown cannot be read", "err", err)
		u.present()
	}
}

func (u *unread) present() {
	if err := u.to.Unread(u.ctx, u.r.door, u.r.exit); err != nil && u.ctx.Err() == nil {
		u.log.Error("what cannot be read was not decided", "err", err)
	}
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
