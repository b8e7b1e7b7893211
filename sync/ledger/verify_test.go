package ledger

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func TestVerifierReports(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 300, 0)
	m.add(t, &Dropped{First: 5, Last: 290, Why: "retention"})
	m.add(t, &Boot{Software: "x", Clock: "unknown"})
	m.addEntry(Seal(302, 900, false, Salt{}, 5, []byte{0x80}))
	m.addEntry(Seal(303, 901, true, Salt{}, 6, []byte{0x80}))
	m.addEntry(Seal(304, 902, true, Salt{}, 7, []byte{0x80}))
	for i := int64(5); i <= 290; i++ {
		m.entries[i] = m.entries[i].Drop()
	}
	r, err := verify(m.head(t, 305), m.chunks(t, 305))
	if err != nil {
		t.Fatal(err)
	}
	if r.Origin != m.origin || r.Size != 305 || r.Time != testTime || r.Dropped != 286 || r.Unknown != 3 || r.Begin.Charter != testCommunity ||
		r.From != 5 || r.Until != 1000*(testTime+301) || r.Kinds[KindPassage] != 299 || r.Kinds[KindDropped] != 1 || r.Kinds[901] != 1 {
		t.Errorf("%+v", r)
	}
	refusedAt(t, r.FirstUnread, 303, 303, ErrUnknownKind)
}

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	body := func(b Body) []byte {
		out, err := MarshalBody(b)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	// ledger is 600 entries, each as make gives it, or as fill does.
	with := func(at int64, kind Kind, b []byte) func(*memory) {
		return func(m *memory) {
			m.fill(t, at, 0)
			m.addEntry(Seal(at, kind, kind.Critical(), Salt{}, 9, b))
		}
	}
	for name, c := range map[string]struct {
		make        func(*memory) // before it is filled up
		tamper      func(*memory) // after it was signed
		is          error
		first, last int64
	}{
		"no Begin":              {make: with(0, KindPassage, body(&Passage{Door: "x"})), is: ErrBegin},
		"a second Begin":        {make: with(300, KindBegin, body(&Begin{Charter: testCommunity})), is: ErrBegin, first: 300, last: 300},
		"another ledger's kind": {make: with(300, KindAdmit, body(&Admit{Passport: 1, Owner: [20]byte{1}, Class: "x", NotAfter: 1})), is: ErrWrongLog, first: 300, last: 300},
		"a malformed body":      {make: with(300, KindPassage, []byte{0x80}), is: ErrBody, first: 300, last: 300},
		"a drop to come":        {make: with(300, KindDropped, body(&Dropped{First: 299, Last: 300, Why: "x"})), is: ErrBody, first: 300, last: 300},
		"Begin dropped":         {tamper: func(m *memory) { m.entries[0] = m.entries[0].Drop() }, is: ErrWithheld},
		"withheld":              {tamper: func(m *memory) { m.entries[300] = m.entries[300].Drop() }, is: ErrWithheld, first: 300, last: 300},
		"withheld after the record": {
			make:   with(300, KindDropped, body(&Dropped{First: 1, Last: 299, Why: "x"})),
			tamper: func(m *memory) { m.entries[301] = m.entries[301].Drop() }, is: ErrWithheld, first: 301, last: 301,
		},
		"the record of a drop dropped": {
			make: with(300, KindDropped, body(&Dropped{First: 1, Last: 299, Why: "x"})),
			tamper: func(m *memory) {
				m.entries[20], m.entries[300] = m.entries[20].Drop(), m.entries[300].Drop()
			}, is: ErrWithheld, first: 20, last: 20,
		},
		"a leaf altered": {tamper: func(m *memory) {
			m.entries[300].Leaf = mutateBytes(m.entries[300].Leaf, 20, m.entries[300].Leaf[20]^1)
		}, is: ErrCommitment, first: 300, last: 300},
		"a dropped leaf altered": {
			make: with(300, KindDropped, body(&Dropped{First: 1, Last: 299, Why: "x"})),
			tamper: func(m *memory) {
				m.entries[270] = m.entries[270].Drop()
				m.entries[270].Leaf = mutateBytes(m.entries[270].Leaf, 20, m.entries[270].Leaf[20]^1)
			}, is: ErrProof, first: 256, last: 511,
		},
		"two swapped": {tamper: func(m *memory) {
			m.entries[300], m.entries[301] = m.entries[301], m.entries[300]
		}, is: ErrCommitment, first: 300, last: 300},
		"one for another": {tamper: func(m *memory) { m.entries[301] = m.entries[300] }, is: ErrCommitment, first: 301, last: 301},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			if c.make != nil {
				c.make(m)
			}
			m.fill(t, 600, 0)
			h, chunks := m.head(t, 600), m.chunks(t, 600) // the proofs are those of the untouched ledger
			if c.tamper != nil {
				c.tamper(m)
			}
			for i := range chunks {
				chunks[i].Entries = m.entries[chunks[i].Start:ChunkEnd(chunks[i].Start, 600)]
			}
			_, err := verify(h, chunks)
			refusedAt(t, err, c.first, c.last, c.is)
		})
	}
}

func TestVerifierWantsEveryChunkInOrder(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 600, 0)
	h, chunks := m.head(t, 600), m.chunks(t, 600)
	short := chunks[1]
	short.Entries = short.Entries[:100]
	other := newMemory().fill(t, 600, 1)
	for name, c := range map[string]struct {
		head        Head
		chunks      []Chunk
		is          error
		first, last int64
	}{
		"none":               {h, nil, ErrTruncated, 0, 599},
		"the tail cut":       {h, chunks[:2], ErrTruncated, 512, 599},
		"the first missing":  {h, chunks[1:], ErrChunk, 0, 0},
		"one twice":          {h, []Chunk{chunks[0], chunks[0]}, ErrChunk, 256, 256},
		"one cut short":      {h, []Chunk{chunks[0], short}, ErrChunk, 256, 511},
		"one too many":       {h, append(slices.Clone(chunks), Chunk{Start: 600, Entries: m.entries[:1]}), ErrChunk, 600, 600},
		"a shorter head":     {m.head(t, 400), chunks, ErrProof, 0, 255},
		"the head of a fork": {other.head(t, 600), chunks, ErrProof, 0, 255},
		"an altered root":    {Head{Checkpoint: Checkpoint{m.origin, 600, tlog.Hash{1}}}, chunks, ErrProof, 0, 255},
		// Its tree has the same shape; that the tail is missing shows at the end.
		"an altered size":  {Head{Checkpoint: Checkpoint{m.origin, 700, h.Root}}, chunks[:2], ErrTruncated, 512, 699},
		"an empty ledger":  {Head{Checkpoint: Checkpoint{m.origin, 0, Tree{}.Root()}}, nil, ErrBegin, 0, 0},
		"a chunk of empty": {Head{Checkpoint: Checkpoint{m.origin, 0, Tree{}.Root()}}, chunks, ErrChunk, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verify(c.head, c.chunks)
			refusedAt(t, err, c.first, c.last, c.is)
		})
	}
}

// Missing against the plain definition: an entry is withheld when its body is
// missing and no drop covers it.
func TestMissing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const size = 60
		gone := rapid.SliceOfN(rapid.Bool(), size, size).Draw(t, "gone")
		covered := [size]bool{}
		var m Missing
		for i := range size {
			var e Entry
			if !gone[i] {
				e.Body = []byte{0}
			}
			m.Take(int64(i), e, nil)
		}
		for range rapid.IntRange(0, 12).Draw(t, "drops") {
			first := rapid.IntRange(0, size-1).Draw(t, "first")
			last := rapid.IntRange(first, size-1).Draw(t, "last")
			m.Take(size, Entry{Body: []byte{0}}, &Dropped{First: int64(first), Last: int64(last)})
			for i := first; i <= last; i++ {
				covered[i] = true
			}
		}
		want := -1
		for i := size - 1; i >= 0; i-- {
			if gone[i] && !covered[i] {
				want = i
			}
		}
		err := m.Check()
		at, _ := errors.AsType[*At](err)
		if (err == nil) != (want < 0) || err != nil && (!errors.Is(err, ErrWithheld) || at.First != int64(want) || at.Last != int64(want)) {
			t.Fatalf("%v, want entry %d", err, want)
		}
	})
}
