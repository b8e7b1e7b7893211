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

// take counts a batch of so many elements against a quota, once, and says what is
// left. It returns errQuota, with what is left, and then counts nothing.
func (q *quotas) take(epoch census.PublicKey, gateway replica.Peer, body []byte, elements, quota uint32) (left uint32, err error) {
	tx, err := q.db.Begin() // immediate: see store.Database
	if err != nil {
		return 0, err
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
		return 0, err
	}
	left = uint32(max(0, int64(quota)-used))
	hash := sha256.Sum256(body)
	var asked int64
	err = tx.QueryRow("SELECT asked FROM batch WHERE epoch = ? AND gateway = ? AND hash = ?", epoch[:], gateway[:], hash[:]).Scan(&asked)
	switch {
	case err == nil && asked >= maxRepeats:
		return left, fmt.Errorf("%w: one batch %d times", errQuota, asked)
	case err == nil:
		_, err = tx.Exec("UPDATE batch SET asked = asked + 1 WHERE epoch = ? AND gateway = ? AND hash = ?", epoch[:], gateway[:], hash[:])
		return left, err
	case !errors.Is(err, sql.ErrNoRows):
		return 0, err
	case elements > left:
		return left, errQuota
	}
	if _, err = tx.Exec("INSERT INTO share VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = used + excluded.used", epoch[:], gateway[:], int64(elements)); err != nil {
		return 0, err
	}
	if _, err = tx.Exec("INSERT INTO batch VALUES (?, ?, ?, 1)", epoch[:], gateway[:], hash[:]); err != nil {
		return 0, err
	}
	return left - elements, nil
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
