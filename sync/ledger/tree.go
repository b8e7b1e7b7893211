package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// ChunkSize is the number of entries in a whole chunk: the width of a
	// C2SP tlog-tiles entry bundle (https://c2sp.org/tlog-tiles).
	ChunkSize = 1 << TileHeight
	// TileHeight is the distance between the levels whose nodes are stored.
	TileHeight = 8

	// maxSize bounds a ledger so far above what any disk holds that no
	// arithmetic on sizes and indexes overflows, here or in package tlog.
	maxSize = 1 << maxEdge
	maxEdge = 48
)

// Errors of trees and proofs.
var (
	ErrTree  = errors.New("malformed tree state")
	ErrProof = errors.New("does not prove against the head")
	ErrChunk = errors.New("not an aligned chunk of this head")
)

// Tree is the right edge of a ledger's Merkle tree (RFC 6962 §2.1): the roots
// of the complete subtrees that make up its size, the largest first. The zero
// value is the empty tree. Appending takes amortised constant time and root
// and state need at most 63 hashes.
type Tree struct {
	size int64
	edge [maxEdge]tlog.Hash // as many as size has ones in binary, then zeros
}

// Size is the number of leaves.
func (t Tree) Size() int64 { return t.size }

// Append adds a leaf. It calls node, unless that is nil, for every subtree
// that the leaf completes, from below to above; level 0 is the leaf itself.
func (t *Tree) Append(leaf []byte, node func(level int, n int64, h tlog.Hash)) {
	h := leafHash(leaf)
	last := bits.OnesCount64(uint64(t.size))
	level := 0
	for {
		n := t.size >> level
		if node != nil {
			node(level, n, h)
		}
		if n&1 == 0 {
			break
		}
		last--
		h = nodeHash(t.edge[last], h)
		t.edge[last] = tlog.Hash{}
		level++
	}
	t.edge[last] = h
	t.size++
}

// leafHash is [tlog.RecordHash], which allocates. RFC 6962 §2.1
func leafHash(leaf []byte) tlog.Hash {
	var b [1 + MaxLeaf]byte // it begins with 0
	return sha256.Sum256(append(b[:1], leaf...))
}

// nodeHash is [tlog.NodeHash], which allocates. RFC 6962 §2.1
func nodeHash(left, right tlog.Hash) tlog.Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// Root is the Merkle tree hash.
func (t Tree) Root() tlog.Hash {
	if t.size == 0 {
		return tlog.Hash(sha256.Sum256(nil))
	}
	return fold(t.edge[:bits.OnesCount64(uint64(t.size))])
}

// suffix is the hash of the leaves from lo to the end, where lo is where one
// of the edge's subtrees begins.
func (t Tree) suffix(lo int64) (tlog.Hash, bool) {
	at := int64(0)
	edge := t.edge[:bits.OnesCount64(uint64(t.size))]
	for i, rest := 0, t.size; i < len(edge); i++ {
		if at == lo {
			return fold(edge[i:]), true
		}
		width := int64(1) << (bits.Len64(uint64(rest)) - 1)
		at += width
		rest -= width
	}
	return tlog.Hash{}, false
}

func fold(edge []tlog.Hash) tlog.Hash {
	h := edge[len(edge)-1]
	for i := len(edge) - 2; i >= 0; i-- {
		h = nodeHash(edge[i], h)
	}
	return h
}

// MarshalBinary is size u64 followed by the edge's hashes.
func (t Tree) MarshalBinary() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, uint64(t.size))
	for _, h := range t.edge[:bits.OnesCount64(uint64(t.size))] {
		b = append(b, h[:]...)
	}
	return b, nil
}

// ParseTree reads what MarshalBinary wrote. Its errors wrap ErrTree.
func ParseTree(b []byte) (Tree, error) {
	if len(b) < 8 {
		return Tree{}, fmt.Errorf("%w: %d bytes", ErrTree, len(b))
	}
	size := binary.BigEndian.Uint64(b)
	if size > maxSize || len(b) != 8+32*bits.OnesCount64(size) {
		return Tree{}, fmt.Errorf("%w: %d bytes for size %d", ErrTree, len(b), size)
	}
	t := Tree{size: int64(size)}
	for i := 0; 8+32*i < len(b); i++ {
		t.edge[i] = tlog.Hash(b[8+32*i:][:32])
	}
	return t, nil
}

// Reader gives what is stored of one ledger. Leaves and nodes of an author's
// ledger are readable once its append is durable.
type Reader interface {
	// Tree is the state of the stored leaves.
	Tree() (Tree, error)
	// Leaves returns the encodings of leaves lo to hi-1, in order.
	Leaves(lo, hi int64) ([][]byte, error)
	// Node returns the root of the complete subtree n at a level that is a
	// multiple of TileHeight and above 0.
	Node(level int, n int64) (tlog.Hash, error)
}

// Hashes makes a [tlog.HashReader] of a stored ledger, for [tlog.ProveRecord]
// (inclusion) and [tlog.ProveTree] (consistency).
func Hashes(r Reader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			h, err := subtree(r, level, n)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	})
}

// subtree is the root of the complete subtree n at a level.
func subtree(r Reader, level int, n int64) (tlog.Hash, error) {
	base := level - level%TileHeight
	if base > 0 && level == base {
		return r.Node(level, n)
	}
	first, count := n<<(level-base), int64(1)<<(level-base)
	hashes := make([]tlog.Hash, 0, count)
	if base == 0 {
		leaves, err := r.Leaves(first, first+count)
		if err != nil {
			return tlog.Hash{}, err
		}
		if int64(len(leaves)) != count {
			return tlog.Hash{}, fmt.Errorf("%d leaves from %d on, want %d", len(leaves), first, count)
		}
		for _, leaf := range leaves {
			hashes = append(hashes, leafHash(leaf))
		}
	} else {
		for i := range count {
			h, err := r.Node(base, first+i)
			if err != nil {
				return tlog.Hash{}, err
			}
			hashes = append(hashes, h)
		}
	}
	for len(hashes) > 1 {
		for i := range len(hashes) / 2 {
			hashes[i] = nodeHash(hashes[2*i], hashes[2*i+1])
		}
		hashes = hashes[:len(hashes)/2]
	}
	return hashes[0], nil
}

// rangeHash is the Merkle tree hash of leaves lo to hi-1, a node of the tree.
func rangeHash(r Reader, tree Tree, lo, hi int64) (tlog.Hash, error) {
	if hi == tree.size {
		if h, ok := tree.suffix(lo); ok {
			return h, nil
		}
	}
	n := hi - lo
	if n&(n-1) == 0 {
		level := bits.Len64(uint64(n)) - 1
		return subtree(r, level, lo>>level)
	}
	mid := lo + split(n)
	left, err := rangeHash(r, tree, lo, mid)
	if err != nil {
		return left, err
	}
	right, err := rangeHash(r, tree, mid, hi)
	return nodeHash(left, right), err
}

// split is the largest power of two below n. RFC 6962 §2.1
func split(n int64) int64 { return 1 << (bits.Len64(uint64(n-1)) - 1) }
