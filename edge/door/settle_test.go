package door_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/door"
)

// edge is what a line says, or what counts, and since when.
type edge struct {
	ms   int
	line door.Line
}

// settled feeds edges, with every Rest in time, and returns what counted.
func settled(t *testing.T, s door.Settle, edges []edge) (counted []edge) {
	t.Helper()
	rest := func(until time.Duration) {
		for {
			at, ok := s.Wake()
			if !ok || at > until {
				return
			}
			var changed bool
			if s, changed = s.Rest(at); !changed {
				t.Fatalf("woken at %v for nothing", at)
			}
			counted = append(counted, edge{int(at / time.Millisecond), s.Line()})
		}
	}
	for _, e := range edges {
		at := time.Duration(e.ms) * time.Millisecond
		rest(at)
		var changed bool
		if s, changed = s.Take(at, e.line, door.SettleTime); changed {
			t.Fatalf("the line at %v counts before it settled", at)
		}
	}
	rest(time.Hour)
	return counted
}

func TestSettle(t *testing.T) {
	t.Parallel()
	const normal, active, cut, shorted = door.LineNormal, door.LineActive, door.LineCut, door.LineShorted
	for _, tt := range []struct {
		name  string
		edges []edge
		want  []edge
	}{
		{"a spike of 1 ms is nothing", []edge{{10, active}, {11, normal}}, nil},
		{"nor is one of 19 ms", []edge{{10, active}, {29, normal}}, nil},
		{"20 ms count", []edge{{10, active}, {30, normal}}, []edge{{30, active}, {50, normal}}},
		{"a press of 50 ms keeps its length", []edge{{10, active}, {60, normal}}, []edge{{30, active}, {80, normal}}},
		{"a press of 400 ms keeps its length", []edge{{10, active}, {410, normal}}, []edge{{30, active}, {430, normal}}},
		{"with bounce at both ends", []edge{{10, active}, {11, normal}, {12, active}, {412, normal}, {413, active}, {414, normal}}, []edge{{32, active}, {434, normal}}},
		{"a spike in the middle of a press", []edge{{10, active}, {200, normal}, {201, active}, {400, normal}}, []edge{{30, active}, {420, normal}}},
		{"noise that never rests", []edge{{10, active}, {20, normal}, {30, active}, {40, normal}, {50, active}, {60, normal}}, nil},
		{"samples that repeat are no interruption", []edge{{10, active}, {15, active}, {25, active}, {35, active}}, []edge{{30, active}}},
		{"what it has", []edge{{10, normal}}, nil},
		{"through another state", []edge{{10, active}, {15, cut}}, []edge{{35, cut}}},
		{"cut from active", []edge{{10, active}, {100, cut}}, []edge{{30, active}, {120, cut}}},
		{"cut and shorted in turn", []edge{{10, cut}, {50, shorted}, {90, cut}, {95, shorted}, {200, normal}}, []edge{{30, cut}, {70, shorted}, {220, normal}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := settled(t, door.Settle{}, tt.edges); !slices.Equal(got, tt.want) {
				t.Errorf("counted %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSettleStart(t *testing.T) {
	t.Parallel()
	var s door.Settle
	s, _ = s.Take(time.Second, door.LineCut, door.SettleTime)
	s = s.Start(door.LineActive)
	if _, ok := s.Wake(); ok || !s.Active() || s.Line() != door.LineActive {
		t.Errorf("after the start %v, active %v, owes %v", s.Line(), s.Active(), ok)
	}
	for _, l := range []door.Line{door.LineNormal, door.LineCut, door.LineShorted} {
		if s.Start(l).Active() {
			t.Errorf("%v is active", l)
		}
	}
	if got := settled(t, s, []edge{{10, door.LineNormal}}); !slices.Equal(got, []edge{{30, door.LineNormal}}) {
		t.Errorf("from active: %v", got)
	}
}

// TestSettleLate: an owner that was late with Rest hears with the next edge what
// had settled before it.
func TestSettleLate(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	s, changed := door.Settle{}.Take(10*ms, door.LineActive, door.SettleTime)
	if changed {
		t.Fatal("counts at once")
	}
	if s, changed = s.Take(60*ms, door.LineNormal, door.SettleTime); !changed || !s.Active() {
		t.Fatalf("a press of 50 ms is lost: changed %v, %v", changed, s.Line())
	}
	if at, ok := s.Wake(); !ok || at != 80*ms {
		t.Fatalf("the release is owed at %v, %v", at, ok)
	}
	if s, changed = s.Rest(79 * ms); changed {
		t.Fatalf("rests early: %v", s.Line())
	}
	if s, changed = s.Rest(80 * ms); !changed || s.Active() {
		t.Fatalf("changed %v, %v", changed, s.Line())
	}
	// Unsettled inputs count at the next Rest, and lose nothing either.
	if s, changed = s.Take(90*ms, door.LineActive, 0); changed {
		t.Fatal("counts in Take")
	}
	if s, changed = s.Take(90*ms, door.LineNormal, 0); !changed || !s.Active() {
		t.Fatalf("changed %v, %v", changed, s.Line())
	}
}

// TestSettleProperties: against a model that looks at the whole history, what
// counts is the last line that lasted, and it changes to nothing else.
func TestSettleProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		line := func() door.Line {
			return door.Line(rapid.IntRange(0, int(door.LineShorted)).Draw(t, "line"))
		}
		hold := time.Duration(rapid.IntRange(1, 30).Draw(t, "hold")) * time.Millisecond
		first := line()
		s := door.Settle{}.Start(first)
		type stretch struct {
			line     door.Line
			from, to time.Duration
		}
		history := []stretch{{first, -time.Hour, 0}}
		now := time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(t, "edges") {
			now += time.Duration(rapid.IntRange(0, 40).Draw(t, "ms")) * time.Millisecond
			l := line()
			counted := s.Line()
			var changed bool
			s, changed = s.Take(now, l, hold)
			last := &history[len(history)-1]
			last.to = now
			if l != last.line {
				history = append(history, stretch{l, now, now})
			}
			if s.Raw() != l {
				t.Fatalf("says %v now, not %v", s.Raw(), l)
			}
			want := first
			for _, h := range history {
				if h.to-h.from >= hold {
					want = h.line
				}
			}
			if s.Line() != want || changed != (counted != want) {
				t.Fatalf("%v counts at %v, changed %v, want %v; %v", s.Line(), now, changed, want, history)
			}
		}
		if at, ok := s.Wake(); ok {
			if at <= now {
				t.Fatalf("owed at %v, and it is %v", at, now)
			}
			s, _ = s.Rest(at)
		}
		if _, ok := s.Wake(); ok || s.Line() != history[len(history)-1].line {
			t.Fatalf("rests at %v after %v", s.Line(), history)
		}
	})
}
