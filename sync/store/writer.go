package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// txn is a transaction of the connection that writes. It is the driver's:
// package database/sql starts a goroutine for each of its own.
type txn struct{ conn *sql.Conn }

func (s *Store) inTx(f func(txn) error) error {
	conn, err := s.write.Conn(context.Background())
	if err != nil {
		return err
	}
	t := txn{conn}
	var open driver.Tx
	err = t.direct(func(c directConn) (err error) {
		open, err = c.BeginTx(context.Background(), driver.TxOptions{})
		return err
	})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	end := open.Commit
	if err = f(t); err != nil {
		end = open.Rollback
	}
	return errors.Join(err, t.direct(func(directConn) error { return end() }), conn.Close())
}

// directConn is what the driver's connection can do.
type directConn interface {
	driver.ConnBeginTx
	driver.ExecerContext
}

func (t txn) direct(f func(directConn) error) error {
	return t.conn.Raw(func(c any) error { return f(c.(directConn)) })
}

// values executes a statement with values of the driver's own types.
func (t txn) values(query string, values ...driver.Value) (r driver.Result, err error) {
	args := make([]driver.NamedValue, len(values))
	for i, v := range values {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	err = t.direct(func(c directConn) (err error) {
		r, err = c.ExecContext(context.Background(), query, args)
		return err
	})
	return r, err
}

func (t txn) Exec(query string, args ...any) (sql.Result, error) {
	return t.conn.ExecContext(context.Background(), query, args...)
}

func (t txn) Query(query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(context.Background(), query, args...)
}

func (t txn) QueryRow(query string, args ...any) *sql.Row {
	return t.conn.QueryRowContext(context.Background(), query, args...)
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

// writer stores one ledger's next entries within a transaction.
type writer struct {
	tx     txn
	id     int64
	origin ledger.Origin
}

func (w *writer) insert(r rows) error {
	return w.tx.direct(func(c directConn) error {
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

// obey does what a record that was inserted says.
func (w *writer) obey(body ledger.Body) (err error) {
	switch b := body.(type) {
	case *ledger.Begin:
		_, err = w.tx.Exec("UPDATE ledger SET charter = ?, generation = ? WHERE id = ?", b.Charter[:], int64(b.Generation), w.id)
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
		if _, err := w.tx.values("INSERT INTO expired VALUES (?1, ?2) ON CONFLICT DO UPDATE SET before = max(before, ?2)", o.String(), b.Before); err != nil {
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
	err = q.QueryRow("SELECT ifnull((SELECT before FROM expired WHERE origin = ?), 0)", o.String()).Scan(&before)
	return before, err
}

// node stores a node at a level that is stored.
func (w *writer) node(n ledger.Node) error {
	_, err := w.tx.values("INSERT INTO node VALUES (?, ?, ?, ?)", w.id, int64(n.Level), n.N, n.Hash[:])
	return err
}

// advance makes head the ledger's head, if it has so many entries now; otherwise
// it returns ErrOtherAuthor, as it does where none may stand beside and some do.
func (w *writer) advance(alone bool, from int64, tree ledger.Tree, head ledger.Head, seen int64) error {
	state, err := tree.MarshalBinary()
	if err != nil {
		return err
	}
	query := "UPDATE ledger SET size = ?, tree = ?, note = ?, fresh = ?, seen = ? WHERE id = ? AND size = ?"
	if alone {
		query += " AND NOT EXISTS (SELECT 1 FROM partial WHERE ledger = id)"
	}
	r, err := w.tx.values(query,
		tree.Size(), state, head.Note, int64(head.Fresh()), seen, w.id, from)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return cmp.Or(err, ErrOtherAuthor)
	}
	return nil
}
