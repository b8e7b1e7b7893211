package roster_test

import (
	"testing"

	"tombolo/edge/access"
	"tombolo/sync/ledger"
)

// TestCharterThenClock: a charter that makes everything again arrives together
// with the clock by which orders are to be played again.
func TestCharterThenClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	steward, r := w.steward(), w.open()
	steward.write(policyEntry(1, ""), &ledger.Lockdown{Ends: w.now.Add(day).Unix()})
	w.arriveAll()
	w.projectAt(r, access.Clock{Now: w.now}) // no clock: nobody can tell whether it is dated ahead
	w.recharter(func(*ledger.Charter) {})
	if v := w.project(r); !v.LockedDown("front", known(w.now)) {
		t.Error("the lockdown is gone")
	}
}
