package access_test

import (
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// TestPassTakenBack: an entry of a guest pass is given back when the decision that
// it was spent on is taken back, once, and never after a passage or in another run.
func TestPassTakenBack(t *testing.T) {
	t.Parallel()
	used := &ledger.PassUsed{Pass: pass, Seq: 5}
	granted := &ledger.Decision{Seq: 5, Door: "front", Mode: "tap", Granted: true, Reason: access.Guest.String(), Passport: 7}
	refused := &ledger.Decision{Seq: 5, Door: "front", Mode: "tap", Reason: access.NotRecorded.String(), Passport: 7}
	for _, tt := range []struct {
		name string
		log  []ledger.Body
		want uint32
	}{
		{"used", []ledger.Body{used, granted}, 1},
		{"taken back", []ledger.Body{used, granted, refused}, 0},
		{"taken back, and the grant was lost", []ledger.Body{used, refused}, 0},
		{"taken back once", []ledger.Body{used, granted, refused, refused}, 0},
		{"another decision", []ledger.Body{used, granted, &ledger.Decision{Seq: 6, Door: "front", Mode: "tap", Reason: "no-level", Passport: 7}}, 1},
		{"after the passage", []ledger.Body{used, granted, &ledger.Passage{Seq: 5, Door: "front", Entered: true}, refused}, 1},
		{"nobody passed", []ledger.Body{used, granted, &ledger.Passage{Seq: 5, Door: "front"}, refused}, 1},
		{"after a restart", []ledger.Body{used, granted, &ledger.Boot{}, refused}, 1},
		{"of two the one", []ledger.Body{&ledger.PassUsed{Pass: pass, Seq: 4}, used, granted, refused}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := access.NewPresence()
			for i, b := range tt.log {
				p.Apply(int64(i), b)
			}
			if got := p.Used(pass); got != tt.want {
				t.Errorf("spent %d times, want %d", got, tt.want)
			}
		})
	}
}

// TestSetBack: what is remembered of a time that the clock no longer shows counts
// from when it was set.
func TestSetBack(t *testing.T) {
	t.Parallel()
	const hour = 3600_000
	b := &access.Basis{Policy: &policy.Policy{Lockout: policy.Lockout{After: 1, For: 300_000_000_000}}}
	wrong := &ledger.Decision{Seq: 1, Door: "front", Mode: "tap+wrong-pin", Reason: access.WrongPin.String(), Passport: 7}
	p := access.NewPresence()
	p.Apply(10*hour, wrong)
	p.Apply(2*hour, &ledger.ClockStep{From: 10 * hour, To: 2 * hour})
	for _, tt := range []struct {
		at   int64
		want bool
	}{{2 * hour, true}, {2*hour + 299_999, true}, {2*hour + 300_000, false}, {10 * hour, false}} {
		if got := p.LockedOut(b, 7, tt.at); got != tt.want {
			t.Errorf("at %d locked out: %v", tt.at, got)
		}
	}
	p.Apply(3*hour, wrong)
	p.Apply(9*hour, &ledger.ClockStep{From: 3 * hour, To: 9 * hour})
	if p.LockedOut(b, 7, 9*hour) {
		t.Error("a clock that is set forward brings the past along")
	}
}
