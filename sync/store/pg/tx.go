package pg

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// tx is a transaction. Statements that return nothing wait until something is
// asked, and go to the server all together: the way there costs more than most of
// them. An error is told by whichever call sent the statement, at the latest by
// Commit.
type tx struct {
	driver.Tx
	conn    *conn
	queue   []*result
	entries *entries // in the queue, if others may join it
	size    int      // bytes that are queued, about
	wrote   bool
	failed  error // what was sent failed: nothing else will do
}

const (
	maxQueue = 2048
	maxBytes = 4 << 20
)

// result is a statement, and once it was sent what it did.
type result struct {
	tx      *tx
	query   string
	args    []any
	entries *entries // whose columns are its arguments
	sent    bool
	rows    int64
}

// LastInsertId implements [driver.Result].
func (r *result) LastInsertId() (int64, error) { return 0, errors.New("ask RETURNING") }

// RowsAffected implements [driver.Result].
func (r *result) RowsAffected() (int64, error) {
	if !r.sent {
		if err := r.tx.flush(context.Background()); err != nil {
			return 0, err
		}
	}
	return r.rows, nil
}

func (t *tx) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	values := make([]any, len(args))
	for i, a := range args {
		if b, ok := a.Value.([]byte); ok {
			t.size += len(b)
		}
		values[i] = a.Value
	}
	return t.add(ctx, query, values)
}

func (t *tx) add(ctx context.Context, query string, args []any) (*result, error) {
	if strings.Contains(query, "entry") {
		t.entries = nil // it may be about them
	}
	r := &result{tx: t, query: query, args: args}
	t.queue = append(t.queue, r)
	t.size += 64
	if len(t.queue) < maxQueue && t.size < maxBytes {
		return r, nil
	}
	return r, t.flush(ctx)
}

// flush sends what is queued.
func (t *tx) flush(ctx context.Context) error {
	if t.failed != nil || len(t.queue) == 0 {
		return t.failed
	}
	var b pgx.Batch
	for _, r := range t.queue {
		if r.entries != nil {
			r.args = r.entries.columns()
		}
		b.Queue(r.query, r.args...)
	}
	done := t.conn.Conn.Conn().SendBatch(ctx, &b)
	var err error
	for _, r := range t.queue {
		tag, bad := done.Exec()
		if bad != nil {
			err = bad
			break
		}
		r.sent, r.rows = true, tag.RowsAffected()
		t.wrote = t.wrote || r.rows > 0 && !tag.Select()
		r.args, r.entries = nil, nil
	}
	if closed := done.Close(); err == nil {
		err = closed
	}
	t.failed = t.conn.judged(err)
	t.queue, t.entries, t.size = nil, nil, 0
	return t.failed
}

// Commit implements [driver.Tx].
func (t *tx) Commit() error {
	ctx := context.Background()
	t.conn.tx = nil
	if err := t.flush(ctx); err != nil {
		return errors.Join(err, t.Tx.Rollback())
	}
	return t.commit(ctx)
}

// Rollback implements [driver.Tx].
func (t *tx) Rollback() error {
	t.conn.tx = nil
	err := t.Tx.Rollback()
	if err != nil && !t.conn.IsValid() {
		return nil // the server has done it
	}
	return err
}

// entries are rows of that table, by columns. One statement for all lengths takes
// half the time of one with as many values.
type entries struct {
	ledger, idx        []int64
	leaf, salt, bodies [][]byte
	time               []pgtype.Int8
}

const insertEntries = `INSERT INTO entry SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[])`

// InsertEntry implements store's inserter.
func (c *conn) InsertEntry(ctx context.Context, ledger, idx int64, leaf, salt, time, body driver.Value) error {
	t := c.tx
	e := t.entries
	if e == nil {
		r, err := t.add(ctx, insertEntries, nil)
		if err != nil {
			return err
		}
		e = new(entries)
		t.entries, r.entries = e, e
	}
	e.ledger, e.idx = append(e.ledger, ledger), append(e.idx, idx)
	e.leaf, e.salt, e.bodies = append(e.leaf, octets(leaf)), append(e.salt, octets(salt)), append(e.bodies, octets(body))
	at, ok := time.(int64)
	e.time = append(e.time, pgtype.Int8{Int64: at, Valid: ok})
	if t.size += len(octets(leaf)) + len(octets(body)) + 48; t.size > maxBytes {
		return t.flush(ctx)
	}
	return nil
}

func (e *entries) columns() []any {
	return []any{e.ledger, e.idx, e.leaf, e.salt, e.time, e.bodies}
}

// octets are a column's, nil for NULL.
func octets(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}
