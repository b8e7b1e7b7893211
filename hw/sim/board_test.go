package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/hw/board"
	"tombolo/hw/sim"
)

// What a controller declares; the real and the simulated drivers both fit.
type (
	relay interface {
		Set(energised bool) error
		Close() error
	}
	input interface{ Close() error }
)

var (
	_ relay = (*board.Relay)(nil)
	_ relay = (*sim.Relay)(nil)
	_ input = (*board.Input)(nil)
	_ input = (*sim.Input)(nil)
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newBoard has a clock that advances by a second a reading.
func newBoard() *sim.Board {
	now := start
	return sim.New(sim.Config{
		Relays: []string{"front", "back"},
		Inputs: []string{"front/contact", "front/rex"},
		Now:    func() time.Time { now = now.Add(time.Second); return now },
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// failures is a sim.TB that counts.
type failures struct{ text []string }

func (f *failures) Helper() {}
func (f *failures) Errorf(format string, args ...any) {
	f.text = append(f.text, fmt.Sprintf(format, args...))
}

func TestRelay(t *testing.T) {
	t.Parallel()
	b := newBoard()
	front, back := must(b.OpenRelay("front")), must(b.OpenRelay("back"))
	for _, on := range []bool{false, true, true, false, false} {
		if err := front.Set(on); err != nil {
			t.Fatal(err)
		}
		if b.Energised("front") != on || b.Energised("back") {
			t.Error("the wrong relay moved, or none")
		}
	}
	front.Close()
	front.Close()
	back.Close()
	want := []sim.Transition{{start.Add(time.Second), "front", true}, {start.Add(2 * time.Second), "front", false}}
	if got := b.Transitions(); !slices.Equal(got, want) {
		t.Errorf("transitions %v", got)
	}
	b.Check(t)
}

func TestInput(t *testing.T) {
	t.Parallel()
	b := newBoard()
	if err := b.SetInput("front/contact", true); err != nil {
		t.Fatal(err)
	}
	var got []bool
	in := must(b.OpenInput("front/contact", func(active bool, at time.Time) { got = append(got, active) }))
	for _, active := range []bool{true, false, false, true} {
		if err := b.SetInput("front/contact", active); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
	in.Close()
	if err := b.SetInput("front/contact", false); err != nil {
		t.Fatal(err)
	}
	if want := []bool{true, false, true}; !slices.Equal(got, want) {
		t.Errorf("reported %v, want %v", got, want)
	}
	if b.Active("front/contact") || b.Active("nowhere") {
		t.Error("Active")
	}
	if err := b.SetInput("front", true); !errors.Is(err, sim.ErrNoLine) {
		t.Errorf("a relay driven as an input: %v", err)
	}
	b.Check(t)
}

// TestReportSetsRelay: a report may act on the board, as a REX without a
// controller's queue would.
func TestReportSetsRelay(t *testing.T) {
	t.Parallel()
	b := newBoard()
	r := must(b.OpenRelay("front"))
	in := must(b.OpenInput("front/rex", func(active bool, _ time.Time) { r.Set(active) }))
	b.SetInput("front/rex", true)
	b.SetInput("front/rex", false)
	in.Close()
	r.Close()
	if n := len(b.Transitions()); n != 2 {
		t.Errorf("%d transitions", n)
	}
	b.Check(t)
}

// TestViolations breaks each clause of the contract and finds it named; Check
// fails for each.
func TestViolations(t *testing.T) {
	t.Parallel()
	nothing := func(bool, time.Time) {}
	for _, c := range []struct {
		rule sim.Rule
		line string
		do   func(b *sim.Board) error
		err  error
	}{
		{sim.SetAfterClose, "front", func(b *sim.Board) error {
			r := must(b.OpenRelay("front"))
			r.Close()
			return r.Set(true)
		}, sim.ErrClosed},
		{sim.SetAfterClose, "front", func(b *sim.Board) error { // of an earlier owner
			r := must(b.OpenRelay("front"))
			r.Close()
			defer must(b.OpenRelay("front")).Close()
			return r.Set(true)
		}, sim.ErrClosed},
		{sim.SetAfterClose, "front", func(b *sim.Board) error {
			r := must(b.OpenRelay("front"))
			b.Kill()
			return r.Set(true)
		}, sim.ErrClosed},
		{sim.OpenTwice, "front", func(b *sim.Board) error {
			defer must(b.OpenRelay("front")).Close()
			_, err := b.OpenRelay("front")
			return err
		}, sim.ErrInUse},
		{sim.OpenTwice, "front/rex", func(b *sim.Board) error {
			defer must(b.OpenInput("front/rex", nothing)).Close()
			_, err := b.OpenInput("front/rex", nothing)
			return err
		}, sim.ErrInUse},
		{sim.OpenTwice, "front", func(b *sim.Board) error {
			defer must(b.OpenRelay("front")).Close()
			return b.SetSafe("back", "front")
		}, sim.ErrInUse},
		{sim.UnknownLine, "side", func(b *sim.Board) error { _, err := b.OpenRelay("side"); return err }, sim.ErrNoLine},
		{sim.UnknownLine, "front/rex", func(b *sim.Board) error { _, err := b.OpenRelay("front/rex"); return err }, sim.ErrNoLine},
		{sim.UnknownLine, "front", func(b *sim.Board) error { _, err := b.OpenInput("front", nothing); return err }, sim.ErrNoLine},
		{sim.UnknownLine, "side", func(b *sim.Board) error { return b.SetSafe("side") }, sim.ErrNoLine},
		{sim.EnergisedAtOpen, "front", func(b *sim.Board) error {
			must(b.OpenRelay("front")).Set(true)
			b.Kill()
			return must(b.OpenRelay("front")).Close()
		}, nil},
		{sim.EnergisedAtClose, "front", func(b *sim.Board) error {
			r := must(b.OpenRelay("front"))
			r.Set(true)
			return r.Close()
		}, nil},
	} {
		b := newBoard()
		err := c.do(b)
		if !errors.Is(err, c.err) {
			t.Errorf("%v: error %v, want %v", c.rule, err, c.err)
		}
		v := b.Violations()
		if len(v) != 1 || v[0].Rule != c.rule || v[0].Line != c.line {
			t.Errorf("%v: violations %v", c.rule, v)
		}
		var f failures
		if b.Check(&f); len(f.text) != 1 {
			t.Errorf("%v: Check said %q", c.rule, f.text)
		}
		if b.Energised("front") {
			t.Errorf("%v: the relay stays energised", c.rule)
		}
	}

	b := newBoard()
	r, in := must(b.OpenRelay("back")), must(b.OpenInput("front/rex", nothing))
	var f failures
	if b.Check(&f); len(f.text) != 2 {
		t.Errorf("lines left open: Check said %q", f.text)
	}
	r.Close()
	in.Close()
	b.Check(t)
}

func TestKill(t *testing.T) {
	t.Parallel()
	b := newBoard()
	must(b.OpenRelay("front")).Set(true)
	var n int
	must(b.OpenInput("front/rex", func(bool, time.Time) { n++ }))
	b.Kill()
	if !b.Energised("front") {
		t.Error("a killed process leaves its outputs as they were")
	}
	b.SetInput("front/rex", true)
	if n != 1 {
		t.Errorf("a dead process got %d reports", n)
	}
	if err := b.SetSafe("front", "back"); err != nil || b.Energised("front") {
		t.Errorf("SetSafe: %v", err)
	}
	must(b.OpenRelay("front")).Close()
	b.Check(t)
}

func TestFailSet(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, moved := range []bool{false, true} {
		b := newBoard()
		r := must(b.OpenRelay("front"))
		b.FailSet("front", broken, moved)
		if err := r.Set(true); !errors.Is(err, broken) || b.Energised("front") != moved {
			t.Errorf("moved %v: %v, energised %v", moved, err, b.Energised("front"))
		}
		if err := r.Set(false); err != nil || b.Energised("front") {
			t.Errorf("the fault stays: %v", err)
		}
		r.Close()
		b.Check(t)
	}
}

func TestNewPanics(t *testing.T) {
	t.Parallel()
	for _, cfg := range []sim.Config{{Relays: []string{""}}, {Relays: []string{"a", "a"}}, {Relays: []string{"a"}, Inputs: []string{"a"}},
		{Readers: []sim.Mount{{Door: "a"}, {Door: "a"}}}, {Channels: map[int]int{64: 0}}, {Channels: map[int]int{-1: 0}}, {Channels: map[int]int{0: 1001}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v was taken", cfg)
				}
			}()
			sim.New(cfg)
		}()
	}
}

// TestAlternates: whatever is done, a relay's transitions alternate, begin with
// energised, and agree with its state; and reports of an input alternate.
func TestAlternates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBoard()
		var r *sim.Relay
		var in *sim.Input
		var reports []bool
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				if r != nil {
					r.Set(rapid.Bool().Draw(t, "on"))
				}
			},
			"open": func(*rapid.T) {
				if got, err := b.OpenRelay("front"); err == nil {
					r = got
				}
			},
			"close": func(*rapid.T) {
				if r != nil {
					r.Close()
				}
			},
			"kill": func(*rapid.T) { b.Kill() },
			"safe": func(*rapid.T) { b.SetSafe("front") },
			"listen": func(*rapid.T) {
				if in == nil {
					in = must(b.OpenInput("front/rex", func(a bool, _ time.Time) { reports = append(reports, a) }))
				}
			},
			"drive": func(t *rapid.T) { b.SetInput("front/rex", rapid.Bool().Draw(t, "active")) },
			"": func(t *rapid.T) {
				want := true
				for _, tr := range b.Transitions() {
					if tr.Energised != want {
						t.Fatalf("transitions %v", b.Transitions())
					}
					want = !want
				}
				if b.Energised("front") == want {
					t.Fatal("transitions disagree with the state")
				}
				for i := range reports {
					if i > 0 && reports[i] == reports[i-1] {
						t.Fatalf("reports %v", reports)
					}
				}
			},
		})
	})
}

// TestConcurrent drives one input from many sides while it is opened and
// closed: levels still alternate and none comes after Close.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	b := sim.New(sim.Config{Inputs: []string{"in"}})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				b.SetInput("in", (n+i)%2 == 0)
			}
		})
	}
	for range 50 {
		var open, seen, last bool
		open = true
		in := must(b.OpenInput("in", func(active bool, _ time.Time) {
			if !open || seen && active == last {
				t.Errorf("open %v, reported %v after %v", open, active, last)
			}
			seen, last = true, active
		}))
		in.Close()
		open = false
	}
	wg.Wait()
	b.Check(t)
}
