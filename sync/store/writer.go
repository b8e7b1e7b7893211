package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// Rows of entries go in many at a time, and straight to the driver: the way into
// SQLite costs more than the row, and the one through package database/sql more
// than both.
const (
	manyRows   = 32
	perInsert  = 2 // values: the ledger, the first row's index
	perRow     = 4 // values: leaf, salt, time, body
	manyValues = perInsert + manyRows*perRow
)

// insertions holds the statement for each number of rows up to manyRows.
var insertions = func() (all [manyRows + 1]string) {
	var b strings.Builder
	b.WriteString("INSERT INTO entry VALUES ")
	for n := range manyRows {
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "(?1, ?2 + %d, ?, ?, ?, ?)", n)
		all[n+1] = b.String()
	}
	return all
}()

// rows are consecutive entries as the driver takes them: the values of one
// insertion after the other, all of them of manyRows but the last.
type rows []driver.NamedValue

// add adds the entry at an index; salt, time and body are nil when they were
// dropped. None may change before it is inserted.
func (r *rows) add(index int64, leaf []byte, salt, time, body driver.Value) {
	if len(*r)%manyValues == 0 {
		r.value(nil) // the ledger, see insert
		r.value(index)
	}
	r.value(leaf)
	r.value(salt)
	r.value(time)
	r.value(body)
}

func (r *rows) value(v driver.Value) {
	*r = append(*r, driver.NamedValue{Ordinal: len(*r)%manyValues + 1, Value: v})
}

// each gives every row's index and its perRow values.
func (r rows) each(f func(index int64, row []driver.NamedValue) error) error {
	for values := range slices.Chunk(r, manyValues) {
		first := values[1].Value.(int64)
		for row := range slices.Chunk(values[perInsert:], perRow) {
			if err := f(first, row); err != nil {
				return err
			}
			first++
		}
	}
	return nil
}

// writer stores one ledger's next entries within a transaction.
type writer struct {
	tx      txn
	id      int64
	origin  ledger.Origin
	expired map[string]bool // may be nil: of which incarnations something was let go
}

// inserter is a connection that gathers entries in its own way, which is quicker.
// None of the values may change before the transaction ends.
type inserter interface {
	InsertEntry(ctx context.Context, ledger, index int64, leaf, salt, time, body driver.Value) error
}

func (w *writer) insert(r rows) error {
	return w.tx.direct(func(c directConn) error {
		if in, ok := c.(inserter); ok {
			return r.each(func(index int64, row []driver.NamedValue) error {
				return in.InsertEntry(context.Background(), w.id, index, row[0].Value, row[1].Value, row[2].Value, row[3].Value)
			})
		}
		for values := range slices.Chunk(r, manyValues) {
			values[0].Value = w.id
			n := (len(values) - perInsert) / perRow
			if _, err := c.ExecContext(context.Background(), insertions[n], values); err != nil {
				return err
			}
		}
		return nil
	})
}

// notRecord tells entries from records (ledger.Kind.IsRecord), which stay when
// other bodies go: without them what they cover would count as withheld. The
// literals are how their leaves begin.
const notRecord = "substr(leaf, 1, 3) NOT IN (x'840101', x'840102') AND substr(leaf, 1, 4) NOT IN (x'84011818', x'84011850')"

// obey does what a record that was inserted says. Begin is obeyed by advance.
func (w *writer) obey(body ledger.Body) (err error) {
	switch b := body.(type) {
	case *ledger.Dropped:
		err = w.drop(b.First, b.Last)
	case *ledger.Snapshot:
		for first, last := range b.Runs() {
			if err := w.drop(first, last); err != nil {
				return err
			}
		}
	case *ledger.Expired:
		o := w.origin
		if o.Incarnation = b.Incarnation; o == w.origin {
			return nil // a Dropped would be the word for it
		}
		if w.expired != nil {
			w.expired[o.String()] = true
		}
		if _, err := w.tx.values("INSERT INTO expired VALUES (?, ?) ON CONFLICT (origin) DO UPDATE SET before = excluded.before WHERE expired.before < excluded.before", o.String(), b.Before); err != nil {
			return err
		}
		err = w.expire(o)
	}
	return err
}

// drop lets go of the bodies of entries first to last.
func (w *writer) drop(first, last int64) error {
	_, err := w.tx.values("UPDATE entry SET salt = NULL, time = NULL, body = NULL WHERE ledger = ? AND idx BETWEEN ? AND ? AND body IS NOT NULL AND "+notRecord,
		w.id, first, last)
	return err
}

// expire lets go of what its author let go of an earlier incarnation.
func (w *writer) expire(o ledger.Origin) error {
	_, err := w.tx.values(`UPDATE entry SET salt = NULL, time = NULL, body = NULL
		WHERE ledger = (SELECT id FROM ledger WHERE origin = ?1) AND idx >= 1 AND idx < (SELECT before FROM expired WHERE origin = ?1) AND body IS NOT NULL`,
		o.String())
	return err
}

func expiredBefore(q querier, o ledger.Origin) (before int64, err error) {
	err = q.QueryRow("SELECT coalesce((SELECT before FROM expired WHERE origin = ?), 0)", o.String()).Scan(&before)
	return before, err
}

// node stores a node at a level that is stored.
func (w *writer) node(n ledger.Node) error {
	_, err := w.tx.values("INSERT INTO node VALUES (?, ?, ?, ?)", w.id, int64(n.Level), n.N, n.Hash[:])
	return err
}

// advance makes head the ledger's head. begin is its first entry, if that comes with
// it, or else nil.
func (w *writer) advance(begin *ledger.Begin, tree ledger.Tree, head ledger.Head, seen int64) error {
	_, err := w.update(begin, tree, head, seen, "")
	return err
}

// advanceAlone is advance for a ledger that has so many entries now and nothing
// beside; otherwise it returns ErrOtherAuthor.
func (w *writer) advanceAlone(from int64, begin *ledger.Begin, tree ledger.Tree, head ledger.Head, seen int64) error {
	r, err := w.update(begin, tree, head, seen, " AND size = ? AND NOT EXISTS (SELECT 1 FROM partial WHERE ledger = id)", from)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return cmp.Or(err, ErrOtherAuthor)
	}
	return nil
}

func (w *writer) update(begin *ledger.Begin, tree ledger.Tree, head ledger.Head, seen int64, only string, more ...driver.Value) (driver.Result, error) {
	state, err := tree.MarshalBinary()
	if err != nil {
		return nil, err
	}
	query, values := "UPDATE ledger SET ", []driver.Value{}
	if begin != nil {
		query += "charter = ?, generation = ?, "
		values = append(values, begin.Charter[:], int64(begin.Generation))
	}
	query += "size = ?, tree = ?, note = ?, fresh = ?, seen = ? WHERE id = ?" + only
	values = append(values, tree.Size(), state, head.Note, int64(head.Fresh()), seen, w.id)
	return w.tx.values(query, append(values, more...)...)
}
