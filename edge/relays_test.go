package edge_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge/door"
	"tombolo/edge/panel"
)

// TestOperator: a grant swings the automatic door once the bolt has drawn back,
// and not where the policy says never; forced open sounds until it is closed.
func TestOperator(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		start := time.Now()
		r.show("front", false, r.code())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		var on, off time.Duration
		for _, m := range r.board.Transitions() {
			switch {
			case m.Relay == "operator" && m.Energised:
				on = m.At.Sub(start)
			case m.Relay == "operator":
				off = m.At.Sub(start)
			}
		}
		if on < door.OperatorDelay || on > door.OperatorDelay+late || off-on < door.OperatorPulse-late || off-on > door.OperatorPulse+late {
			t.Errorf("the operator was on from %v to %v", on, off)
		}
		r.input("front", panel.Contact, door.LineActive)
		if !r.board.Energised("sounder") {
			t.Error("forced open, and silent")
		}
		r.input("front", panel.Contact, door.LineNormal)
		if r.board.Energised("sounder") {
			t.Error("closed, and loud")
		}
		r.input("front", panel.Contact, door.LineActive)
		r.show("front", false, r.code())
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if !r.board.Energised("sounder") || !r.board.Energised("operator") {
			t.Fatal("the sounder and the operator are off")
		}
		r.stop()
		if r.board.Energised("sounder") || r.board.Energised("operator") {
			t.Error("on after the end")
		}
	}, automatic)
	bubble(t, []string{policyDoor("front", `operator = "never"`)}, func(r *rig) {
		r.show("front", false, r.code())
		time.Sleep(10 * time.Second)
		for _, m := range r.board.Transitions() {
			if m.Relay == "operator" {
				t.Errorf("the operator moved: %v", m)
			}
		}
	}, automatic)
}

// TestOutputFault: every relay of a door has its own fault, keeps nothing else
// from moving, and is brought to what it should be by now.
func TestOutputFault(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{false, true} {
		bubble(t, bothDoors, func(r *rig) {
			r.journal.take()
			r.board.FailSet("operator", errors.New("stuck"), moved)
			r.show("front", false, r.code())
			if !r.unlocked("front") {
				t.Error("the lock waits for the operator")
			}
			time.Sleep(time.Second)
			r.recorded("switched on", "granted 1 granted, unlocked, fault door/front/operator")
			time.Sleep(10 * time.Second)
			r.recorded("it obeys", "cleared door/front/operator, locked, lapsed 1")
			if r.board.Energised("operator") {
				t.Error("the operator is left on")
			}

			r.board.FailSet("sounder", errors.New("stuck"), moved)
			r.input("front", panel.Contact, door.LineActive)
			r.recorded("the sounder fails", "fault door/front/sounder, front contact active, forced-open")
			time.Sleep(3 * time.Second)
			r.recorded("it obeys", "cleared door/front/sounder")
			if !r.board.Energised("sounder") {
				t.Error("silent")
			}
			r.board.FailSet("sounder", errors.New("stuck"), moved)
			r.input("front", panel.Contact, door.LineNormal)
			r.board.FailSet("sounder", errors.New("stuck"), false)
			time.Sleep(1500 * time.Millisecond)
			r.recorded("one fault, however often it is tried", "fault door/front/sounder, front contact normal, locked")
			time.Sleep(3 * time.Second)
			r.recorded("it obeys", "cleared door/front/sounder")
			if r.board.Energised("sounder") {
				t.Error("loud")
			}
		}, automatic)
	}
}
