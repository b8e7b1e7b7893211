package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrStretch marks a stretch that cannot be checked from where its receiver
// stands: it begins elsewhere, reaches beyond the head, or holds nothing.
var ErrStretch = errors.New("the stretch does not continue what is held")

// Stretch is consecutive entries of a ledger, as many as its giver likes, with
// the proof that the tree they end at is a prefix of a head's. Whoever holds the
// entries before them checks it with the right edge of the tree alone.
type Stretch struct {
	From    int64       // index of the first entry
	Entries []Entry     // none only for a newer head of the size that is held
	Proof   []tlog.Hash // RFC 6962 §2.1.2 consistency of size From+len(Entries) with the head's; empty if they are equal
}

// ProveStretch returns the proof of a stretch that ends at size to against the
// head at size, which r holds: 1 <= to <= size. Errors: ErrStretch.
func ProveStretch(r Reader, to, size int64) ([]tlog.Hash, error) {
	if to < 1 || to > size {
		return nil, fmt.Errorf("%w: %d entries of a head of %d", ErrStretch, to, size)
	}
	if to == size {
		return nil, nil
	}
	return tlog.ProveTree(size, to, Hashes(r))
}

// Run is entries that were opened and appended to a tree: whoever holds what the
// tree stands for has only to store them. [Continue] makes it; the zero value
// continues nothing.
type Run struct {
	before, after Tree
	entries       []Entry
	nodes         []Node
	records       []Record
	missing       int64
}

// Node is the root of a complete subtree at a level that is stored: see [Reader].
type Node struct {
	Level int
	N     int64
	Hash  tlog.Hash
}

// Record is an entry that tells about ledgers themselves and is to be obeyed by
// whoever stores them: Begin, Dropped, Snapshot, Expired.
type Record struct {
	Index int64
	Body  Body
}

// IsRecord reports whether entries of this kind are records, which stay when
// other bodies go.
func (k Kind) IsRecord() bool {
	return k == KindBegin || k == KindDropped || k == KindSnapshot || k == KindExpired
}

// Continue opens entries that follow on a tree in a ledger of that kind, and
// appends them. Errors are those of [Entry.Open], in an *At.
func Continue(log LogKind, tree Tree, entries []Entry) (Run, error) {
	run := Run{before: tree, after: tree, entries: entries}
	keep := func(level int, n int64, h tlog.Hash) {
		if level > 0 && level%TileHeight == 0 {
			run.nodes = append(run.nodes, Node{level, n, h})
		}
	}
	for i := range entries {
		index := run.after.size
		leaf, body, err := entries[i].Open(log, index)
		if err != nil {
			return Run{}, &At{index, index, err}
		}
		if entries[i].Dropped() {
			run.missing++
		} else if leaf.Kind.IsRecord() {
			run.records = append(run.records, Record{index, body})
		}
		run.after.Append(entries[i].Leaf, keep)
	}
	return run, nil
}

// Before is the tree that the run continues.
func (r Run) Before() Tree { return r.before }

// Tree is the tree with the run.
func (r Run) Tree() Tree { return r.after }

// Entries are the run's, in order.
func (r Run) Entries() []Entry { return r.entries }

// Nodes are the stored ones that the run completes, from below to above where one
// entry completes several.
func (r Run) Nodes() []Node { return r.nodes }

// Records are the entries of the run that are to be obeyed, in order.
func (r Run) Records() []Record { return r.records }

// Missing counts the entries whose bodies were not given.
func (r Run) Missing() int64 { return r.missing }

// Extension is a run that was proved against a head whose signature was verified.
// Only [CheckStretch] makes one.
type Extension struct {
	Run
	head Head
}

// Head is the head that it was proved against.
func (x Extension) Head() Head { return x.head }

// Whole reports whether it reaches the head.
func (x Extension) Whole() bool { return x.after.size == x.head.Size }

// CheckStretch verifies a stretch of a ledger against one of its heads, from the
// right edge of the tree of all entries before it. Errors: ErrStretch; an *At
// around an entry that does not open, or around all of them and ErrProof when
// they are not what the head covers.
func CheckStretch(tree Tree, head Head, s Stretch) (Extension, error) {
	count := int64(len(s.Entries))
	switch {
	case s.From != tree.size:
		return Extension{}, fmt.Errorf("%w: it begins at entry %d, and %d are held", ErrStretch, s.From, tree.size)
	case head.Size > maxSize || s.From > head.Size || count > head.Size-s.From:
		return Extension{}, fmt.Errorf("%w: %d entries from %d on, of a head of %d", ErrStretch, count, s.From, head.Size)
	case head.Size < 1 || count == 0 && s.From < head.Size:
		return Extension{}, fmt.Errorf("%w: it holds nothing", ErrStretch)
	case len(s.Proof) > 2*maxEdge:
		return Extension{}, fmt.Errorf("%w: a proof of %d hashes", ErrStretch, len(s.Proof))
	}
	run, err := Continue(head.Origin.Kind, tree, s.Entries)
	if err != nil {
		return Extension{}, err
	}
	// RFC 6962 §2.1.2; of equal sizes the proof is empty and the roots are one.
	if err := tlog.CheckTree(s.Proof, head.Size, head.Root, run.after.size, run.after.Root()); err != nil {
		return Extension{}, &At{s.From, max(s.From, run.after.size-1), ErrProof}
	}
	return Extension{run, head}, nil
}
