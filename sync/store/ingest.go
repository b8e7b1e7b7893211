package store

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"tombolo/sync/ledger"
)

// ForkError says that an author signed two histories: Offered is not
// consistent with what is held. Nothing was stored.
type ForkError struct {
	Held, Offered ledger.Head
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("%v: its author signed two histories: %d entries are held, and a head of %d entries does not agree with them",
		e.Held.Origin, e.Held.Size, e.Offered.Size)
}

// ErrGap marks chunks that do not begin where the held entries end.
var ErrGap = errors.New("entries are missing between what is held and what was offered")

// Ingested says what Ingest did.
type Ingested struct {
	Origin ledger.Origin
	Added  int64 // entries
	Fresh  bool  // the head is newer than the one that was held
}

// Ingest takes in what somebody offers of a ledger: a head whose signature was
// verified, and chunks in order, each of which is checked against the head
// before it is stored. Chunks that are held already may be left out. seen is
// the time now in Unix seconds. All of it is stored, durably, or nothing.
//
// What [Store.Extend] kept beside the ledger is forgotten when the head brings more.
//
// Errors: *ledger.At for a chunk or an entry that does not verify, a withheld
// body and an untrue snapshot included; ErrGap; *ForkError; ledger.ErrBegin for an
// empty ledger.
func (s *Store) Ingest(head ledger.Head, seen int64, chunks iter.Seq2[ledger.Chunk, error]) (Ingested, error) {
	return s.ingest(head, seen, chunks, false)
}

// Replace is Ingest of a whole ledger in place of what is held of it, which is
// forgotten: it turned out to be the history that does not count. The caller
// answers for that.
func (s *Store) Replace(head ledger.Head, seen int64, chunks iter.Seq2[ledger.Chunk, error]) (Ingested, error) {
	return s.ingest(head, seen, chunks, true)
}

func (s *Store) ingest(head ledger.Head, seen int64, chunks iter.Seq2[ledger.Chunk, error], anew bool) (Ingested, error) {
	in := Ingested{Origin: head.Origin}
	if head.Size == 0 {
		return in, fmt.Errorf("%v: %w", head.Origin, ledger.ErrBegin)
	}
	begun := false
	err := s.inTx(func(tx txn) error {
		if begun {
			return errors.New("the database undid what it had taken in of a ledger; give it again")
		}
		if anew {
			if err := forget(tx, head.Origin); err != nil {
				return err
			}
		}
		t, err := newTaker(tx, head)
		if err != nil {
			return err
		}
		held := t.held
		// What is kept beside was given by somebody else, who may have withheld bodies.
		if t.beside && head.Size > held.Size {
			if err := forgetBeside(tx, head.Origin); err != nil {
				return err
			}
			if t, err = newTaker(tx, head); err != nil {
				return err
			}
		}
		t.tree, t.missing = held.Tree, 0
		begun = true // they may come only once
		for c, err := range chunks {
			if err != nil {
				return err
			}
			if err := t.chunk(head, c); err != nil {
				return err
			}
		}
		if t.tree.Size() < head.Size {
			return fmt.Errorf("%w: %d entries are held, the next chunk was not given", ErrGap, t.tree.Size())
		}
		ok := head.Root == t.tree.Root()
		if head.Size < t.tree.Size() {
			ok, err = agrees(reader{q: tx, info: held}, held, head)
		}
		if err != nil {
			return err
		}
		if !ok {
			return &ForkError{held.Head, head}
		}
		in.Added = t.tree.Size() - held.Tree.Size()
		if head.Size >= held.Size {
			in.Fresh, err = t.whole(head, seen)
		}
		return err
	}, lineage(head.Origin))
	if err != nil {
		return Ingested{Origin: head.Origin}, err
	}
	return in, nil
}

func forget(tx txn, o ledger.Origin) error {
	for _, query := range []string{
		"DELETE FROM entry WHERE ledger = (SELECT id FROM ledger WHERE origin = ?)",
		"DELETE FROM node WHERE ledger = (SELECT id FROM ledger WHERE origin = ?)",
		"DELETE FROM due WHERE ledger = (SELECT id FROM ledger WHERE origin = ?)",
		"DELETE FROM partial WHERE ledger = (SELECT id FROM ledger WHERE origin = ?)",
		"DELETE FROM ledger WHERE origin = ?",
	} {
		if _, err := tx.Exec(query, o.String()); err != nil {
			return err
		}
	}
	return nil
}

const (
	// maxAhead is how far a head may be dated past the clock of whoever sees it,
	// in seconds.
	maxAhead = 24 * 3600
	// epoch is 2026-01-01: a clock that shows less is not set and judges nobody.
	epoch = 1767225600
)

// newer tells whether a head of the size that is held is news: its signature is
// younger than the one that is held. One that is dated to a time to come is
// none, and one that is held with such a date gives way to any other: a laptop
// with a wrong clock must not silence its issuer.
func newer(head ledger.Head, held Info, seen int64) bool {
	date := func(fresh uint64) int64 { return int64(min(fresh, math.MaxInt64-maxAhead)) }
	offered, have := date(head.Fresh()), date(held.Fresh())
	switch {
	case seen >= epoch && offered > seen+maxAhead:
		return false
	case seen >= epoch && have > seen+maxAhead:
		return true
	}
	return offered > have
}

// chunk checks a chunk against the head and stores the entries that are not held
// yet. Whether those that are held are the same, the root says in the end.
func (t *taker) chunk(head ledger.Head, c ledger.Chunk) error {
	if err := ledger.CheckChunk(head.Checkpoint, c); err != nil {
		return err
	}
	if c.Start > t.tree.Size() {
		return fmt.Errorf("%w: entries %d to %d", ErrGap, t.tree.Size(), c.Start-1)
	}
	run, err := ledger.Continue(t.origin.Kind, t.tree, c.Entries[min(t.tree.Size()-c.Start, int64(len(c.Entries))):])
	if err != nil {
		return err
	}
	return t.take(run)
}
