package store

import (
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

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
	err := inTx(s.write, func(tx *sql.Tx) error {
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
		w := writer{tx: tx, id: held.id, log: head.Origin.Kind, tree: held.Tree}
		for c, err := range chunks {
			if err != nil {
				return err
			}
			if err := w.take(head, c); err != nil {
				return err
			}
		}
		if w.tree.Size() < head.Size {
			return fmt.Errorf("%w: %d entries are held, the next chunk was not given", ErrGap, w.tree.Size())
		}
		if ok, err := w.agrees(held, head); err != nil {
			return err
		} else if !ok {
			return &ForkError{held.Head, head}
		}
		if err := w.missing.Check(); err != nil {
			return err
		}
		in.Added = w.tree.Size() - held.Tree.Size()
		in.Fresh = head.Size > held.Size || head.Size == held.Size && newer(head, held, seen)
		if !in.Fresh {
			return nil
		}
		return w.finish(head, seen)
	})
	if err != nil {
		return Ingested{Origin: head.Origin}, err
	}
	return in, nil
}

func forget(tx *sql.Tx, o ledger.Origin) error {
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
func newLedger(tx *sql.Tx, head ledger.Head) (Info, error) {
	r, err := tx.Exec("INSERT INTO ledger (origin, author, charter, generation, size, tree, note, fresh, seen) VALUES (?, ?, x'', 0, 0, x'', x'', 0, 0)",
		head.Origin.String(), []byte(head.Author))
	if err != nil {
		return Info{}, err
	}
	id, err := r.LastInsertId()
	return Info{id: id}, err
}

// Rows go in many at a time: the way into SQLite costs more than the row.
const (
	entryColumns = 6
	manyRows     = 32
	insertOne    = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)"
)

var insertMany = insertOne + strings.Repeat(", (?, ?, ?, ?, ?, ?)", manyRows-1)

// writer appends entries to one ledger within a transaction, which ends with
// finish.
type writer struct {
	tx      *sql.Tx
	id      int64
	log     ledger.LogKind
	tree    ledger.Tree
	missing ledger.Missing
	rows    []any // of entries that were not inserted yet
	err     error // of node
}

// take checks a chunk against the head and stores the entries that are not
// held yet. Whether those that are held are the same, the root says in the end.
func (w *writer) take(head ledger.Head, c ledger.Chunk) error {
	if err := ledger.CheckChunk(head.Checkpoint, c); err != nil {
		return err
	}
	if c.Start > w.tree.Size() {
		return fmt.Errorf("%w: entries %d to %d", ErrGap, w.tree.Size(), c.Start-1)
	}
	for _, e := range c.Entries[min(w.tree.Size()-c.Start, int64(len(c.Entries))):] {
		if err := w.append(e); err != nil {
			return err
		}
	}
	return nil
}

// append checks the next entry and stores it.
func (w *writer) append(e ledger.Entry) error {
	index := w.tree.Size()
	_, body, err := e.Open(w.log, index)
	if err != nil {
		return &ledger.At{First: index, Last: index, Err: err}
	}
	w.missing.Take(index, e, body)
	return w.store(e, body)
}

// store stores the next entry, which was checked, with the nodes that it
// completes, and drops the bodies whose drop it records.
func (w *writer) store(e ledger.Entry, body ledger.Body) error {
	var salt, time, content any
	if !e.Dropped() {
		salt, time, content = e.Salt[:], e.Time, e.Body
	}
	w.rows = append(w.rows, w.id, w.tree.Size(), e.Leaf, salt, time, content)
	if len(w.rows) == manyRows*entryColumns {
		if _, err := w.tx.Exec(insertMany, w.rows...); err != nil {
			return err
		}
		w.rows = w.rows[:0]
	}
	if w.tree.Append(e.Leaf, w.node); w.err != nil {
		return w.err
	}
	var err error
	switch b := body.(type) {
	case *ledger.Begin:
		_, err = w.tx.Exec("UPDATE ledger SET charter = ?, generation = ? WHERE id = ?", b.Charter[:], int64(b.Generation), w.id)
	case *ledger.Dropped:
		if err := w.flush(); err != nil {
			return err
		}
		// The record of a drop stays: without it what it covers would count as
		// withheld. x'840102' is how the leaf of a Dropped entry begins.
		_, err = w.tx.Exec("UPDATE entry SET salt = NULL, time = NULL, body = NULL WHERE ledger = ? AND idx BETWEEN ? AND ? AND substr(leaf, 1, 3) <> x'840102'",
			w.id, b.First, b.Last)
	}
	return err
}

// flush inserts the rows that are left over.
func (w *writer) flush() error {
	for row := range slices.Chunk(w.rows, entryColumns) {
		if _, err := w.tx.Exec(insertOne, row...); err != nil {
			return err
		}
	}
	w.rows = w.rows[:0]
	return nil
}

func (w *writer) node(level int, n int64, h tlog.Hash) {
	if level == 0 || level%ledger.TileHeight != 0 || w.err != nil {
		return
	}
	_, w.err = w.tx.Exec("INSERT INTO node VALUES (?, ?, ?, ?)", w.id, level, n, h[:])
}

// finish makes head the ledger's head.
func (w *writer) finish(head ledger.Head, seen int64) error {
	tree, err := w.tree.MarshalBinary()
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		return err
	}
	_, err = w.tx.Exec("UPDATE ledger SET size = ?, tree = ?, note = ?, fresh = ?, seen = ? WHERE id = ?",
		w.tree.Size(), tree, head.Note, int64(head.Fresh()), seen, w.id)
	return err
}

// agrees reports whether head's root is that of the first head.Size entries.
func (w *writer) agrees(held Info, head ledger.Head) (bool, error) {
	if head.Size == w.tree.Size() {
		return head.Root == w.tree.Root(), nil
	}
	hashes := ledger.Hashes(reader{w.tx, held})
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
