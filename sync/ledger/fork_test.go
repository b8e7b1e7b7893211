package ledger

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// testFork is of heads over 3 and 5 entries of two histories.
var testFork = func() Fork {
	var tb testing.B
	a, b := newMemory().fill(&tb, 3, 1), newMemory().fill(&tb, 5, 2)
	f, err := ProveFork(a.head(&tb, 3), b.head(&tb, 5), Hashes(b))
	if err != nil {
		panic(err)
	}
	return f
}()

// Two histories that part anywhere are convicted at any two sizes behind the
// parting, and at no others.
func TestForkConvictsTheGuiltyOnly(t *testing.T) {
	t.Parallel()
	const largest = 600
	common := newMemory().fill(t, largest, 1)
	rapid.Check(t, func(t *rapid.T) {
		parting := rapid.Int64Range(1, largest-1).Draw(t, "parting")
		var a, b = newMemory(), newMemory()
		for _, e := range common.entries[:parting] {
			a.addEntry(e)
			b.addEntry(e)
		}
		sizes := rapid.SliceOfN(rapid.Int64Range(1, largest), 2, 2).Draw(t, "sizes")
		slices.Sort(sizes)
		var tb testing.B
		a.fill(&tb, max(parting, sizes[0]), 2)
		b.fill(&tb, max(parting, sizes[1]), 3)
		headA, headB := a.head(&tb, sizes[0]), b.head(&tb, sizes[1])
		f, err := ProveFork(headA, headB, Hashes(b))
		if sizes[0] <= parting {
			if !errors.Is(err, ErrFork) {
				t.Fatalf("parting at %d: heads of %v convict: %v", parting, sizes, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("parting at %d: heads of %v: %v", parting, sizes, err)
		}
		again, err := ParseFork(f.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), f.Marshal()) {
			t.Fatal(err)
		}
		if x, y, err := again.Heads(); err != nil || x.Checkpoint != headA.Checkpoint || y.Checkpoint != headB.Checkpoint {
			t.Fatalf("%v, %v, %v", x, y, err)
		}
	})
}

func TestProveForkRefuses(t *testing.T) {
	t.Parallel()
	a, b := newMemory().fill(t, 3, 1), newMemory().fill(t, 5, 2)
	_, err := ProveFork(b.head(t, 5), a.head(t, 3), Hashes(a))
	refused(t, err, ErrFork, "the head at hand has 3 entries")
	_, err = ProveFork(a.head(t, 2), a.head(t, 3), Hashes(a))
	refused(t, err, ErrFork, "consistent")
	_, err = ProveFork(a.head(t, 3), a.head(t, 3), Hashes(a))
	refused(t, err, ErrFork, "consistent")
}

func TestParseForkMalformed(t *testing.T) {
	t.Parallel()
	a, b := newMemory().fill(t, 3, 1), newMemory().fill(t, 5, 2)
	elsewhere := newMemory()
	elsewhere.origin.Incarnation[0]++
	elsewhere.fill(t, 5, 2)
	mutate := func(f func(*Fork)) []byte {
		k := testFork
		k.A, k.B, k.Proof = slices.Clone(k.A), slices.Clone(k.B), slices.Clone(k.Proof)
		f(&k)
		return k.Marshal()
	}
	good := testFork.Marshal()
	if _, err := ParseFork(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   []byte
		is   error // beside ErrFork
		says string
	}{
		"nothing":              {nil, ErrFork, "EOF"},
		"too long":             {make([]byte, 4*MaxNote+1), ErrFork, "32769 bytes"},
		"a byte behind":        {append(bytes.Clone(good), 0), ErrFork, "extraneous"},
		"cut":                  {good[:len(good)-1], ErrFork, "EOF"},
		"a short author":       {mutateBytes(good, 1, 0x58, 0x40), ErrFork, ""},
		"another author":       {mutate(func(f *Fork) { f.Author = [32]byte(public(testKey("hold"))) }), ErrAuthor, "origin says"},
		"no head":              {mutate(func(f *Fork) { f.A = nil }), ErrCheckpoint, ""},
		"a broken signature":   {mutate(func(f *Fork) { f.B[len(f.B)-4] ^= 1 }), ErrSignature, "does not verify"},
		"two ledgers":          {mutate(func(f *Fork) { f.B = elsewhere.head(t, 5).Note }), ErrFork, "are two ledgers"},
		"the larger first":     {mutate(func(f *Fork) { f.A, f.B = f.B, f.A }), ErrFork, "sizes 5 and 3"},
		"one history":          {mutate(func(f *Fork) { f.A = b.head(t, 3).Note }), ErrFork, "consistent"},
		"one head twice":       {mutate(func(f *Fork) { f.A = f.B; f.Prefix = b.head(t, 5).Root; f.Proof = nil }), ErrFork, "consistent"},
		"one size with proof":  {mutate(func(f *Fork) { f.B = b.head(t, 3).Note; f.Prefix = b.head(t, 3).Root }), ErrFork, "need no proof"},
		"one size, other root": {mutate(func(f *Fork) { f.B = b.head(t, 3).Note; f.Proof = nil; f.Prefix[0]++ }), ErrFork, "need no proof"},
		"an invented prefix":   {mutate(func(f *Fork) { f.Prefix[0]++ }), ErrFork, "invalid transparency proof"},
		"a hash less":          {mutate(func(f *Fork) { f.Proof = f.Proof[1:] }), ErrFork, "invalid transparency proof"},
		"a hash more":          {mutate(func(f *Fork) { f.Proof = append(f.Proof, tlog.Hash{}) }), ErrFork, "invalid transparency proof"},
		"no size":              {mutate(func(f *Fork) { f.A = signed(t, Checkpoint{a.origin, 0, Tree{}.Root()}).Note }), ErrFork, "sizes 0 and 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseFork(c.in)
			refused(t, err, ErrFork, c.says)
			refused(t, err, c.is, c.says)
		})
	}
}

// mutateBytes replaces bytes from i on.
func mutateBytes(b []byte, i int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[i:], with)
	return b
}

func FuzzParseFork(f *testing.F) {
	f.Add(testFork.Marshal())
	f.Fuzz(func(t *testing.T, in []byte) {
		fork, err := ParseFork(in)
		if err == nil && !bytes.Equal(fork.Marshal(), in) {
			t.Fatalf("%x became %x", in, fork.Marshal())
		}
	})
}
