package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tombolo/sync/store"
)

// connector opens connections that take SQLite's words.
type connector struct {
	driver.Connector
	words translated
	lost  atomic.Int64 // when a connection was lost last, Unix nanoseconds
}

func newConnector(cfg *pgx.ConnConfig) *connector {
	c := new(connector)
	c.Connector = stdlib.GetConnector(*cfg,
		stdlib.OptionAfterConnect(begin),
		stdlib.OptionShouldPing(func(_ context.Context, p stdlib.ShouldPingParams) bool {
			// Who lost one connection has probably lost them all.
			return p.IdleDuration > time.Second || time.Now().UnixNano()-c.lost.Load() <= int64(p.IdleDuration)
		}))
	return c
}

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	dc, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: dc.(*stdlib.Conn), from: c}, nil
}

// conn is a connection, to be used as the driver's is: by one goroutine at a time.
type conn struct {
	*stdlib.Conn
	from   *connector
	tx     *tx    // that is open
	buffer tuples // to be used again
}

// lostError is an error of a connection that is of no more use.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// judged tells the errors that end a connection from others.
func (c *conn) judged(err error) error {
	if err == nil || !c.Conn.Conn().IsClosed() {
		return err
	}
	c.from.lost.Store(time.Now().UnixNano())
	return &lostError{err}
}

// IsValid implements [driver.Validator].
func (c *conn) IsValid() bool { return !c.Conn.Conn().IsClosed() }

// BeginTx implements [driver.ConnBeginTx].
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts.Isolation == driver.IsolationLevel(sql.LevelDefault) {
		opts.Isolation = driver.IsolationLevel(sql.LevelReadCommitted)
	}
	t, err := c.Conn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.judged(err)
	}
	c.tx = &tx{Tx: t, conn: c}
	return c.tx, nil
}

// ExecContext implements [driver.ExecerContext]. Within a transaction the statement
// is sent with the next ones, see [tx].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	query = c.from.words.of(query)
	if c.tx != nil {
		return c.tx.exec(ctx, query, args)
	}
	r, err := c.Conn.ExecContext(ctx, query, args)
	return r, c.judged(err)
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.tx != nil {
		if err := c.tx.flush(ctx); err != nil {
			return nil, err
		}
	}
	rows, err := c.Conn.QueryContext(ctx, c.from.words.of(query), args)
	if err = c.judged(err); err != nil && c.tx == nil {
		if _, lost := errors.AsType[*lostError](err); lost {
			return nil, driver.ErrBadConn // package database/sql asks another
		}
	}
	return rows, err
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *conn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, errors.New("statements are prepared by themselves")
}

// A transaction that changes something says so in one of some rows, with a number
// that nobody else has and how many said so in that row before. The row stays locked
// until the transaction ends, and keeps the last numbers: by it everybody learns
// whether the transaction is there, whatever became of the server meanwhile. (Its
// pg_xact_status does not tell that: after a crash numbers of transactions come
// again.)
const (
	bump = "UPDATE change SET n = n + 1, last = (last || $1::bigint)[greatest(1, cardinality(last) - 6):] " +
		"WHERE slot = pg_backend_pid() % 64 RETURNING slot, n"
	keptLast = 8
	find     = "SELECT n, $2::bigint = ANY (last) FROM change WHERE slot = $1 FOR UPDATE"
)

// trace is what a transaction left in that row.
type trace struct {
	number, n int64
	slot      int
}

// commit commits a transaction that changed something. If the connection is lost
// meanwhile it finds out what became of it.
func (t *tx) commit(ctx context.Context) error {
	c := t.conn
	if !t.wrote {
		return c.judged(t.Tx.Commit())
	}
	left := trace{number: rand.Int64()}
	if err := c.Conn.Conn().QueryRow(ctx, bump, left.number).Scan(&left.slot, &left.n); err != nil {
		return errors.Join(c.judged(err), t.Tx.Rollback())
	}
	err := c.judged(t.Tx.Commit())
	if _, lost := errors.AsType[*lostError](err); !lost {
		return err
	}
	return c.from.becameOf(ctx, left, err)
}

// becameOf waits for the word on a transaction whose commit ended with an error:
// nil for one that is committed, the error for one that is not.
func (c *connector) becameOf(ctx context.Context, left trace, err error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		n, there, asked := c.ask(ctx, left)
		switch {
		case asked != nil: // the server starts, perhaps
		case there:
			return nil
		case n < left.n+keptLast:
			return err
		default:
			return fmt.Errorf("%w: %d others were committed since: %w", store.ErrUncertain, n-left.n, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%w: %w", store.ErrUncertain, err), asked)
		case <-time.After(pause):
		}
	}
}

func (c *connector) ask(ctx context.Context, left trace) (n int64, there bool, err error) {
	dc, err := c.Connector.Connect(ctx)
	if err != nil {
		return 0, false, err
	}
	sc := dc.(*stdlib.Conn)
	defer func() { err = errors.Join(err, sc.Close()) }()
	err = sc.Conn().QueryRow(ctx, find, left.slot, left.number).Scan(&n, &there)
	return n, there, err
}
