package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
)

// opener opens connections to one file. On a disk that takes nothing SQLite
// cannot make the two files beside it that it reads with; then these connections
// do without, so that a door still learns who may pass:
//
//   - on a full disk, with the lock to themselves and the index in memory. They
//     write again as soon as there is room. Until the process ends, every other
//     one waits in vain for the lock.
//   - on one that is mounted read-only, as a file that nobody changes, for a
//     moment at a time: the next connection may find it writable again.
type opener struct {
	path    string
	trouble atomic.Pointer[error] // of the first connection that had to do without
}

// Connect implements [driver.Connector].
func (o *opener) Connect(context.Context) (driver.Conn, error) {
	conn, first := o.open(nil)
	if first == nil {
		return conn, nil
	}
	if !diskTrouble(first) {
		return nil, first
	}
	alone, err := o.open(url.Values{"vfs": {"unix-excl"}})
	if err == nil {
		o.trouble.CompareAndSwap(nil, &first)
		return alone, nil
	}
	// Not while another process has the file, nor without the log beside it.
	if !diskTrouble(err) || nonEmpty(o.path+"-wal") {
		return nil, first
	}
	conn, err = o.open(url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return nil, first
	}
	o.trouble.CompareAndSwap(nil, &first)
	return momentary{conn, time.Now()}, nil
}

// Driver implements [driver.Connector].
func (o *opener) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (o *opener) open(more url.Values) (*sqlite3.SQLiteConn, error) {
	conn, err := o.Driver().Open(dsn(o.path, more))
	if err != nil {
		return nil, err
	}
	return conn.(*sqlite3.SQLiteConn), nil
}

// diskTrouble tells whether SQLite failed because of where the file is.
func diskTrouble(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case sqlite3.ErrCantOpen, sqlite3.ErrIoErr, sqlite3.ErrFull, sqlite3.ErrReadonly:
		return true
	}
	return false
}

func nonEmpty(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Size() > 0
}

// momentary is a connection to a file that nobody changes, for as long as that
// may be believed.
type momentary struct {
	*sqlite3.SQLiteConn
	since time.Time
}

const moment = time.Second

// IsValid implements [driver.Validator].
func (m momentary) IsValid() bool { return time.Since(m.since) < moment }

// ResetSession implements [driver.SessionResetter].
func (m momentary) ResetSession(context.Context) error {
	if !m.IsValid() {
		return driver.ErrBadConn
	}
	return nil
}
