package census

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sort"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// Errors of lists.
var (
	ErrOrder     = errors.New("the list is not strictly ascending by tag")
	ErrNotListed = errors.New("the tag is not in the list")
	ErrListed    = errors.New("the tag is in the list")
)

// Entry is one line of a list: a tag and the salted commitment to what shows it.
type Entry struct {
	_          struct{} `cbor:",toarray"`
	Tag        Tag
	Commitment [32]byte
}

func (e Entry) leaf() tlog.Hash {
	var b [lineSize]byte
	copy(b[:], e.Tag[:])
	copy(b[32:], e.Commitment[:])
	return leafHash(&b)
}

const (
	lineSize = ledger.TagSize
	partBits = 8 // a part is 256 lines, a complete subtree
	partSize = 1 << partBits
)

// MaxSize bounds the tags of a list, far above what any disk holds.
const MaxSize = 1 << 40

// List is a strictly ascending list of tags and the tree over it (RFC 6962 §2.1;
// a leaf is a line's 64 bytes). Beside the list's own bytes it takes two hashes
// for each 256 lines.
//
// Only HashParts may run at the same time as itself, on other parts. Once Root
// has returned nothing changes any more, and all may.
type List struct {
	tags   []byte
	levels [][]tlog.Hash // [i][n] is the root of the complete subtree n of partSize << i lines
	root   *tlog.Hash    // once levels are whole
}

// NewList reads a list strictly, without copying it: ledger.TagSize bytes for
// each line, strictly ascending by tag. b must not change afterwards. Errors:
// ErrMalformed for its length; ErrOrder, with the first line, from 0, that does
// not come after the one before it.
func NewList(b []byte) (*List, error) {
	if len(b)%lineSize != 0 || len(b)/lineSize > MaxSize {
		return nil, fmt.Errorf("%w: a list of %d bytes, which is no multiple of %d; fetch it again", ErrMalformed, len(b), lineSize)
	}
	for at := lineSize; at < len(b); at += lineSize {
		if compareTags(b[at-lineSize:], b[at:]) >= 0 {
			return nil, fmt.Errorf("%w: line %d", ErrOrder, at/lineSize)
		}
	}
	parts := len(b) / lineSize >> partBits
	return &List{tags: b, levels: [][]tlog.Hash{make([]tlog.Hash, parts)}}, nil
}

func compareTags(a, b []byte) int {
	return cmp.Or(
		cmp.Compare(binary.BigEndian.Uint64(a), binary.BigEndian.Uint64(b)), // they differ here unless somebody made them not to
		bytes.Compare(a[8:32], b[8:32]))
}

// Len is the number of lines: the figure.
func (l *List) Len() int64 { return int64(len(l.tags) / lineSize) }

// At is line i, from 0.
func (l *List) At(i int64) Entry {
	b := l.line(i)
	return Entry{Tag: Tag(b[:32]), Commitment: [32]byte(b[32:])}
}

func (l *List) line(i int64) []byte { return l.tags[i*lineSize:][:lineSize] }

// Find returns the line of a tag, or the one that it would take and false.
func (l *List) Find(t Tag) (int64, bool) {
	n := l.Len()
	before := func(i int64) bool { return compareTags(l.line(i), t[:]) < 0 }
	// Tags are evenly spread, so a tag stands near where it would if they were
	// exactly so; whatever they are, it is found in a logarithm of steps.
	near, _ := bits.Mul64(binary.BigEndian.Uint64(t[:8]), uint64(n))
	guess := int64(near)
	lo, hi := int64(0), n // what stands before lo is before it, what stands from hi on is not
	for step := int64(64); step < n; step *= 8 {
		if at := guess - step; at >= 0 {
			if !before(at) {
				hi = min(hi, at)
				continue
			}
			lo = max(lo, at+1)
		}
		if at := guess + step; at < n {
			if before(at) {
				lo = max(lo, at+1)
				continue
			}
			hi = min(hi, at)
		}
		break
	}
	i := lo + int64(sort.Search(int(hi-lo), func(i int) bool { return !before(lo + int64(i)) }))
	return i, i < n && Tag(l.line(i)[:32]) == t
}

// Parts is the number of parts that [List.HashParts] hashes, 256 lines each. The
// lines behind the last are Root's.
func (l *List) Parts() int { return len(l.levels[0]) }

// HashParts hashes parts lo to hi-1. Calls for parts that are not the same may
// run at the same time, which is what it is for: [List.Root] hashes all that
// nobody has.
func (l *List) HashParts(lo, hi int) {
	for i := lo; i < hi; i++ {
		l.levels[0][i] = subtreeHash(l.tags[i*partSize*lineSize:][:partSize*lineSize])
	}
}

// Root is the tree's hash: what is published. progress, unless it is nil, is
// called now and then with the lines that are hashed, and at the end.
func (l *List) Root(progress func(done, total int64)) [32]byte {
	if l.root != nil {
		return *l.root
	}
	parts := l.levels[0]
	for i := range parts {
		if parts[i] == (tlog.Hash{}) {
			l.HashParts(i, i+1)
		}
		if progress != nil && i%256 == 255 {
			progress(int64(i+1)*partSize, l.Len())
		}
	}
	for below := parts; len(below) > 1; {
		level := make([]tlog.Hash, len(below)/2)
		for i := range level {
			level[i] = nodeHash(&below[2*i], &below[2*i+1])
		}
		l.levels = append(l.levels, level)
		below = level
	}
	root, err := tlog.TreeHash(l.Len(), l.hashes())
	if err != nil {
		panic("census: " + err.Error()) // the reader does not fail
	}
	l.root = &root
	if progress != nil {
		progress(l.Len(), l.Len())
	}
	return root
}

// hashes gives package tlog the roots of complete subtrees.
func (l *List) hashes() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			if level >= partBits {
				out[i] = l.levels[level-partBits][n]
			} else {
				out[i] = subtreeHash(l.tags[n<<level*lineSize:][:lineSize<<level])
			}
		}
		return out, nil
	})
}

// subtreeHash is the root over 1, 2, 4, … or partSize lines.
func subtreeHash(lines []byte) tlog.Hash {
	var hashes [partSize]tlog.Hash
	n := len(lines) / lineSize
	for i := range n {
		hashes[i] = leafHash((*[lineSize]byte)(lines[i*lineSize:]))
	}
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			hashes[i] = nodeHash(&hashes[2*i], &hashes[2*i+1])
		}
	}
	return hashes[0]
}

// leafHash is [tlog.RecordHash], which allocates. RFC 6962 §2.1
func leafHash(line *[lineSize]byte) tlog.Hash {
	var b [1 + lineSize]byte // it begins with 0
	copy(b[1:], line[:])
	return sha256.Sum256(b[:])
}

// nodeHash is [tlog.NodeHash], which allocates. RFC 6962 §2.1
func nodeHash(left, right *tlog.Hash) tlog.Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}
