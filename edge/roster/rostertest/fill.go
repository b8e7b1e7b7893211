// Package rostertest makes large rosters for tests and benchmarks. Projected, a
// million people take minutes: their signatures have to be made and verified.
package rostertest

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"

	sqlite3 "github.com/mattn/go-sqlite3"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/edge/roster/internal/holders"
)

// Author is the issuer, by key id, who is said to have admitted those that Fill
// enters.
const Author = "00000000000000000000000000000000"

// Fill makes a roster at path, where there must be none, of n people with one
// door key each. Of the i-th it takes Delegation, Wallet, Class, NotBefore and
// NotAfter; all are admitted by Author, keys and passports are theirs alone, and
// the wallet owns the passport. What a roster projects into the file later comes
// on top, as if it had projected these too: their entries' places come before all
// others. A million take some fifteen seconds of one core.
func Fill(path string, n int, holder func(i int) access.Holder) (err error) {
	r, err := roster.Open(roster.Config{Path: path})
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + path + "?_synchronous=OFF&_cache_size=-400000")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	f := filler{conn: conn.(*sqlite3.SQLiteConn)}
	f.run("PRAGMA journal_mode = OFF")
	f.run("BEGIN")
	claim := f.prepare("INSERT INTO claim VALUES (?, '" + Author + "', ?, ?, ?, ?, ?, NULL, 0, 0)")
	doorkey := f.prepare("INSERT INTO doorkey VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)")
	row := f.prepare("INSERT INTO holder VALUES (?, ?)")
	for i := 0; i < n && f.err == nil; i++ {
		h := holder(i)
		d := h.Delegation
		h.Known, h.KeyID, h.ByOwner, h.Admitted = true, d.Key.ID(), true, true
		packed, err := holders.Seal(h)
		if err != nil {
			return err
		}
		place := binary.BigEndian.AppendUint64(make([]byte, 16, 24), uint64(i))
		timed := append(make([]byte, 24, 48), place...)
		f.exec(claim, int64(d.Passport), place, h.Wallet[:], h.Class, h.NotBefore, h.NotAfter)
		f.exec(doorkey, h.KeyID[:], int64(d.Passport), int64(d.Key.Kind), d.Key.Point[:], h.Wallet[:], int64(d.NotBefore), int64(d.NotAfter),
			d.Scope[:], int64(d.Mode), timed, timed)
		f.exec(row, int64(holders.Short(h.KeyID)), packed)
	}
	for _, s := range []*sqlite3.SQLiteStmt{claim, doorkey, row} {
		if s != nil {
			f.err = errors.Join(f.err, s.Close())
		}
	}
	f.run("COMMIT")
	f.run("PRAGMA journal_mode = WAL")
	return f.err
}

// filler runs statements until one fails. It speaks to the driver itself:
// database/sql would take twice as long.
type filler struct {
	conn *sqlite3.SQLiteConn
	args []driver.NamedValue
	err  error
}

func (f *filler) prepare(query string) *sqlite3.SQLiteStmt {
	if f.err != nil {
		return nil
	}
	s, err := f.conn.PrepareContext(context.Background(), query)
	if err != nil {
		f.err = err
		return nil
	}
	return s.(*sqlite3.SQLiteStmt)
}

func (f *filler) exec(s *sqlite3.SQLiteStmt, args ...driver.Value) {
	if f.err != nil {
		return
	}
	f.args = f.args[:0]
	for i, a := range args {
		f.args = append(f.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	_, f.err = s.ExecContext(context.Background(), f.args)
}

func (f *filler) run(query string) {
	if f.err == nil {
		_, f.err = f.conn.ExecContext(context.Background(), query, nil)
	}
}
