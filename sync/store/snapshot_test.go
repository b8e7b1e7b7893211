package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

func issuer(tb testing.TB, s *Store) *Author {
	tb.Helper()
	cfg := testConfig(tb)
	cfg.Kind, cfg.Charter = ledger.CommunityLog, testCommunity
	return author(tb, s, cfg)
}

func write(tb testing.TB, a *Author, bodies ...ledger.Body) {
	tb.Helper()
	var drafts []Draft
	for _, b := range bodies {
		drafts = append(drafts, Draft{b, time.Unix(testTime, 0)})
	}
	if _, err := a.Append(drafts...); err != nil {
		tb.Fatal(err)
	}
}

func admit(passport uint64) ledger.Body {
	return &ledger.Admit{Passport: passport, Owner: [20]byte{1}, Class: "resident", NotAfter: testTime}
}

func suspend(passport uint64) ledger.Body   { return &ledger.Suspend{Passport: passport} }
func reinstate(passport uint64) ledger.Body { return &ledger.Reinstate{Passport: passport} }
func revoke(passport uint64) ledger.Body {
	return &ledger.DoorKeyRevoked{Passport: passport, Key: [32]byte{1}}
}

// busy writes a community ledger of 341 entries in which every passport was
// suspended and reinstated many times.
func busy(tb testing.TB, a *Author) {
	tb.Helper()
	for range 10 {
		for p := range uint64(10) {
			write(tb, a, admit(p+1), suspend(p+1), reinstate(p+1))
		}
	}
	for p := range uint64(10) {
		write(tb, a, suspend(p+1), revoke(p+1), &ledger.Expel{Passport: p + 1}, &ledger.Expel{Passport: p + 1})
	}
}

// with are the indexes of entries that still have their bodies.
func with(tb testing.TB, s *Store, o ledger.Origin) (all []int64) {
	tb.Helper()
	i := held(tb, s, o)
	index := int64(0)
	for e, err := range s.Entries(i, 0, i.Size) {
		if err != nil {
			tb.Fatal(err)
		}
		if !e.Dropped() {
			all = append(all, index)
		}
		index++
	}
	return all
}

// A snapshot's bodies go with its author, with whoever held them, and are not
// missed by whoever comes later.
func TestSnapshot(t *testing.T) { both(t, testSnapshot) }

func testSnapshot(t *testing.T) {
	t.Parallel()
	from := open(t)
	a := issuer(t, from)
	busy(t, a)
	o, early := a.Head().Origin, open(t)
	if err := extend(t, from, early, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Snapshot(1000); n != 0 || err != nil || a.Head().Size != 341 {
		t.Fatalf("less than there had to be: %d, %v", n, err)
	}
	// Kept of each passport: the last Admit, Suspend and Expel, and the revocation.
	const gone = 340 - 10*4
	if n, err := a.Snapshot(100); n != gone || err != nil || a.Head().Size != 342 {
		t.Fatal(n, err)
	}
	if n, err := a.Snapshot(0); n != 0 || err != nil || a.Head().Size != 342 {
		t.Fatalf("again: %d, %v", n, err)
	}
	// A second one, and a drop of something that the first counted.
	write(t, a, reinstate(1), admit(2), suspend(1), admit(2))
	if n, err := a.Snapshot(1); n != 4 || err != nil { // also the two that stood last before
		t.Fatal(n, err)
	}
	want := with(t, from, o)
	if len(want) != 342-gone+4-4+1 {
		t.Fatalf("%d bodies are left", len(want))
	}
	if err := extend(t, from, early, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	var wire, stick = open(t), open(t)
	if err := extend(t, from, wire, o, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := give(t, from, stick, o); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{from, early, wire, stick} {
		verifies(t, s, o)
		if got := with(t, s, o); !slices.Equal(got, want) {
			t.Errorf("%d bodies are left, want %d", len(got), len(want))
		}
	}
	// What it counted may be dropped later; whoever comes then cannot compare.
	if err := a.Drop(want[3], want[3]+1, "at the request of who it was"); err != nil {
		t.Fatal(err)
	}
	late := open(t)
	if err := extend(t, from, late, o, 3000); err != nil {
		t.Fatal(err)
	}
	verifies(t, late, o)
	if _, err := a.Append(Draft{&ledger.Snapshot{Size: 1, Superseded: []byte{1, 1}}, time.Unix(1, 0)}); !errors.Is(err, ledger.ErrWrongLog) {
		t.Errorf("a snapshot of anybody's making: %v", err)
	}
	_, door := filled(t, 3)
	if _, err := door.Snapshot(0); !errors.Is(err, ledger.ErrNotCommunity) {
		t.Errorf("%v", err)
	}
}

// liar writes, by the author's key, a snapshot as it likes behind a busy ledger.
func liar(t *testing.T, change func(*ledger.Snapshot)) (*Store, ledger.Origin) {
	t.Helper()
	s := open(t)
	a := issuer(t, s)
	busy(t, a)
	r, err := ledger.Reduce(ledger.CommunityLog, a.Head().Size, func(lo, hi int64) ([]ledger.Entry, error) { return page(s.read, a.info.id, lo, hi) })
	if err != nil {
		t.Fatal(err)
	}
	b := r.Snapshots()[0]
	change(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.letGo(b); err != nil {
		t.Fatal(err)
	}
	return s, a.Head().Origin
}

// Nobody withholds a revocation by calling it superseded: whoever holds it finds
// out, and stays where it is; whoever gets the rest of it refuses what the kinds
// show, and a state that is not that of what is left.
func TestSnapshotLies(t *testing.T) { both(t, testSnapshotLies) }

func testSnapshotLies(t *testing.T) {
	t.Parallel()
	run := func(first, length uint64) []byte {
		return []byte{byte(first&0x7f | 0x80), byte(first >> 7), byte(length)}
	}
	for name, c := range map[string]struct {
		change   func(*ledger.Snapshot)
		newcomer error // of who never had the bodies
	}{
		"a revocation":        {func(b *ledger.Snapshot) { b.Superseded = run(302, 1) }, ledger.ErrSnapshot},
		"the last suspension": {func(b *ledger.Snapshot) { b.Superseded = run(301, 1) }, ledger.ErrSnapshot},
		"the last Expel":      {func(b *ledger.Snapshot) { b.Superseded = run(304, 1) }, ledger.ErrSnapshot},
		"another state":       {func(b *ledger.Snapshot) { b.State[0] ^= 1 }, ledger.ErrSnapshot},
		"another size":        {func(b *ledger.Snapshot) { b.Size-- }, ledger.ErrSnapshot},
		"less than it could":  {func(b *ledger.Snapshot) { b.Superseded = b.Superseded[:3] }, nil},
		"the truth":           {func(*ledger.Snapshot) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, o := liar(t, c.change)
			i := held(t, from, o)
			late := open(t)
			if err := extend(t, from, late, o, 1<<20); !errors.Is(err, c.newcomer) || (err == nil) != (c.newcomer == nil) {
				t.Errorf("over the wire: %v", err)
			}
			if _, err := open(t).Ingest(i.Head, testTime, from.Chunks(i, 0)); !errors.Is(err, c.newcomer) || (err == nil) != (c.newcomer == nil) {
				t.Errorf("on a stick: %v", err)
			}
			if c.newcomer != nil {
				invisible(t, late, o, 0, 0)
			}
		})
	}
}

// The same for whoever held everything when the lie came, and for what its author
// writes after it.
func TestSnapshotLiesToHolder(t *testing.T) { both(t, testSnapshotLiesToHolder) }

func testSnapshotLiesToHolder(t *testing.T) {
	t.Parallel()
	from := open(t)
	a := issuer(t, from)
	busy(t, a)
	o, to := a.Head().Origin, open(t)
	if err := extend(t, from, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	lie := func(size int64, superseded ...byte) {
		t.Helper()
		a.mu.Lock()
		defer a.mu.Unlock()
		r, err := ledger.Reduce(ledger.CommunityLog, size, func(lo, hi int64) ([]ledger.Entry, error) { return page(from.read, a.info.id, lo, hi) })
		if err != nil {
			t.Fatal(err)
		}
		if err := a.letGo(&ledger.Snapshot{Size: size, State: r.State, Superseded: superseded}); err != nil {
			t.Fatal(err)
		}
	}
	lie(341, 0xad, 2, 1) // 301, the last Suspend of the first passport
	for range 2 {
		err := extend(t, from, to, o, 1<<20)
		refusedAt(t, err, 341, 341, ledger.ErrSnapshot)
		invisible(t, to, o, 341, 341)
	}
	if got := with(t, to, o); len(got) != 341 {
		t.Errorf("%d bodies are left", len(got))
	}
	// A later word of the same passport amends it: then it is superseded.
	write(t, a, reinstate(1))
	refusedAt(t, extend(t, from, to, o, 1<<20), 341, 341, ledger.ErrSnapshot)
	if n, err := a.Snapshot(1); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := extend(t, from, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	if got, want := with(t, to, o), with(t, from, o); !slices.Equal(got, want) {
		t.Errorf("%d bodies are left, want %d", len(got), len(want))
	}
	verifies(t, to, o)
}
