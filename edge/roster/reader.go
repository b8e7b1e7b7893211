package roster

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// readers is how many lookups run at once. A gateway has a few cores, and a
// lookup waits for nothing.
const readers = 4

// reader is a connection for lookups, used by one goroutine at a time. It speaks
// to the driver itself: through database/sql a lookup costs twice as much.
type reader struct {
	conn                     driver.Conn
	holder, pin, begin, done statement
	args                     []driver.NamedValue // one
	row                      []driver.Value      // one column
	held                     bool                // it is in a transaction
}

// statement is what the driver's are.
type statement interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

var errClosed = errors.New("the roster is closed")

func openReader(path string) (*reader, error) {
	// Whoever has the connection has it alone, so SQLite need not lock it.
	conn, err := (&sqlite3.SQLiteDriver{}).Open(dsn(path, readCache) + "&_query_only=true&_mutex=no")
	if err != nil {
		return nil, err
	}
	r := &reader{conn: conn, args: []driver.NamedValue{{Ordinal: 1}}, row: make([]driver.Value, 1)}
	for _, s := range []struct {
		stmt  *statement
		query string
	}{
		{&r.holder, "SELECT row FROM holder WHERE short = ?"},
		{&r.pin, "SELECT sealed FROM pin WHERE passport = ?"},
		{&r.begin, "BEGIN"},
		{&r.done, "COMMIT"},
	} {
		stmt, err := conn.Prepare(s.query)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		*s.stmt = stmt.(statement)
	}
	return r, nil
}

// one runs a query that takes an integer and gives a blob, nil if there is no
// such row. The blob is the caller's.
func (r *reader) one(query statement, key int64) (blob []byte, err error) {
	r.args[0].Value = key
	rows, err := query.QueryContext(context.Background(), r.args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if err := rows.Next(r.row); err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, err
	}
	blob, ok := r.row[0].([]byte)
	if !ok {
		return nil, errDamaged
	}
	return blob, nil
}

// hold begins a transaction, or ends it.
func (r *reader) hold(on bool) error {
	if r.held == on {
		return nil
	}
	stmt := r.done
	if on {
		stmt = r.begin
	}
	if _, err := stmt.ExecContext(context.Background(), nil); err != nil {
		return err
	}
	r.held = on
	return nil
}

func (r *reader) close() error {
	var errs []error
	for _, s := range []statement{r.holder, r.pin, r.begin, r.done} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(append(errs, r.conn.Close())...)
}

func (r *reader) holders() statement { return r.holder }
func (r *reader) pins() statement    { return r.pin }

// lookup runs a query on a connection that is free.
func (r *Roster) lookup(query func(*reader) statement, key int64) (blob []byte, err error) {
	rd, ok := r.readers.take()
	if !ok {
		return nil, fmt.Errorf("roster: %w", errClosed)
	}
	defer r.readers.put(rd)
	if r.still.Load() {
		err = rd.hold(true)
	}
	if err == nil {
		blob, err = rd.one(query(rd), key)
	}
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return blob, nil
}

// stirred ends the transactions of all readers, which begin no others until the
// roster is still again: they would keep SQLite from ever starting its log anew.
// While nobody projects they save each lookup half its time, which goes into
// locking and unlocking the file.
func (r *Roster) stirred() error {
	r.draining.Lock()
	defer r.draining.Unlock()
	r.still.Store(false)
	all := make([]*reader, 0, readers)
	var errs []error
	for range r.opened {
		rd, _ := r.readers.take() // only closeReaders closes, and leaves none
		errs = append(errs, rd.hold(false))
		all = append(all, rd)
	}
	for _, rd := range all {
		r.readers.put(rd)
	}
	return errors.Join(errs...)
}

// closeReaders waits for the lookups that run; later ones are refused.
func (r *Roster) closeReaders() error {
	r.draining.Lock()
	defer r.draining.Unlock()
	var errs []error
	for ; r.opened > 0; r.opened-- {
		rd, _ := r.readers.take()
		errs = append(errs, rd.close())
	}
	r.readers.close()
	return errors.Join(errs...)
}
