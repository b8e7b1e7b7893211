package door_test

import (
	"strings"
	"testing"
	"time"

	"tombolo/edge/door"
)

// TestConfigChanges: a policy that comes between two steps leaves the deadlines
// that are set, and lets nothing stay unlocked for longer than either of the two
// would.
func TestConfigChanges(t *testing.T) {
	t.Parallel()
	longer := with(func(c *door.Config) { c.Strike, c.HeldOpen = time.Minute, 10*time.Minute })
	for _, tt := range []struct {
		name          string
		before, after door.Config
		opened        bool // before the change
		closed        bool // after it
		locks         time.Duration
	}{
		{"a longer strike", config, longer, false, false, 6 * time.Second},
		{"a shorter strike", longer, config, false, false, 61 * time.Second},
		{"no longer relocked on close: the closing does it", relockClose, longer, true, true, 4 * time.Second},
		{"no longer relocked on close, never closed", relockClose, longer, true, false, 32 * time.Second},
		{"relocked on close from now on: the strike stands", config, relockClose, true, true, 6 * time.Second},
		{"relocked on open from now on", config, relockOpen, true, false, 6 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := door.Step(tt.before, door.State{}, door.Event{At: time.Second, Kind: door.Granted})
			if tt.opened {
				s, _ = door.Step(tt.before, s, door.Event{At: 2 * time.Second, Kind: door.Opened})
			}
			s, _ = door.Step(tt.after, s, door.Event{At: 3 * time.Second, Kind: door.Tick})
			locked := 4 * time.Second
			if tt.closed {
				s, _ = door.Step(tt.after, s, door.Event{At: locked, Kind: door.Closed})
			}
			if at, ok := s.Deadline(); ok {
				locked = at
			}
			if locked != tt.locks {
				t.Errorf("locks at %v, want %v", locked, tt.locks)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	var s door.State
	if _, ok := s.Deadline(); ok {
		t.Error("a locked door has a deadline")
	}
	s, _ = door.Step(config, s, door.Event{At: time.Second, Kind: door.Granted})
	if at, ok := s.Deadline(); !ok || at != 6*time.Second {
		t.Errorf("deadline %v, %v", at, ok)
	}
	s, _ = door.Step(config, s, door.Event{At: time.Second, Kind: door.Hold, Hold: door.HoldSchedule})
	if _, ok := s.Deadline(); ok || !s.Unlocked() {
		t.Error("a held door has a deadline")
	}
	s, _ = door.Step(config, s, door.Event{At: 2 * time.Second, Kind: door.Opened})
	if !s.IsOpen() || s.Name != door.Free {
		t.Errorf("open %v, %v", s.IsOpen(), s.Name)
	}
}

// TestWords: no word is missing or used twice, and a value out of range has one.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name        string
		first, last int
		word        func(int) string
	}{
		{"name", 0, int(door.Released), func(i int) string { return door.Name(i).String() }},
		{"relock", 0, int(door.RelockClose), func(i int) string { return door.Relock(i).String() }},
		{"operator", 0, int(door.OperatorExtended), func(i int) string { return door.Operator(i).String() }},
		{"holding", 1, int(door.HoldFire), func(i int) string { return door.Holding(i).String() }},
		{"event", 1, int(door.Unhold), func(i int) string { return door.Kind(i).String() }},
		{"action", 1, int(door.Calm), func(i int) string { return door.Do(i).String() }},
		{"line", 0, int(door.LineShorted), func(i int) string { return door.Line(i).String() }},
	} {
		seen := map[string]bool{}
		for i := range kind.last + 2 {
			w := kind.word(i)
			if known := !strings.HasPrefix(w, "unknown"); known != (i >= kind.first && i <= kind.last) || seen[w] {
				t.Errorf("%s %d is %q", kind.name, i, w)
			}
			seen[w] = true
		}
	}
}
