package access

import (
	"container/heap"
	"time"

	"tombolo/passport"
)

// MaxCodes bounds the codes that a gateway remembers. Each belongs to a grant
// within the last minute and a half.
const MaxCodes = 1 << 14

// Codes makes a code open once for this gateway, through crashes: nonces are
// kept in memory alone, and a code that could have been used before the start
// is refused instead. It has one owner; make it with NewCodes.
type Codes struct {
	reached int64 // an earlier run may have used codes up to then, Unix seconds
	horizon int64 // codes over at or before this are forgotten, and so refused for good
	seen    map[code]struct{}
	byEnd   ends
}

// NewCodes begins at the controller's start. reached is the latest time at which
// an earlier run used a code, as the door log tells, or the zero Time.
func NewCodes(reached time.Time) *Codes {
	return &Codes{reached: reached.Unix(), seen: map[code]struct{}{}}
}

// Check refuses a code that was used, may have been used, or cannot be
// remembered. up is how long the controller has been running: the start is
// reckoned back from now, so that it moves with a clock that is set. A clock
// that is set back brings no forgotten code back, not even over a restart, as
// far as reached is true.
func (c *Codes) Check(now time.Time, up time.Duration, w passport.Window) Reason {
	started := max(now.Add(-up).Unix(), c.reached)
	c.forget(now.Unix())
	_, seen := c.seen[code{w.Passport, w.Nonce}]
	switch {
	case seen:
		return CodeReplayed
	case over(w) <= c.horizon:
		return CodeExpired
	case int64(w.Start) <= started+int64(w.Length):
		return CodeBeforeStart
	case len(c.seen) >= MaxCodes:
		return CodesFull
	}
	return None
}

// Same reports whether two codes are one.
func Same(a, b passport.Window) bool { return a.Passport == b.Passport && a.Nonce == b.Nonce }

// Use remembers a code that Check let pass and that opened.
func (c *Codes) Use(w passport.Window) {
	used := code{w.Passport, w.Nonce}
	if _, seen := c.seen[used]; !seen {
		c.seen[used] = struct{}{}
		heap.Push(&c.byEnd, end{over(w), used})
	}
}

// over is when a code's time is over, as passport.Window.At has it.
func over(w passport.Window) int64 { return int64(w.Start) + 2*int64(w.Length) }

// Len is the number of codes remembered.
func (c *Codes) Len() int { return len(c.seen) }

func (c *Codes) forget(now int64) {
	for len(c.byEnd) > 0 && c.byEnd[0].over <= now {
		e := heap.Pop(&c.byEnd).(end)
		delete(c.seen, e.code)
		c.horizon = max(c.horizon, e.over)
	}
}

// code names a code by its nonce, never by its signature, which can be altered
// and stay valid; with the passport, so that nobody uses up another's nonce.
type code struct {
	passport passport.ID
	nonce    [16]byte
}

type end struct {
	over int64
	code code
}

// ends is a heap, the earliest end first.
type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].over < e[j].over }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}
