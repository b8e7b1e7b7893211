package door

import "time"

// SettleTime is how long an input has to stay as it is before that counts. A
// reed contact comes to rest within a few milliseconds, a button within ten, and
// whatever lasts 400 ms has to be processed (IEC 60839-11-1).
const SettleTime = 20 * time.Millisecond

// Settle takes bounce and noise out of an input: what it says counts once it
// has said so, without interruption, for the time that Take is given. Since
// that goes for both its ends a press keeps its length. The zero value is a
// normal line at rest.
type Settle struct {
	told Line          // what counts
	now  Line          // what it says
	due  time.Duration // counts then, where it differs
}

// Take takes what the line says; saying the same again changes nothing. hold is
// how long it has to stay so, usually SettleTime. changed says that something
// else counts now than before: never the line that is given, which counts at
// Wake, but what it said until now, if its Rest is late.
func (s Settle) Take(at time.Duration, line Line, hold time.Duration) (_ Settle, changed bool) {
	s, changed = s.Rest(at)
	if line != s.now {
		s.now, s.due = line, at+hold
	}
	return s, changed
}

// Rest is owed at Wake; changed says that something else counts now.
func (s Settle) Rest(at time.Duration) (_ Settle, changed bool) {
	if s.now == s.told || at < s.due {
		return s, false
	}
	s.told = s.now
	return s, true
}

// Start takes what was found when the input was opened; it counts at once.
func (s Settle) Start(line Line) Settle { return Settle{told: line, now: line} }

// Line is what counts.
func (s Settle) Line() Line { return s.told }

// Raw is what the line says now, which need not count yet.
func (s Settle) Raw() Line { return s.now }

// Active reports whether the line counts as active; cut and shorted it is not.
func (s Settle) Active() bool { return s.told == LineActive }

// Wake is when Rest is owed; ok is false if it is not.
func (s Settle) Wake() (at time.Duration, ok bool) { return s.due, s.now != s.told }
