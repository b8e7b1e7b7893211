package edge_test

import (
	"errors"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/passport"
)

// TestSignals: each side's reader shows what became of whoever stands at it.
func TestSignals(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "pre_alarm = \"10s\""), policyDoor("back", "")}, func(r *rig) {
		r.expectShown("at the start", "front/in", "")
		r.show("front", false, r.code())
		r.expectShown("let in", "front/in", "granted")
		r.show("front", false, []byte("garbage"))
		r.expectShown("refused", "front/in", "denied")
		r.show("front", true, []byte("garbage"))
		r.expectShown("let out", "front/out", "granted")
		r.expectShown("let out", "front/in", "")
		r.show("back", true, nil) // has no reader on the way out
		r.expectShown("let out at the back", "back/in", "")
		r.people.err = errors.New("a damaged row")
		r.show("front", false, r.code())
		r.expectShown("the gateway cannot decide", "front/in", "offline")
		r.people.err = nil

		r.show("front", false, r.code())
		r.showed("front/in")
		r.input("front", panel.Contact, door.LineActive)
		time.Sleep(20*time.Second - settled)
		r.expectShown("open, and not for long", "front/in", "")
		time.Sleep(settled + late)
		r.expectShown("left open", "front/in", "left_open…")
		r.expectShown("left open", "front/out", "left_open…")
		r.show("front", false, r.code())
		r.expectShown("let in meanwhile", "front/in", "granted")
		time.Sleep(20 * time.Second)
		r.expectShown("held open by now, and shown already", "front/in", "")
		r.input("front", panel.Contact, door.LineNormal)
		r.expectShown("closed", "front/in", "none…")
		r.expectShown("closed", "front/out", "none…")

		r.people.change(func() { r.people.view.Policy = nil })
		r.show("front", false, r.code())
		r.expectShown("no policy", "front/in", "offline")
		r.show("front", false, r.code())
		r.expectShown("by the built-in pattern", "front/in", "offline")
	})
}

// TestSignalsOfCompany: who has to wait for somebody sees it, and so does
// everybody when nobody comes.
func TestSignalsOfCompany(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "two_person = true\ncompany_time = \"10s\""), policyDoor("back", "")}, func(r *rig) {
		other := softKey(t, passport.KindHalo, 9)
		r.people.change(func() { r.admit(other, 8, passport.ModeTap) })
		r.expect("the first", r.tap("front", "front", r.card), false, access.AwaitsSecond)
		r.expectShown("the first", "front/in", "wait…")
		r.expect("the same one's phone", r.tap("front", "front", r.phone), false, access.AwaitsSecond)
		r.expectShown("the same one's phone", "front/in", "")
		r.journal.take()
		r.present("front", "front", other)
		r.recorded("the second", "granted 3 granted, unlocked, granted 4 granted")
		r.expectShown("the second", "front/in", "granted, granted, none…")
		time.Sleep(10 * time.Second)
		r.present("front", "front", r.card)
		r.showed("front/in")
		time.Sleep(11 * time.Second)
		r.expectShown("nobody comes", "front/in", "denied, none…")
		if r.unlocked("front") {
			t.Error("let in alone")
		}
	})
}

// TestPolicysPatterns: a policy says what readers show, from the moment it holds.
func TestPolicysPatterns(t *testing.T) {
	t.Parallel()
	patterns := "[feedback]\ngranted = \"blue 100ms\"\nkey = \"white 20ms\"\n"
	bubble(t, []string{policyDoor("front", ""), patterns}, func(r *rig) {
		r.show("front", false, r.code())
		r.keys("front", false, "1")
		r.expectShown("its own", "front/in", "blue 100ms, white 20ms")
		r.people.change(func() { r.people.view.Policy = parsePolicy(t, policyDoor("front", "")) })
		r.keys("front", false, "1")
		r.show("front", false, r.code())
		r.expectShown("and another's", "front/in", "key, granted")
	})
}
