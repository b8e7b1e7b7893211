// Package roster is what a gateway knows of people: the projection of the
// community's and the node's ledgers that decisions read, in SQLite.
//
// [Open] it over a [Source] of ledgers, call [Roster.Project] whenever the
// source has grown, and ask [Roster.ByWindow] or [Roster.ByKey] for the holder
// of a door key, [Roster.Pin] for the box with its PINs: one row of the file
// each, whose page is in no cache of ours. [Roster.View] is the small rest that
// every decision needs, ready in memory: the policy, homes, lockdowns, bars,
// guest passes, the roster's age; and the keys that open homes, for a disk that
// cannot be read any more. [Until] shows a source as it was at some moment, so
// that its decisions can be made again.
//
// The projection does not depend on the order in which entries arrive. It can
// be thrown away and made again, but for what is the gateway's own word: when the
// end of a home, a Forgive, or an order that is dated ahead was first seen, how
// far a ledger went whose author was convicted, and which policies it could live
// with, see [Trial].
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

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

//go:embed schema.sql
var schema string

const schemaVersion = 4

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

	cut *cut // of a source that shows a moment that is over, see Until
}

// Config says whose roster it is.
type Config struct {
	Path      string // of the SQLite file
	Source    Source
	Community ledger.CharterID
	Node      ledger.CharterID
	Gateway   [32]byte // whose roster it is, by its signing key; zero for nobody's
	// Accept says why the gateway cannot live by a policy, which then is not in
	// force; it is asked within Project, before the policy is. With it policies are
	// tried, see Trial. Nil, for whoever does not live by them: nothing is tried.
	Accept func(*policy.Policy) error
}

// Roster is open. It is safe for concurrent use.
type Roster struct {
	cfg   Config
	write *sql.DB

	readers  *idle
	still    atomic.Bool // nobody is projecting here
	draining sync.Mutex  // of whoever waits for all readers
	opened   int         // under draining: how many there are

	view atomic.Pointer[View]

	projecting sync.Mutex
	version    int64              // SQLite's data_version when project last looked
	unfinished bool               // under projecting: the last Project failed halfway
	unreadable string             // under projecting: of the source, when the view was made
	weighed    map[[32]byte]error // under projecting: what parsing and Accept said of policies
	living     [32]byte           // under projecting: the policy whose trial is marked as running
}

// Open opens or makes the file. The view is empty until the first Project.
func Open(cfg Config) (*Roster, error) {
	r := &Roster{cfg: cfg, readers: newIdle(), weighed: map[[32]byte]error{}}
	r.view.Store(&View{})
	f, err := os.OpenFile(cfg.Path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite itself would use the umask's mode
	if err != nil {
		return nil, fmt.Errorf("open the roster: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if r.write, err = sql.Open("sqlite3", dsn(cfg.Path, writeCache)+"&_txlock=immediate&_stmt_cache_size=64"); err != nil {
		return nil, err
	}
	r.write.SetMaxOpenConns(1)
	r.write.SetMaxIdleConns(1)
	if err = migrate(r.write); err != nil {
		return nil, errors.Join(fmt.Errorf("open the roster %s: %w; if it is damaged, move it away and it will be made again", cfg.Path, err), r.write.Close())
	}
	if cfg.Accept != nil {
		if err := r.begun(); err != nil {
			return nil, errors.Join(fmt.Errorf("open the roster %s: %w", cfg.Path, err), r.write.Close())
		}
	}
	for range readers {
		rd, err := openReader(cfg.Path)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.opened++
		r.readers.put(rd)
	}
	return r, nil
}

// What each connection may keep of the file in memory, in KiB. Among a million
// keys a lookup reads one of 45,000 pages, which no cache of a gateway holds, by
// way of two of 170, which this one does: more made it no faster.
const (
	readCache  = 1000
	writeCache = 4000
)

// dsn does not wait for the disk when it commits: a roster that a power cut set
// back is projected again.
func dsn(path string, cache int) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: fmt.Sprintf("_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000&_cache_size=-%d", cache)}
	return u.String()
}

// ErrNewer says that later software made the file.
var ErrNewer = errors.New("newer software wrote it")

// migrate makes the tables. Of what an older version made everything is made
// again but what is the gateway's own word.
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
		old, err := column[string](tx.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('notice', 'fork', 'trial')"))
		if err != nil {
			return err
		}
		for _, table := range old {
			if _, err := tx.Exec("DROP TABLE " + table); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
		_, err = tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
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

// Close closes the file once the lookups that run have ended.
func (r *Roster) Close() error { return errors.Join(r.closeReaders(), r.write.Close()) }

// View is the part of the roster that is in memory, as of the last Project.
func (r *Roster) View() *View { return r.view.Load() }
