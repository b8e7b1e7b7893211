package store

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// entryOverhead is what an entry's encoding takes at most beside its leaf and its
// body, in bytes: RFC 8949 §3 heads, salt and time.
const entryOverhead = 1 + 2 + 17 + 9 + 5

// firstPage is how many entries a stretch asks for at first.
const firstPage = 64

// Stretch returns the entries from an index on, as many as take up no more than
// maxBytes encoded, at least one, with their proof against i's head. From i.Size
// on there are none. Errors: ErrNotFound for an index beyond.
func (s *Store) Stretch(i Info, from int64, maxBytes int) (ledger.Stretch, error) {
	out := ledger.Stretch{From: from}
	if from < 0 || from > i.Size {
		return out, fmt.Errorf("%w: entry %d of %d of %v", ErrNotFound, from, i.Size, i.Origin)
	}
	if from == i.Size {
		return out, nil
	}
	to, full := from, false
	// A database sends all that is asked for, even to who has had enough.
	for page := int64(firstPage); !full && to < i.Size; page *= 2 {
		lo := to
		err := scanEntries(s.read, i.id, lo, min(i.Size, lo+page), func(e ledger.Entry) (more bool, err error) {
			maxBytes -= len(e.Leaf) + len(e.Body) + entryOverhead
			if full = maxBytes < 0 && len(out.Entries) > 0; full {
				return false, nil
			}
			out.Entries = append(out.Entries, e)
			to++
			full = maxBytes <= 0
			return !full, nil
		})
		if err != nil {
			return out, err
		}
		if to == lo {
			break
		}
	}
	var err error
	if to == from {
		return out, &ledger.At{First: from, Last: i.Size - 1, Err: ledger.ErrTruncated}
	}
	out.Proof, err = ledger.ProveStretch(s.nearReader(i), to, i.Size)
	return out, err
}

// Compare holds a head whose signature was verified against what is held of its
// ledger, and returns the evidence if its author signed two histories; nil if the
// two agree, or if that cannot be told: nothing is held, or less than the head
// covers.
func (s *Store) Compare(h ledger.Head) (*ledger.Fork, error) {
	held, err := s.Ledger(h.Origin)
	if errors.Is(err, ErrNoLedger) {
		return nil, nil
	}
	if err != nil || h.Size < 1 || h.Size > held.Size {
		return nil, err
	}
	r := s.nearReader(held)
	if ok, err := agrees(r, held, h); ok || err != nil {
		return nil, err
	}
	f, err := ledger.ProveFork(h, held.Head, ledger.Hashes(r))
	if err != nil {
		return nil, fmt.Errorf("prove that the author of %v signed two histories: %w", h.Origin, err)
	}
	return &f, nil
}

// agrees reports whether head's root is that of the first head.Size entries of
// what is held.
func agrees(r ledger.Reader, held Info, head ledger.Head) (bool, error) {
	if head.Size == held.Size {
		return head.Root == held.Root, nil
	}
	hashes := ledger.Hashes(r)
	root, err := tlog.TreeHash(head.Size, hashes)
	if err != nil || root == head.Root {
		return err == nil, err
	}
	// Nobody is accused on the word of a damaged file.
	proof, err := tlog.ProveTree(held.Size, head.Size, hashes)
	if err == nil {
		err = tlog.CheckTree(proof, held.Size, held.Root, head.Size, root)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %v: %w", ErrDamaged, held.Origin, err)
	}
	return false, nil
}
