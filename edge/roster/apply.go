package roster

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// apply writes one entry's meaning. refused says why an entry that its author
// may write means nothing.
func (p *projection) apply(tx *sql.Tx, index int64, e ledger.Entry, body ledger.Body) (refused, err error) {
	exec := func(query string, args ...any) error {
		_, err := tx.Exec(query, args...)
		return err
	}
	author := p.ledger.Head.Origin.Author.String()
	at := place(p.ledger, index)
	switch b := body.(type) {
	case *ledger.Begin:
		return p.begin(b), nil

	case *ledger.Admit:
		if err := exec(`INSERT INTO claim (passport, author, admitted, owner, class, not_before, not_after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT DO UPDATE SET admitted = ?3, owner = ?4, class = ?5, not_before = ?6, not_after = ?7 WHERE admitted IS NULL OR admitted < ?3`,
			int64(b.Passport), author, at, b.Owner[:], b.Class, b.NotBefore, b.NotAfter); err != nil {
			return nil, err
		}
		if err := exec("INSERT OR IGNORE INTO owner VALUES (?, ?)", int64(b.Passport), b.Owner[:]); err != nil {
			return nil, err
		}
		return nil, p.closeAtHome(tx, b.Passport)
	case *ledger.Suspend:
		return nil, stand(exec, b.Passport, author, at, true)
	case *ledger.Reinstate:
		return nil, stand(exec, b.Passport, author, at, false)
	case *ledger.Expel:
		return nil, exec("INSERT INTO claim (passport, author, expelled) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET expelled = 1", int64(b.Passport), author)

	case *ledger.DoorKeyAdded:
		return p.doorKey(tx, timedPlace(p.ledger, index, e), b)
	case *ledger.DoorKeyRevoked:
		return p.revoke(tx, timedPlace(p.ledger, index, e), b)

	case *ledger.Home:
		return nil, exec("INSERT OR IGNORE INTO home VALUES (?, ?, ?, ?, NULL)", b.Door, int64(b.Passport), timedPlace(p.ledger, index, e), b.Notice)
	case *ledger.HomeEnded:
		return nil, exec("INSERT OR IGNORE INTO home VALUES (?, ?, ?, NULL, ?)", b.Door, int64(b.Passport), timedPlace(p.ledger, index, e), b.Ends)
	case *ledger.Policy:
		hash := policy.Hash(b.File)
		return nil, exec(`INSERT INTO policy VALUES (1, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET version = ?1, hash = ?2, file = ?3
			WHERE version < ?1 OR (version = ?1 AND hash > ?2)`, int64(b.Version), hash[:], b.File)
	case *ledger.GatewayEnrolled:
		return nil, exec("INSERT INTO gateway (signing, name) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET name = ?2", b.Keys.Signing[:], b.Gateway)
	case *ledger.GatewayRemoved:
		return nil, exec("INSERT INTO gateway VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET removed = 1", b.Signing[:], b.Gateway)
	}
	return nil, nil // Dropped and NodeRegistered change nothing here
}

func (p *projection) begin(b *ledger.Begin) (refused error) {
	if b.Charter != p.charters.ID() {
		return &stopError{fmt.Errorf("it was written under the charter %v, not %v", b.Charter, p.charters.ID())}
	}
	if f := b.Predecessor; f != nil {
		o := p.ledger.Head.Origin
		o.Incarnation = f.Incarnation
		p.cursor.follows, p.cursor.followsSize = o.String(), f.Size
	}
	return nil
}

func stand(exec func(string, ...any) error, number uint64, author string, at []byte, suspended bool) error {
	return exec(`INSERT INTO claim (passport, author, stood, suspended) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT DO UPDATE SET stood = ?3, suspended = ?4 WHERE stood IS NULL OR stood < ?3`, int64(number), author, at, suspended)
}

// doorKey takes a delegation whose signatures hold; whether its wallet owns
// the passport is asked at the door, so that the order of entries is nothing.
func (p *projection) doorKey(tx *sql.Tx, at []byte, b *ledger.DoorKeyAdded) (refused, err error) {
	s, err := passport.ParseSignedDelegation(b.Delegation)
	if err != nil {
		return err, nil
	}
	signer, err := s.Verify(p.registries)
	if err != nil {
		return err, nil
	}
	d := s.Delegation
	id := d.Key.ID()
	short := id.Short()
	_, err = tx.Exec(`INSERT INTO doorkey VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, 0)
		ON CONFLICT DO UPDATE SET claimed = min(claimed, ?11)`,
		id[:], int64(d.Passport), int64(binary.BigEndian.Uint64(short[:])), d.Key.Kind, d.Key.Point[:], signer[:],
		clamp(d.NotBefore), clamp(d.NotAfter), d.Scope[:], d.Mode, at)
	if err != nil {
		return nil, err
	}
	// Of several delegations the one that the issuers entered last is in force.
	if _, err := tx.Exec(`UPDATE doorkey SET kind = ?3, signer = ?4, not_before = ?5, not_after = ?6, scope = ?7, mode = ?8, renewed = ?9
		WHERE id = ?1 AND passport = ?2 AND renewed < ?9`,
		id[:], int64(d.Passport), d.Key.Kind, signer[:], clamp(d.NotBefore), clamp(d.NotAfter), d.Scope[:], d.Mode, at); err != nil {
		return nil, err
	}
	return nil, p.closeAtHome(tx, uint64(d.Passport))
}

// clamp fits a time into SQLite's integers; the year 292 billion is far enough.
func clamp(t uint64) int64 { return int64(min(t, 1<<63-1)) }

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
	if _, err := tx.Exec("INSERT INTO revoked VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET place = min(place, ?3)",
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

// closeAtHome decides which of a passport's revoked keys are closed at its own
// door too: those that its wallet revoked, and those that were revoked while
// another key was left. A person's last key stays, whoever revoked it.
func (p *projection) closeAtHome(tx *sql.Tx, number uint64) error {
	rows, err := tx.Query(`SELECT k.id, k.scope, k.mode,
			(SELECT min(place) FROM revoked r WHERE r.id = k.id AND r.passport = k.passport),
			EXISTS (SELECT 1 FROM revoked r JOIN owner o ON o.passport = r.passport AND o.owner = r.by_wallet
				WHERE r.id = k.id AND r.passport = k.passport)
		FROM doorkey k WHERE k.passport = ?`, int64(number))
	if err != nil {
		return err
	}
	type key struct {
		id, revoked []byte
		byWallet    bool
		atHome      bool // of use at the person's own door
	}
	var keys []key
	for rows.Next() {
		var k key
		var scope []byte
		var mode passport.Mode
		if err := rows.Scan(&k.id, &scope, &mode, &k.revoked, &k.byWallet); err != nil {
			return errors.Join(err, rows.Close())
		}
		k.atHome = mode.Has(passport.ModeTap) && (bytes.Equal(scope, make([]byte, 32)) || bytes.Equal(scope, p.target[:]))
		keys = append(keys, k)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	var last []byte // place of the last revocation that the wallet did not sign
	left := false
	for _, k := range keys {
		switch {
		case k.revoked == nil:
			left = left || k.atHome
		case !k.byWallet && k.atHome && bytes.Compare(k.revoked, last) > 0:
			last = k.revoked
		}
	}
	for _, k := range keys {
		closed := k.revoked != nil && (k.byWallet || left || !bytes.Equal(k.revoked, last))
		if _, err := tx.Exec("UPDATE doorkey SET closed_home = ? WHERE id = ? AND passport = ? AND closed_home <> ?", closed, k.id, int64(number), closed); err != nil {
			return err
		}
	}
	return nil
}
