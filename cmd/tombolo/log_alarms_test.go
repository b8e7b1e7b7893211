package main

import (
	"slices"
	"testing"

	"tombolo/sync/ledger"
)

// TestLogAlarms: what somebody has to look into, and its end; not what a start
// finds in order.
func TestLogAlarms(t *testing.T) {
	t.Parallel()
	b := newLogbook(t)
	fire := func(state string) ledger.Body { return &ledger.Line{Input: "fire", State: state} }
	door := func(state string) ledger.Body { return &ledger.DoorState{Door: "front", State: state} }
	b.write(&ledger.Boot{Software: "first", Clock: "ntp"},
		fire("normal"), &ledger.Line{Input: "tamper", Door: "front", State: "normal"}, &ledger.Line{Input: "contact", Door: "front", State: "normal"},
		&ledger.Decision{Seq: 1, Door: "front", Mode: "tap+wrong-pin", Passport: 7, Reason: "wrong-pin"},
		&ledger.Decision{Seq: 2, Door: "front", Mode: "tap+pin", Passport: 7, Reason: "locked-out"},
		door("forced-open"), door("lockdown"), door("lockdown-over"), door("locked"), door("unlocked"), door("locked"),
		fire("active"), door("released"),
		&ledger.Boot{Software: "second", Clock: "ntp"}, // during the fire
		door("released"), fire("normal"), door("locked"),
		&ledger.Line{Input: "rex", Door: "front", State: "shorted"}, &ledger.Line{Input: "rex", Door: "front", State: "active"},
		&ledger.Line{Input: "rex", Door: "front", State: "normal"},
		&ledger.Boot{Software: "third", Clock: "ntp"}, fire("normal"), &ledger.Line{Input: "mains", State: "active"})
	want := []string{"locked-out", "forced-open", "lockdown", "lockdown-over", "locked", "active", "released", "released", "normal", "locked", "shorted", "active"}
	for _, args := range [][]string{nil, {"-n", "100"}} {
		var got []string
		for _, r := range b.rows(append([]string{"--alarms"}, args...)...) {
			what := r.Outcome
			if r.Kind == "decision" {
				what = r.Reason
			}
			got = append(got, what)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q:\ngot  %q\nwant %q", args, got, want)
		}
	}
}
