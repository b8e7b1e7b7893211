package store

import (
	"fmt"
	"math"

	"tombolo/sync/ledger"
)

// HeldBy says how far somebody else has stored a ledger durably, or witnessed it.
type HeldBy struct {
	Peer ledger.KeyID
	Role ledger.Role // hold or witness
	Size int64
	Time uint64 // of the signature, Unix seconds
	Seen int64  // when it came, Unix seconds
	Note []byte // the signed note that says so
}

// AddHeld notes that a peer's keys cosigned a head: h.Others holds its verified
// cosignatures. Of each peer's holding and witnessing of a ledger the farthest is
// kept, and of the same size the newest.
func (s *Store) AddHeld(peer ledger.KeyID, h ledger.Head, seen int64) error {
	return s.inTx(func(tx txn) error {
		for _, c := range h.Others {
			if c.Role != ledger.RoleHold && c.Role != ledger.RoleWitness {
				continue
			}
			_, err := tx.values(`INSERT INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
				ON CONFLICT (origin, peer, role) DO UPDATE SET size = ?4, time = ?5, seen = ?6, note = ?7 WHERE (held.size, held.time) < (?4, ?5)`,
				h.Origin.String(), peer[:], string(c.Role), h.Size, int64(min(c.Time, math.MaxInt64)), seen, h.Note)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Held lists how far others are with a ledger, by peer and role.
func (s *Store) Held(o ledger.Origin) (all []HeldBy, err error) {
	rows, err := s.read.Query("SELECT peer, role, size, time, seen, note FROM held WHERE origin = ? ORDER BY peer, role", o.String())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h HeldBy
		var peer []byte
		var time int64
		if err := rows.Scan(&peer, &h.Role, &h.Size, &time, &h.Seen, &h.Note); err != nil {
			return nil, err
		}
		if len(peer) != len(h.Peer) {
			return nil, fmt.Errorf("%w: a peer's name of %d bytes", ErrDamaged, len(peer))
		}
		h.Peer, h.Time = ledger.KeyID(peer), uint64(time)
		all = append(all, h)
	}
	return all, rows.Err()
}
