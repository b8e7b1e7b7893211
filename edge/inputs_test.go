package edge_test

import (
	"testing"
	"time"

	"tombolo/edge"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/sync/ledger"
)

// line is a plain input's.
func line(active bool) door.Line { return door.LineOf(active) }

// TestBounce: a contact that bounces as it closes is no door forced open, a
// button that does lets out once, and what lasts no longer than bounce is nothing.
func TestBounce(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		bounce := func(i panel.Input, end bool) (since time.Time) {
			t.Helper()
			for _, level := range []bool{end, !end, end, !end, end} {
				if err := r.Input(r.ctx, "front", i, line(level), false); err != nil {
					t.Fatal(err)
				}
				since = time.Now()
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(time.Second)
			return since
		}
		rest := bounce(panel.Rex, true)
		moved := r.board.Transitions()
		if after := moved[len(moved)-1].At.Sub(rest); after < door.SettleTime || after > settled {
			t.Errorf("let out %v after the button came to rest", after)
		}
		bounce(panel.Rex, false)
		r.recorded("the button", "front rex active, granted 1 exit, unlocked, front rex normal")
		bounce(panel.Contact, true)
		time.Sleep(10 * time.Second)
		bounce(panel.Contact, false)
		r.recorded("the door", "front contact active, entered 1, open, front contact normal, locked")
		// Let go and pressed again: two presses, and each lets out.
		bounce(panel.Rex, true)
		bounce(panel.Rex, false)
		bounce(panel.Rex, true)
		r.input("front", panel.Rex, door.LineNormal)
		time.Sleep(10 * time.Second)
		r.recorded("pressed twice", "front rex active, granted 2 exit, unlocked, front rex normal, "+
			"front rex active, granted 3 exit, front rex normal, locked, lapsed 2, lapsed 3")
		for _, i := range []panel.Input{panel.Contact, panel.Rex} {
			for _, active := range []bool{true, false} {
				_ = r.Input(r.ctx, "front", i, line(active), false)
				time.Sleep(door.SettleTime - late)
			}
			time.Sleep(time.Second)
		}
		r.recorded("a jerk", "")
	})
}

// TestPresses: a press keeps its length in the log, so that 50 ms and 400 ms are
// told apart.
func TestPresses(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		for _, length := range []time.Duration{50 * time.Millisecond, 400 * time.Millisecond} {
			r.journal.take()
			_ = r.Input(r.ctx, "front", panel.Rex, door.LineActive, false)
			time.Sleep(length)
			r.input("front", panel.Rex, door.LineNormal)
			var at []time.Time
			for _, rec := range r.journal.take() {
				if _, ok := rec.body.(*ledger.Line); ok {
					at = append(at, rec.at)
				}
			}
			if len(at) != 2 || (at[1].Sub(at[0])-length).Abs() > late {
				t.Errorf("a press of %v stands in the log at %v", length, at)
			}
		}
	})
}

// TestInputs: the gateway's own lines, and what is wrong with a line, reach the
// panel; fire opens what the policy names.
func TestInputs(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "fire_release = true"), policyDoor("back", "")}, func(r *rig) {
		r.journal.take()
		r.input("", panel.Fire, door.LineActive)
		if !r.unlocked("front") || r.unlocked("back") {
			t.Error("fire does not open what the policy names")
		}
		time.Sleep(time.Minute)
		if !r.unlocked("front") {
			t.Error("fire goes on")
		}
		r.input("", panel.Fire, door.LineNormal)
		if r.unlocked("front") {
			t.Error("the fire is over")
		}
		r.recorded("fire", "fire active, released, fire normal, locked")
		r.input("", panel.Mains, door.LineActive)
		r.input("front", panel.Contact, door.LineCut)
		r.input("", panel.Mains, door.LineNormal)
		r.recorded("troubles", "mains active, fault mains, front contact cut, fault door/front/contact, mains normal, cleared mains")
	})
}

// TestRex: the button lets out with or without a policy; one that need not
// unlock only keeps the opening from being reported as forced.
func TestRex(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", `rex = "shunt"`), policyDoor("back", "")}, func(r *rig) {
		r.journal.take()
		press := func(door string) {
			t.Helper()
			for _, active := range []bool{true, false} {
				r.input(door, panel.Rex, line(active))
				time.Sleep(time.Second)
			}
		}
		press("front")
		if r.unlocked("front") {
			t.Error("a shunt unlocked")
		}
		r.input("front", panel.Contact, door.LineActive)
		r.recorded("shunted", "front rex active, front rex normal, front contact active, open")
		press("back")
		if !r.unlocked("back") {
			t.Error("not let out")
		}
		r.recorded("let out", "back rex active, granted 1 exit, unlocked, back rex normal")
		r.people.change(func() { r.people.view.Policy = nil })
		if err := r.Refresh(r.ctx); err != nil {
			t.Fatal(err)
		}
		press("front")
		if !r.unlocked("front") {
			t.Error("not let out without a policy")
		}
	})
}

// TestContactAtStart: a door that is found open is not accused.
func TestContactAtStart(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		_ = r.Input(r.ctx, "front", panel.Contact, door.LineActive, true)
		_ = r.Input(r.ctx, "back", panel.Contact, door.LineNormal, true)
		_ = r.Input(r.ctx, "back", panel.Rex, door.LineActive, true)
		r.recorded("found", "front contact active, open, back contact normal, back rex active")
		time.Sleep(time.Minute)
		r.recorded("and left", "held-open")
		r.input("nowhere", panel.Contact, door.LineActive)
		r.input("nowhere", panel.Rex, door.LineActive)
		r.input("front", 200, door.LineActive)
		_ = r.Code(r.ctx, "nowhere", false, r.code())
		_ = r.Key(r.ctx, "nowhere", false, '1')
		r.recorded("a door that is not there", "")
	}, func(r *rig, _ *edge.Config) { r.inputs = nil })
}
