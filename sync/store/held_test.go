package store

import (
	"testing"

	"tombolo/sync/ledger"
)

func TestHeld(t *testing.T) { both(t, testHeld) }

func testHeld(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 20)
	i := held(t, s, a.Head().Origin)
	cosigned := func(size int64, at uint64, roles ...ledger.Role) ledger.Head {
		t.Helper()
		note := signed(t, s, i, size, 1).Note
		var by []ledger.Cosigner
		for _, role := range roles {
			key := testKey("peer " + string(role))
			var err error
			if note, err = ledger.Cosign(note, role, key, at); err != nil {
				t.Fatal(err)
			}
			by = append(by, ledger.Cosigner{Role: role, Key: public(key)})
		}
		head, err := ledger.OpenHead(note, public(testKey("author")), by...)
		if err != nil {
			t.Fatal(err)
		}
		return head
	}
	gw1, gw2 := ledger.KeyID{1}, ledger.KeyID{2}
	for _, c := range []struct {
		peer ledger.KeyID
		head ledger.Head
		seen int64
	}{
		{gw2, cosigned(5, 100, ledger.RoleHold), 1},
		{gw1, cosigned(10, 100, ledger.RoleHold, ledger.RoleWitness), 2},
		{gw1, cosigned(9, 200, ledger.RoleHold), 3},                              // a replay of less
		{gw1, cosigned(10, 90, ledger.RoleHold), 4},                              // of no more, and older
		{gw1, cosigned(20, 50, ledger.RoleHold), 5},                              // more, by a clock that was set back
		{gw1, cosigned(10, 101, ledger.RoleWitness), 6},                          // the same, newer
		{gw2, cosigned(20, 100, ledger.RoleHeartbeat), 7},                        // holds nothing
		{gw2, cosigned(6, 1<<63+5, ledger.RoleHold), 8},                          // beyond any clock
		{ledger.KeyID{3}, signed(t, s, i, 20, 1), 9},                             // signed by nobody
		{gw2, cosigned(6, 1<<63+5, ledger.RoleHold), 10},                         // again
		{gw2, cosigned(7, 1, ledger.RoleHeartbeat, ledger.RoleWitness), 11},      // one of the two counts
		{gw2, cosigned(7, 1, ledger.RoleHeartbeat, ledger.RoleWitness), 1 << 40}, // again
	} {
		if err := s.AddHeld(c.peer, c.head, c.seen); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Held(i.Origin)
	if err != nil {
		t.Fatal(err)
	}
	want := []HeldBy{
		{gw1, ledger.RoleHold, 20, 50, 5, nil}, {gw1, ledger.RoleWitness, 10, 101, 6, nil},
		{gw2, ledger.RoleHold, 6, 1<<63 - 1, 8, nil}, {gw2, ledger.RoleWitness, 7, 1, 11, nil},
	}
	if len(all) != len(want) {
		t.Fatalf("%+v", all)
	}
	for n, h := range all {
		key := public(testKey("peer " + string(h.Role)))
		head, err := ledger.OpenHead(h.Note, public(testKey("author")), ledger.Cosigner{Role: h.Role, Key: key})
		if err != nil || len(head.Others) != 1 || head.Size != h.Size {
			t.Errorf("the note of %+v does not say so: %v", h, err)
		}
		if h.Note = nil; h.Peer != want[n].Peer || h.Role != want[n].Role || h.Size != want[n].Size || h.Time != want[n].Time || h.Seen != want[n].Seen {
			t.Errorf("%+v, want %+v", h, want[n])
		}
	}
	if all, err := s.Held(ledger.Origin{}); len(all) != 0 || err != nil {
		t.Error(all, err)
	}
}
