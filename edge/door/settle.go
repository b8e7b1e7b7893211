package door

import "time"

// SettleTime is how long a contact or a button may bounce after an edge. A reed
// contact comes to rest within a few milliseconds, a button within twenty.
const SettleTime = 30 * time.Millisecond

// Settle takes the bounce out of an input: an edge counts at once, so that
// nobody waits, and what follows it within SettleTime is bounce; where the
// input came to rest then counts. Without it a door that closes would be
// reported as forced by the bounce of its contact. The zero value has an
// inactive input at rest.
type Settle struct {
	level bool          // as it was told
	now   bool          // as it is
	until time.Duration // bouncing until then
}

// Take takes an edge; changed says that it counts now.
func (s Settle) Take(at time.Duration, active bool) (_ Settle, changed bool) {
	s.now = active
	return s.Rest(at)
}

// Rest is owed at Wake; changed says that the input came to rest at another
// level than the one that was told, which is now's.
func (s Settle) Rest(at time.Duration) (_ Settle, changed bool) {
	if s.now == s.level || at < s.until {
		return s, false
	}
	s.level, s.until = s.now, at+SettleTime
	return s, true
}

// Start takes the level that was found when the input was opened.
func (s Settle) Start(active bool) Settle { return Settle{level: active, now: active, until: s.until} }

// Active is the level that was told last.
func (s Settle) Active() bool { return s.level }

// Wake is when Rest is owed; ok is false if it is not.
func (s Settle) Wake() (at time.Duration, ok bool) { return s.until, s.now != s.level }
