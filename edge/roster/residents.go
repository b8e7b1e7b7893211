package roster

import (
	"database/sql"
	"errors"
	"slices"

	"tombolo/edge/access"
	"tombolo/edge/roster/internal/holders"
	"tombolo/passport"
)

// maxResidents bounds the keys that a view keeps in memory, at some 300 bytes
// each. What a node has beyond that is read from the file alone, and a problem
// of the view says so.
const maxResidents = 10_000

// loadResidents keeps the holders of the keys that open homes: a family gets in
// by tap, and the disk may be the first thing to fail.
func (r *Roster) loadResidents(v *View) error {
	lives := map[access.Resident]bool{}
	for _, home := range v.Homes {
		for who := range home {
			lives[who] = true
		}
	}
	if len(lives) == 0 {
		return nil
	}
	ids, err := column[[]byte](r.write.Query(`SELECT id FROM doorkey WHERE passport IN (SELECT passport FROM home WHERE owner IS NOT NULL)
		ORDER BY passport, id LIMIT ?`, maxResidents+1))
	if err != nil {
		return err
	}
	if len(ids) > maxResidents {
		ids = ids[:maxResidents]
		v.problem("homes", "more than %d door keys open homes: those of the passports with the highest numbers open nothing while the disk cannot be read", maxResidents)
	}
	find, err := r.write.Prepare("SELECT row FROM holder WHERE short = ?")
	if err != nil {
		return err
	}
	defer find.Close()
	v.residents = make(map[passport.KeyID]access.Holder, len(ids))
	for _, id := range ids {
		if len(id) != len(passport.KeyID{}) {
			return errDamaged
		}
		h, err := r.resident(v, find, passport.KeyID(id))
		if err != nil {
			return err
		}
		if h.Known && lives[access.Resident{Passport: h.Delegation.Passport, Wallet: h.Wallet}] {
			v.residents[h.KeyID] = h
		}
	}
	return nil
}

// resident reads a holder as a lookup does. Instead of a row that was damaged
// since, what it said before counts: whatever changed would have made it anew.
func (r *Roster) resident(v *View, find *sql.Stmt, id passport.KeyID) (access.Holder, error) {
	var row []byte
	err := find.QueryRow(int64(holders.Short(id))).Scan(&row)
	if err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return access.Holder{}, err
	}
	h, err := holders.ByKey(row, id)
	if err != nil {
		h = r.View().residents[id]
		damaged := Problem{"homes", errDamaged.Error()}
		if !slices.Contains(v.Problems, damaged) {
			v.Problems = append(v.Problems, damaged)
		}
	}
	return h, nil
}
