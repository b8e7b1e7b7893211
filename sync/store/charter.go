package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// Charters returns the verified chain of that id, or ErrNotFound.
func (s *Store) Charters(id ledger.CharterID) (ledger.Charters, error) {
	return charters(s.read, id)
}

type querier interface {
	Query(string, ...any) (*sql.Rows, error)
	QueryRow(string, ...any) *sql.Row
}

func charters(q querier, id ledger.CharterID) (chain ledger.Charters, err error) {
	rows, err := q.Query("SELECT signed FROM charter WHERE chain = ? ORDER BY version", id[:])
	if err != nil {
		return chain, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return chain, err
		}
		signed, err := ledger.ParseSignedCharter(b)
		if err != nil {
			return chain, err
		}
		if chain, err = ledger.CheckCharter(chain, signed); err != nil {
			return chain, err
		}
	}
	if err := rows.Err(); err != nil {
		return chain, err
	}
	if chain.Len() == 0 {
		return chain, fmt.Errorf("%w: charter %v", ErrNotFound, id)
	}
	if chain.ID() != id {
		return chain, fmt.Errorf("the stored charters of %v begin with %v", id, chain.ID())
	}
	return chain, nil
}

// CharterIDs lists the chains that are held.
func (s *Store) CharterIDs() (ids []ledger.CharterID, err error) {
	rows, err := s.read.Query("SELECT DISTINCT chain FROM charter ORDER BY chain")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		var id ledger.CharterID
		if copy(id[:], b) != len(b) || len(b) != len(id) {
			return nil, fmt.Errorf("%w: a charter id of %d bytes", ErrDamaged, len(b))
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// ErrOtherCharter is a second charter for a place in a chain that is taken:
// the holders of a threshold of keys signed two.
var ErrOtherCharter = errors.New("another charter of this version is held")

// AddCharter verifies a charter and stores it at the end of the chain that it
// follows; a first charter begins a chain. One that is held already changes
// nothing. It returns the chain's id and whether the charter was new.
func (s *Store) AddCharter(signed ledger.SignedCharter) (id ledger.CharterID, added bool, err error) {
	c, err := ledger.ParseCharter(signed.Charter)
	if err != nil {
		return id, false, err
	}
	err = s.inTx(func(tx txn) error {
		id, added = ledger.CharterID{}, false
		chain, err := chainFor(tx, c, signed)
		if err != nil {
			return err
		}
		if n := int(c.Version); n <= chain.Len() {
			id = chain.ID()
			if _, held := chain.Version(n); bytes.Equal(held.Charter, signed.Charter) {
				return nil
			}
			// Only who signed it validly signed two.
			var before ledger.Charters
			for v := 1; v < n; v++ {
				_, held := chain.Version(v)
				if before, err = ledger.CheckCharter(before, held); err != nil {
					return err
				}
			}
			if _, err := ledger.CheckCharter(before, signed); err != nil {
				return err
			}
			return fmt.Errorf("%w: version %d of %v", ErrOtherCharter, n, id)
		}
		if chain, err = ledger.CheckCharter(chain, signed); err != nil {
			return err
		}
		id, added = chain.ID(), true
		_, err = tx.values("INSERT INTO charter VALUES (?, ?, ?)", id[:], int64(c.Version), signed.Marshal())
		return err
	}, charterLineage)
	return id, added, err
}

// chainFor finds the chain that a charter belongs to: the one whose version
// before it is the one it names.
func chainFor(tx txn, c ledger.Charter, signed ledger.SignedCharter) (ledger.Charters, error) {
	if c.Version == 1 {
		first, err := ledger.CheckCharter(ledger.Charters{}, signed)
		if err != nil {
			return first, err
		}
		chain, err := charters(tx, first.ID())
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return chain, err
	}
	rows, err := tx.Query("SELECT chain, signed FROM charter WHERE version = ?", c.Version-1)
	if err != nil {
		return ledger.Charters{}, err
	}
	var found ledger.CharterID
	for rows.Next() {
		var id, b []byte
		if err := rows.Scan(&id, &b); err != nil {
			return ledger.Charters{}, errors.Join(err, rows.Close())
		}
		if previous, err := ledger.ParseSignedCharter(b); err == nil && previous.Hash() == c.Previous {
			copy(found[:], id)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return ledger.Charters{}, err
	}
	if found.IsZero() {
		return ledger.Charters{}, fmt.Errorf("%w: version %d of %q follows a charter that is not held here; import the ones before it first", ledger.ErrCharterChain, c.Version, c.Slug)
	}
	return charters(tx, found)
}
