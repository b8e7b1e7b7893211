package roster

import (
	"database/sql"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// execer runs a statement in the batch's transaction.
type execer func(query string, args ...any) error

// apply writes one entry's meaning. refused says why an entry that its author
// may write means nothing.
func (p *projection) apply(tx *sql.Tx, index int64, e ledger.Entry, body ledger.Body) (refused, err error) {
	exec := execer(func(query string, args ...any) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	author := p.ledger.Head.Origin.Author.String()
	switch b := body.(type) {
	case *ledger.Admit:
		p.touch(b.Passport)
		return nil, exec(`INSERT INTO claim (passport, author, admitted, owner, class, not_before, not_after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT DO UPDATE SET admitted = ?3, owner = ?4, class = ?5, not_before = ?6, not_after = ?7 WHERE admitted IS NULL OR admitted < ?3`,
			int64(b.Passport), author, place(p.ledger, index), b.Owner[:], b.Class, b.NotBefore, b.NotAfter)
	case *ledger.Suspend:
		p.touch(b.Passport)
		return nil, stand(exec, b.Passport, author, place(p.ledger, index), true)
	case *ledger.Reinstate:
		p.touch(b.Passport)
		return nil, stand(exec, b.Passport, author, place(p.ledger, index), false)
	case *ledger.Expel:
		p.touch(b.Passport)
		return nil, exec("INSERT INTO claim (passport, author, expelled) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET expelled = 1", int64(b.Passport), author)

	case *ledger.DoorKeyAdded:
		return p.doorKey(tx, timedPlace(p.ledger, index, e), b)
	case *ledger.DoorKeyRevoked:
		return p.revoke(tx, timedPlace(p.ledger, index, e), b)

	case *ledger.Home:
		if err := exec("INSERT OR IGNORE INTO home VALUES (?, ?, ?, ?, ?, NULL)", b.Door, int64(b.Passport), timedPlace(p.ledger, index, e), b.Owner[:], b.Notice); err != nil {
			return nil, err
		}
		return nil, p.closeAtHome(tx, b.Passport)
	case *ledger.HomeEnded:
		at := timedPlace(p.ledger, index, e)
		if err := p.assumeSeen(exec, at, index); err != nil {
			return nil, err
		}
		return nil, exec("INSERT OR IGNORE INTO home VALUES (?, ?, ?, NULL, NULL, ?)", b.Door, int64(b.Passport), at, b.Ends)
	case *ledger.GatewayEnrolled:
		k := b.Keys
		return nil, exec(`INSERT INTO gateway VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT DO UPDATE SET place = ?2, name = ?3, hold = ?4, witness = ?5, sealing = ?6, tls = ?7 WHERE place > ?2`,
			k.Signing[:], timedPlace(p.ledger, index, e), b.Gateway, k.Hold[:], k.Witness[:], k.Sealing[:], k.TLS[:])
	case *ledger.Open:
		return nil, exec("INSERT OR IGNORE INTO opens VALUES (?, ?, ?, ?)", p.ledger.Head.Origin.String(), index, e.Time, b.Door)
	case *ledger.GatewayRemoved:
		return nil, exec("INSERT INTO removed VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET place = ?2, why = ?3 WHERE place > ?2",
			b.Signing[:], timedPlace(p.ledger, index, e), b.Why)
	case *ledger.Policy:
		hash := policy.Hash(b.File)
		return nil, exec("INSERT OR IGNORE INTO policy VALUES (?, ?, ?)", int64(b.Version), hash[:], b.File)

	case *ledger.Forgive:
		at := timedPlace(p.ledger, index, e)
		if err := p.assumeSeen(exec, at, index); err != nil {
			return nil, err
		}
		return nil, exec("INSERT OR IGNORE INTO forgiven VALUES (?, ?, ?)", at, int64(b.Passport), e.Time)
	default:
		return nil, p.order(tx, index, e, body)
	}
}

func stand(exec execer, number uint64, author string, at []byte, suspended bool) error {
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
	// Of several delegations the one that the issuers entered last is in force.
	_, err = tx.Exec(`INSERT INTO doorkey VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 0)
		ON CONFLICT DO UPDATE SET claimed = min(claimed, ?10)`,
		id[:], int64(d.Passport), d.Key.Kind, d.Key.Point[:], signer[:],
		clamp(d.NotBefore), clamp(d.NotAfter), d.Scope[:], d.Mode, at)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`UPDATE doorkey SET kind = ?3, signer = ?4, not_before = ?5, not_after = ?6, scope = ?7, mode = ?8, renewed = ?9
		WHERE id = ?1 AND passport = ?2 AND renewed < ?9`,
		id[:], int64(d.Passport), d.Key.Kind, signer[:], clamp(d.NotBefore), clamp(d.NotAfter), d.Scope[:], d.Mode, at); err != nil {
		return nil, err
	}
	return nil, p.closeWhoClaims(tx, id)
}

// clamp fits a time into SQLite's integers; the year 292 billion is far enough.
func clamp(t uint64) int64 { return int64(min(t, 1<<63-1)) }
