package roster

import (
	"database/sql"

	"tombolo/edge/access"
	"tombolo/passport"
)

// loadHomes plays each home's entries in the order of (time, place).
func (r *Roster) loadHomes(v *View) error {
	rows, err := r.write.Query(`SELECT h.door, h.passport, h.owner, h.notice, h.ends, n.seen, h.place
		FROM home h LEFT JOIN notice n ON n.place = h.place ORDER BY h.place`)
	if err != nil {
		return err
	}
	defer rows.Close()
	homes := map[string]map[access.Resident]*home{}
	for rows.Next() {
		var door string
		var number int64
		var notice, ends, seen sql.NullInt64
		var owner, place []byte
		if err := rows.Scan(&door, &number, &owner, &notice, &ends, &seen, &place); err != nil {
			return err
		}
		if homes[door] == nil {
			homes[door] = map[access.Resident]*home{}
		}
		switch {
		case notice.Valid && len(owner) != len(access.Resident{}.Wallet):
			return errDamaged
		case notice.Valid:
			who := access.Resident{Passport: passport.ID(number), Wallet: [20]byte(owner)}
			if h := homes[door][who]; h != nil {
				h.renew(placeTime(place), notice.Int64)
			} else {
				homes[door][who] = &home{notice.Int64, access.Forever}
			}
		case seen.Valid: // otherwise nobody knows since when the notice runs
			for who, h := range homes[door] {
				if who.Passport == passport.ID(number) {
					h.end(placeTime(place), seen.Int64, ends.Int64)
				}
			}
		}
	}
	v.Homes = map[string]map[access.Resident]int64{}
	for door, all := range homes {
		v.Homes[door] = map[access.Resident]int64{}
		for who, h := range all {
			v.Homes[door][who] = h.ends
		}
	}
	return rows.Err()
}

// home is one passport's behind one door. Times are Unix seconds.
type home struct {
	notice int64
	ends   int64
}

// renew is another Home entry. While the home lasts it can lengthen the notice
// that was agreed and never shorten it.
func (h *home) renew(at, notice int64) {
	if at < h.ends {
		notice = max(notice, h.notice)
	}
	h.notice, h.ends = notice, access.Forever
}

// end is a HomeEnded: the notice runs from when it was written or first seen
// here, whichever is later, so that no steward can backdate it.
func (h *home) end(at, seen, ends int64) {
	h.ends = min(h.ends, max(ends, at+h.notice, seen+h.notice))
}
