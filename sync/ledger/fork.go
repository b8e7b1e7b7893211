package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrFork marks evidence that does not prove a fork.
var ErrFork = errors.New("no proof of a fork")

// Fork proves by itself that an author signed two histories of one ledger: two
// heads, and for different sizes the consistency proof that shows what the
// larger one's tree held at the smaller one's size. Deterministic CBOR; the
// form is fixed.
type Fork struct {
	_      struct{}    `cbor:",toarray"`
	Author [32]byte    // Ed25519
	A, B   []byte      // signed notes, A's size at most B's
	Prefix tlog.Hash   // root of B's tree at A's size; B's own root if the sizes are equal
	Proof  []tlog.Hash // RFC 6962 §2.1.2 consistency of Prefix with B; empty if the sizes are equal
}

// ProveFork makes the evidence from two heads of one author, where b's tree is
// the one at hand. It returns ErrFork when they are consistent.
func ProveFork(a, b Head, hashes tlog.HashReader) (Fork, error) {
	f := Fork{Author: [32]byte(b.Author), A: a.Note, B: b.Note, Prefix: b.Root}
	if a.Size > b.Size {
		return f, fmt.Errorf("%w: the head at hand has %d entries, the other %d", ErrFork, b.Size, a.Size)
	}
	if a.Size < b.Size {
		var err error
		if f.Prefix, err = tlog.TreeHash(a.Size, hashes); err != nil {
			return f, err
		}
		if f.Proof, err = tlog.ProveTree(b.Size, a.Size, hashes); err != nil {
			return f, err
		}
	}
	return f, f.check()
}

// Marshal encodes the evidence.
func (f Fork) Marshal() []byte { return encode(f) }

// ParseFork reads evidence and verifies it. Its errors wrap ErrFork.
func ParseFork(b []byte) (Fork, error) {
	var f Fork
	if len(b) > 4*MaxNote {
		return f, fmt.Errorf("%w: %d bytes", ErrFork, len(b))
	}
	if err := decodeWhole(b, &f); err != nil {
		return f, fmt.Errorf("%w: %w", ErrFork, err)
	}
	return f, f.check()
}

// Heads returns the two checkpoints of verified evidence.
func (f Fork) Heads() (a, b Head, err error) {
	if a, err = OpenHead(f.A, f.Author[:]); err != nil {
		return a, b, fmt.Errorf("%w: %w", ErrFork, err)
	}
	if b, err = OpenHead(f.B, f.Author[:]); err != nil {
		return a, b, fmt.Errorf("%w: %w", ErrFork, err)
	}
	return a, b, nil
}

func (f Fork) check() error {
	a, b, err := f.Heads()
	switch {
	case err != nil:
		return err
	case a.Origin != b.Origin:
		return fmt.Errorf("%w: %v and %v are two ledgers", ErrFork, a.Origin, b.Origin)
	case a.Size < 1 || a.Size > b.Size:
		return fmt.Errorf("%w: sizes %d and %d", ErrFork, a.Size, b.Size)
	case f.Prefix == a.Root:
		return fmt.Errorf("%w: the heads are consistent", ErrFork)
	case a.Size == b.Size && (len(f.Proof) != 0 || f.Prefix != b.Root):
		return fmt.Errorf("%w: equal sizes need no proof", ErrFork)
	case a.Size < b.Size:
		if err := tlog.CheckTree(f.Proof, b.Size, b.Root, a.Size, f.Prefix); err != nil {
			return fmt.Errorf("%w: %w", ErrFork, err)
		}
	}
	return nil
}
