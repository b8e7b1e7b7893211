// Package roster is what a gateway knows of people: the projection of the
// community's and the node's ledgers that decisions read, in SQLite.
//
// [Open] it over a [Source] of ledgers, call [Roster.Project] whenever the
// source has grown, and ask [Roster.ByWindow] or [Roster.ByKey] for the holder
// of a door key: one query each. [Roster.View] is the small rest that every
// decision needs, ready in memory: the policy, the homes, the roster's age.
//
// The projection does not depend on the order in which entries arrive. It can
// be thrown away and made again, but for what is the gateway's own word: when a
// home's notice was first seen, and how far a ledger went whose author was
// convicted.
//
// # Forks
//
// A [Ledger] that is Forked ends at the head that was held when the roster first
// saw the proof: what stands below it goes on to count, through every remaking,
// and nothing above it ever does; its author is heard no later than by that
// head. Nobody knows where the two histories parted, so nothing is taken back:
// that would lose homes and revocations that both histories may hold. Only the
// charter tells which history is the true one: once it retires the author, what
// it counts is projected, and the conviction means nothing more.
package roster

import (
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"sync"
	"sync/atomic"

	_ "github.com/mattn/go-sqlite3" // the driver
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

//go:embed schema.sql
var schema string

const schemaVersion = 1

// Source is where the ledgers are. What it gives was verified when it was
// taken in.
type Source interface {
	Charters(ledger.CharterID) (ledger.Charters, error)
	// Ledgers lists every ledger that can be read; the error names those that
	// cannot.
	Ledgers() ([]Ledger, error)
}

// Ledger is one that a Source holds.
type Ledger struct {
	Head       ledger.Head
	Seen       int64            // when Head was first seen here, Unix seconds
	Generation uint64           // of its Begin entry
	Charter    ledger.CharterID // of its Begin entry
	Forked     bool             // it is proved that its author signed two histories of it
	// Entries yields entries lo to hi-1.
	Entries func(lo, hi int64) iter.Seq2[ledger.Entry, error]
	// Root is the root of the first so many entries.
	Root func(size int64) (tlog.Hash, error)
}

// Config says whose roster it is.
type Config struct {
	Path      string // of the SQLite file
	Source    Source
	Community ledger.CharterID
	Node      ledger.CharterID
	Gateway   [32]byte // whose roster it is, by its signing key; zero for nobody's
}

// Roster is open. It is safe for concurrent use.
type Roster struct {
	cfg      Config
	write    *sql.DB
	read     *sql.DB
	byWindow *sql.Stmt
	byKey    *sql.Stmt

	view atomic.Pointer[View]

	projecting sync.Mutex
	version    int64  // SQLite's data_version when project last looked
	unfinished bool   // under projecting: the last Project failed halfway
	unreadable string // under projecting: of the source, when the view was made
}

// Open opens or makes the file. The view is empty until the first Project.
func Open(cfg Config) (*Roster, error) {
	r := &Roster{cfg: cfg}
	r.view.Store(&View{})
	f, err := os.OpenFile(cfg.Path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite itself would use the umask's mode
	if err != nil {
		return nil, fmt.Errorf("open the roster: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if r.write, err = open(cfg.Path, 1); err != nil {
		return nil, err
	}
	if err = migrate(r.write); err != nil {
		return nil, errors.Join(fmt.Errorf("open the roster %s: %w; if it is damaged, move it away and it will be made again", cfg.Path, err), r.write.Close())
	}
	if r.read, err = open(cfg.Path, 4); err != nil {
		return nil, errors.Join(err, r.write.Close())
	}
	if r.byWindow, err = r.read.Prepare(holderQuery + "WHERE k.passport = ? AND k.short = ?"); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if r.byKey, err = r.read.Prepare(holderQuery + "WHERE k.id = ?"); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// open does not wait for the disk when it commits: a roster that a power cut set
// back is projected again.
func open(path string, conns int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000&_txlock=immediate&_cache_size=-8000&_stmt_cache_size=32"}
	db, err := sql.Open("sqlite3", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// ErrNewer says that later software made the file.
var ErrNewer = errors.New("newer software wrote it")

func migrate(db *sql.DB) error {
	return inTx(db, func(tx *sql.Tx) error {
		var have int
		if err := tx.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
			return err
		}
		switch {
		case have > schemaVersion:
			return ErrNewer
		case have == schemaVersion:
			return nil
		}
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	})
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

// Close closes the file.
func (r *Roster) Close() error { return errors.Join(r.read.Close(), r.write.Close()) }

// View is the part of the roster that is in memory, as of the last Project.
func (r *Roster) View() *View { return r.view.Load() }
