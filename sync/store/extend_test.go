package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"tombolo/sync/ledger"
)

// stretchOf is a stretch of a ledger, checked from where to stands.
func stretchOf(tb testing.TB, from, to *Store, o ledger.Origin, maxBytes int) ledger.Extension {
	tb.Helper()
	i := held(tb, from, o)
	edge := edgeOf(tb, to, o)
	s, err := from.Stretch(i, edge.Size(), maxBytes)
	if err != nil {
		tb.Fatal(err)
	}
	x, err := ledger.CheckStretch(edge, i.Head, s)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

// edgeOf is empty for what is not here at all.
func edgeOf(tb testing.TB, s *Store, o ledger.Origin) ledger.Tree {
	tb.Helper()
	edge, err := s.Edge(o)
	if err != nil && !errors.Is(err, ErrNoLedger) {
		tb.Fatal(err)
	}
	return edge
}

// extend brings what from holds of a ledger to another store, by stretches.
func extend(tb testing.TB, from, to *Store, o ledger.Origin, maxBytes int) error {
	tb.Helper()
	for {
		x := stretchOf(tb, from, to, o, maxBytes)
		if _, err := to.Extend(testTime, x); err != nil || x.Whole() {
			return err
		}
	}
}

// signed is a head over the first entries of what a store holds of a ledger, at a
// time.
func signed(tb testing.TB, s *Store, i Info, size int64, at uint64) ledger.Head {
	tb.Helper()
	var tree ledger.Tree
	for e, err := range s.Entries(i, 0, size) {
		if err != nil {
			tb.Fatal(err)
		}
		tree.Append(e.Leaf, nil)
	}
	return sign(tb, ledger.Checkpoint{Origin: i.Origin, Size: size, Root: tree.Root()}, at)
}

func sign(tb testing.TB, c ledger.Checkpoint, at uint64) ledger.Head {
	tb.Helper()
	note, err := ledger.Sign(c, testKey("author"), at)
	if err != nil {
		tb.Fatal(err)
	}
	head, err := ledger.OpenHead(note, public(testKey("author")))
	if err != nil {
		tb.Fatal(err)
	}
	return head
}

// invisible asserts that a store shows so much of a ledger, whatever it keeps
// beside.
func invisible(tb testing.TB, s *Store, o ledger.Origin, size, edge int64) {
	tb.Helper()
	if got := edgeOf(tb, s, o).Size(); got != edge {
		tb.Errorf("the edge is at %d, want %d", got, edge)
	}
	parts, err := s.Partials()
	if err != nil || (len(parts) == 1) != (edge > size) || edge > size && (parts[0].Origin != o || parts[0].Edge.Size() != edge || !bytes.Equal(parts[0].Author, public(testKey("author")))) {
		tb.Errorf("%+v, %v", parts, err)
	}
	all, err := s.Ledgers()
	if err != nil || len(all) != int(min(1, size)) {
		tb.Fatalf("%d ledgers, %v", len(all), err)
	}
	i, err := s.Ledger(o)
	if size == 0 {
		if !errors.Is(err, ErrNoLedger) {
			tb.Errorf("%v", err)
		}
		return
	}
	if err != nil || i.Size != size || i.Checkpoint != all[0].Checkpoint {
		tb.Fatalf("%d entries are seen, want %d, %v", i.Size, size, err)
	}
	n := int64(0)
	for _, err := range s.Entries(i, 0, edge+10) {
		if err != nil {
			tb.Fatal(err)
		}
		n++
	}
	if n != size {
		tb.Errorf("%d entries are seen, want %d", n, size)
	}
	verifies(tb, s, o)
}

func TestExtend(t *testing.T) { both(t, testExtend) }

func testExtend(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 1300)
	o, to := a.Head().Origin, open(t)
	invisible(t, to, o, 0, 0)
	for {
		x := stretchOf(t, from, to, o, 20_000)
		before := x.Before().Size()
		if before > 0 {
			invisible(t, to, o, 0, before)
		}
		in, err := to.Extend(5, x)
		if err != nil || in[0] != (Ingested{o, int64(len(x.Entries())), x.Whole()}) {
			t.Fatal(in, err)
		}
		if x.Whole() {
			break
		}
	}
	invisible(t, to, o, 1300, 1300)
	i := held(t, to, o)
	if i.Checkpoint != a.Head().Checkpoint || i.Seen != 5 || i.Charter != testNode || i.Fresh() != a.Head().Time {
		t.Errorf("%+v", i)
	}
	// More of it comes, and what is held stays in sight until all of it is here.
	fill(t, a, 2000)
	for {
		x := stretchOf(t, from, to, o, 30_000)
		if _, err := to.Extend(6, x); err != nil {
			t.Fatal(err)
		}
		if x.Whole() {
			break
		}
		invisible(t, to, o, 1300, x.Tree().Size())
		if s, err := to.Stretch(held(t, to, o), 1200, 1<<20); err != nil || len(s.Entries) != 100 {
			t.Errorf("%d entries are given, %v", len(s.Entries), err)
		}
	}
	invisible(t, to, o, 2000, 2000)
	if got, want := slices.Collect(leaves(to, o)), slices.Collect(leaves(from, o)); !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("the copies differ")
	}
	// A fresher head of the same size is news once, an older one never.
	if err := a.Refresh(); err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{true, false} {
		if in, err := to.Extend(7, stretchOf(t, from, to, o, 1)); err != nil || in[0] != (Ingested{o, 0, want}) {
			t.Errorf("%d: %+v, %v", n, in, err)
		}
	}
	if i := held(t, to, o); i.Time != a.Head().Time || i.Seen != 7 {
		t.Errorf("%+v", i)
	}
	if in, err := to.Extend(8); len(in) != 0 || err != nil {
		t.Error(in, err)
	}
}

// Stretches, files, crashes and forgetting in any order end in the one ledger, and
// at no time is anything seen that is not a ledger.
func TestExtendAnyOrder(t *testing.T) { both(t, testExtendAnyOrder) }

func testExtendAnyOrder(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 900)
	o := a.Head().Origin
	if err := a.Drop(100, 300, "retention"); err != nil {
		t.Fatal(err)
	}
	fill(t, a, 1000)
	whole := held(t, from, o)
	all := chunks(t, from, whole)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		to := open(t)
		for range 25 {
			edge := edgeOf(t, to, o)
			size := int64(0)
			if i, err := to.Ledger(o); err == nil {
				size = i.Size
			}
			switch n := r.IntN(10); {
			case n < 6 && edge.Size() < whole.Size:
				end := min(whole.Size, edge.Size()+1+r.Int64N(200))
				head := signed(t, from, whole, end+r.Int64N(whole.Size-end+1), testTime+uint64(r.IntN(100)))
				proof, err := ledger.ProveStretch(from.Reader(whole), end, head.Size)
				if err != nil {
					t.Fatal(err)
				}
				entries, err := page(from.read, whole.id, edge.Size(), end)
				if err != nil {
					t.Fatal(err)
				}
				x, err := ledger.CheckStretch(edge, head, ledger.Stretch{From: edge.Size(), Entries: entries, Proof: proof})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				_, err = to.Extend(testTime, x)
				switch {
				case err == nil && x.Whole():
					size, edge = end, x.Tree()
				case err == nil:
					edge = x.Tree()
				case errors.Is(err, ledger.ErrWithheld) && end > 100 && end <= 900: // the record of the drop is not in it
					edge = edgeOf(t, to, o)
				default:
					t.Fatalf("seed %d: %v", seed, err)
				}
			case n == 6:
				if err := to.Forget(o); err != nil {
					t.Fatal(err)
				}
				edge = edgeOf(t, to, o)
			case n == 7:
				path := placeOf(to)
				to.Close()
				to = openAt(t, path)
			case n == 8 && r.IntN(3) == 0:
				if _, err := to.Ingest(whole.Head, testTime, each(all...)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				size, edge = whole.Size, whole.Tree
			case n == 9 && size > 0:
				// Older heads are history and forget nothing.
				if in, err := to.Ingest(signed(t, from, whole, 1+r.Int64N(size), 1), testTime, each()); err != nil || in.Fresh {
					t.Fatalf("seed %d: %+v, %v", seed, in, err)
				}
			}
			if edge.Size() < size {
				t.Fatalf("seed %d: the edge is at %d, the ledger at %d", seed, edge.Size(), size)
			}
			invisible(t, to, o, size, edge.Size())
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		if held, err := to.Ledger(o); err != nil || held.Size < whole.Size {
			if err := extend(t, from, to, o, 10_000); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if r := verifies(t, to, o); r.Dropped != 201 {
			t.Fatalf("seed %d: %+v", seed, r)
		}
		if got, want := slices.Collect(leaves(to, o)), slices.Collect(leaves(from, o)); !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("seed %d: the copies differ", seed)
		}
		var due, parts int
		if err := to.read.QueryRow("SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM partial)").Scan(&due, &parts); err != nil || due != 0 || parts != 0 {
			t.Errorf("seed %d: %d due, %d partial, %v", seed, due, parts, err)
		}
	}
}

// What does not begin at the stored edge is refused, and so is all that came with
// it.
func TestExtendGap(t *testing.T) { both(t, testExtendGap) }

func testExtendGap(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 700)
	o, to := a.Head().Origin, open(t)
	first := stretchOf(t, from, to, o, 20_000)
	other, b := filled(t, 5)
	if _, err := to.Extend(testTime, first); err != nil {
		t.Fatal(err)
	}
	whole := stretchOf(t, other, to, b.Head().Origin, 20_000)
	if _, err := to.Extend(testTime, whole, first); !errors.Is(err, ErrGap) {
		t.Errorf("%v", err)
	}
	if _, err := to.Ledger(b.Head().Origin); !errors.Is(err, ErrNoLedger) {
		t.Errorf("something stayed: %v", err)
	}
	next := stretchOf(t, from, to, o, 20_000)
	if in, err := to.Extend(testTime, whole, next); err != nil || !in[0].Fresh || in[1].Fresh {
		t.Errorf("%+v, %v", in, err)
	}
	if err := extend(t, from, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Extend(testTime, next); !errors.Is(err, ErrGap) {
		t.Errorf("%v", err)
	}
	verifies(t, to, o)
	verifies(t, to, b.Head().Origin)
	// As many entries of another history are no edge.
	apart, c := filled(t, 700)
	fill(t, c, 800)
	forged := held(t, apart, c.Head().Origin)
	x, err := ledger.CheckStretch(edgeOf(t, to, o), a.Head(), ledger.Stretch{From: 700})
	if err != nil {
		t.Fatal(err)
	}
	run, err := ledger.Continue(ledger.DoorLog, forged.Tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.Run = run
	if _, err := to.Extend(testTime, x); !errors.Is(err, ErrGap) {
		t.Errorf("another history's edge: %v", err)
	}
}

// An author that meets more of its own ledger than it remembers writes no second
// history.
func TestExtendOwn(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 50)
	o := a.Head().Origin
	full := openAt(t, backup(t, s))
	b := author(t, full, AuthorConfig{Key: a.cfg.Key, Community: a.cfg.Community, Kind: a.cfg.Kind, Charter: a.cfg.Charter, Guard: a.cfg.Guard, Now: a.cfg.Now, Rand: a.cfg.Rand})
	fill(t, b, 90)
	if _, err := s.Extend(testTime, stretchOf(t, full, s, o, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(passage(50)); !errors.Is(err, ErrOtherAuthor) {
		t.Errorf("%v", err)
	}
	again := author(t, s, a.cfg)
	if h := again.Head(); h.Origin == o {
		t.Error("it goes on")
	}
	if err := extend(t, full, s, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	if again = author(t, s, a.cfg); again.Head().Checkpoint != b.Head().Checkpoint {
		t.Errorf("it does not go on from where it got to: %+v", again.Head())
	}
	if _, err := again.Append(passage(90)); err != nil {
		t.Error(err)
	}
	verifies(t, s, o)
}
