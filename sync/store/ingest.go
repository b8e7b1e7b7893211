package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"iter"

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
// Errors: *ledger.At for a chunk that does not verify, ErrGap, *ForkError.
func (s *Store) Ingest(head ledger.Head, seen int64, chunks iter.Seq2[ledger.Chunk, error]) (Ingested, error) {
	in := Ingested{Origin: head.Origin}
	return in, inTx(s.write, func(tx *sql.Tx) error {
		held, err := info(tx, head.Origin)
		if errors.Is(err, ErrNoLedger) {
			held, err = newLedger(tx, head)
		}
		if err != nil {
			return err
		}
		w := writer{tx: tx, id: held.id, tree: held.Tree}
		for c, err := range chunks {
			if err != nil {
				return err
			}
			if err := w.take(head, held, c); err != nil {
				return err
			}
		}
		in.Added = w.tree.Size() - held.Tree.Size()
		if w.tree.Size() < head.Size {
			return fmt.Errorf("%w: %d entries are held, the next chunk was not given", ErrGap, w.tree.Size())
		}
		if ok, err := w.agrees(tx, held, head); err != nil {
			return err
		} else if !ok {
			return &ForkError{held.Head, head}
		}
		// A head that covers less than is held, or an older signature of the
		// same size, is history and no news.
		in.Fresh = head.Size > held.Size || held.Note == nil || (head.Size == held.Size && head.Fresh() > held.Fresh())
		if !in.Fresh {
			return nil
		}
		return w.finish(head, seen)
	})
}

func newLedger(tx *sql.Tx, head ledger.Head) (Info, error) {
	tree, err := ledger.Tree{}.MarshalBinary()
	if err != nil {
		return Info{}, err
	}
	r, err := tx.Exec("INSERT INTO ledger (origin, author, generation, size, tree, note, seen) VALUES (?, ?, 0, 0, ?, x'', 0)",
		head.Origin.String(), []byte(head.Author), tree)
	if err != nil {
		return Info{}, err
	}
	id, err := r.LastInsertId()
	return Info{id: id}, err
}

// writer appends entries to one ledger within a transaction.
type writer struct {
	tx   *sql.Tx
	id   int64
	tree ledger.Tree
	err  error
}

// take checks a chunk against the head and stores the entries that are not
// held yet.
func (w *writer) take(head ledger.Head, held Info, c ledger.Chunk) error {
	if err := ledger.CheckChunk(head.Checkpoint, c); err != nil {
		return err
	}
	if c.Start > w.tree.Size() {
		return fmt.Errorf("%w: entries %d to %d", ErrGap, w.tree.Size(), c.Start-1)
	}
	for i, e := range c.Entries {
		index := c.Start + int64(i)
		if index < w.tree.Size() {
			same, err := w.holds(index, e.Leaf)
			if err != nil {
				return err
			}
			if !same {
				return &ForkError{held.Head, head}
			}
			continue
		}
		if err := w.append(e); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) holds(index int64, leaf []byte) (bool, error) {
	var have []byte
	err := w.tx.QueryRow("SELECT leaf FROM entry WHERE ledger = ? AND idx = ?", w.id, index).Scan(&have)
	return bytes.Equal(have, leaf), err
}

// append stores the next entry with the nodes that it completes, and drops the
// bodies whose drop it records.
func (w *writer) append(e ledger.Entry) error {
	index := w.tree.Size()
	var salt, time, body any
	if !e.Dropped() {
		salt, time, body = e.Salt[:], e.Time, e.Body
	}
	if _, err := w.tx.Exec("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", w.id, index, e.Leaf, salt, time, body); err != nil {
		return err
	}
	w.tree.Append(e.Leaf, w.node)
	if w.err != nil {
		return w.err
	}
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || e.Dropped() {
		return err
	}
	switch leaf.Kind {
	case ledger.KindBegin:
		b, err := ledger.ParseBody(leaf.Kind, e.Body)
		if err != nil || index != 0 {
			return &ledger.At{First: index, Last: index, Err: errors.Join(ledger.ErrBegin, err)}
		}
		_, err = w.tx.Exec("UPDATE ledger SET generation = ? WHERE id = ?", int64(b.(*ledger.Begin).Generation), w.id)
		return err
	case ledger.KindDropped:
		b, err := ledger.ParseBody(leaf.Kind, e.Body)
		if err != nil {
			return &ledger.At{First: index, Last: index, Err: err}
		}
		d := b.(*ledger.Dropped)
		_, err = w.tx.Exec("UPDATE entry SET salt = NULL, time = NULL, body = NULL WHERE ledger = ? AND idx BETWEEN ? AND ? AND idx < ?",
			w.id, d.First, d.Last, index)
		return err
	}
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
	if err != nil {
		return err
	}
	_, err = w.tx.Exec("UPDATE ledger SET size = ?, tree = ?, note = ?, seen = ? WHERE id = ?", w.tree.Size(), tree, head.Note, seen, w.id)
	return err
}

// agrees reports whether head's root is that of the first head.Size entries.
func (w *writer) agrees(tx *sql.Tx, held Info, head ledger.Head) (bool, error) {
	if head.Size == w.tree.Size() {
		return head.Root == w.tree.Root(), nil
	}
	root, err := tlog.TreeHash(head.Size, ledger.Hashes(reader{tx, held}))
	return root == head.Root, err
}

// AddFork keeps verified evidence of a fork.
func (s *Store) AddFork(f ledger.Fork, seen int64) error {
	a, _, err := f.Heads()
	if err != nil {
		return err
	}
	_, err = s.write.Exec("INSERT OR IGNORE INTO fork VALUES (?, ?, ?)", f.Marshal(), a.Origin.String(), seen)
	return err
}

// Forks lists the evidence that is kept.
func (s *Store) Forks() (all []ledger.Fork, err error) {
	rows, err := s.read.Query("SELECT evidence FROM fork ORDER BY origin, evidence")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		f, err := ledger.ParseFork(b)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}
