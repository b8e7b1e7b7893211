package edge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/sync/ledger"
)

// TestClockStep: a clock that is set is recorded, and lengthens no strike.
func TestClockStep(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		r.show("front", false, r.code())
		r.journal.take()
		was := r.clock().Now
		r.set(func() { r.offset = -time.Hour })
		time.Sleep(2 * time.Second)
		steps := r.journal.take()
		if len(steps) != 1 {
			t.Fatalf("recorded %s", words(steps))
		}
		s := steps[0].body.(*ledger.ClockStep)
		if s.From-s.To != time.Hour.Milliseconds() || s.From < was.UnixMilli() || s.From > was.Add(time.Second).UnixMilli() {
			t.Errorf("%+v", s)
		}
		if steps[0].at.UnixMilli() != s.To {
			t.Errorf("stands in the log at %v, and says %+v", steps[0].at, s)
		}
		time.Sleep(3*time.Second + late + door.SettleTime)
		synctest.Wait()
		if r.unlocked("front") {
			t.Error("a clock that was set back lengthened the strike")
		}
		r.recorded("and the door", "locked, lapsed 1")
	})
}

// TestClockTolerance: the log's clock runs with the monotonic one as long as the
// system's keeps near it, and is set once it does not.
func TestClockTolerance(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		began := time.Now()
		at := func(what string) time.Duration {
			t.Helper()
			r.journal.take()
			r.input("front", panel.Contact, door.LineActive)
			r.input("front", panel.Contact, door.LineNormal)
			records := r.journal.take()
			for i, rec := range records {
				if i > 0 && rec.at.Before(records[i-1].at) {
					t.Errorf("%s: the log's clock went back: %s", what, words(records))
				}
			}
			return records[0].at.Sub(began) - time.Since(began) + settled
		}
		if off := at("as it is").Abs(); off > late {
			t.Errorf("off by %v", off)
		}
		for _, offset := range []time.Duration{500 * time.Millisecond, -500 * time.Millisecond, 0} {
			r.set(func() { r.offset = offset })
			time.Sleep(5 * time.Second)
			r.recorded("half a second is no step", "")
			if off := at("half a second").Abs(); off > settled {
				t.Errorf("off by %v: the log's clock follows one that is adjusted", off)
			}
		}
		r.set(func() { r.offset = 501 * time.Millisecond })
		time.Sleep(time.Second)
		r.recorded("a millisecond more is", "ClockStep")
		if off := at("set") - 501*time.Millisecond; off.Abs() > settled {
			t.Errorf("off by %v from what it was set to", off)
		}
	})
}

// TestClockIsFollowedAtOnce: whoever presents right after the clock was set is
// judged by the new time, and a time is never trusted as its successor is.
func TestClockIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.set(func() { r.trust, r.offset = access.TrustUnknown, -20*365*24*time.Hour })
		time.Sleep(5 * time.Second)
		r.expect("without a clock", r.show("front", false, r.code()), false, access.ClockUnknown)
		r.set(func() { r.trust, r.offset = access.TrustNTP, 0 })
		r.journal.take()
		if err := r.Code(r.ctx, "front", false, r.code()); err != nil {
			t.Fatal(err)
		}
		r.recorded("at once", "ClockStep, basis ntp, granted 2 granted, unlocked")
		time.Sleep(10 * time.Second)
		r.journal.take()
		r.set(func() { r.trust = access.TrustFloor })
		time.Sleep(time.Second)
		r.recorded("within a second without anybody", "basis floor")
	})
}

// TestClockIsLost: a time that comes with less trust is at no moment trusted as
// the one before it: no hours of it open a door.
func TestClockIsLost(t *testing.T) {
	t.Parallel()
	hours := "[schedules.open]\nweek = [\"mon-fri 08:00-18:00\"]\n"
	bubble(t, []string{hours, policyDoor("front", `unlock = "open"`)}, func(r *rig) {
		r.journal.take()
		monday := 2*24*time.Hour + 10*time.Hour // the bubble begins on a Saturday
		r.set(func() { r.trust, r.offset = access.TrustUnknown, monday })
		time.Sleep(time.Second)
		r.recorded("set to within the hours, and not to be believed", "basis unknown, ClockStep")
		r.set(func() { r.trust = access.TrustNTP })
		time.Sleep(time.Second)
		r.recorded("to be believed", "basis ntp, free")
		if !r.unlocked("front") {
			t.Error("not open in its hours")
		}
	})
}

// TestRefresh takes in a new view and a new trust at once, and says nothing where
// there is nothing new.
func TestRefresh(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		refresh := func(what, want string) {
			t.Helper()
			if err := r.Refresh(r.ctx); err != nil {
				t.Fatal(err)
			}
			r.recorded(what, want)
		}
		refresh("nothing new", "")
		before := r.Generation()
		r.people.change(func() { r.people.view.Lockdowns = map[string]int64{"front": time.Now().Add(time.Minute).Unix()} })
		refresh("a lockdown", "basis ntp, lockdown")
		if r.Generation() != before+1 {
			t.Errorf("generation %d", r.Generation())
		}
		r.set(func() { r.trust = access.TrustRTC })
		refresh("another trust", "basis rtc")
		refresh("and nothing new", "")
		r.expect("it counts", r.show("front", false, r.code()), false, access.Lockdown)
		r.journal.take()
		time.Sleep(time.Minute + time.Second)
		r.recorded("its end needs nobody", "lockdown-over")
	})
}

// TestPresenceOverRestart: what the door log says of people holds in the next
// run, counted by the times that stand there.
func TestPresenceOverRestart(t *testing.T) {
	t.Parallel()
	const hard = "[zones.cellar]\nantipassback = \"hard\"\n"
	doors := []string{hard, policyDoor("front", ""), cellar}
	presence := access.NewPresence()
	fold := func(r *rig) {
		for _, rec := range r.journal.take() {
			presence.Apply(rec.at.UnixMilli(), rec.body)
		}
	}
	bubble(t, doors, func(r *rig) {
		r.present("back", "back", r.card)
		r.input("back", panel.Contact, door.LineActive)
		r.input("back", panel.Contact, door.LineNormal)
		fold(r)
		r.expect("inside already", r.tap("back", "back", r.phone), false, access.Passback)
		fold(r)
	})
	bubble(t, doors, func(r *rig) {
		r.expect("and after a restart", r.tap("back", "back", r.card), false, access.Passback)
		r.expect("at another zone's door", r.tap("front", "front", r.card), true, access.Granted)
	}, func(_ *rig, cfg *edge.Config) { cfg.Presence = presence })
}

// cellar is the back door, into a zone of its own.
const cellar = `[doors.back]
gateway = "gw1"
from = "street"
to = "cellar"
stale = "allow"
mechanical_exit = true
`
