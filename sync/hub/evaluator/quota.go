package evaluator

import (
	"crypto/sha256"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"

	"tombolo/sync/census"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

//go:embed schema.sql
var schema string

// quotasFile has what gateways have had. What it holds says how many elements a
// node sent, and goes with the key.
const quotasFile = "quotas.db"

// maxRepeats bounds how often one batch is answered.
const maxRepeats = 1000

// errQuota says that a gateway has had its share.
var errQuota = errors.New("the gateway has had its share")

// quotas counts elements, durably.
type quotas struct{ db *sql.DB }

func openQuotas(dir string) (*quotas, error) {
	db, err := store.Database(filepath.Join(dir, quotasFile), 1)
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(db, 1, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(dir, quotasFile), err), db.Close())
	}
	return &quotas{db}, nil
}

func (q *quotas) close() error { return q.db.Close() }

// taken is what a gateway has had, before a batch and with it; the same of one that
// is asked for again, or was refused.
type taken struct{ before, used int64 }

// left is how much of a quota is.
func (t taken) left(quota uint32) uint32 { return uint32(max(0, int64(quota)-t.used)) }

// take counts a batch of so many elements against a quota, once. It returns errQuota,
// with what was taken, and then counts nothing.
func (q *quotas) take(epoch census.PublicKey, gateway replica.Peer, body []byte, elements, quota uint32) (t taken, err error) {
	tx, err := q.db.Begin() // immediate: see store.Database
	if err != nil {
		return t, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
			return
		}
		err = tx.Commit()
	}()
	var used int64
	err = tx.QueryRow("SELECT used FROM share WHERE epoch = ? AND gateway = ?", epoch[:], gateway[:]).Scan(&used)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, err
	}
	t = taken{used, used}
	hash := sha256.Sum256(body)
	var asked int64
	err = tx.QueryRow("SELECT asked FROM batch WHERE epoch = ? AND gateway = ? AND hash = ?", epoch[:], gateway[:], hash[:]).Scan(&asked)
	switch {
	case err == nil && asked >= maxRepeats:
		return t, fmt.Errorf("%w: one batch %d times", errQuota, asked)
	case err == nil:
		_, err = tx.Exec("UPDATE batch SET asked = asked + 1 WHERE epoch = ? AND gateway = ? AND hash = ?", epoch[:], gateway[:], hash[:])
		return t, err
	case !errors.Is(err, sql.ErrNoRows):
		return t, err
	case elements > t.left(quota):
		return t, errQuota
	}
	if _, err = tx.Exec("INSERT INTO share VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = used + excluded.used", epoch[:], gateway[:], int64(elements)); err != nil {
		return t, err
	}
	if _, err = tx.Exec("INSERT INTO batch VALUES (?, ?, ?, 1)", epoch[:], gateway[:], hash[:]); err != nil {
		return t, err
	}
	t.used += int64(elements)
	return t, nil
}

// Share is what a gateway had evaluated for an epoch.
type Share struct {
	Gateway  replica.Peer
	Elements int64
}

// of lists the shares of an epoch, the largest first.
func (q *quotas) of(epoch census.PublicKey) (out []Share, err error) {
	rows, err := q.db.Query("SELECT gateway, used FROM share WHERE epoch = ? ORDER BY used DESC, gateway", epoch[:])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id []byte
		var s Share
		if err := rows.Scan(&id, &s.Elements); err != nil {
			return nil, err
		}
		if len(id) != len(s.Gateway) {
			return nil, fmt.Errorf("%s: a gateway's id of %d bytes", quotasFile, len(id))
		}
		copy(s.Gateway[:], id)
		out = append(out, s)
	}
	return out, rows.Err()
}

// forget lets go of what was counted for an epoch's key.
func (q *quotas) forget(epoch census.PublicKey) error {
	for _, table := range []string{"share", "batch"} {
		if _, err := q.db.Exec("DELETE FROM "+table+" WHERE epoch = ?", epoch[:]); err != nil {
			return err
		}
	}
	return nil
}
