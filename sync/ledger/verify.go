package ledger

import (
	"errors"
	"fmt"
)

// Errors of a whole ledger.
var (
	ErrBegin     = errors.New("a ledger's first entry is Begin, and no other is")
	ErrWrongLog  = errors.New("this kind does not belong in this ledger")
	ErrWithheld  = errors.New("the body is missing and no entry records that its author let it go")
	ErrTruncated = errors.New("entries are missing that the head covers")
	ErrSnapshot  = errors.New("a snapshot of its author does not agree with the entries before it")
	ErrRoot      = errors.New("the entries' root is not the head's")
)

// Open checks all that one entry shows by itself: what [Entry.Check] does, that
// Begin stands first and nowhere else, that the kind belongs in a ledger of that
// kind, and the body. The body is nil when it was dropped or when this version
// does not know its kind. An entry of an unknown kind, critical or not, is an
// entry all the same: what it stops is the projection. Errors: those of Check, ErrBegin, ErrWrongLog, ErrBody.
func (e Entry) Open(log LogKind, index int64) (Leaf, Body, error) {
	leaf, err := e.Check(index)
	switch {
	case err != nil:
		return leaf, nil, err
	case (index == 0) != (leaf.Kind == KindBegin):
		return leaf, nil, ErrBegin
	case !leaf.Kind.Known():
		return leaf, nil, nil
	case !leaf.Kind.In(log):
		return leaf, nil, fmt.Errorf("%w: %v in a %s ledger", ErrWrongLog, leaf.Kind, log)
	case e.Dropped():
		return leaf, nil, nil
	}
	body, err := ParseBody(leaf.Kind, e.Body)
	if err != nil {
		return leaf, nil, err
	}
	switch b := body.(type) {
	case *Dropped:
		if b.Last >= index {
			return leaf, nil, fmt.Errorf("%w: it records the drop of entry %d, which is still to come", ErrBody, b.Last)
		}
	case *Snapshot:
		if b.Size > index {
			return leaf, nil, fmt.Errorf("%w: it speaks of %d entries, some of which are still to come", ErrBody, b.Size)
		}
	}
	return leaf, body, nil
}

// Reopen is [Entry.Open] of an entry that was opened before, as all of an [Extension]
// were: it is read, and not checked again.
func (e Entry) Reopen() (Leaf, Body, error) {
	leaf, err := ParseLeaf(e.Leaf)
	d, known := kinds[leaf.Kind]
	if err != nil || !known || e.Dropped() {
		return leaf, nil, err
	}
	body := d.body()
	if err := codec.DecodeLoose(e.Body, body); err != nil {
		return leaf, nil, fmt.Errorf("%w: %v: %w", ErrBody, leaf.Kind, err)
	}
	return leaf, body, nil
}

// Verifier reads a ledger from its first entry to its head and finds the first
// thing that is wrong. It wants every chunk, in order; its memory grows only
// as [Missing] does. After an error it is of no more use.
type Verifier struct {
	head    Head
	tree    Tree
	missing Missing
	report  Report
}

// Report is what a verified ledger holds.
type Report struct {
	Origin      Origin
	Size        int64
	Time        uint64 // of the author's signature, Unix seconds
	Begin       Begin
	Kinds       map[Kind]int // by kind, dropped bodies included
	Dropped     int64        // bodies that were let go, all but Expired recorded
	Expired     int64        // of a door log: bodies at its beginning that are missing without a word of it here
	Unknown     int          // entries of kinds that this version does not know
	FirstUnread *At          // the first unknown critical entry: projections stop there
	From, Until int64        // earliest and latest time of an entry, Unix milliseconds
}

// NewVerifier starts at a head whose signature was verified.
func NewVerifier(head Head) *Verifier {
	return &Verifier{head: head, missing: Missing{Expires: head.Origin.Kind.Expires()}, report: Report{Origin: head.Origin, Size: head.Size, Time: head.Time, Kinds: map[Kind]int{}}}
}

// Chunk takes the next chunk. An error is an *At that names the first bad
// entry, or the chunk when no single entry can be named.
func (v *Verifier) Chunk(c Chunk) error {
	next := v.tree.size
	if c.Start != next {
		return &At{next, next, fmt.Errorf("%w: the next chunk begins at entry %d", ErrChunk, c.Start)}
	}
	if err := c.aligned(v.head.Size); err != nil {
		return &At{next, max(next, ChunkEnd(next, v.head.Size)-1), err}
	}
	for i, e := range c.Entries {
		index := next + int64(i)
		if err := v.entry(index, e); err != nil {
			return &At{index, index, err}
		}
	}
	if err := c.proved(v.head.Checkpoint); err != nil {
		return err
	}
	for _, e := range c.Entries {
		v.tree.Append(e.Leaf, nil)
	}
	return nil
}

func (v *Verifier) entry(index int64, e Entry) error {
	leaf, body, err := e.Open(v.head.Origin.Kind, index)
	if err != nil {
		return err
	}
	v.missing.Take(index, e, body)
	r := &v.report
	r.Kinds[leaf.Kind]++
	if !leaf.Kind.Known() {
		r.Unknown++
		if leaf.Critical && r.FirstUnread == nil {
			r.FirstUnread = &At{index, index, ErrUnknownKind}
		}
	}
	if e.Dropped() {
		r.Dropped++
		return nil
	}
	if r.From == 0 || e.Time < r.From {
		r.From = e.Time
	}
	r.Until = max(r.Until, e.Time)
	if b, ok := body.(*Begin); ok {
		r.Begin = *b
	}
	return nil
}

// Finish checks that nothing is missing and returns the report.
func (v *Verifier) Finish() (Report, error) {
	switch {
	case v.head.Size == 0:
		return v.report, &At{0, 0, ErrBegin}
	case v.tree.size < v.head.Size:
		return v.report, &At{v.tree.size, v.head.Size - 1, ErrTruncated}
	case v.tree.Root() != v.head.Root: // cannot be after proved chunks; cheap
		return v.report, ErrRoot
	}
	err := v.missing.Check()
	v.report.Expired = v.missing.Expired()
	return v.report, err
}
