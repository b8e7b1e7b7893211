package ledger

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Chunk is an aligned run of entries with the hashes that prove it against a
// head, so that it is verified by itself in bounded memory: entries Start to
// Start+len(Entries)-1, where Start is a multiple of ChunkSize and the run is
// ChunkSize long or reaches the head's size. Its size and order never depend
// on who sends it.
type Chunk struct {
	_       struct{} `cbor:",toarray"`
	Start   int64
	Entries []Entry
	Proof   []tlog.Hash // siblings from the chunk's node up to the root
}

// At is an error that stands at a place in a ledger.
type At struct {
	First, Last int64 // entries, both included
	Err         error
}

func (e *At) Error() string {
	if e.First == e.Last {
		return fmt.Sprintf("entry %d: %v", e.First, e.Err)
	}
	return fmt.Sprintf("entries %d to %d: %v", e.First, e.Last, e.Err)
}

func (e *At) Unwrap() error { return e.Err }

// ChunkEnd is the index behind the chunk that begins at start, in a ledger of
// that size.
func ChunkEnd(start, size int64) int64 { return min(start+ChunkSize, size) }

// ProveChunk returns the siblings that prove the chunk at start against the
// head at size. size is at most what r holds.
func ProveChunk(r Reader, start, size int64) ([]tlog.Hash, error) {
	if start < 0 || start%ChunkSize != 0 || start >= size {
		return nil, fmt.Errorf("%w: entry %d of %d", ErrChunk, start, size)
	}
	tree, err := r.Tree()
	if err != nil {
		return nil, err
	}
	if size > tree.size {
		return nil, fmt.Errorf("%w: %d entries are stored, not %d", ErrChunk, tree.size, size)
	}
	var proof []tlog.Hash
	lo, hi := start, ChunkEnd(start, size)
	var walk func(a, b int64) error
	walk = func(a, b int64) error {
		if a == lo && b == hi {
			return nil
		}
		mid := a + split(b-a)
		inA, inB, outA, outB := a, mid, mid, b
		if lo >= mid {
			inA, inB, outA, outB = mid, b, a, mid
		}
		if err := walk(inA, inB); err != nil {
			return err
		}
		h, err := rangeHash(r, tree, outA, outB)
		proof = append(proof, h)
		return err
	}
	return proof, walk(0, size)
}

// CheckChunk verifies a chunk against a head: every entry's commitment, then
// the chunk's hash against the root. Errors are *At around the first that does
// not fit, or ErrChunk.
func CheckChunk(c Checkpoint, chunk Chunk) error {
	if err := chunk.aligned(c.Size); err != nil {
		return err
	}
	for i, e := range chunk.Entries {
		index := chunk.Start + int64(i)
		if _, err := e.Check(index); err != nil {
			return &At{index, index, err}
		}
	}
	return chunk.proved(c)
}

// aligned checks that a ledger of that size has this chunk.
func (chunk Chunk) aligned(size int64) error {
	if chunk.Start < 0 || chunk.Start%ChunkSize != 0 || chunk.Start >= size || size > maxSize ||
		int64(len(chunk.Entries)) != ChunkEnd(chunk.Start, size)-chunk.Start {
		return fmt.Errorf("%w: %d entries from %d on, of %d", ErrChunk, len(chunk.Entries), chunk.Start, size)
	}
	return nil
}

// proved checks an aligned chunk's leaves and proof against a head.
func (chunk Chunk) proved(c Checkpoint) error {
	end := chunk.Start + int64(len(chunk.Entries))
	var t Tree
	for _, e := range chunk.Entries {
		t.Append(e.Leaf, nil)
	}
	proof := chunk.Proof
	var walk func(a, b int64) (tlog.Hash, bool)
	walk = func(a, b int64) (tlog.Hash, bool) {
		if a == chunk.Start && b == end {
			return t.Root(), true
		}
		mid := a + split(b-a)
		right := chunk.Start >= mid
		if right {
			a = mid
		} else {
			b = mid
		}
		h, ok := walk(a, b)
		if !ok || len(proof) == 0 {
			return h, false
		}
		sibling := proof[0]
		proof = proof[1:]
		if right {
			return tlog.NodeHash(sibling, h), true
		}
		return tlog.NodeHash(h, sibling), true
	}
	if root, ok := walk(0, c.Size); !ok || len(proof) != 0 || root != c.Root {
		return &At{chunk.Start, end - 1, ErrProof}
	}
	return nil
}
