package roster_test

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestCharterBesideOrderAhead: a charter that makes everything again comes with
// an order that is dated ahead, which is played again as well.
func TestCharterBesideOrderAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	steward, r := w.steward(), w.open()
	steward.write(policyEntry(1, ""))
	w.arriveAll()
	w.project(r)
	now := w.now
	w.now = now.Add(time.Hour) // of a steward whose clock is ahead
	steward.write(&ledger.Lockdown{Ends: now.Add(day).Unix()})
	w.now = now
	w.arriveAll()
	w.recharter(func(*ledger.Charter) {})
	if v := w.project(r); !v.LockedDown("front", known(w.now)) {
		t.Error("the lockdown is gone")
	}
}
