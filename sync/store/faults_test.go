package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mattn/go-sqlite3"
	"pgregory.net/rapid"
)

// faults makes a store's disk fail: it stands between database/sql and SQLite.
type faults struct {
	commit atomic.Int32 // how commits fail, see below
	reads  atomic.Bool  // reads fail
	during func()       // called within each commit; nil for nothing
}

// few makes a property's runs fewer, where each takes long; one that failed runs on
// for as long as it is being made smaller.
type few struct {
	runs, most int
	failed     bool
}

func (f *few) over() bool {
	f.runs++
	return f.runs > f.most && !f.failed
}

func (f *few) end(rt *rapid.T) { f.failed = f.failed || rt.Failed() }

// The forms in which a commit fails.
const (
	works        = iota
	notPersisted // nothing was stored
	persisted    // it was stored, and reported as failed

	blinding = 10 // added: from then on nothing can be read
)

var (
	errDisk    = errors.New("the test's disk failed")
	errReading = errors.New("the test's disk cannot be read")
)

// fail puts the faults under a store.
func fail(tb testing.TB, s *Store) *faults {
	tb.Helper()
	f := new(faults)
	if s.disk == nil {
		if err := s.Close(); err != nil {
			tb.Fatal(err)
		}
		s.dialect.Connector = faultyDatabase{s.dialect.Connector, f}
		again := OpenDialect(s.dialect)
		s.read, s.write = again.read, again.write
		return f
	}
	for _, db := range []**sql.DB{&s.read, &s.write} {
		if err := (*db).Close(); err != nil {
			tb.Fatal(err)
		}
		// The faults are ours: no need to wait for the real disk.
		*db = sql.OpenDB(connector{f, strings.Replace(dsn(s.Path(), nil), "_synchronous=FULL", "_synchronous=OFF", 1)})
	}
	s.write.SetMaxOpenConns(1)
	return f
}

type connector struct {
	*faults
	dsn string
}

func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return faultyConn{conn.(*sqlite3.SQLiteConn), c.faults}, nil
}

type faultyConn struct {
	*sqlite3.SQLiteConn
	*faults
}

func (c faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.SQLiteConn.BeginTx(ctx, opts)
	return faultyTx{tx, c.faults}, err
}

func (c faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.reads.Load() {
		return nil, errReading
	}
	return c.SQLiteConn.QueryContext(ctx, query, args)
}

// faultyDatabase does to a database's connections what connector does to a file's.
type faultyDatabase struct {
	driver.Connector
	*faults
}

func (c faultyDatabase) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return faultySession{conn.(session), c.faults}, nil
}

// session is what a database's connection can do.
type session interface {
	driver.Conn
	driver.QueryerContext
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
	directConn
	inserter
}

type faultySession struct {
	session
	*faults
}

func (c faultySession) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.session.BeginTx(ctx, opts)
	return faultyTx{tx, c.faults}, err
}

func (c faultySession) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.reads.Load() {
		return nil, errReading
	}
	return c.session.QueryContext(ctx, query, args)
}

type faultyTx struct {
	driver.Tx
	*faults
}

func (tx faultyTx) Commit() error {
	if tx.during != nil {
		tx.during()
	}
	form := tx.commit.Load()
	if form >= blinding {
		tx.reads.Store(true)
	}
	switch form % blinding {
	case notPersisted:
		return errors.Join(errDisk, tx.Rollback())
	case persisted:
		return errors.Join(errDisk, tx.Tx.Commit())
	}
	return tx.Tx.Commit()
}
