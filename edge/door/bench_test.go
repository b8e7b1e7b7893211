package door_test

import (
	"testing"
	"time"
	"unsafe"

	"tombolo/edge/door"
)

// BenchmarkGrant is what Step adds to a tap.
func BenchmarkGrant(b *testing.B) {
	c := config
	c.Operator = door.OperatorAll
	e := door.Event{At: time.Second, Kind: door.Granted, Grant: door.Grant{Seq: 1}}
	b.ReportAllocs()
	b.ReportMetric(float64(unsafe.Sizeof(door.State{})), "B/state")
	for b.Loop() {
		if _, actions := door.Step(c, door.State{}, e); len(actions) != 2 {
			b.Fatal(actions)
		}
	}
}

// BenchmarkTick is a step that changes nothing.
func BenchmarkTick(b *testing.B) {
	s, _ := door.Step(config, door.State{}, door.Event{At: time.Second, Kind: door.Granted})
	e := door.Event{At: 2 * time.Second, Kind: door.Tick}
	b.ReportAllocs()
	for b.Loop() {
		s, _ = door.Step(config, s, e)
	}
}

// BenchmarkPassage is a whole passage, of five steps.
func BenchmarkPassage(b *testing.B) {
	at := func(ms int, kind door.Kind) door.Event {
		return door.Event{At: time.Duration(ms) * time.Millisecond, Kind: kind}
	}
	events := []door.Event{at(1000, door.Granted), at(1500, door.Tick), at(2000, door.Opened), at(3000, door.Closed), at(6000, door.Tick)}
	b.ReportAllocs()
	for b.Loop() {
		var s door.State
		for _, e := range events {
			s, _ = door.Step(config, s, e)
		}
		if s.Unlocked() {
			b.Fatal("unlocked")
		}
	}
}

// TestAllocations: a grant's actions are all that it allocates, and a step
// without actions allocates nothing.
func TestAllocations(t *testing.T) {
	grant := door.Event{At: time.Second, Kind: door.Granted, Grant: door.Grant{Seq: 1}}
	s, _ := door.Step(config, door.State{}, grant)
	for _, tt := range []struct {
		name  string
		s     door.State
		e     door.Event
		limit float64
	}{
		{"grant", door.State{}, grant, 1},
		{"opening", s, door.Event{At: 2 * time.Second, Kind: door.Opened}, 1},
		{"tick too early", s, door.Event{At: 2 * time.Second, Kind: door.Tick}, 0},
	} {
		if n := testing.AllocsPerRun(100, func() { door.Step(config, tt.s, tt.e) }); n > tt.limit {
			t.Errorf("%s: %v allocations, at most %v", tt.name, n, tt.limit)
		}
	}
}
