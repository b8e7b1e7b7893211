package door_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/door"
)

func drawConfig(t *rapid.T) door.Config {
	span := func(what string, low, high int) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, what)) * 100 * time.Millisecond
	}
	c := door.Config{
		Strike: span("strike", 1, 100), HeldOpen: span("held open", 1, 400),
		Relock:     door.Relock(rapid.IntRange(0, int(door.RelockClose)).Draw(t, "relock")),
		Operator:   door.Operator(rapid.IntRange(0, int(door.OperatorExtended)).Draw(t, "operator")),
		HasContact: rapid.IntRange(0, 5).Draw(t, "contact") > 0,
	}
	c.ExtendedStrike = c.Strike + span("extended strike", 0, 100)
	c.ExtendedHeldOpen = c.HeldOpen + span("extended held open", 0, 400)
	if rapid.Bool().Draw(t, "pre-alarm") {
		c.PreAlarm = c.HeldOpen / 3
	}
	return c
}

// event draws what happens next: often a tick in time, as a faithful owner
// gives it, sometimes something late.
func (m *model) event(t *rapid.T) door.Event {
	e := door.Event{At: m.now, Kind: door.Tick}
	if wake, ok := m.state.Wake(); ok && rapid.Bool().Draw(t, "in time") {
		e.At = wake
	} else {
		unit := rapid.SampledFrom([]time.Duration{time.Millisecond, 100 * time.Millisecond}).Draw(t, "unit")
		e.At += time.Duration(rapid.IntRange(0, 120).Draw(t, "later")) * unit
		e.Kind = rapid.SampledFrom([]door.Kind{door.Granted, door.Granted, door.Granted, door.Shunt, door.Opened, door.Opened, door.Closed, door.Closed,
			door.Tick, door.AtStart, door.Cancelled, door.Hold, door.Unhold, door.Unhold}).Draw(t, "kind")
	}
	if rapid.IntRange(0, 200).Draw(t, "stop") == 200 {
		e.Kind = door.Stopped
	}
	switch e.Kind {
	case door.Granted:
		m.seq++
		sort := rapid.IntRange(0, 7).Draw(t, "sort")
		e.Grant = door.Grant{Seq: m.seq, Exit: sort&1 != 0, Kept: sort&2 != 0, Extended: sort&4 != 0}
	case door.Hold, door.Unhold:
		e.Hold = rapid.SampledFrom([]door.Holding{door.HoldSchedule, door.HoldFire}).Draw(t, "hold")
	case door.AtStart:
		e.Open = rapid.Bool().Draw(t, "open")
	}
	return e
}

// TestProperties: over random events, in time and late, every promise of the
// package doc holds after every step, and each grant ends in one Enter or Lapse.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawConfig(t))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.step(t, m.event(t))
		}
		for _, h := range []door.Holding{door.HoldSchedule, door.HoldFire} {
			m.step(t, door.Event{At: m.now, Kind: door.Unhold, Hold: h})
		}
		m.step(t, door.Event{At: m.now + time.Hour, Kind: door.Tick})
		for i := uint64(1); i <= m.seq; i++ {
			if m.settled[i] != 1 {
				t.Fatalf("grant %d was settled %d times", i, m.settled[i])
			}
		}
		if _, ok := m.state.Wake(); ok || m.unlocked {
			t.Fatalf("an hour later: %+v", m.state)
		}
		m.step(t, door.Event{At: m.now, Kind: door.Closed})
		if !m.stopped && m.state != (door.State{}) {
			t.Fatalf("at rest: %+v", m.state)
		}
	})
}

// TestTimer: with RelockTimer the lock is open exactly as long as a strike or a
// hold lasts, whatever the door does.
func TestTimer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		c.Relock = door.RelockTimer
		m := newModel(c)
		var entry, kept time.Duration
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			e := m.event(t)
			if e.Kind == door.Stopped {
				continue
			}
			m.step(t, e)
			switch strike := c.Strike; e.Kind {
			case door.Granted:
				if e.Grant.Extended {
					strike = c.ExtendedStrike
				}
				if e.Grant.Exit || e.Grant.Kept {
					kept = max(kept, e.At+strike)
				} else {
					entry = max(entry, e.At+strike)
				}
			case door.Cancelled:
				entry = 0
			}
			if want := m.held() || e.At < max(entry, kept); m.unlocked != want {
				t.Fatalf("unlocked %v at %v; entries until %v, exits and homes until %v, held %v", m.unlocked, e.At, entry, kept, m.held())
			}
		}
	})
}

// TestTicksAddNothing: a tick does what the next event would have done first,
// so an owner that ticks more often than it is asked to changes nothing.
func TestTicksAddNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawConfig(t))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			m.step(t, m.event(t))
		}
		e := m.event(t)
		between := m.now + time.Duration(rapid.Int64Range(0, int64(e.At-m.now)).Draw(t, "between"))
		ticked, _ := door.Step(m.c, m.state, door.Event{At: between, Kind: door.Tick})
		ticked, _ = door.Step(m.c, ticked, e)
		if direct, _ := door.Step(m.c, m.state, e); direct != ticked {
			t.Fatalf("after %v at %v\nwith a tick at %v: %+v\nwithout: %+v", e.Kind, e.At, between, ticked, direct)
		}
	})
}

// TestContactComesAndGoes: a line that is cut and mended takes back no passage:
// each grant ends once, and nobody waits at a door without a contact.
func TestContactComesAndGoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawConfig(t))
		settled := map[uint64]int{}
		step := func(e door.Event) {
			var actions []door.Action
			m.state, actions = door.Step(m.c, m.state, e)
			m.now = e.At
			for _, a := range actions {
				if a.Do == door.Enter || a.Do == door.Lapse {
					settled[a.Grant.Seq]++
				}
			}
			if m.c.HasContact {
				return
			}
			for i := uint64(1); i <= m.seq; i++ {
				if settled[i] != 1 {
					t.Fatalf("without a contact grant %d was settled %d times", i, settled[i])
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.c.HasContact = rapid.IntRange(0, 4).Draw(t, "contact") > 0
			step(m.event(t))
		}
		m.c.HasContact = false
		step(door.Event{At: m.now, Kind: door.Tick})
	})
}

// TestConfigMayChange: whatever changes between two steps, nothing stays
// unlocked for longer than the longest that any of the policies allows.
func TestConfigMayChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(drawConfig(t))
		contact := m.c.HasContact
		longest := time.Duration(0)
		since := time.Duration(0) // the last event that may unlock
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "change") == 0 {
				m.c = drawConfig(t)
				m.c.HasContact = contact
			}
			longest = max(longest, m.c.ExtendedStrike, m.c.ExtendedHeldOpen)
			e := m.event(t)
			if m.state, _ = door.Step(m.c, m.state, e); e.Kind != door.Tick && e.Kind != door.Cancelled && e.Kind != door.Shunt {
				since = e.At
			}
			m.now = e.At
			if at, ok := m.state.Deadline(); ok && (at <= e.At || at > since+longest) {
				t.Fatalf("unlocked until %v, %v after what may unlock; at most %v is allowed", at, at-since, longest)
			}
		}
	})
}
