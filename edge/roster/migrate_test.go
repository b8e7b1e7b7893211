package roster_test

import (
	"os"
	"path/filepath"
	"testing"

	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestFromVersion1 opens a file that the first version of the schema made: of a
// home's notice that was seen on the fifth day, and of an issuer that was
// convicted then, after five entries. Those two are the gateway's own word and
// stay; the rest is made again.
func TestFromVersion1(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward := w.issuer(), w.steward()
	p, phone, card := w.person(7), doorkey("phone", passport.KindPhone), doorkey("card", passport.KindHalo)
	steward.write(policyEntry(1, ""), p.home("front", 30*day), p.homeEnded("front", t0))
	issuer.write(p.admit(), p.adds(phone), p.adds(card), p.revokes(card))
	issuer.forked = true
	issuer.write(&ledger.Suspend{Passport: 7}) // behind the proof
	steward.write(&ledger.Bar{Passport: 9, Ends: t0.Add(90 * day).Unix()})
	w.now = t0.Add(20 * day)
	w.arriveAll()

	path := filepath.Join(t.TempDir(), "roster.db")
	v1, err := os.ReadFile("testdata/v1.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, v1, 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.openAt(path)
	if h, err := r.ByKey(phone.Key().ID()); err != nil || h.Known {
		t.Errorf("before it is made again: %+v, %v", h, err)
	}
	v := w.project(r)
	if lives(v, "front", 7, t0.Add(35*day), true) || !lives(v, "front", 7, t0.Add(35*day-1), true) {
		t.Error("the notice does not run from when the first version saw it")
	}
	if h := holder(t, r, phone); !h.ByOwner || h.Suspended {
		t.Errorf("what its author wrote behind the proof counts: %+v", h)
	}
	if h := holder(t, r, card); !h.Revoked {
		t.Errorf("a card that was revoked: %+v", h)
	}
	if !v.Barred(9, known(w.now)) || v.Policy == nil || len(v.Sources) != 2 {
		t.Errorf("%+v", v.Basis)
	}
	hasProblem(t, v, "nothing counts of it but the 5 entries that were here before")

	// And it is a version of its own now.
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, err = roster.Open(roster.Config{Path: path, Source: w, Community: w.community.ID(), Node: w.node.ID()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if h := holder(t, r, phone); !h.Known {
		t.Error("opened again, it is empty")
	}
}
