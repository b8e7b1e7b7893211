package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Errors of what a chain of charters says of ledgers and epochs.
var (
	ErrOtherHistory = errors.New("the charter counts another history of this ledger: its author signed two")
	ErrOffer        = errors.New("no evaluator of the charter's offered this epoch's key")
)

// Counts says how many entries count of a ledger that is held up to a size, by
// [Charters.Limit]; ok is false when none does. It returns [ErrOtherHistory].
func (cs Charters) Counts(role AuthorRole, o Origin, size int64, hashes tlog.HashReader) (n int64, ok bool, err error) {
	l, ok := cs.Limit(role, o)
	if !ok || l.Root == nil || l.Size > size {
		return min(l.Size, size), ok, nil
	}
	root, err := tlog.TreeHash(l.Size, hashes)
	if err != nil {
		return 0, false, err
	}
	if root != *l.Root {
		return 0, false, fmt.Errorf("%v: %w", o, ErrOtherHistory)
	}
	return l.Size, true, nil
}

// CheckOffer verifies that an evaluator whom the charter names, or named, offered the
// key of an epoch for these times. It returns [ErrOffer].
func (cs Charters) CheckOffer(b *EpochOpened) error {
	for _, a := range cs.Latest().Authors {
		if a.Role != Evaluator || a.Key != b.Evaluator {
			continue
		}
		if !ed25519.Verify(b.Evaluator[:], b.OfferText(cs.ID()), b.Offer[:]) {
			return fmt.Errorf("%w: the signature is of another offer", ErrOffer)
		}
		return nil
	}
	return fmt.Errorf("%w: the charter names no evaluator %v", ErrOffer, KeyIDOf(b.Evaluator[:]))
}
