package roster

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"tombolo/edge/access"
	"tombolo/passport"
)

const holderQuery = `
SELECT k.id, k.passport, k.kind, k.point, k.signer, k.not_before, k.not_after, k.scope, k.mode, k.closed_home,
	EXISTS (SELECT 1 FROM revoked r WHERE r.id = k.id AND r.passport = k.passport),
	EXISTS (SELECT 1 FROM doorkey o WHERE o.id = k.id AND o.claimed < k.claimed),
	c.author, c.owner, c.class, c.not_before, c.not_after, c.stood IS NOT NULL, ifnull(c.suspended, 0), ifnull(c.expelled, 0)
FROM doorkey k LEFT JOIN claim c ON c.passport = k.passport
`

var errDamaged = errors.New("a row of the roster is damaged; stop the gateway, move the roster away and it will be made again")

// ByWindow finds the key that a code names: a passport and the key's short id.
// A key that is not there is a Holder that is not Known.
func (r *Roster) ByWindow(p passport.ID, short [8]byte) (access.Holder, error) {
	return r.holder(r.byWindow.Query(int64(p), int64(binary.BigEndian.Uint64(short[:]))))
}

// ByKey finds a key by its whole id, as a tap gives it.
func (r *Roster) ByKey(id passport.KeyID) (access.Holder, error) {
	return r.holder(r.byKey.Query(id[:]))
}

// row is a key as one passport claims it, with what one issuer says of the
// passport.
type row struct {
	id, point, signer, scope    []byte
	number, notBefore, notAfter int64
	kind                        passport.KeyKind
	mode                        passport.Mode
	closedHome, revoked         bool
	taken                       bool // another passport claimed the key first
	author                      sql.NullString
	owner                       []byte // nil if the issuer never admitted it
	class                       sql.NullString
	admittedFrom, admittedUntil sql.NullInt64
	stood                       bool // the issuer suspended or reinstated it
	suspended, expelled         bool
}

func (r *Roster) holder(rows *sql.Rows, err error) (access.Holder, error) {
	if err != nil {
		return access.Holder{}, fmt.Errorf("roster: %w", err)
	}
	defer rows.Close()
	var claims []row
	for rows.Next() {
		var c row
		if err := rows.Scan(&c.id, &c.number, &c.kind, &c.point, &c.signer, &c.notBefore, &c.notAfter, &c.scope, &c.mode, &c.closedHome,
			&c.revoked, &c.taken, &c.author, &c.owner, &c.class, &c.admittedFrom, &c.admittedUntil, &c.stood, &c.suspended, &c.expelled); err != nil {
			return access.Holder{}, fmt.Errorf("roster: %w", err)
		}
		if !c.taken {
			claims = append(claims, c)
		}
	}
	if err := rows.Err(); err != nil {
		return access.Holder{}, fmt.Errorf("roster: %w", err)
	}
	if len(claims) == 0 {
		return access.Holder{}, nil
	}
	for _, c := range claims {
		if !c.sound() {
			return access.Holder{}, fmt.Errorf("roster: %w", errDamaged)
		}
		if string(c.id) != string(claims[0].id) {
			return access.Holder{}, nil // two keys of one passport with one short id: nobody can tell which
		}
	}
	return r.View().merge(claims), nil
}

// sound tells a whole row from a damaged one, which must open nothing.
func (c row) sound() bool {
	admitted := c.owner != nil
	return len(c.id) == 32 && len(c.point) == 33 && len(c.scope) == 32 && len(c.signer) == 20 &&
		c.key().ID() == passport.KeyID(c.id) &&
		(!admitted || len(c.owner) == 20 && c.class.Valid && c.admittedFrom.Valid && c.admittedUntil.Valid)
}

func (c row) key() passport.Key { return passport.Key{Kind: c.kind, Point: [33]byte(c.point)} }

// merge puts the issuers' claims together: a successor's word replaces that of
// whom it follows, and of several issuers' the most restrictive wins.
func (v *View) merge(claims []row) access.Holder {
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
			if v.successors.SpeakFor(later.author.String, c.author.String) {
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
			h.ByOwner = string(owner) == string(k.signer)
		default:
			h.Disputed = h.Disputed || string(owner) != string(c.owner) || h.Class != c.class.String
			h.NotBefore, h.NotAfter = max(h.NotBefore, c.admittedFrom.Int64), min(h.NotAfter, c.admittedUntil.Int64)
		}
	}
	return h
}
