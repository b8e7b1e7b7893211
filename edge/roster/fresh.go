package roster

import (
	"math"

	"tombolo/sync/ledger"
)

// loadFresh finds the issuer that was heard longest ago among those that the
// charter names now. One that was never heard has written nothing yet that
// this gateway could have missed, as far as it can know; it is listed. Of a
// retired one all that the charter counts has to be here: a suspension may
// stand in it.
func (r *Roster) loadFresh(v *View, community ledger.Charters, readable bool) error {
	h, err := r.heard(v)
	if err != nil {
		return err
	}
	oldest := int64(math.MaxInt64)
	for _, a := range community.Latest().Authors {
		if a.Role != ledger.Issuer {
			continue
		}
		author := ledger.KeyIDOf(a.Key[:])
		for _, c := range a.Counted {
			o := ledger.Origin{Community: r.cfg.Community, Kind: ledger.CommunityLog, Author: author, Incarnation: c.Incarnation}
			if h.projected[o.String()] < c.Size {
				oldest = 0
				v.problem(part(o), "the charter counts %d entries of it, which are not here", c.Size)
			}
		}
		if a.Retired {
			continue
		}
		if fresh, ok := h.issuers[author.String()]; ok {
			oldest = min(oldest, fresh)
			continue
		}
		if !readable {
			oldest = 0 // it may be the ledger that cannot be read
		}
		v.problem("issuer "+author.String(), "named by the charter, never heard")
	}
	if oldest != math.MaxInt64 {
		v.Fresh = oldest
	}
	return nil
}

// heard is what the cursors say.
type heard struct {
	projected map[string]int64 // entries, by origin
	// issuers is, for each by key id, the time up to which all that it wrote is
	// projected: its newest head's, but no newer than that of a ledger of its
	// that is not whole.
	issuers map[string]int64
}

func (r *Roster) heard(v *View) (h heard, err error) {
	rows, err := r.write.Query(`SELECT c.origin, c.author, c.kind, c.projected, c.fresh, c.floor, c.complete, c.problem, c.refused, c.refusal,
			c.follows, c.follows_size, ifnull(p.projected, 0)
		FROM cursor c LEFT JOIN cursor p ON p.origin = c.follows ORDER BY c.origin`)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	h = heard{map[string]int64{}, map[string]int64{}}
	whole := map[string]int64{}
	for rows.Next() {
		var origin, author, kind string
		var c cursor
		var have int64
		if err := rows.Scan(&origin, &author, &kind, &c.projected, &c.fresh, &c.floor, &c.complete, &c.problem, &c.refused, &c.refusal,
			&c.follows, &c.followsSize, &have); err != nil {
			return h, err
		}
		o, err := ledger.ParseOrigin(origin)
		if err != nil {
			return h, errDamaged
		}
		h.projected[origin] = c.projected
		v.Sources = append(v.Sources, ledger.Source{Origin: origin, Size: c.projected})
		v.Floor = max(v.Floor, c.floor)
		if c.problem != "" {
			v.problem(part(o), "%s", c.problem)
		}
		if c.refused > 0 {
			v.problem(part(o), "%d entries were passed over; the last: %s", c.refused, c.refusal)
		}
		limit := int64(math.MaxInt64)
		if !c.complete {
			limit = c.fresh
		}
		if have < c.followsSize {
			v.problem(part(o), "it follows %d entries of %s, of which %d are here; import them, or retire the key with `tombolo charter update`", c.followsSize, c.follows, have)
			limit = 0
		}
		if kind != string(ledger.CommunityLog) {
			continue
		}
		h.issuers[author] = max(h.issuers[author], c.fresh)
		if was, ok := whole[author]; !ok || limit < was {
			whole[author] = limit
		}
	}
	for author, limit := range whole {
		h.issuers[author] = min(h.issuers[author], limit)
	}
	return h, rows.Err()
}

// part names a ledger in few characters.
func part(o ledger.Origin) string {
	return string(o.Kind) + "/" + o.Author.String() + "/" + o.Incarnation.String()
}
