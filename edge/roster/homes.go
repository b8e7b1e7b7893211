package roster

import (
	"database/sql"
	"math"

	"tombolo/passport"
)

// loadHomes plays each home's entries in the order of (time, place).
func (r *Roster) loadHomes(v *View) error {
	rows, err := r.write.Query(`SELECT h.door, h.passport, h.notice, h.ends, n.seen, h.place
		FROM home h LEFT JOIN notice n ON n.place = h.place ORDER BY h.place`)
	if err != nil {
		return err
	}
	defer rows.Close()
	type key struct {
		door     string
		passport passport.ID
	}
	homes := map[key]*home{}
	for rows.Next() {
		var door string
		var number int64
		var notice, ends, seen sql.NullInt64
		var place []byte
		if err := rows.Scan(&door, &number, &notice, &ends, &seen, &place); err != nil {
			return err
		}
		k := key{door, passport.ID(number)}
		switch h := homes[k]; {
		case notice.Valid && h == nil:
			homes[k] = &home{notice.Int64, math.MaxInt64}
		case notice.Valid:
			h.renew(placeTime(place), notice.Int64)
		case h != nil && seen.Valid: // otherwise nobody knows since when the notice runs
			h.end(placeTime(place), seen.Int64, ends.Int64)
		}
	}
	v.homes = map[string]map[passport.ID]int64{}
	for k, h := range homes {
		if v.homes[k.door] == nil {
			v.homes[k.door] = map[passport.ID]int64{}
		}
		v.homes[k.door][k.passport] = h.ends
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
	h.notice, h.ends = notice, math.MaxInt64
}

// end is a HomeEnded: the notice runs from when it was written or first seen
// here, whichever is later, so that no steward can backdate it.
func (h *home) end(at, seen, ends int64) {
	h.ends = min(h.ends, max(ends, at+h.notice, seen+h.notice))
}
