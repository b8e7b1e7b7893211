package ledger

import (
	"errors"
	"math"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// Every aligned chunk of every size is proved by the same hashes, whether the
// ledger ends there or goes on, and by any size's head.
func TestEveryChunkProves(t *testing.T) {
	t.Parallel()
	const largest = 1100
	whole := newMemory().fill(t, largest, 0)
	m := newMemory()
	var c Checkpoint
	for size := int64(1); size <= largest; size++ {
		m.addEntry(whole.entries[size-1])
		c = Checkpoint{m.origin, size, m.tree.Root()}
		for start := int64(0); start < size; start += ChunkSize {
			chunk := m.chunk(t, start, size)
			if size%37 == 0 || size%ChunkSize <= 1 || size%ChunkSize == ChunkSize-1 { // the check hashes every leaf
				if err := CheckChunk(c, chunk); err != nil {
					t.Fatalf("chunk at %d of %d: %v", start, size, err)
				}
			}
			older, err := ProveChunk(whole, start, size)
			if err != nil || !slices.Equal(older, chunk.Proof) {
				t.Fatalf("chunk at %d of %d: proved differently by the longer ledger: %v", start, size, err)
			}
		}
	}
}

// What a chunk holds is all that passes: nothing added, taken, moved, changed.
func TestMutatedChunkNeverPasses(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 1500, 0)
	for i := 3; i < len(m.entries); i += 5 { // without their bodies only the root protects them
		m.entries[i] = m.entries[i].Drop()
	}
	roots := []tlog.Hash{}
	var tree Tree
	for _, e := range m.entries {
		tree.Append(e.Leaf, nil)
		roots = append(roots, tree.Root())
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 1500).Draw(t, "size")
		start := rapid.Int64Range(0, (size-1)/ChunkSize).Draw(t, "chunk") * ChunkSize
		proof, err := ProveChunk(m, start, size)
		if err != nil {
			t.Fatal(err)
		}
		c := Checkpoint{m.origin, size, roots[size-1]}
		chunk := Chunk{Start: start, Entries: slices.Clone(m.entries[start:ChunkEnd(start, size)]), Proof: proof}
		if err := CheckChunk(c, chunk); err != nil {
			t.Fatalf("before: %v", err)
		}
		i := rapid.IntRange(0, len(chunk.Entries)-1).Draw(t, "entry")
		e := &chunk.Entries[i]
		flip := func(b []byte) []byte {
			b = slices.Clone(b)
			b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			return b
		}
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			e.Leaf = flip(e.Leaf)
		case 1:
			if e.Dropped() {
				e.Body = []byte{0}
			} else {
				e.Body = flip(e.Body)
			}
		case 2:
			e.Salt = Salt(flip(e.Salt[:]))
		case 3:
			e.Time += rapid.Int64Range(1, 1<<40).Draw(t, "time")
		case 4: // swap two
			j := rapid.IntRange(0, len(chunk.Entries)-1).Draw(t, "other")
			if i == j {
				return
			}
			chunk.Entries[i], chunk.Entries[j] = chunk.Entries[j], chunk.Entries[i]
		case 5:
			chunk.Entries = chunk.Entries[:len(chunk.Entries)-1]
		case 6:
			chunk.Entries = slices.Insert(chunk.Entries, i, *e)
		case 7:
			chunk.Start += ChunkSize
		case 8:
			if len(proof) == 0 {
				chunk.Proof = []tlog.Hash{{}}
			} else {
				n := rapid.IntRange(0, len(proof)-1).Draw(t, "hash")
				chunk.Proof = slices.Clone(proof)
				chunk.Proof[n] = tlog.Hash(flip(proof[n][:]))
			}
		case 9:
			chunk.Proof = append(slices.Clone(proof), tlog.Hash{})
		}
		if CheckChunk(c, chunk) == nil {
			t.Fatal("it passes")
		}
	})
}

// The chunk is checked where it stands: head and place are the attacker's.
func TestCheckChunkMalformed(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 600, 0)
	good := m.chunk(t, 256, 600)
	head := m.head(t, 600).Checkpoint
	if err := CheckChunk(head, good); err != nil {
		t.Fatal(err)
	}
	mutate := func(f func(*Checkpoint, *Chunk)) (Checkpoint, Chunk) {
		c, k := head, good
		k.Entries, k.Proof = slices.Clone(k.Entries), slices.Clone(k.Proof)
		f(&c, &k)
		return c, k
	}
	for name, c := range map[string]struct {
		f     func(*Checkpoint, *Chunk)
		is    error
		first int64 // of the *At; -1 when the chunk cannot be placed
		last  int64
	}{
		"not aligned":         {func(_ *Checkpoint, k *Chunk) { k.Start = 255 }, ErrChunk, -1, 0},
		"negative":            {func(_ *Checkpoint, k *Chunk) { k.Start = -256 }, ErrChunk, -1, 0},
		"behind the end":      {func(_ *Checkpoint, k *Chunk) { k.Start = 768 }, ErrChunk, -1, 0},
		"where sums overflow": {func(c *Checkpoint, k *Chunk) { k.Start = math.MaxInt64 - 255; c.Size = math.MaxInt64 }, ErrChunk, -1, 0},
		"empty":               {func(_ *Checkpoint, k *Chunk) { k.Entries = nil }, ErrChunk, -1, 0},
		"short":               {func(_ *Checkpoint, k *Chunk) { k.Entries = k.Entries[:255] }, ErrChunk, -1, 0},
		"long":                {func(_ *Checkpoint, k *Chunk) { k.Entries = append(k.Entries, k.Entries[0]) }, ErrChunk, -1, 0},
		"the head is shorter": {func(c *Checkpoint, _ *Chunk) { c.Size = 500 }, ErrChunk, -1, 0},
		// A size whose tree has the same shape up to here would pass: RFC 6962
		// proofs do not bind the size. The author's signature binds it to the root.
		"the head is longer":   {func(c *Checkpoint, _ *Chunk) { c.Size = 1100 }, ErrProof, 256, 511},
		"another root":         {func(c *Checkpoint, _ *Chunk) { c.Root[31]++ }, ErrProof, 256, 511},
		"the place before":     {func(_ *Checkpoint, k *Chunk) { k.Start = 0 }, ErrCommitment, 0, 0},
		"proof one short":      {func(_ *Checkpoint, k *Chunk) { k.Proof = k.Proof[1:] }, ErrProof, 256, 511},
		"proof one long":       {func(_ *Checkpoint, k *Chunk) { k.Proof = append(k.Proof, tlog.Hash{}) }, ErrProof, 256, 511},
		"proof reversed":       {func(_ *Checkpoint, k *Chunk) { slices.Reverse(k.Proof) }, ErrProof, 256, 511},
		"no leaf":              {func(_ *Checkpoint, k *Chunk) { k.Entries[9].Leaf = nil }, ErrLeaf, 265, 265},
		"dropped with a time":  {func(_ *Checkpoint, k *Chunk) { k.Entries[9] = Entry{Leaf: k.Entries[9].Leaf, Time: 1} }, ErrCommitment, 265, 265},
		"a body beyond bounds": {func(_ *Checkpoint, k *Chunk) { k.Entries[9].Body = make([]byte, MaxBody+1) }, ErrTooLarge, 265, 265},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckChunk(mutate(c.f))
			if c.first >= 0 {
				refusedAt(t, err, c.first, c.last, c.is)
			} else if !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
		})
	}
}

func TestProveChunkRefuses(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 300, 0)
	for _, c := range [][2]int64{{-256, 300}, {1, 300}, {256, 256}, {512, 300}, {0, 0}, {0, 301}} {
		if _, err := ProveChunk(m, c[0], c[1]); !errors.Is(err, ErrChunk) {
			t.Errorf("chunk at %d of %d: %v", c[0], c[1], err)
		}
	}
}
