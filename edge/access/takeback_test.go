package access_test

import (
	"testing"

	"tombolo/edge/access"
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
