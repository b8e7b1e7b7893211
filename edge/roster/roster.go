// Package roster is what a gateway knows of people: the projection of the
// community's and the node's ledgers that decisions read, in SQLite.
//
// [Open] it over a [Source] of ledgers, call [Roster.Project] whenever the
// source has grown, and ask [Roster.ByWindow] or [Roster.ByKey] for the holder
// of a door key: one query each. [Roster.View] is the small rest that every
// decision needs, ready in memory: the policy, the homes, the roster's age.
//
// The projection does not depend on the order in which entries arrive. It can
// be thrown away and made again, but for one thing: when a home's notice was
// first seen, which is the gateway's own word.
package roster

import (
	"database/sql"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"sync"
	"sync/atomic"

	_ "github.com/mattn/go-sqlite3" // the driver
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

//go:embed schema.sql
var schema string

const schemaVersion = 1

// Source is where the ledgers are. What it gives was verified when it was
// taken in.
type Source interface {
	Charters(ledger.CharterID) (ledger.Charters, error)
	// Ledgers lists every ledger that is held.
	Ledgers() ([]Ledger, error)
}

// Ledger is one that a Source holds.
type Ledger struct {
	Head       ledger.Head
	Seen       int64 // when Head was first seen here, Unix seconds
	Generation uint64
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
}

// Roster is open. It is safe for concurrent use.
type Roster struct {
	cfg      Config
	write    *sql.DB
	read     *sql.DB
	byWindow *sql.Stmt
	byKey    *sql.Stmt

	projecting sync.Mutex
	view       atomic.Pointer[View]
}

// Open opens or makes the file. The view is empty until the first Project.
func Open(cfg Config) (*Roster, error) {
	r := &Roster{cfg: cfg}
	r.view.Store(&View{})
	var err error
	if r.write, err = open(cfg.Path, 1); err != nil {
		return nil, err
	}
	if err = migrate(r.write); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", cfg.Path, err), r.write.Close())
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

// open: a roster that a power cut set back is projected again, so commits need
// not wait for the disk.
func open(path string, conns int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000&_txlock=immediate&_cache_size=-4000"}
	db, err := sql.Open("sqlite3", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// ErrNewer says that later software made the file.
var ErrNewer = errors.New("the roster was written by newer software; move it away and it will be made again")

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

const holderQuery = `
SELECT k.id, k.passport, k.kind, k.point, k.signer, k.not_before, k.not_after, k.scope, k.mode, k.closed_home,
	EXISTS (SELECT 1 FROM revoked r WHERE r.id = k.id AND r.passport = k.passport),
	EXISTS (SELECT 1 FROM owner o WHERE o.passport = k.passport AND o.owner = k.signer),
	EXISTS (SELECT 1 FROM doorkey o WHERE o.id = k.id AND o.claimed < k.claimed),
	c.owner, c.class, c.not_before, c.not_after, ifnull(c.suspended, 0), ifnull(c.expelled, 0)
FROM doorkey k LEFT JOIN claim c ON c.passport = k.passport
`

// ByWindow finds the key that a code names: a passport and the key's short id.
// A key that is not there is a Holder that is not Known.
func (r *Roster) ByWindow(p passport.ID, short [8]byte) (access.Holder, error) {
	return holder(r.byWindow.Query(int64(p), int64(binary.BigEndian.Uint64(short[:]))))
}

// ByKey finds a key by its whole id, as a tap gives it.
func (r *Roster) ByKey(id passport.KeyID) (access.Holder, error) {
	return holder(r.byKey.Query(id[:]))
}

// holder puts the issuers' claims together: the most restrictive wins.
func holder(rows *sql.Rows, err error) (h access.Holder, _ error) {
	if err != nil {
		return h, fmt.Errorf("roster: %w", err)
	}
	defer rows.Close()
	var owner []byte
	for rows.Next() {
		var (
			id, point, signer, scope, claimOwner []byte
			kind, mode                           uint8
			number, from, until                  int64
			class                                sql.NullString
			notBefore, notAfter                  sql.NullInt64
			closedHome, revoked, ever, taken     bool
			suspended, expelled                  bool
		)
		if err := rows.Scan(&id, &number, &kind, &point, &signer, &from, &until, &scope, &mode, &closedHome,
			&revoked, &ever, &taken, &claimOwner, &class, &notBefore, &notAfter, &suspended, &expelled); err != nil {
			return access.Holder{}, fmt.Errorf("roster: %w", err)
		}
		if taken {
			continue // another passport claimed the key first
		}
		if len(id) != 32 || len(point) != 33 || len(scope) != 32 {
			return access.Holder{}, errors.New("roster: a door key's row is damaged; move the roster away and it will be made again")
		}
		d := passport.Delegation{
			Passport: passport.ID(number), Key: passport.Key{Kind: passport.KeyKind(kind), Point: [33]byte(point)},
			NotBefore: uint64(from), NotAfter: uint64(until), Scope: passport.Target(scope), Mode: passport.Mode(mode),
		}
		if !h.Known {
			h = access.Holder{Known: true, KeyID: passport.KeyID(id), Delegation: d, EverOwner: ever, Revoked: revoked, ClosedAtHome: closedHome}
		} else if h.KeyID != passport.KeyID(id) {
			return access.Holder{}, nil // two keys of one passport with one short id: nobody can tell which
		}
		h.Suspended = h.Suspended || suspended
		h.Expelled = h.Expelled || expelled
		if claimOwner == nil {
			continue
		}
		if !h.Admitted {
			owner = claimOwner
			h.Admitted, h.Class, h.NotBefore, h.NotAfter = true, class.String, notBefore.Int64, notAfter.Int64
			h.ByOwner = string(owner) == string(signer)
			continue
		}
		h.Disputed = h.Disputed || string(owner) != string(claimOwner) || h.Class != class.String
		h.NotBefore, h.NotAfter = max(h.NotBefore, notBefore.Int64), min(h.NotAfter, notAfter.Int64)
	}
	return h, rows.Err()
}
