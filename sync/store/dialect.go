package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// Dialect is what a database other than SQLite does in its own way; everything
// else this package does to it in the words that it uses for SQLite. Package
// sync/store/pg makes one for PostgreSQL.
//
// The statements are written in what both understand (parameters are ? and ?1,
// upserts name their target, text sorts by its bytes), and the connections of
// Connector take them as they are. They implement [driver.ConnBeginTx],
// [driver.ExecerContext] and [driver.QueryerContext]; a transaction reads what
// was committed when each of its statements begins.
type Dialect struct {
	Name      string // of the database, for messages; no secret is in it
	Connector driver.Connector
	Conns     int // at most, at a time

	// Lock makes a transaction the only one that writes to certain ledgers, until
	// it ends. Its parameter is an []int32 of numbers from 0 to 2047, ascending. It
	// may be "" where only one transaction at a time can write.
	Lock string
	// Again reports that a transaction which failed so left nothing behind, and may
	// succeed if it is done once more at once.
	Again func(error) bool
	// Changes selects a number that is another after every commit that changed
	// something, by whomever.
	Changes string
	// Erase, unless it is "", overwrites what was deleted.
	Erase string
	// Clock is an expression for the time now, in milliseconds since 1970, by the
	// one clock that all who share the database go by.
	Clock string
	// Mark writes down that the ledger of that origin was begun by an author here;
	// Marked tells whether it was, and that the database never went back in time
	// since nor is a copy. Where they are "", [Guard] says it.
	Mark, Marked string
}

// sqlite is SQLite's.
var sqlite = Dialect{
	Changes: "PRAGMA data_version",
	Erase:   "PRAGMA wal_checkpoint(TRUNCATE)",
	Clock:   "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
}

// OpenDialect opens a database that has the tables of this package.
func OpenDialect(d Dialect) *Store {
	db := sql.OpenDB(d.Connector)
	db.SetMaxOpenConns(d.Conns)
	db.SetMaxIdleConns(d.Conns)
	return &Store{write: db, read: db, dialect: d}
}

// ErrUncertain says that a database was lost while it committed and did not come
// back in time: what was written stands there, or it does not. Everything here may
// be done again: what is held already changes nothing, and an [Author] finds out
// by itself.
var ErrUncertain = errors.New("the database was lost while it committed, and what was written may stand there or not")

// attempts bounds how often a transaction is tried that another one, or a lost
// connection, rolled back.
const attempts = 6

// inTx runs f in a transaction of which nothing is left after an error. No other
// one writes to the lineages that are named at the same time. f may run more than
// once.
func (s *Store) inTx(f func(txn) error, lineages ...string) (err error) {
	for range attempts {
		if err = s.once(f, lineages); err == nil || s.dialect.Again == nil || !s.dialect.Again(err) {
			break
		}
	}
	return err
}

func (s *Store) once(f func(txn) error, lineages []string) error {
	conn, err := s.write.Conn(context.Background())
	if err != nil {
		return err
	}
	t := txn{conn, &s.heads}
	var open driver.Tx
	err = t.direct(func(c directConn) (err error) {
		open, err = c.BeginTx(context.Background(), driver.TxOptions{})
		return err
	})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	end := open.Commit
	if s.dialect.Lock != "" && len(lineages) > 0 {
		_, err = t.Exec(s.dialect.Lock, keys(lineages))
	}
	if err == nil {
		err = f(t)
	}
	if err != nil {
		end = open.Rollback
	}
	return errors.Join(err, t.direct(func(directConn) error { return end() }), conn.Close())
}

// lineage names what one transaction at a time writes to: all incarnations of an
// author's ledger, as a later one tells what becomes of an earlier.
func lineage(o ledger.Origin) string {
	o.Incarnation = ledger.Incarnation{}
	return o.String()
}

// charterLineage is that of all charters.
const charterLineage = "charters"

// locks is how many there are: so few that one transaction may hold them all, and
// so many that two seldom want the same one.
const locks = 2048

// keys are lineages' names as a database takes them, in the one order in which
// everybody waits for them.
func keys(lineages []string) []int32 {
	out := make([]int32, len(lineages))
	for i, name := range lineages {
		out[i] = key(name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func key(lineage string) int32 {
	h := sha256.Sum256([]byte("tombolo lineage " + lineage))
	return int32(binary.BigEndian.Uint32(h[:4]) % locks)
}

const (
	maxLanes     = 4
	connsPerLane = 4 // what is read meanwhile needs some
)

// Lanes is how many may call [Store.Extend] at the same time and gain by it: on a
// file one.
func (s *Store) Lanes() int {
	if s.dialect.Lock == "" {
		return 1
	}
	return min(max(1, s.dialect.Conns/connsPerLane), maxLanes)
}

// Lane is which of them a ledger is for, from 0: so none waits for another's locks.
func (s *Store) Lane(o ledger.Origin) int { return int(key(lineage(o))) * s.Lanes() / locks }

// txn is a transaction. It is the driver's: package database/sql starts a
// goroutine for each of its own.
type txn struct {
	conn  *sql.Conn
	heads *heads
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

// among is a list of parameters for the origins, padded so that few statements are
// enough for all lengths.
func among(origins []string) (list string, args []any) {
	n := 1
	for n < len(origins) {
		n *= 2
	}
	args = make([]any, n)
	for i := range args {
		args[i] = origins[min(i, len(origins)-1)]
	}
	return "(?" + strings.Repeat(", ?", n-1) + ")", args
}

// manyOrigins bounds the origins in one list.
const manyOrigins = 64

// byOrigin runs a query that ends in a list of origins for all of them.
func byOrigin(q querier, query string, origins []string, scan func(*sql.Rows) error) error {
	for some := range slices.Chunk(origins, manyOrigins) {
		list, args := among(some)
		rows, err := q.Query(query+list, args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := scan(rows); err != nil {
				return errors.Join(err, rows.Close())
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}
