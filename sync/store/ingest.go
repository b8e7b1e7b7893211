package store

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"golang.org/x/mod/sumdb/tlog"

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
// Errors: *ledger.At for a chunk or an entry that does not verify, a withheld
// body included; ErrGap; *ForkError; ledger.ErrBegin for an empty ledger.
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
	err := s.inTx(func(tx txn) error {
		if anew {
			if err := forget(tx, head.Origin); err != nil {
				return err
			}
		}
		held, err := info(tx, head.Origin)
		if errors.Is(err, ErrNoLedger) {
			held, err = newLedger(tx, head)
		}
		if err != nil {
			return err
		}
		t := taker{writer: writer{tx: tx, id: held.id}, log: head.Origin.Kind, held: held.Tree.Size(), tree: held.Tree}
		for c, err := range chunks {
			if err != nil {
				return err
			}
			if err := t.take(head, c); err != nil {
				return err
			}
		}
		if t.tree.Size() < head.Size {
			return fmt.Errorf("%w: %d entries are held, the next chunk was not given", ErrGap, t.tree.Size())
		}
		if ok, err := t.agrees(held, head); err != nil {
			return err
		} else if !ok {
			return &ForkError{held.Head, head}
		}
		if err := t.missing.Check(); err != nil {
			return err
		}
		in.Added = t.tree.Size() - held.Tree.Size()
		in.Fresh = head.Size > held.Size || head.Size == held.Size && newer(head, held, seen)
		if !in.Fresh {
			return nil
		}
		return t.finish(head, seen)
	})
	if err != nil {
		return Ingested{Origin: head.Origin}, err
	}
	return in, nil
}

func forget(tx txn, o ledger.Origin) error {
	for _, query := range []string{
		"DELETE FROM entry WHERE ledger = (SELECT id FROM ledger WHERE origin = ?)",
		"DELETE FROM node WHERE ledger = (SELECT id FROM ledger WHERE origin = ?)",
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

// newLedger makes the row of a ledger whose entries follow.
func newLedger(tx txn, head ledger.Head) (Info, error) {
	r, err := tx.Exec("INSERT INTO ledger (origin, author, charter, generation, size, tree, note, fresh, seen) VALUES (?, ?, x'', 0, 0, x'', x'', 0, 0)",
		head.Origin.String(), []byte(head.Author))
	if err != nil {
		return Info{}, err
	}
	id, err := r.LastInsertId()
	return Info{id: id}, err
}

// taker appends entries to a ledger that somebody else wrote.
type taker struct {
	writer
	log     ledger.LogKind
	held    int64 // entries before
	tree    ledger.Tree
	missing ledger.Missing
	rows    rows // of entries that were not inserted yet
}

// take checks a chunk against the head and stores the entries that are not
// held yet. Whether those that are held are the same, the root says in the end.
func (t *taker) take(head ledger.Head, c ledger.Chunk) error {
	if err := ledger.CheckChunk(head.Checkpoint, c); err != nil {
		return err
	}
	if c.Start > t.tree.Size() {
		return fmt.Errorf("%w: entries %d to %d", ErrGap, t.tree.Size(), c.Start-1)
	}
	fresh := c.Entries[min(t.tree.Size()-c.Start, int64(len(c.Entries))):]
	for i := range fresh {
		if err := t.append(&fresh[i]); err != nil {
			return err
		}
	}
	return t.flush() // then the chunk is its giver's again
}

func (t *taker) flush() error {
	r := t.rows
	t.rows = t.rows[:0]
	return t.insert(r)
}

// append checks the next entry and stores it, with the nodes that it completes.
func (t *taker) append(e *ledger.Entry) error {
	index := t.tree.Size()
	_, body, err := e.Open(t.log, index)
	if err != nil {
		return &ledger.At{First: index, Last: index, Err: err}
	}
	t.missing.Take(index, *e, body)
	if e.Dropped() {
		t.rows.add(index, e.Leaf, nil, nil, nil)
	} else {
		t.rows.add(index, e.Leaf, e.Salt[:], e.Time, e.Body)
	}
	switch body.(type) {
	case *ledger.Begin, *ledger.Dropped:
		if err := t.flush(); err != nil {
			return err
		}
		if err := t.obey(body); err != nil {
			return err
		}
	}
	t.tree.Append(e.Leaf, func(level int, n int64, h tlog.Hash) {
		if stored(level) && err == nil {
			err = t.node(node{level, n, h})
		}
	})
	return err
}

func (t *taker) finish(head ledger.Head, seen int64) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.advance(t.held, t.tree, head, seen)
}

// agrees reports whether head's root is that of the first head.Size entries.
func (t *taker) agrees(held Info, head ledger.Head) (bool, error) {
	if head.Size == t.tree.Size() {
		return head.Root == t.tree.Root(), nil
	}
	hashes := ledger.Hashes(reader{t.tx, held})
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
