package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// bundle writes charters and one ledger.
func bundle(tb testing.TB, m *memory, size int64) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := NewBundleWriter(&buf)
	chain := founded(tb)
	_, first := chain.Version(1)
	if err := w.Charter(first); err != nil {
		tb.Fatal(err)
	}
	if err := w.Head(public(testAuthor), m.head(tb, size).Note); err != nil {
		tb.Fatal(err)
	}
	for _, c := range m.chunks(tb, size) {
		if err := w.Chunk(c); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// readBundle verifies every charter and ledger in a bundle and writes it anew.
func readBundle(in []byte) (reports []Report, out []byte, err error) {
	var buf bytes.Buffer
	w := NewBundleWriter(&buf)
	r, err := NewBundleReader(bytes.NewReader(in))
	if err != nil {
		return nil, nil, err
	}
	var v *Verifier
	finish := func() error {
		if v == nil {
			return nil
		}
		report, err := v.Finish()
		reports = append(reports, report)
		return err
	}
	for {
		item, err := r.Next()
		switch {
		case err == io.EOF:
			err = errors.Join(finish(), w.Close())
			return reports, buf.Bytes(), err
		case err != nil:
			return reports, nil, err
		case item.Charter != nil:
			if _, err = CheckCharter(Charters{}, *item.Charter); err == nil {
				err = w.Charter(*item.Charter)
			}
		case item.Head != nil:
			var h Head
			if h, err = OpenHead(item.Head.Note, item.Head.Author); err == nil {
				if err = finish(); err == nil {
					v, err = NewVerifier(h), w.Head(item.Head.Author, item.Head.Note)
				}
			}
		case item.Chunk != nil:
			if err = v.Chunk(*item.Chunk); err == nil {
				err = w.Chunk(*item.Chunk)
			}
		}
		if err != nil {
			return reports, nil, err
		}
	}
}

// records lists where each record of a bundle begins.
func records(in []byte) (at []int, kinds []byte) {
	for i := len(bundleMagic); i < len(in); i += 5 + int(binary.BigEndian.Uint32(in[i+1:])) {
		at, kinds = append(at, i), append(kinds, in[i])
	}
	return at, kinds
}

func TestBundleRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 255, 256, 257, 600} {
		m := newMemory().fill(t, size, 0)
		in := bundle(t, m, size)
		reports, out, err := readBundle(in)
		if err != nil || !bytes.Equal(in, out) || len(reports) != 1 || reports[0].Size != size {
			t.Errorf("%d entries: %v, %v", size, reports, err)
		}
	}
}

// A byte flipped in every record in turn, at every class of place: the type, the
// length, and each part of what it carries. In an entry it is that entry which
// is named, or for one without its body the chunk that it stands in.
func TestBundleTampered(t *testing.T) {
	t.Parallel()
	const seed = 20260101
	random := rand.New(rand.NewPCG(seed, 1))
	const size = 600
	m := newMemory().fill(t, size-1, 0)
	m.add(t, &Dropped{First: 100, Last: 120, Why: "retention"})
	for i := 100; i <= 120; i++ {
		m.entries[i] = m.entries[i].Drop()
	}
	in := bundle(t, m, size)
	if _, _, err := readBundle(in); err != nil {
		t.Fatal(err)
	}
	at, kinds := records(in)
	entry := int64(-1)
	for n, i := range at {
		end := len(in)
		if n+1 < len(at) {
			end = at[n+1]
		}
		places := []int{i, i + 1, i + 2, i + 3, i + 4} // type and length
		if kinds[n] == recordEntry {
			entry++
			// The array's head, the leaf's head, version, kind and commitment, then
			// salt, time and body: each class in every sixteenth entry, and in every
			// entry one byte of its leaf and one of what follows the leaf.
			leaf := i + 8
			body := leaf + len(m.entries[entry].Leaf)
			places = append(places, i+5, i+6, i+7, leaf, leaf+1, leaf+2, leaf+3, body, body+1, body+18, end-1)
			places = []int{
				places[int(entry)%len(places)],
				leaf + random.IntN(body-leaf), body + random.IntN(end-body),
			}
		} else {
			for range min(40, end-i-5) {
				places = append(places, i+5+random.IntN(end-i-5))
			}
		}
		for _, p := range places {
			bad := bytes.Clone(in)
			bad[p] ^= byte(1 + random.IntN(255))
			_, _, err := readBundle(bad)
			if err == nil {
				t.Fatalf("seed %d: record %d (%c), byte %d: accepted", seed, n, kinds[n], p-i)
			}
			if kinds[n] != recordEntry {
				continue
			}
			at, ok := errors.AsType[*At](err)
			if !ok {
				t.Fatalf("seed %d: entry %d, byte %d: %v", seed, entry, p-i, err)
			}
			first, last := entry, entry
			if m.entries[entry].Dropped() && (errors.Is(err, ErrProof) || at.First != entry) {
				first, last = 0, 255
			}
			if at.First != first || at.Last != last {
				t.Fatalf("seed %d: entry %d, byte %d: %v", seed, entry, p-i, err)
			}
		}
	}
	if entry != size-1 {
		t.Fatalf("%d entries were tampered with", entry+1)
	}
}

// Wherever it is cut, somebody says so.
func TestBundleCut(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 300, 0)
	in := bundle(t, m, 300)
	at, kinds := records(in)
	for n := range in {
		if n%61 != 0 && !slices.Contains(at, n) && n < len(in)-10 {
			continue
		}
		if _, _, err := readBundle(in[:n]); !errors.Is(err, ErrBundle) {
			t.Fatalf("%d of %d bytes: %v", n, len(in), err)
		}
	}
	// Cut between two records with a new end put on: the ledger is too short.
	for n, i := range at {
		_, _, err := readBundle(append(bytes.Clone(in[:i]), recordEnd, 0, 0, 0, 0))
		switch {
		case kinds[n] == recordEntry && !errors.Is(err, ErrBundle):
			t.Fatalf("cut before record %d: %v", n, err)
		case kinds[n] == recordChunk && !errors.Is(err, ErrTruncated):
			t.Fatalf("cut before record %d: %v", n, err)
		}
	}
}

func TestBundleMalformed(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 3, 0)
	good := bundle(t, m, 3)
	at, _ := records(good)
	charter, head, chunk, entries := at[0], at[1], at[2], at[3:6]
	record := func(kind byte, payload []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload))), payload...)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	magic := []byte(bundleMagic)
	chunkOf := func(k chunkRecord) []byte {
		return join(good[:chunk], record(recordChunk, encode(k)), good[entries[0]:])
	}
	var full bytes.Buffer
	w := NewBundleWriter(&full)
	big := w.record(recordEntry, make([]byte, maxRecord+1))
	refused(t, big, ErrBundle, "a record of")
	refused(t, w.Close(), ErrBundle, "a record of") // the first error stays
	for name, c := range map[string]struct {
		in    []byte
		entry int64 // -1 unless the error names one
		says  string
	}{
		"nothing":                    {nil, -1, "does not begin"},
		"half a magic":               {magic[:9], -1, "does not begin"},
		"another version":            {mutateBytes(good, len(magic)-2, '2'), -1, "does not begin"},
		"nothing but a magic":        {magic, -1, "ends early"},
		"an unknown record":          {join(magic, record('X', nil), good[charter:]), -1, "unknown type 'X'"},
		"a record beyond bounds":     {join(magic, []byte{recordHead, 0, 4, 0x10, 1}), -1, "a record of 266241"},
		"a promised giant":           {join(magic, []byte{recordCharter, 0xff, 0xff, 0xff, 0xff}), -1, "a record of 4294967295"},
		"something behind the end":   {append(bytes.Clone(good), 0), -1, "behind its end"},
		"something in the end":       {join(good[:len(good)-5], record(recordEnd, []byte{0})), -1, "behind its end"},
		"no charter":                 {join(magic, record(recordCharter, []byte{1}), good[head:]), -1, "malformed charter"},
		"no head":                    {join(magic, record(recordHead, []byte{1}), good[chunk:]), -1, "head:"},
		"a head at length":           {join(magic, record(recordHead, append([]byte{0x98, 2}, good[head+6:chunk]...)), good[chunk:]), -1, "deterministic"},
		"a chunk without a head":     {join(good[:head], good[chunk:]), -1, "without a ledger's head"},
		"an entry without a chunk":   {join(good[:chunk], good[entries[0]:]), -1, "unknown type 'E'"},
		"no chunk":                   {join(good[:chunk], record(recordChunk, nil), good[entries[0]:]), -1, "chunk: EOF"},
		"a chunk before the start":   {chunkOf(chunkRecord{Start: -256, Count: 3}), -1, "3 entries at -256"},
		"a chunk beyond any ledger":  {chunkOf(chunkRecord{Start: 1 << 62, Count: 3}), -1, "3 entries at 4611686018427387904"},
		"a chunk of nothing":         {chunkOf(chunkRecord{Count: 0}), -1, "0 entries"},
		"a chunk of too much":        {chunkOf(chunkRecord{Count: 257}), -1, "257 entries"},
		"a proof beyond any tree":    {chunkOf(chunkRecord{Count: 3, Proof: testProof(65)}), -1, "65 hashes"},
		"an entry too few":           {join(good[:entries[2]], good[len(good)-5:]), 2, "type 'Z' where an entry"},
		"an entry too many":          {join(good[:len(good)-5], good[entries[2]:]), -1, "unknown type 'E'"},
		"an entry that is none":      {join(good[:entries[1]], record(recordEntry, []byte{1}), good[entries[2]:]), 1, "cannot unmarshal"},
		"an entry of 1 GiB":          {join(good[:entries[1]], []byte{recordEntry, 0x40, 0, 0, 0}), 1, "a record of 1073741824"},
		"an entry with a byte more":  {join(good[:entries[1]], record(recordEntry, append(encode(m.entries[1]), 0)), good[entries[2]:]), 1, "extraneous"},
		"an entry cut":               {good[:entries[2]-1], 1, "ends early"},
		"cut between two entries":    {good[:entries[2]], 2, "ends early"},
		"cut within a record's head": {good[:entries[2]+3], 2, "ends early"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := readBundle(c.in)
			refused(t, err, ErrBundle, c.says)
			if at, ok := errors.AsType[*At](err); ok != (c.entry >= 0) || ok && (at.First != c.entry || at.Last != c.entry) {
				t.Errorf("%v, want entry %d", err, c.entry)
			}
		})
	}
}

func FuzzBundle(f *testing.F) {
	m := newMemory().fill(f, 3, 0)
	f.Add(bundle(f, m, 3))
	f.Add([]byte(bundleMagic + "Z\x00\x00\x00\x00"))
	f.Add(append([]byte(bundleMagic), "X\x00\x00\x00\x00"...))
	f.Fuzz(func(t *testing.T, in []byte) {
		var buf bytes.Buffer
		w := NewBundleWriter(&buf)
		r, err := NewBundleReader(bytes.NewReader(in))
		for err == nil {
			var item BundleItem
			if item, err = r.Next(); err != nil {
				break
			}
			switch {
			case item.Charter != nil:
				err = w.Charter(*item.Charter)
			case item.Head != nil:
				err = w.Head(item.Head.Author, item.Head.Note)
			default:
				err = w.Chunk(*item.Chunk)
			}
		}
		if err != io.EOF {
			return
		}
		if err := w.Close(); err != nil || !bytes.Equal(buf.Bytes(), in) {
			t.Fatalf("%q became %q, %v", in, buf.Bytes(), err)
		}
	})
}
