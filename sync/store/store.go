// Package store keeps ledgers, anybody's, in one SQLite file: charters, heads,
// entries, the tree's nodes, evidence of forks, and what the folder is pinned
// to. A gateway, a steward's folder and a hub all use it; a hub that is more than
// one process has the same Store on PostgreSQL, by package sync/store/pg.
//
// [Open] a file, [Store.Ingest] what others wrote and brought whole, as on a stick,
// [Store.Extend] by what of it comes over a wire, [Store.OpenAuthor] to write
// oneself. [Journal] groups many small appends into one durable commit, and
// seals the next group while the last is on its way to the disk. The store
// verifies whatever it takes in; it judges nobody's right to write: that is the
// charters' and the projections' affair.
//
// Everything is durable when a call returns: WAL with synchronous=FULL. Several
// processes may share the file; a command beside a running daemon is how
// ledgers arrive on a stick. A disk that is full or read-only lets a file be
// opened and read, see [Store.Trouble]. [Store.Backup] copies a store in use, and
// [Restore] brings it back, to either kind; [Store.Lease] divides work among those
// who share one.
package store

import (
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// The schemas, each on top of the one before.
var (
	//go:embed schema.sql
	schema1 string
	//go:embed schema2.sql
	schema2 string
	//go:embed schema3.sql
	schema3 string
)

const schemaVersion = 3

// Errors of the store.
var (
	ErrNoLedger = errors.New("no such ledger here")
	ErrNewer    = errors.New("the file was written by newer software")
	ErrNotFound = errors.New("not found")
	ErrDamaged  = errors.New("the file is damaged; set it aside, then restore a backup or import the ledgers again")
)

// Store is an open file or database. It is safe for concurrent use.
type Store struct {
	write   *sql.DB // one connection to a file; to a database, the same as read
	read    *sql.DB
	dialect Dialect
	disk    *opener // nil for a database
	heads   heads
}

// Open opens or makes the file at path and brings its schema up to date. It
// returns ErrNewer for a file of a later schema. A file that is there is opened
// on a full disk and on a read-only one, too: then [Store.Trouble] says so.
func Open(path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := touch(abs); err != nil {
		return nil, fmt.Errorf("open the ledgers: %w", err)
	}
	s := newStore(abs)
	if err := Migrate(s.write, schemaVersion, schema1, schema2, schema3); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", abs, err), s.Close())
	}
	return s, nil
}

func newStore(path string) *Store {
	disk := &opener{path: path}
	return &Store{write: database(disk, 1), read: database(disk, 4), dialect: sqlite, disk: disk}
}

// touch makes a missing file, as SQLite itself would use the umask's mode.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, syscall.EROFS) {
		f, err = os.Open(path)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Trouble is nil, or what kept the disk from being written when the file was
// opened. Everything can be read then, and what others wrote since is seen; an
// append fails for as long as the disk does. On a full disk the file belongs to
// this process until it ends: once there is room, restart what serves others.
func (s *Store) Trouble() error {
	if s.disk == nil {
		return nil
	}
	if err := s.disk.trouble.Load(); err != nil {
		return fmt.Errorf("the disk of %s takes nothing new; make room on it, or mount it for writing: %w", s.Path(), *err)
	}
	return nil
}

// Database opens an SQLite file the way this house does, with at most conns
// connections: WAL, synchronous=FULL, foreign keys, 10 s of patience with
// other processes, deleted content overwritten; to be read, at least, when the
// disk is full or read-only.
func Database(path string, conns int) (*sql.DB, error) {
	return database(&opener{path: path}, conns), nil
}

func database(o *opener, conns int) *sql.DB {
	db := sql.OpenDB(o)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

func dsn(path string, more url.Values) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_busy_timeout=10000&_txlock=immediate&_cache_size=-2000&_stmt_cache_size=32&_secure_delete=on"}
	if more != nil {
		u.RawQuery += "&" + more.Encode()
	}
	return u.String()
}

// Migrate applies the schemas after the file's version, in order, and refuses
// a file of a later version than the last of them.
func Migrate(db *sql.DB, version int, schemas ...string) error {
	var have int
	if err := db.QueryRow("PRAGMA user_version").Scan(&have); err != nil || have == version {
		return err // not even a transaction: the disk may be read-only
	}
	return inTx(db, func(tx *sql.Tx) error {
		var have int
		if err := tx.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
			return err
		}
		if have < 0 || have > version {
			return fmt.Errorf("%w: schema %d, this version knows %d: update this program", ErrNewer, have, version)
		}
		for v := have; v < version; v++ {
			if _, err := tx.Exec(schemas[v]); err != nil {
				return fmt.Errorf("schema %d: %w", v+1, err)
			}
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
}

// Close closes the file or the connections.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// Path is the file's absolute path, or the database's name without its secrets.
func (s *Store) Path() string {
	if s.disk == nil {
		return s.dialect.Name
	}
	return s.disk.path
}

func inTx(db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Pin remembers a value under a name.
func (s *Store) Pin(name string, value []byte) error {
	return s.inTx(func(tx txn) error { return pin(tx, name, value) })
}

func pin(tx txn, name string, value []byte) error {
	_, err := tx.values("INSERT INTO pin VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// Pinned returns what was pinned, or ErrNotFound.
func (s *Store) Pinned(name string) (value []byte, err error) {
	err = s.read.QueryRow("SELECT value FROM pin WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return value, err
}

// RestoredPin is the name under which [Restore] pins that a store was restored, until
// whoever writes ledgers there has asked others what it had signed since, and pins
// NotRestored.
const RestoredPin, restored, NotRestored = "store/restored", "yes", "no"

// Restored tells whether the store was restored, and nobody has asked since.
func (s *Store) Restored() (bool, error) {
	v, err := s.Pinned(RestoredPin)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return string(v) == restored, err
}
