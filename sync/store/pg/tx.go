package pg

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// tx is a transaction. Statements that return nothing wait until something is
// asked, and go to the server all together: the way there costs more than most of
// them. Entries wait, too, and are copied before them. An error is told by whichever
// call sent the statement, at the latest by Commit.
type tx struct {
	driver.Tx
	conn    *conn
	queue   []*result
	about   bool   // a statement in the queue may be about entries: no more of them go before it
	entries tuples // that are not copied yet
	size    int    // bytes that are queued, about
	wrote   bool
	failed  error // what was sent failed: nothing else will do
}

const (
	maxQueue = 2048
	maxBytes = 8 << 20
)

// result is a statement, and once it was sent what it did.
type result struct {
	tx    *tx
	query string
	args  []any
	sent  bool
	rows  int64
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
	r := &result{tx: t, query: query, args: values}
	t.queue = append(t.queue, r)
	t.about = t.about || strings.Contains(query, "entry")
	t.size += 64
	if len(t.queue) < maxQueue && t.size < maxBytes {
		return r, nil
	}
	return r, t.flush(ctx)
}

// flush sends what is queued.
func (t *tx) flush(ctx context.Context) error {
	if t.failed == nil && len(t.entries) > 0 {
		t.failed = t.conn.judged(t.conn.copy(ctx, t.entries))
		t.wrote, t.entries = true, nil
	}
	if t.failed == nil && len(t.queue) > 0 {
		t.failed = t.conn.judged(t.send(ctx))
	}
	t.queue, t.about, t.size = nil, false, 0
	return t.failed
}

func (t *tx) send(ctx context.Context) (err error) {
	var b pgx.Batch
	for _, r := range t.queue {
		b.Queue(r.query, r.args...)
	}
	done := t.conn.Conn.Conn().SendBatch(ctx, &b)
	for _, r := range t.queue {
		tag, bad := done.Exec()
		if bad != nil {
			err = bad
			break
		}
		r.sent, r.rows = true, tag.RowsAffected()
		t.wrote = t.wrote || r.rows > 0 && !tag.Select()
		r.args = nil
	}
	if closed := done.Close(); err == nil {
		err = closed
	}
	return err
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

// InsertEntry implements store's inserter.
func (c *conn) InsertEntry(ctx context.Context, ledger, idx int64, leaf, salt, time, body driver.Value) error {
	t := c.tx
	if t.about {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	if t.entries == nil {
		t.entries = append(c.buffer[:0], copySignature...)
	}
	before := len(t.entries)
	t.entries.add(ledger, idx, leaf, salt, time, body)
	if t.size += len(t.entries) - before; t.size > maxBytes {
		return t.flush(ctx)
	}
	return nil
}

// copyEntries takes tuples: that is half the work of an INSERT, for both sides.
const copyEntries = "COPY entry (ledger, idx, leaf, salt, time, body) FROM STDIN (FORMAT binary)"

// copy copies entries, and keeps their place for the next ones.
func (c *conn) copy(ctx context.Context, all tuples) error {
	all = binary.BigEndian.AppendUint16(all, copyEnd)
	c.buffer = all[:0]
	_, err := c.Conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(all), copyEntries)
	return err
}

// tuples are rows of bigints and byteas as COPY takes them, its signature before them
// (https://www.postgresql.org/docs/current/sql-copy.html, Binary Format).
type tuples []byte

const (
	copySignature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no flags, no extension
	copyEnd       = 1<<16 - 1                                                        // in the place of a number of fields
	copyNull      = 1<<32 - 1                                                        // in the place of a field's length
)

// add adds a row of int64 and []byte, nil for NULL.
func (t *tuples) add(row ...driver.Value) {
	b := binary.BigEndian.AppendUint16(*t, uint16(len(row)))
	for _, v := range row {
		number, isNumber := v.(int64)
		octets, _ := v.([]byte)
		switch {
		case isNumber:
			b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(number))
		case octets != nil:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(octets))), octets...)
		default:
			b = binary.BigEndian.AppendUint32(b, copyNull)
		}
	}
	*t = b
}
