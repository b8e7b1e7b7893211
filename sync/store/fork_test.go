package store

import (
	"errors"
	"testing"

	"tombolo/sync/ledger"
)

// rival is another history of a's ledger, parted after so many entries: what a
// stolen key would write.
func rival(t *testing.T, from *Store, a *Author, parting, size int64) *Store {
	t.Helper()
	s := open(t)
	i := held(t, from, a.Head().Origin)
	var entries []ledger.Entry
	for e, err := range from.Entries(i, 0, parting) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	var tree ledger.Tree
	for n := range size {
		if n >= parting {
			body, err := ledger.MarshalBody(&ledger.Passage{Seq: uint64(n), Door: "back", Entered: true})
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, ledger.Seal(n, ledger.KindPassage, false, ledger.Salt{9}, 1, body))
		}
		tree.Append(entries[n].Leaf, nil)
	}
	note, err := ledger.Sign(ledger.Checkpoint{Origin: i.Origin, Size: size, Root: tree.Root()}, testKey("author"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	head, err := ledger.OpenHead(note, public(testKey("author")))
	if err != nil {
		t.Fatal(err)
	}
	err = s.inTx(func(tx txn) error {
		w, err := newTaker(tx, head)
		if err != nil {
			return err
		}
		run, err := ledger.Continue(i.Origin.Kind, w.tree, entries)
		if err != nil {
			return err
		}
		if err := w.take(run); err != nil {
			return err
		}
		_, err = w.whole(head, testTime)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	verifies(t, s, i.Origin)
	return s
}

func TestForks(t *testing.T) { both(t, testForks) }

func testForks(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 700)
	o := a.Head().Origin
	for name, c := range map[string]struct{ parting, size int64 }{
		"one size":                  {650, 700},
		"the other is longer":       {650, 900},
		"the other is shorter":      {300, 400},
		"parted at the first entry": {1, 2},
		"parted at the last entry":  {699, 700},
		"at a chunk's edge":         {512, 768},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := rival(t, from, a, c.parting, c.size)
			to := open(t)
			if _, err := give(t, from, to, o); err != nil {
				t.Fatal(err)
			}
			_, err := give(t, other, to, o)
			fork, ok := errors.AsType[*ForkError](err)
			if !ok || fork.Held.Checkpoint != a.Head().Checkpoint || fork.Offered.Size != c.size {
				t.Fatalf("%v", err)
			}
			if i := held(t, to, o); i.Checkpoint != a.Head().Checkpoint {
				t.Errorf("something of it was stored: %+v", i.Checkpoint)
			}
			verifies(t, to, o)
			// The evidence comes from whoever has the larger tree.
			small, large, in := fork.Offered, held(t, to, o), to
			if c.size > 700 {
				small, large, in = fork.Held, held(t, other, o), other
			}
			proof, err := ledger.ProveFork(small, large.Head, ledger.Hashes(in.Reader(large)))
			if err != nil {
				t.Fatal(err)
			}
			if proof, err = ledger.ParseFork(proof.Marshal()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := to.AddFork(proof, testTime); err != nil {
					t.Fatal(err)
				}
			}
			if all, err := to.Forks(); err != nil || len(all) != 1 || string(all[0].Marshal()) != string(proof.Marshal()) {
				t.Errorf("%d, %v", len(all), err)
			}
			proof.Prefix[0]++
			if err := to.AddFork(proof, testTime); !errors.Is(err, ledger.ErrFork) {
				t.Errorf("invented evidence: %v", err)
			}
		})
	}
}
