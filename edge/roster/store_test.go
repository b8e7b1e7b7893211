package roster_test

import (
	"crypto/rand"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// stored is a source as a gateway has it.
type stored struct{ *store.Store }

func (s stored) Ledgers() ([]roster.Ledger, error) {
	all, err := s.Store.Ledgers()
	var out []roster.Ledger
	for _, l := range all {
		out = append(out, roster.Ledger{
			Head: l.Head, Seen: l.Seen, Generation: l.Generation, Charter: l.Charter,
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return s.Entries(l, lo, hi) },
			Root:    func(size int64) (tlog.Hash, error) { return tlog.TreeHash(size, ledger.Hashes(s.Reader(l))) },
		})
	}
	return out, err
}

// TestFromAStore goes the whole way: authors append to their store, a gateway
// ingests piece by piece into its own, the author loses its disk and begins a
// new incarnation, drops a body, and is retired in the end.
func TestFromAStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	theirs, ours := openStore(t, w), openStore(t, w)
	author := func(s *store.Store, guard, name string, kind ledger.LogKind, charter ledger.CharterID) *store.Author {
		a, err := s.OpenAuthor(store.AuthorConfig{
			Key: key(name), Community: w.community.ID(), Kind: kind, Charter: charter,
			Guard: store.Guard{Dir: guard, Boot: "boot"}, Now: func() time.Time { return w.now }, Rand: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	write := func(a *store.Author, bodies ...ledger.Body) {
		t.Helper()
		for _, b := range bodies {
			if _, err := a.Append(store.Draft{Body: b, Time: w.now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := must(roster.Open(roster.Config{
		Path: filepath.Join(t.TempDir(), "roster.db"), Source: stored{ours}, Community: w.community.ID(), Node: w.node.ID(),
	}))
	defer r.Close()
	carry := func() *roster.View {
		t.Helper()
		all, err := theirs.Ledgers()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			from := int64(0)
			if held, err := ours.Ledger(l.Origin); err == nil {
				from = held.Size
			}
			if _, err := ours.Ingest(l.Head, w.now.Unix(), theirs.Chunks(l, from)); err != nil {
				t.Fatal(err)
			}
		}
		return w.project(r)
	}

	issuer := author(theirs, t.TempDir(), "issuer", ledger.CommunityLog, w.community.ID())
	steward := author(theirs, t.TempDir(), "steward", ledger.NodeLog, w.node.ID())
	p, phone, card := w.person(7), doorkey("phone", passport.KindPhone), doorkey("card", passport.KindHalo)
	write(steward, policyEntry(1, ""), p.home("front", 30*day))
	write(issuer, p.admit(), p.adds(phone))
	if v := carry(); v.Policy == nil || len(v.Problems) != 0 || v.Age(w.now) != 0 {
		t.Fatalf("%+v", v)
	}
	if got := w.verdict(r, phone); got != access.Home {
		t.Errorf("a resident at home: %v", got)
	}

	w.now = w.now.Add(time.Hour)
	issuer = author(theirs, t.TempDir(), "issuer", ledger.CommunityLog, w.community.ID()) // its guard is gone
	write(issuer, p.adds(card), &ledger.Suspend{Passport: 7})
	if v := carry(); len(v.Problems) != 0 || v.Age(w.now) != 0 {
		t.Errorf("%v, age %v", v.Problems, v.Age(w.now))
	}
	if h := holder(t, r, card); !h.Suspended || !h.Admitted {
		t.Errorf("two incarnations: %+v", h)
	}

	write(issuer, &ledger.Reinstate{Passport: 7})
	if err := issuer.Drop(2, 2, "superseded"); err != nil {
		t.Fatal(err)
	}
	if v := carry(); len(v.Problems) != 0 || holder(t, r, card).Suspended {
		t.Errorf("after a drop: %v", v.Problems)
	}

	// Retired where it stands, after a thief wrote on.
	var counted []ledger.Counted
	for _, l := range must(theirs.Ledgers()) {
		if l.Origin.Kind == ledger.CommunityLog {
			counted = append(counted, ledger.Counted{Incarnation: l.Origin.Incarnation, Size: l.Size, Root: l.Root})
		}
	}
	if len(counted) == 2 && string(counted[0].Incarnation[:]) > string(counted[1].Incarnation[:]) {
		counted[0], counted[1] = counted[1], counted[0]
	}
	write(issuer, &ledger.Expel{Passport: 7})
	if carry(); !holder(t, r, card).Expelled {
		t.Error("not expelled while the key counts")
	}
	w.recharter(func(c *ledger.Charter) { a := charterAuthor(c, key("issuer")); a.Retired, a.Counted = true, counted })
	_, signed := w.community.Version(w.community.Len())
	if _, _, err := ours.AddCharter(signed); err != nil {
		t.Fatal(err)
	}
	if v := w.project(r); holder(t, r, card).Expelled || len(v.Problems) != 0 {
		t.Errorf("what the thief wrote counts: %v", v.Problems)
	}
}

func openStore(t *testing.T, w *world) *store.Store {
	s := must(store.Open(filepath.Join(t.TempDir(), "ledgers.db")))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []ledger.Charters{w.community, w.node} {
		_, signed := c.Version(1)
		if _, _, err := s.AddCharter(signed); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
