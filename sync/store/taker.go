package store

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// taker appends to a ledger that somebody else wrote, within a transaction. What
// it takes stands beside the ledger, where nobody sees it, until whole makes it
// part of it.
type taker struct {
	writer
	held    Info                  // what is whole; of size 0 if nothing is
	tree    ledger.Tree           // of all that is stored
	missing int64                 // bodies that did not come, from held.Size on
	beside  bool                  // the file says so much of what is beside
	records map[int64]ledger.Body // that are to be obeyed and came in this transaction
	begin   *ledger.Begin         // of these, the first
	saved   bool                  // what is beside is written down
	rows    rows                  // to be used again
}

// newTaker begins to take in more of the ledger of a head.
func newTaker(tx txn, head ledger.Head) (*taker, error) {
	all, err := newTakers(tx, []ledger.Head{head})
	return all[head.Origin], err
}

// newTakers begins to take in more of the ledgers of heads, each of which has a row
// afterwards.
func newTakers(tx txn, heads []ledger.Head) (map[ledger.Origin]*taker, error) {
	all := make(map[ledger.Origin]*taker, len(heads))
	expired := map[string]bool{}
	var origins, none []string
	var first []ledger.Head
	for _, h := range heads {
		if all[h.Origin] == nil {
			all[h.Origin] = &taker{writer: writer{tx, 0, h.Origin, expired}, records: map[int64]ledger.Body{}}
			origins = append(origins, h.Origin.String())
		}
	}
	err := byOrigin(tx, "SELECT "+infoColumns+", size, p.tree, p.missing FROM ledger l LEFT JOIN partial p ON p.ledger = l.id WHERE origin IN ", origins, func(rows *sql.Rows) error {
		return scanTaker(rows, tx.heads, all)
	})
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		if t := all[h.Origin]; t.id == 0 && !slices.Contains(none, h.Origin.String()) {
			first, none = append(first, h), append(none, h.Origin.String())
		}
	}
	err = newLedgers(tx, first, func(o ledger.Origin, id int64) { all[o].id, all[o].held.id = id, id })
	if err != nil {
		return nil, err
	}
	return all, byOrigin(tx, "SELECT origin FROM expired WHERE origin IN ", origins, func(rows *sql.Rows) error {
		var origin string
		err := rows.Scan(&origin)
		expired[origin] = true
		return err
	})
}

// scanTaker reads what is held of a ledger, and beside it.
func scanTaker(rows *sql.Rows, known *heads, all map[ledger.Origin]*taker) error {
	var size int64
	var tree []byte
	var missing sql.NullInt64
	var origin string
	held, err := scanInfo(known, func(dest ...any) error {
		err := rows.Scan(append(dest, &size, &tree, &missing)...)
		origin = *dest[1].(*string)
		return err
	})
	if origin == "" {
		return err
	}
	o, bad := ledger.ParseOrigin(origin)
	t := all[o]
	if bad != nil || t == nil {
		return fmt.Errorf("%w: %q", ErrDamaged, origin)
	}
	switch {
	case size == 0:
		held = Info{id: held.id} // of which nothing is whole yet
	case err != nil:
		return err
	}
	t.id, t.held, t.tree = held.id, held, held.Tree
	if !missing.Valid {
		return nil
	}
	t.beside, t.missing = true, missing.Int64
	if t.tree, err = ledger.ParseTree(tree); err != nil || t.tree.Size() <= held.Size {
		return fmt.Errorf("%w: %s: what is kept beside it", ErrDamaged, origin)
	}
	return nil
}

// newLedgers makes the rows of ledgers whose entries follow.
func newLedgers(tx txn, heads []ledger.Head, made func(ledger.Origin, int64)) error {
	const row = "(?, ?, x'', 0, 0, x'', x'', 0, 0)"
	for n := manyOrigins; n > 0; n /= 2 { // few statements are enough for all numbers
		for ; len(heads) >= n; heads = heads[n:] {
			var args []any
			for _, h := range heads[:n] {
				args = append(args, h.Origin.String(), []byte(h.Author))
			}
			rows, err := tx.Query("INSERT INTO ledger (origin, author, charter, generation, size, tree, note, fresh, seen) VALUES "+
				strings.Repeat(row+", ", n-1)+row+" RETURNING id, origin", args...)
			if err != nil {
				return err
			}
			for rows.Next() {
				var id int64
				var origin string
				err := rows.Scan(&id, &origin)
				o, bad := ledger.ParseOrigin(origin)
				if err = errors.Join(err, bad); err != nil {
					return errors.Join(err, rows.Close())
				}
				made(o, id)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// take stores a run that continues what is stored.
func (t *taker) take(run ledger.Run) error {
	if run.Before() != t.tree {
		return fmt.Errorf("%w: %d entries of %v are stored, and what came continues other %d", ErrGap, t.tree.Size(), t.origin, run.Before().Size())
	}
	index := t.tree.Size()
	entries := run.Entries()
	for len(entries) > 0 {
		some := entries[:min(len(entries), ledger.ChunkSize)]
		entries = entries[len(some):]
		t.rows = t.rows[:0]
		for i := range some {
			if e := &some[i]; e.Dropped() {
				t.rows.add(index, e.Leaf, nil, nil, nil)
			} else {
				t.rows.add(index, e.Leaf, e.Salt[:], e.Time, e.Body)
			}
			index++
		}
		if err := t.insert(t.rows); err != nil {
			return err
		}
	}
	for _, n := range run.Nodes() {
		if err := t.node(n); err != nil {
			return err
		}
	}
	for _, r := range run.Records() {
		t.records[r.Index] = r.Body
	}
	t.tree = run.Tree()
	t.missing += run.Missing()
	return nil
}

// save writes down how far that came which is beside the ledger.
func (t *taker) save() error {
	if t.tree.Size() == t.held.Size || t.saved {
		return nil
	}
	t.saved = true
	state, err := t.tree.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = t.tx.values("INSERT INTO partial VALUES (?1, ?2, ?3) ON CONFLICT (ledger) DO UPDATE SET tree = ?2, missing = ?3", t.id, state, t.missing)
	if err != nil {
		return err
	}
	for _, index := range slices.Sorted(maps.Keys(t.records)) {
		if _, err := t.tx.values("INSERT INTO due VALUES (?, ?)", t.id, index); err != nil {
			return err
		}
	}
	return nil
}

// whole makes all that is stored the ledger, with a head that covers it and whose
// root it has, unless the head is no news.
func (t *taker) whole(head ledger.Head, seen int64) (fresh bool, err error) {
	if head.Size == t.held.Size {
		if !newer(head, t.held, seen) {
			return false, nil
		}
	} else if err := t.settle(); err != nil {
		return false, err
	}
	if err := t.advance(t.begin, t.tree, head, seen); err != nil {
		return false, err
	}
	t.begin, t.held.Head, t.held.Tree, t.held.fresh, t.held.Seen = nil, head, t.tree, head.Fresh(), seen
	t.missing = 0
	return true, nil
}

// settle checks that no body was withheld and obeys the records that are due.
func (t *taker) settle() error {
	due, err := t.due()
	if err != nil {
		return err
	}
	if t.missing > 0 {
		if err := t.covered(due); err != nil {
			return err
		}
	}
	if err := t.obeyAll(due); err != nil {
		return err
	}
	if t.origin.Kind.Expires() && t.expired[t.origin.String()] {
		if err := t.expire(t.origin); err != nil {
			return err
		}
	}
	clear(t.records)
	if !t.beside {
		return nil
	}
	t.beside = false
	for _, query := range []string{"DELETE FROM due WHERE ledger = ?", "DELETE FROM partial WHERE ledger = ?"} {
		if _, err := t.tx.values(query, t.id); err != nil {
			return err
		}
	}
	return nil
}

// due lists the records that were not obeyed yet, in order.
func (t *taker) due() (all []int64, err error) {
	all = slices.Sorted(maps.Keys(t.records))
	if !t.beside {
		return all, nil
	}
	rows, err := t.tx.Query("SELECT idx FROM due WHERE ledger = ?", t.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var index int64
		if err := rows.Scan(&index); err != nil {
			return nil, err
		}
		all = append(all, index)
	}
	slices.Sort(all)
	return all, rows.Err()
}

// record is one of them.
func (t *taker) record(index int64) (body ledger.Body, err error) {
	if body := t.records[index]; body != nil {
		return body, nil
	}
	err = scanEntries(t.tx, t.id, index, index+1, func(e ledger.Entry) (more bool, err error) {
		_, body, err = e.Open(t.origin.Kind, index)
		return true, err
	})
	if err == nil && body == nil {
		err = fmt.Errorf("%w: entry %d of %v", ErrDamaged, index, t.origin)
	}
	return body, err
}

// covered checks that what is missing of the bodies that came last is covered by a
// record among these.
func (t *taker) covered(due []int64) error {
	m := ledger.Missing{Expires: t.origin.Kind.Expires()}
	for _, index := range due {
		body, err := t.record(index)
		if err != nil {
			return err
		}
		m.Cover(body)
	}
	if m.Expires {
		// A first run of missing bodies may go on from what was held before.
		var some bool
		if err := t.tx.QueryRow("SELECT EXISTS (SELECT 1 FROM entry WHERE ledger = ? AND idx BETWEEN 1 AND ? AND body IS NOT NULL)", t.id, t.held.Size-1).Scan(&some); err != nil {
			return err
		}
		for index := int64(1); !some && index < t.held.Size; index++ {
			m.Take(index, ledger.Entry{}, nil)
		}
	}
	rows, err := t.tx.Query("SELECT idx FROM entry WHERE ledger = ? AND idx >= ? AND body IS NULL ORDER BY idx", t.id, t.held.Size)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var index int64
		if err := rows.Scan(&index); err != nil {
			return err
		}
		m.Take(index, ledger.Entry{}, nil)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return m.Check()
}

// obeyAll obeys records. Snapshots come last, and all together: what they list has
// to be superseded by what is there then, and the farthest has to name the state
// that is left.
func (t *taker) obeyAll(due []int64) error {
	var snapshots []int64
	var last ledger.Snapshot // the farthest
	var lastAt int64
	var drops [][2]int64 // index and first
	for _, index := range due {
		body, err := t.record(index)
		if err != nil {
			return err
		}
		switch b := body.(type) {
		case *ledger.Snapshot:
			snapshots = append(snapshots, index)
			if b.Size >= last.Size {
				last, lastAt = ledger.Snapshot{Size: b.Size, State: b.State}, index
			}
			continue
		case *ledger.Begin:
			t.begin = b
		case *ledger.Dropped:
			drops = append(drops, [2]int64{index, b.First})
		}
		if err := t.obey(body); err != nil {
			return err
		}
	}
	if len(snapshots) == 0 {
		return nil
	}
	reduced, err := ledger.Reduce(t.origin.Kind, last.Size, func(lo, hi int64) ([]ledger.Entry, error) { return page(t.tx, t.id, lo, hi) })
	if err != nil {
		return err
	}
	comparable := true
	for _, d := range drops {
		// What its author dropped later is not there to be counted.
		comparable = comparable && (d[0] < lastAt || d[1] >= last.Size)
	}
	if comparable && reduced.State != last.State {
		return &ledger.At{First: lastAt, Last: lastAt, Err: ledger.ErrSnapshot}
	}
	for _, index := range snapshots {
		body, err := t.record(index)
		if err != nil {
			return err
		}
		if b, ok := body.(*ledger.Snapshot); ok && !reduced.Lists(b) {
			return &ledger.At{First: index, Last: index, Err: ledger.ErrSnapshot}
		}
		if err := t.obey(body); err != nil {
			return err
		}
	}
	return nil
}
