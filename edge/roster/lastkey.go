package roster

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// revoke takes an issuer's revocation, with or without the wallet's own word.
func (p *projection) revoke(tx *sql.Tx, at []byte, b *ledger.DoorKeyRevoked) (refused, err error) {
	wallet := []byte{}
	if len(b.Wallet) > 0 {
		signer, err := p.walletRevokes(b)
		if err != nil {
			// The issuer's own word counts all the same.
			refused = fmt.Errorf("the wallet's revocation does not count: %w", err)
		} else {
			wallet = signer[:]
		}
	}
	if _, err := tx.Exec("INSERT INTO revoked VALUES (?1, ?2, ?4, ?3) ON CONFLICT DO UPDATE SET place = min(place, ?3)",
		b.Key[:], int64(b.Passport), at, wallet); err != nil {
		return nil, err
	}
	return refused, p.closeAtHome(tx, b.Passport)
}

func (p *projection) walletRevokes(b *ledger.DoorKeyRevoked) (signer [20]byte, err error) {
	s, err := passport.ParseSignedRevocation(b.Wallet)
	if err != nil {
		return signer, err
	}
	key := passport.Key{Point: s.Revocation.Point}
	if uint64(s.Revocation.Passport) != b.Passport || key.ID() != passport.KeyID(b.Key) {
		return signer, errors.New("it names another key or passport")
	}
	return s.Verify(p.registries)
}

// heldKey is one of a passport's door keys, with what closes it at home.
type heldKey struct {
	id, signer []byte
	delegation passport.Delegation // scope and mode
	revoked    []byte              // place of the first revocation, nil without any
	byWallet   bool                // revoked by the wallet that delegated it
	taken      bool                // claimed by another passport before
}

// closeAtHome decides which of a passport's revoked keys are closed at its own
// doors too: those that the wallet revoked which had delegated them, and those
// that were revoked while that wallet's word still gave the person another key
// for the door. A person's last key stays, whoever revoked it.
//
// Only keys of one and the same wallet replace each other: an issuer can name
// any wallet as the owner and delegate to a key of its own, and would evict
// with those two entries and a revocation.
func (p *projection) closeAtHome(tx *sql.Tx, number uint64) error {
	p.touch(number)
	keys, err := heldKeys(tx, number)
	if err != nil {
		return err
	}
	homes, err := homesOf(tx, number)
	if err != nil {
		return err
	}
	node := passport.NodeID(p.roster.cfg.Node)
	for i, k := range keys {
		closed := k.revoked != nil
		for _, door := range homes {
			closed = closed && (k.byWallet || !k.delegation.Covers(node, door) || replaced(keys, i, node, door))
		}
		if _, err := tx.Exec("UPDATE doorkey SET closed_home = ? WHERE id = ? AND passport = ? AND closed_home <> ?", closed, k.id, int64(number), closed); err != nil {
			return err
		}
	}
	return nil
}

// replaced tells whether another key of the same wallet opens the door: one
// that was not revoked, or was later and is thus the last.
func replaced(keys []heldKey, i int, node passport.NodeID, door string) bool {
	k := keys[i]
	for j, other := range keys {
		if i == j || other.byWallet || other.taken || !bytes.Equal(other.signer, k.signer) ||
			!other.delegation.Mode.Has(passport.ModeTap) || !other.delegation.Covers(node, door) {
			continue
		}
		if other.revoked == nil || bytes.Compare(other.revoked, k.revoked) > 0 {
			return true
		}
	}
	return false
}

// closeWhoClaims is closeAtHome for every passport that claims a key.
func (p *projection) closeWhoClaims(tx *sql.Tx, id passport.KeyID) error {
	numbers, err := column[int64](tx.Query("SELECT passport FROM doorkey WHERE id = ?", id[:]))
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if err := p.closeAtHome(tx, uint64(n)); err != nil {
			return err
		}
	}
	return nil
}

func homesOf(tx *sql.Tx, number uint64) ([]string, error) {
	return column[string](tx.Query("SELECT DISTINCT door FROM home WHERE passport = ? AND notice IS NOT NULL", int64(number)))
}

func heldKeys(tx *sql.Tx, number uint64) (keys []heldKey, err error) {
	rows, err := tx.Query(`SELECT k.id, k.signer, k.scope, k.mode,
			(SELECT min(place) FROM revoked r WHERE r.id = k.id AND r.passport = k.passport),
			EXISTS (SELECT 1 FROM revoked r WHERE r.id = k.id AND r.passport = k.passport AND r.by_wallet = k.signer),
			EXISTS (SELECT 1 FROM doorkey o WHERE o.id = k.id AND o.claimed < k.claimed)
		FROM doorkey k WHERE k.passport = ?`, int64(number))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k heldKey
		var scope []byte
		if err := rows.Scan(&k.id, &k.signer, &scope, &k.delegation.Mode, &k.revoked, &k.byWallet, &k.taken); err != nil {
			return nil, err
		}
		if len(scope) != len(k.delegation.Scope) {
			return nil, errDamaged
		}
		copy(k.delegation.Scope[:], scope)
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// column gathers a query of one column.
func column[T any](rows *sql.Rows, err error) (out []T, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
