package roster

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"strconv"

	"tombolo/edge/access"
	"tombolo/edge/roster/internal/holders"
	"tombolo/passport"
)

// touch notes that what lookups say of a passport's keys may be another.
func (p *pass) touch(number uint64) {
	if p.touched == nil {
		p.touched = map[uint64]bool{}
	}
	p.touched[number] = true
}

// tell makes anew what lookups read of the keys of all passports that were
// touched. It asks for all of these at once: most have no key yet.
func (p *pass) tell(tx *sql.Tx) error {
	if len(p.touched) == 0 {
		return nil
	}
	list := []byte{'['}
	for number := range p.touched {
		list = append(strconv.AppendInt(list, int64(number), 10), ',')
	}
	list[len(list)-1] = ']'
	ids, err := column[[]byte](tx.Query("SELECT id FROM doorkey WHERE passport IN (SELECT value FROM json_each(?))", string(list)))
	if err != nil {
		return err
	}
	shorts := map[uint64]bool{}
	for _, id := range ids {
		if len(id) != len(passport.KeyID{}) {
			return errDamaged
		}
		shorts[holders.Short(passport.KeyID(id))] = true
	}
	clear(p.touched)
	return p.tellOf(tx, shorts)
}

func (p *pass) tellOf(tx *sql.Tx, shorts map[uint64]bool) error {
	if len(shorts) == 0 {
		return nil
	}
	find, err := tx.Prepare(claimQuery)
	if err != nil {
		return err
	}
	defer find.Close()
	put, err := tx.Prepare("INSERT OR REPLACE INTO holder VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	for short := range shorts {
		all, err := p.holders(find, short)
		if err != nil {
			return err
		}
		row, err := holders.Seal(all...)
		if err != nil {
			return err
		}
		if _, err := put.Exec(int64(short), row); err != nil {
			return err
		}
	}
	return nil
}

// claimQuery gives a row for each passport that claims a key, and each issuer
// that speaks of the passport; between two ids lie the keys with one short id.
const claimQuery = `
SELECT k.id, k.passport, k.kind, k.point, k.signer, k.not_before, k.not_after, k.scope, k.mode, k.closed_home,
	EXISTS (SELECT 1 FROM revoked r WHERE r.id = k.id AND r.passport = k.passport),
	c.author, c.owner, c.class, c.not_before, c.not_after, c.stood IS NOT NULL, ifnull(c.suspended, 0), ifnull(c.expelled, 0)
FROM doorkey k LEFT JOIN claim c ON c.passport = k.passport
WHERE k.id BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM doorkey o WHERE o.id = k.id AND o.claimed < k.claimed)
ORDER BY k.id, c.author`

// claim is a key as the first passport claims it, with what one issuer says of
// the passport.
type claim struct {
	id, point, signer, scope    []byte
	number, notBefore, notAfter int64
	kind                        passport.KeyKind
	mode                        passport.Mode
	closedHome, revoked         bool
	author                      sql.NullString
	owner                       []byte // nil if the issuer never admitted it
	class                       sql.NullString
	admittedFrom, admittedUntil sql.NullInt64
	stood                       bool // the issuer suspended or reinstated it
	suspended, expelled         bool
}

// holders puts together what the ledgers say of all keys with one short id.
func (p *pass) holders(find *sql.Stmt, short uint64) (all []access.Holder, err error) {
	first := binary.BigEndian.AppendUint64(nil, short)
	rows, err := find.Query(append(first[:8:8], make([]byte, 24)...), append(first[:8:8], bytes.Repeat([]byte{0xff}, 24)...))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var claims []claim // of one key
	for rows.Next() {
		var c claim
		if err := rows.Scan(&c.id, &c.number, &c.kind, &c.point, &c.signer, &c.notBefore, &c.notAfter, &c.scope, &c.mode, &c.closedHome,
			&c.revoked, &c.author, &c.owner, &c.class, &c.admittedFrom, &c.admittedUntil, &c.stood, &c.suspended, &c.expelled); err != nil {
			return nil, err
		}
		if !c.sound() {
			return nil, errDamaged
		}
		if len(claims) > 0 && !bytes.Equal(c.id, claims[0].id) {
			all, claims = append(all, p.successors.merge(claims)), claims[:0]
		}
		claims = append(claims, c)
	}
	if len(claims) > 0 {
		all = append(all, p.successors.merge(claims))
	}
	return all, rows.Err()
}

// sound tells a whole row from a damaged one, which must open nothing.
func (c claim) sound() bool {
	admitted := c.owner != nil
	return len(c.id) == 32 && len(c.point) == 33 && len(c.scope) == 32 && len(c.signer) == 20 &&
		c.key().ID() == passport.KeyID(c.id) &&
		(!admitted || len(c.owner) == 20 && c.class.Valid && c.admittedFrom.Valid && c.admittedUntil.Valid)
}

func (c claim) key() passport.Key { return passport.Key{Kind: c.kind, Point: [33]byte(c.point)} }

// merge puts the issuers' claims together: a successor's word replaces that of
// whom it follows, and of several issuers' the most restrictive wins.
func (s Successors) merge(claims []claim) access.Holder {
	k := claims[0]
	h := access.Holder{
		Known: true, KeyID: passport.KeyID(k.id), Wallet: [20]byte(k.signer), Revoked: k.revoked, ClosedAtHome: k.closedHome,
		Delegation: passport.Delegation{
			Passport: passport.ID(k.number), Key: k.key(),
			NotBefore: uint64(k.notBefore), NotAfter: uint64(k.notAfter), Scope: passport.Target(k.scope), Mode: k.mode,
		},
	}
	var owner []byte
	for _, c := range claims {
		admits, stands := c.owner != nil, c.suspended
		for _, later := range claims {
			if s.SpeakFor(later.author.String, c.author.String) {
				admits = admits && later.owner == nil
				stands = stands && !later.stood
			}
		}
		h.Suspended = h.Suspended || stands
		h.Expelled = h.Expelled || c.expelled
		switch {
		case !admits:
		case !h.Admitted:
			owner = c.owner
			h.Admitted, h.Class, h.NotBefore, h.NotAfter = true, c.class.String, c.admittedFrom.Int64, c.admittedUntil.Int64
			h.ByOwner = bytes.Equal(owner, k.signer)
		default:
			h.Disputed = h.Disputed || !bytes.Equal(owner, c.owner) || h.Class != c.class.String
			h.NotBefore, h.NotAfter = max(h.NotBefore, c.admittedFrom.Int64), min(h.NotAfter, c.admittedUntil.Int64)
		}
	}
	return h
}
