package store

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

func TestIngestInPieces(t *testing.T) { both(t, testIngestInPieces) }

func testIngestInPieces(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 600)
	o := a.Head().Origin
	early := held(t, from, o)
	all := chunks(t, from, early)
	to := open(t)
	if _, err := to.Ledger(o); !errors.Is(err, ErrNoLedger) {
		t.Errorf("%v", err)
	}
	// Nothing of a failed one stays.
	for name, c := range map[string]struct {
		chunks []ledger.Chunk
		is     error
	}{
		"none":            {nil, ErrGap},
		"the tail wanted": {all[:2], ErrGap},
		"the head wanted": {all[1:], ErrGap},
		"a gap":           {[]ledger.Chunk{all[0], all[2]}, ErrGap},
		"backwards":       {[]ledger.Chunk{all[1], all[0], all[2]}, ErrGap},
		"not of this":     {[]ledger.Chunk{all[0], {Start: 256, Entries: all[2].Entries, Proof: all[2].Proof}}, ledger.ErrChunk},
	} {
		if in, err := to.Ingest(early.Head, testTime, each(c.chunks...)); !errors.Is(err, c.is) || in != (Ingested{Origin: o}) {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
		if _, err := to.Ledger(o); !errors.Is(err, ErrNoLedger) {
			t.Errorf("%s: something stayed: %v", name, err)
		}
	}
	// A chunk twice is no harm; a later head brings what is new, with the last
	// chunk overlapping what is held.
	if in, err := to.Ingest(early.Head, 5, each(all[0], all[0], all[1], all[2], all[2])); err != nil || in != (Ingested{o, 600, true}) {
		t.Fatal(in, err)
	}
	fill(t, a, 1300)
	late := held(t, from, o)
	more := chunks(t, from, late)
	if in, err := to.Ingest(late.Head, 6, each(more[2:]...)); err != nil || in != (Ingested{o, 700, true}) {
		t.Fatal(in, err)
	}
	if i := held(t, to, o); i.Checkpoint != late.Checkpoint || i.Seen != 6 || i.Charter != testNode || i.Generation != 0 || i.Fresh() != late.Time {
		t.Errorf("%+v", i)
	}
	// An older head is history, whether with its chunks or without.
	for _, offered := range [][]ledger.Chunk{nil, all} {
		if in, err := to.Ingest(early.Head, 7, each(offered...)); err != nil || in != (Ingested{o, 0, false}) {
			t.Error(in, err)
		}
	}
	if i := held(t, to, o); i.Checkpoint != late.Checkpoint || i.Seen != 6 {
		t.Errorf("an older head changed %+v", i)
	}
	// A fresher head of the same size is news; the same again is not.
	if err := a.Refresh(); err != nil {
		t.Fatal(err)
	}
	if a.Head().Checkpoint != late.Checkpoint || a.Head().Time <= late.Time {
		t.Fatalf("%+v", a.Head())
	}
	if in, err := to.Ingest(a.Head(), 8, each()); err != nil || in != (Ingested{o, 0, true}) {
		t.Error(in, err)
	}
	for _, again := range []ledger.Head{a.Head(), late.Head} {
		if in, err := to.Ingest(again, 9, each()); err != nil || in != (Ingested{o, 0, false}) {
			t.Error(in, err)
		}
	}
	if i := held(t, to, o); i.Time != a.Head().Time || i.Seen != 8 {
		t.Errorf("%+v", i)
	}
	if got, want := slices.Collect(leaves(to, o)), slices.Collect(leaves(from, o)); !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("the copies differ")
	}
	verifies(t, to, o)
}

func leaves(s *Store, o ledger.Origin) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		i, err := s.Ledger(o)
		if err != nil {
			panic(err)
		}
		for e, err := range s.Entries(i, 0, i.Size) {
			if err != nil {
				panic(err)
			}
			if !yield(e.Leaf) {
				return
			}
		}
	}
}

// A heartbeat's word counts when it comes, and a replay of it is no news: the
// time at which a head was first seen stays.
func TestIngestHeartbeat(t *testing.T) { both(t, testIngestHeartbeat) }

func testIngestHeartbeat(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 3)
	o, to := a.Head().Origin, open(t)
	if _, err := give(t, from, to, o); err != nil {
		t.Fatal(err)
	}
	beat := testKey("heartbeat")
	at := a.Head().Time + 100
	note, err := ledger.Cosign(a.Head().Note, ledger.RoleHeartbeat, beat, at)
	if err != nil {
		t.Fatal(err)
	}
	head, err := ledger.OpenHead(note, public(testKey("author")), ledger.Cosigner{Role: ledger.RoleHeartbeat, Key: public(beat)})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ledger.OpenHead(note, public(testKey("author")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		head  ledger.Head
		seen  int64
		fresh bool
	}{{stranger, 10, false}, {head, 11, true}, {head, 12, false}, {a.Head(), 13, false}, {stranger, 14, false}} {
		if in, err := to.Ingest(c.head, c.seen, each()); err != nil || in.Fresh != c.fresh {
			t.Errorf("at %d: %+v, %v", c.seen, in, err)
		}
	}
	if i := held(t, to, o); i.Seen != 11 || i.Fresh() != at || i.Time != a.Head().Time {
		t.Errorf("seen %d, fresh %d", i.Seen, i.Fresh())
	}
}

func TestIngestRefuses(t *testing.T) { both(t, testIngestRefuses) }

func testIngestRefuses(t *testing.T) {
	t.Parallel()
	s, origin := tampered(t) // 600 entries, 100 to 120 dropped by 599
	i := held(t, s, origin)
	all := chunks(t, s, i)
	to := open(t)
	tamper := func(f func(*ledger.Entry), index int64) []ledger.Chunk {
		out := slices.Clone(all)
		c := &out[index/ledger.ChunkSize]
		c.Entries = slices.Clone(c.Entries)
		f(&c.Entries[index%ledger.ChunkSize])
		return out
	}
	for name, c := range map[string]struct {
		chunks      []ledger.Chunk
		is          error
		first, last int64
	}{
		"a body withheld":  {tamper(func(e *ledger.Entry) { *e = e.Drop() }, 300), ledger.ErrWithheld, 300, 300},
		"Begin withheld":   {tamper(func(e *ledger.Entry) { *e = e.Drop() }, 0), ledger.ErrWithheld, 0, 0},
		"the record of it": {tamper(func(e *ledger.Entry) { *e = e.Drop() }, 599), ledger.ErrWithheld, 100, 100},
		"a body altered":   {tamper(func(e *ledger.Entry) { e.Body = append([]byte{0}, e.Body...) }, 300), ledger.ErrCommitment, 300, 300},
		"a dropped leaf":   {tamper(func(e *ledger.Entry) { *e = all[0].Entries[101] }, 102), ledger.ErrProof, 0, 255},
	} {
		_, err := to.Ingest(i.Head, testTime, each(c.chunks...))
		t.Run(name, func(t *testing.T) { refusedAt(t, err, c.first, c.last, c.is) })
		if _, err := to.Ledger(origin); !errors.Is(err, ErrNoLedger) {
			t.Errorf("%s: something stayed: %v", name, err)
		}
	}
	broken := errors.New("the stick was pulled out")
	_, err := to.Ingest(i.Head, testTime, func(yield func(ledger.Chunk, error) bool) {
		_ = yield(all[0], nil) && yield(ledger.Chunk{}, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	empty, err := ledger.Sign(ledger.Checkpoint{Origin: origin, Root: ledger.Tree{}.Root()}, testKey("author"), 1)
	if err != nil {
		t.Fatal(err)
	}
	head, err := ledger.OpenHead(empty, public(testKey("author")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Ingest(head, testTime, each()); !errors.Is(err, ledger.ErrBegin) {
		t.Errorf("an empty ledger: %v", err)
	}
	if all, err := to.Ledgers(); len(all) != 0 || err != nil {
		t.Error(all, err)
	}
}

// What an author has no business to write is not taken in, however well signed.
func TestIngestChecksBodies(t *testing.T) { both(t, testIngestChecksBodies) }

func testIngestChecksBodies(t *testing.T) {
	t.Parallel()
	begin, err := ledger.MarshalBody(&ledger.Begin{Charter: testNode})
	if err != nil {
		t.Fatal(err)
	}
	passage, err := ledger.MarshalBody(passage(1).Body)
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		kind ledger.Kind
		body []byte
	}
	for name, c := range map[string]struct {
		entries []entry
		is      error
		at      int64
	}{
		"no Begin":         {[]entry{{ledger.KindPassage, passage}}, ledger.ErrBegin, 0},
		"Begin again":      {[]entry{{ledger.KindBegin, begin}, {ledger.KindBegin, begin}}, ledger.ErrBegin, 1},
		"a malformed body": {[]entry{{ledger.KindBegin, begin}, {ledger.KindPassage, begin}}, ledger.ErrBody, 1},
		"of another log":   {[]entry{{ledger.KindBegin, begin}, {ledger.KindSuspend, begin}}, ledger.ErrWrongLog, 1},
		"an unknown kind":  {[]entry{{ledger.KindBegin, begin}, {999, passage}}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := testConfig(t).origin()
			var chunk ledger.Chunk
			var tree ledger.Tree
			for n, e := range c.entries {
				chunk.Entries = append(chunk.Entries, ledger.Seal(int64(n), e.kind, true, ledger.Salt{}, 1, e.body))
				tree.Append(chunk.Entries[n].Leaf, nil)
			}
			note, err := ledger.Sign(ledger.Checkpoint{Origin: o, Size: tree.Size(), Root: tree.Root()}, testKey("author"), 1)
			if err != nil {
				t.Fatal(err)
			}
			head, err := ledger.OpenHead(note, public(testKey("author")))
			if err != nil {
				t.Fatal(err)
			}
			_, err = open(t).Ingest(head, testTime, each(chunk))
			if c.is == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refusedAt(t, err, c.at, c.at, c.is)
		})
	}
}

func TestIngestAppliesDrops(t *testing.T) { both(t, testIngestAppliesDrops) }

func testIngestAppliesDrops(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 400)
	o, to := a.Head().Origin, open(t)
	if _, err := give(t, from, to, o); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]int64{{1, 10}, {300, 399}, {5, 401}} { // the last covers the records of the two before
		if err := a.Drop(c[0], c[1], "retention"); err != nil {
			t.Fatal(err)
		}
	}
	if in, err := give(t, from, to, o); err != nil || in.Added != 3 {
		t.Fatal(in, err)
	}
	for _, s := range []*Store{from, to} {
		if r := verifies(t, s, o); r.Dropped != 399 || r.Kinds[ledger.KindDropped] != 3 {
			t.Errorf("%+v", r)
		}
		for e, err := range s.Entries(held(t, s, o), 400, 403) {
			if err != nil || e.Dropped() {
				t.Errorf("the record of a drop was dropped: %v", err)
			}
		}
	}
	// Whoever comes later gets the leaves and the records, and that suffices.
	third := open(t)
	if _, err := give(t, to, third, o); err != nil {
		t.Fatal(err)
	}
	verifies(t, third, o)
}

// A ledger of 100,000 entries goes from one store to another in bounded memory.
func TestIngestLarge(t *testing.T) { both(t, testIngestLarge) }

func testIngestLarge(t *testing.T) {
	t.Parallel()
	const size = 100_000
	start := time.Now()
	from, a := filled(t, size)
	wrote := time.Since(start)
	to := open(t)
	most := uint64(0)
	i := held(t, from, a.Head().Origin)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start = time.Now()
	in, err := to.Ingest(i.Head, testTime, func(yield func(ledger.Chunk, error) bool) {
		for c, err := range from.Chunks(i, 0) {
			if !yield(c, err) {
				return
			}
			if c.Start%(100*ledger.ChunkSize) == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	})
	if err != nil || in.Added != size {
		t.Fatal(in, err)
	}
	took := time.Since(start)
	t.Logf("wrote %.0f entries/s, ingested %.0f entries/s, %d KiB more on the heap", size/wrote.Seconds(), size/took.Seconds(), int64(most-before.HeapAlloc)>>10)
	if most > before.HeapAlloc+32<<20 { // other tests run beside this one
		t.Errorf("the heap grew from %d to %d", before.HeapAlloc, most)
	}
	start = time.Now()
	verifies(t, to, i.Origin)
	t.Logf("verified %.0f entries/s", size/time.Since(start).Seconds())
}

// TestIngestFromTheFuture: a head that a wrong clock dated to a time to come
// neither silences its author afterwards nor makes itself news again.
func TestIngestFromTheFuture(t *testing.T) { both(t, testIngestFromTheFuture) }

func testIngestFromTheFuture(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 3)
	o, to := a.Head().Origin, open(t)
	if _, err := give(t, from, to, o); err != nil {
		t.Fatal(err)
	}
	const now = epoch + 1000*24*3600
	signed := func(at int64) ledger.Head {
		t.Helper()
		note, err := ledger.Sign(a.Head().Checkpoint, testKey("author"), uint64(at))
		if err != nil {
			t.Fatal(err)
		}
		head, err := ledger.OpenHead(note, public(testKey("author")))
		if err != nil {
			t.Fatal(err)
		}
		return head
	}
	ahead := signed(now + 10*365*24*3600)
	for i, c := range []struct {
		head  ledger.Head
		seen  int64
		fresh bool
	}{
		{signed(now - 100), now - 50, true},
		{ahead, now, false},                         // not by a known clock
		{ahead, 60, true},                           // a gateway at 1970 cannot know
		{signed(now), now + 10, true},               // it does now
		{signed(now + maxAhead), now + 20, true},    // a day is forgiven
		{signed(now + 2*maxAhead), now + 30, false}, // dated ahead
	} {
		if in, err := to.Ingest(c.head, c.seen, each()); err != nil || in.Fresh != c.fresh {
			t.Errorf("%d: %+v, %v", i, in, err)
		}
	}
	// Whoever took the head in with more entries, by a known clock, gets over it.
	other := open(t)
	if in, err := other.Ingest(ahead, now, from.Chunks(held(t, from, o), 0)); err != nil || !in.Fresh {
		t.Fatal(in, err)
	}
	for i, c := range []struct {
		head  ledger.Head
		seen  int64
		fresh bool
	}{{signed(now - 1), now + 5, true}, {ahead, now + 6, false}, {signed(now + 10), now + 20, true}, {ahead, now + 30, false}, {signed(now + 20), now + 40, true}} {
		if in, err := other.Ingest(c.head, c.seen, each()); err != nil || in.Fresh != c.fresh {
			t.Errorf("other %d: %+v, %v", i, in, err)
		}
	}
}
