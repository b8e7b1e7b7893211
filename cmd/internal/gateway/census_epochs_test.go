package gateway

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestManyEpochs: an issuer that opens epochs without end fills no disk and keeps no
// other epoch from being reported.
func TestManyEpochs(t *testing.T) {
	t.Parallel()
	i := visited(t, 2)
	first := *i.opened
	var more []ledger.Body
	for n := range 40 {
		e := first
		e.Sample += uint32(n) + 1 // with the one offer
		more = append(more, &e)
	}
	i.write(ledger.CommunityLog, more...)
	i.carry()
	k := i.gws[0]
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	if _, all := k.report(); len(all) != maxEpochs || all[0].Epoch != first.ID() {
		t.Errorf("%d reports", len(all))
	}
	if told := strings.Join(k.faults, "\n"); !strings.Contains(told, "41 epochs have closed and are not audited yet, and at most 16 are reported") {
		t.Errorf("faults %q", told)
	}
	var rows int
	if err := r.db.QueryRow("SELECT count(DISTINCT epoch) FROM presence").Scan(&rows); err != nil || rows != maxEpochs {
		t.Errorf("presences of %d epochs are kept, %v", rows, err)
	}
}

// TestFarEpochs: what closes in a thousand years is not of today.
func TestFarEpochs(t *testing.T) {
	t.Parallel()
	i := visited(t, 1)
	far := *i.opened
	far.Closes, far.Audit = 253402300000, 253402300799
	copy(far.Offer[:], ed25519.Sign(i.evaluator, far.OfferText(i.community)))
	i.write(ledger.CommunityLog, &far)
	i.carry()
	k := i.gws[0]
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	if _, all := k.report(); len(all) != 1 || len(k.faults) != 0 {
		t.Errorf("%d reports, faults %v", len(all), k.faults)
	}
	if s := yes(r.status("gw")); len(s.Epochs) != 2 || s.Epochs[1].State != "open" {
		t.Errorf("%+v", s)
	}
}

// TestOverlap: somebody who came while two epochs were open has a tag in each, and
// nothing in the reports links the two.
func TestOverlap(t *testing.T) {
	t.Parallel()
	i := visited(t, 5)
	k := i.gws[0]
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	first := i.opened
	i.key = yes(census.NewKey(rand.Reader))
	i.now = i.now.Add(time.Minute)
	i.open(1)
	look(t, r, never())
	lists, all := k.report()
	if len(all) != 2 || all[0].Epoch != first.ID() || all[1].Epoch != i.opened.ID() {
		t.Fatalf("%d reports: %v", len(all), k.faults)
	}
	i.holds(lists[1], all[1], i.people...)
	for half := range slices.Chunk(lists[0], 32) {
		if bytes.Contains(lists[1], half) {
			t.Error("two epochs have something in common")
		}
	}
}
