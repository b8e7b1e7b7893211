package door_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/door"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	type edge struct {
		ms     int
		active bool
	}
	for _, tt := range []struct {
		name  string
		edges []edge
		want  []edge // what is told, and when
	}{
		{"a clean edge counts at once", []edge{{10, true}, {500, false}}, []edge{{10, true}, {500, false}}},
		{"closes with a bounce", []edge{{10, true}, {500, false}, {502, true}, {503, false}, {505, true}, {506, false}}, []edge{{10, true}, {500, false}}},
		{"comes to rest where it was", []edge{{10, true}, {11, false}}, []edge{{10, true}, {40, false}}},
		{"bounces for longer than it may", []edge{{10, true}, {39, false}, {41, true}}, []edge{{10, true}, {40, false}, {70, true}}},
		{"an edge when it is at rest again", []edge{{10, true}, {40, false}}, []edge{{10, true}, {40, false}}},
		{"the level that it has", []edge{{10, false}, {20, true}, {100, true}}, []edge{{20, true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var s door.Settle
			var got []edge
			rest := func(until time.Duration) {
				for {
					at, ok := s.Wake()
					if !ok || at > until {
						return
					}
					var changed bool
					if s, changed = s.Rest(at); !changed {
						t.Fatal("woken for nothing")
					}
					got = append(got, edge{int(at / time.Millisecond), s.Active()})
				}
			}
			for _, e := range tt.edges {
				at := time.Duration(e.ms) * time.Millisecond
				rest(at - 1)
				var changed bool
				if s, changed = s.Take(at, e.active); changed {
					got = append(got, edge{e.ms, s.Active()})
				}
			}
			rest(time.Hour)
			if !slices.Equal(got, tt.want) {
				t.Errorf("told %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSettleProperties: what is told alternates, is never told twice within the
// settling time, and ends where the input is.
func TestSettleProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := door.Settle{}.Start(rapid.Bool().Draw(t, "at the start"))
		level, last := s.Active(), -time.Hour
		now := time.Duration(0)
		told := func(changed bool) {
			if !changed {
				return
			}
			if s.Active() == level || now-last < door.SettleTime {
				t.Fatalf("told %v at %v, after %v at %v", s.Active(), now, level, last)
			}
			level, last = s.Active(), now
		}
		active := level
		for range rapid.IntRange(1, 40).Draw(t, "edges") {
			now += time.Duration(rapid.IntRange(0, 50).Draw(t, "ms")) * time.Millisecond
			active = rapid.Bool().Draw(t, "active")
			var changed bool
			s, changed = s.Take(now, active)
			told(changed)
		}
		if at, ok := s.Wake(); ok {
			now = max(now, at)
			var changed bool
			s, changed = s.Rest(now)
			told(changed)
		}
		if _, ok := s.Wake(); ok || s.Active() != active {
			t.Fatalf("rests at %v, and the input is %v", s.Active(), active)
		}
	})
}
