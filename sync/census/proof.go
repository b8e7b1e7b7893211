package census

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrInclusion means that a proof is not one for the root: of another list, or
// altered.
var ErrInclusion = errors.New("it does not prove against the list's root; ask for it again, and compare the roots")

// MaxProof bounds a Proof or an Absence, encoded, in bytes. A Proof takes 70 bytes
// and 34 for each of its hashes: 24 for ten million lines, under 1000 bytes.
const MaxProof = 4 << 10

// Proof shows that a line is in a list (RFC 6962 §2.1.1). Its encoding is a CBOR
// array of its fields and does not change.
type Proof struct {
	_      struct{} `cbor:",toarray"`
	Index  int64
	Size   int64 // of the list: compare it with the published one
	Entry  Entry
	Hashes [][32]byte // the siblings, from below
}

// Absence shows that a tag is not in a list: the lines that it would stand
// between, next to each other. Before is nil if it would come first, After if it
// would come last, and both in an empty list. Its encoding is a CBOR array of its
// fields and does not change.
type Absence struct {
	_      struct{} `cbor:",toarray"`
	Size   int64
	Before *Proof
	After  *Proof
}

// Prove proves a tag's line. It hashes at most 256 lines once [List.Root] has
// been called, and calls it if nobody has. Errors: ErrNotListed.
func (l *List) Prove(t Tag) (Proof, error) {
	i, ok := l.Find(t)
	if !ok {
		return Proof{}, fmt.Errorf("%w: %x", ErrNotListed, t)
	}
	return l.prove(i), nil
}

// ProveAbsent proves that a tag has no line. Errors: ErrListed.
func (l *List) ProveAbsent(t Tag) (Absence, error) {
	i, ok := l.Find(t)
	if ok {
		return Absence{}, fmt.Errorf("%w: %x", ErrListed, t)
	}
	a := Absence{Size: l.Len()}
	if i > 0 {
		before := l.prove(i - 1)
		a.Before = &before
	}
	if i < a.Size {
		after := l.prove(i)
		a.After = &after
	}
	return a, nil
}

func (l *List) prove(i int64) Proof {
	l.Root(nil)
	hashes, err := tlog.ProveRecord(l.Len(), i, l.hashes())
	if err != nil {
		panic("census: " + err.Error()) // the line is there, and the reader does not fail
	}
	return Proof{Index: i, Size: l.Len(), Entry: l.At(i), Hashes: convert[[32]byte](hashes)}
}

func convert[To, From ~[32]byte](from []From) []To {
	to := make([]To, len(from))
	for i, h := range from {
		to[i] = To(h)
	}
	return to
}

// Verify checks that the line is in the list with that root. Its errors wrap
// ErrInclusion.
func (p Proof) Verify(root [32]byte) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInclusion, err)
	}
	if tlog.CheckRecord(convert[tlog.Hash](p.Hashes), p.Size, root, p.Index, p.Entry.leaf()) != nil {
		return fmt.Errorf("%w: line %d of %d", ErrInclusion, p.Index, p.Size)
	}
	return nil
}

// Verify checks that a tag is not in the list with that root. That there is
// nothing between the two lines follows from the shape of their proofs, and holds
// even if Size is false. Its errors wrap ErrInclusion.
func (a Absence) Verify(root [32]byte, t Tag) error {
	if err := a.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInclusion, err)
	}
	if a.Size == 0 && root != emptyRoot {
		return fmt.Errorf("%w: the list is not empty", ErrInclusion)
	}
	for _, side := range []struct {
		p    *Proof
		want int // how its tag compares with t
	}{{a.Before, -1}, {a.After, 1}} {
		if side.p == nil {
			continue
		}
		if err := side.p.Verify(root); err != nil {
			return err
		}
		if bytes.Compare(side.p.Entry.Tag[:], t[:]) != side.want {
			return fmt.Errorf("%w: the tag is not on that side of line %d", ErrInclusion, side.p.Index)
		}
	}
	return nil
}

var emptyRoot = sha256.Sum256(nil) // RFC 6962 §2.1

// check is of the form.
func (p Proof) check() error {
	if p.Size < 1 || p.Size > MaxSize || p.Index < 0 || p.Index >= p.Size || len(p.Hashes) > 64 {
		return fmt.Errorf("line %d of %d, %d hashes", p.Index, p.Size, len(p.Hashes))
	}
	return nil
}

// check is of the form: the two lines are neighbours.
func (a Absence) check() error {
	before, after := int64(-1), a.Size
	for _, side := range []struct {
		p  *Proof
		at *int64
	}{{a.Before, &before}, {a.After, &after}} {
		if side.p == nil {
			continue
		}
		if err := side.p.check(); err != nil {
			return err
		}
		if side.p.Size != a.Size {
			return fmt.Errorf("a line of a list of %d, in one of %d", side.p.Size, a.Size)
		}
		*side.at = side.p.Index
	}
	if before+1 != after {
		return fmt.Errorf("between lines %d and %d of %d", before, after, a.Size)
	}
	return nil
}

// Marshal encodes the proof.
func (p Proof) Marshal() []byte { return encode(p) }

// Marshal encodes the absence.
func (a Absence) Marshal() []byte { return encode(a) }

// ParseProof reads a proof strictly; it does not verify it. Its errors wrap
// ErrMalformed.
func ParseProof(b []byte) (Proof, error) {
	var p Proof
	if err := decodeWhole(b, &p, MaxProof); err != nil {
		return Proof{}, err
	}
	if err := p.check(); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

// ParseAbsence reads an absence strictly; it does not verify it. Its errors wrap
// ErrMalformed.
func ParseAbsence(b []byte) (Absence, error) {
	var a Absence
	if err := decodeWhole(b, &a, MaxProof); err != nil {
		return Absence{}, err
	}
	if err := a.check(); err != nil {
		return Absence{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return a, nil
}
