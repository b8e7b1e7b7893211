package sim_test

import (
	"testing"
	"time"

	"tombolo/hw/sim"
)

// TestKept: a board that lives long keeps the newest of what it saw, in order.
func TestKept(t *testing.T) {
	t.Parallel()
	now := start
	b := sim.New(sim.Config{
		Relays: []string{"front"}, Readers: []sim.Mount{{Door: "front"}},
		Now: func() time.Time { now = now.Add(time.Second); return now },
	})
	times := func() (moved, shown, broken []time.Time) {
		for _, v := range b.Transitions() {
			moved = append(moved, v.At)
		}
		for _, v := range b.Shows() {
			shown = append(shown, v.At)
		}
		for _, v := range b.Violations() {
			broken = append(broken, v.At)
		}
		return moved, shown, broken
	}
	expect := func(from, to int) { // rounds, of three seconds each
		t.Helper()
		moved, shown, broken := times()
		for i, list := range [][]time.Time{moved, shown, broken} {
			if len(list) != to-from {
				t.Fatalf("list %d has %d, want %d", i, len(list), to-from)
			}
			for j, at := range list {
				if want := start.Add(time.Duration(3*(from+j)+i+1) * time.Second); !at.Equal(want) {
					t.Fatalf("list %d, the %dth is of %v, want %v", i, j, at, want)
				}
			}
		}
	}
	relay, reader := must(b.OpenRelay("front")), must(b.OpenReader(sim.Mount{Door: "front"}))
	round := 0
	until := func(n int) {
		for ; round < n; round++ {
			relay.Set(round%2 == 0)
			reader.Show([]sim.Step{{Colour: "red", For: time.Second}}, false)
			if _, err := b.OpenRelay("front"); err == nil { // twice
				t.Fatal("opened twice")
			}
		}
	}
	expect(0, 0)
	until(sim.Kept - 1)
	expect(0, sim.Kept-1)
	until(sim.Kept)
	expect(0, sim.Kept)
	until(sim.Kept + 1)
	expect(1, sim.Kept+1)
	until(3*sim.Kept - 7)
	expect(2*sim.Kept-7, 3*sim.Kept-7)
	var f failures
	if b.Check(&f); len(f.text) != sim.Kept+2 {
		t.Errorf("Check found %d", len(f.text))
	}
}
