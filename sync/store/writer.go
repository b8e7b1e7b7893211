package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// txn is a transaction of the one that writes, and the connection under it.
type txn struct {
	*sql.Tx
	conn *sql.Conn
}

func (s *Store) inTx(f func(txn) error) error {
	ctx := context.Background()
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	t, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	if err := f(txn{t, conn}); err != nil {
		return errors.Join(err, t.Rollback(), conn.Close())
	}
	return errors.Join(t.Commit(), conn.Close())
}

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

// add adds the entry at an index. It must not change before it is inserted.
func (r *rows) add(index int64, e *ledger.Entry) {
	if len(*r)%manyValues == 0 {
		r.value(nil) // the ledger, see insert
		r.value(index)
	}
	r.value(e.Leaf)
	if e.Dropped() {
		r.value(nil)
		r.value(nil)
		r.value(nil)
		return
	}
	r.value(e.Salt[:])
	r.value(e.Time)
	r.value(e.Body)
}

func (r *rows) value(v driver.Value) {
	*r = append(*r, driver.NamedValue{Ordinal: len(*r)%manyValues + 1, Value: v})
}

// writer stores one ledger's next entries within a transaction, which ends with
// finish.
type writer struct {
	tx txn
	id int64
}

func (w *writer) insert(r rows) error {
	return w.tx.conn.Raw(func(conn any) error {
		for values := range slices.Chunk(r, manyValues) {
			values[0].Value = w.id
			n := (len(values) - perInsert) / perRow
			if _, err := conn.(driver.ExecerContext).ExecContext(context.Background(), insertions[n], values); err != nil {
				return err
			}
		}
		return nil
	})
}

// obey does what an entry that was inserted says about its own ledger.
func (w *writer) obey(body ledger.Body) (err error) {
	switch b := body.(type) {
	case *ledger.Begin:
		_, err = w.tx.Exec("UPDATE ledger SET charter = ?, generation = ? WHERE id = ?", b.Charter[:], int64(b.Generation), w.id)
	case *ledger.Dropped:
		// The record of a drop stays: without it what it covers would count as
		// withheld. x'840102' is how the leaf of a Dropped entry begins.
		_, err = w.tx.Exec("UPDATE entry SET salt = NULL, time = NULL, body = NULL WHERE ledger = ? AND idx BETWEEN ? AND ? AND substr(leaf, 1, 3) <> x'840102'",
			w.id, b.First, b.Last)
	}
	return err
}

// node stores a node at a level that is stored.
func (w *writer) node(n node) error {
	_, err := w.tx.Exec("INSERT INTO node VALUES (?, ?, ?, ?)", w.id, n.level, n.n, n.hash[:])
	return err
}

// finish makes head the ledger's head.
func (w *writer) finish(tree ledger.Tree, head ledger.Head, seen int64) error {
	state, err := tree.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = w.tx.Exec("UPDATE ledger SET size = ?, tree = ?, note = ?, fresh = ?, seen = ? WHERE id = ?",
		tree.Size(), state, head.Note, int64(head.Fresh()), seen, w.id)
	return err
}
