package hub

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"tombolo/sync/ledger"
)

// TestIndexAdds: whatever of a ledger the index is told of as it is stored, and whatever
// it reads from the store, it knows the same.
func TestIndexAdds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	a := w.reporter(0)
	var pieces [][]ledger.Body
	for n := range 6 {
		e := w.epoch(uint64(n + 1)).ID()
		pieces = append(pieces, []ledger.Body{&ledger.Occupancy{Zone: fmt.Sprint("zone-", n%2), Sure: uint32(n), Most: uint32(n + 1)}})
		all := w.reportOf(0, e, lines(0, 50, n), 10)
		if n == 3 {
			all[len(all)-1].(*ledger.Reported).Root[0] ^= 1
		}
		pieces = append(pieces, all[:n], all[n:])
	}
	var grown []ledger.Extension
	before := ledger.Tree{}
	for _, p := range pieces {
		if len(p) == 0 {
			continue
		}
		w.append(a, p...)
		i := must(w.store.Ledger(a.Head().Origin))
		var entries []ledger.Entry
		for e, err := range w.store.Entries(i, before.Size(), i.Size) {
			w.ok(err)
			entries = append(entries, e)
		}
		x := must(ledger.CheckStretch(before, i.Head, ledger.Stretch{From: before.Size(), Entries: entries}))
		grown, before = append(grown, x), x.Tree()
	}
	info := must(w.store.Ledgers())
	want := newIndex()
	w.ok(want.update(w.store, w.id(), info, nil))
	if b := want.books[a.Head().Origin]; len(b.reports) != 6 || len(b.zones) != 2 || b.node != w.node(0) {
		t.Fatalf("%+v", b)
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		got := newIndex()
		w.ok(got.update(w.store, w.id(), nil, nil)) // nothing is there yet
		for _, x := range grown {
			switch r.IntN(10) {
			case 0: // it is not told of
			case 1:
				w.ok(got.update(w.store, w.id(), info, nil)) // of all, which is more than it is told of next
				got.add(x)
			case 2:
				got.add(x)
				got.add(x)
			default:
				got.add(x)
			}
		}
		w.ok(got.update(w.store, w.id(), info, nil))
		if !reflect.DeepEqual(got.books, want.books) {
			t.Fatalf("seed %d: %+v, want %+v", seed, got.books[a.Head().Origin], want.books[a.Head().Origin])
		}
	}
	// Told of everything, nothing is left to be read.
	told := newIndex()
	w.ok(told.update(w.store, w.id(), nil, nil))
	for _, x := range grown {
		told.add(x)
	}
	if !reflect.DeepEqual(told.books, want.books) {
		t.Errorf("%+v, want %+v", told.books[a.Head().Origin], want.books[a.Head().Origin])
	}
	// What is not the community's is not taken.
	other := newIndex()
	w.ok(other.update(w.store, ledger.CharterID{1}, nil, nil))
	for _, x := range grown {
		other.add(x)
	}
	if len(other.books) != 0 {
		t.Errorf("%+v", other.books)
	}
}
