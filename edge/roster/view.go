package roster

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// View is what every decision needs beside the holder. It is never changed: a
// Project that changes anything makes another.
type View struct {
	Generation uint64         // counts the views of this process; a holder found under an older one is looked up again
	Policy     *policy.Policy // nil before the first signed one
	PolicyFile []byte
	homes      map[string]map[passport.ID]int64 // door → passport → end, Unix seconds
	fresh      int64                            // the issuer heard longest ago was heard then; 0 if none was ever heard
	Floor      int64                            // no clock that shows less is right, Unix seconds
	Problems   []Problem
}

// Problem is something that a steward has to know: a ledger that stopped, an
// entry that was refused.
type Problem struct {
	Part string // the ledger's origin, or policy
	What string
}

// LivesHere reports whether a passport has its home behind a door. Without a
// clock no home has ended.
func (v *View) LivesHere(door string, p passport.ID, now time.Time, clockKnown bool) bool {
	ends, ok := v.homes[door][p]
	return ok && (!clockKnown || now.Unix() < ends)
}

// Age is the time since the issuers were last heard, by the one that was heard
// longest ago; negative if none ever was. A time to come counts as now.
func (v *View) Age(now time.Time) time.Duration {
	if v.fresh == 0 {
		return -1
	}
	return max(0, now.Sub(time.Unix(v.fresh, 0)))
}

func (r *Roster) loadView(issuers ledger.Charters, problems []Problem) (*View, error) {
	v := &View{Generation: r.View().Generation + 1, Problems: problems}
	return v, errors.Join(r.loadPolicy(v), r.loadHomes(v), r.loadFresh(v, issuers))
}

func (r *Roster) loadPolicy(v *View) error {
	err := r.write.QueryRow("SELECT file FROM policy").Scan(&v.PolicyFile)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	old := r.View()
	if old.Policy != nil && old.Policy.Hash() == policy.Hash(v.PolicyFile) {
		v.Policy = old.Policy
		return nil
	}
	if v.Policy, err = policy.Parse("signed policy", v.PolicyFile); err != nil {
		// The gateway goes on with the one it can read.
		v.Policy = old.Policy
		v.Problems = append(v.Problems, Problem{"policy", fmt.Sprintf("the newest signed policy cannot be used: %v", err)})
	}
	return nil
}

type homeEvent struct {
	door     string
	passport passport.ID
	notice   sql.NullInt64
	ends     sql.NullInt64
	seen     sql.NullInt64
	time     int64
}

// loadHomes plays each home's entries in the order of (time, place).
func (r *Roster) loadHomes(v *View) error {
	rows, err := r.write.Query(`SELECT h.door, h.passport, h.notice, h.ends, n.seen, h.place
		FROM home h LEFT JOIN notice n ON n.place = h.place ORDER BY h.place`)
	if err != nil {
		return err
	}
	defer rows.Close()
	v.homes = map[string]map[passport.ID]int64{}
	notices := map[[2]string]int64{}
	for rows.Next() {
		var e homeEvent
		var number int64
		var place []byte
		if err := rows.Scan(&e.door, &number, &e.notice, &e.ends, &e.seen, &place); err != nil {
			return err
		}
		e.passport, e.time = passport.ID(number), placeTime(place)
		at := v.homes[e.door]
		key := [2]string{e.door, fmt.Sprint(e.passport)}
		switch {
		case e.notice.Valid:
			if at == nil {
				at = map[passport.ID]int64{}
				v.homes[e.door] = at
			}
			at[e.passport], notices[key] = math.MaxInt64, e.notice.Int64
		case at == nil || at[e.passport] == 0 || !e.seen.Valid:
			// Ends what never was, or nobody knows since when the notice runs.
		default:
			notice := notices[key]
			at[e.passport] = min(at[e.passport], max(e.ends.Int64, e.time+notice, e.seen.Int64+notice))
		}
	}
	return rows.Err()
}

// loadFresh finds the issuer that was heard longest ago among those that the
// charter names now. One that was never heard has written nothing yet that
// this gateway could have missed, as far as it can know; it is listed.
func (r *Roster) loadFresh(v *View, community ledger.Charters) error {
	heard, err := r.heard(v)
	if err != nil || community.Len() == 0 {
		return err
	}
	v.fresh = math.MaxInt64
	for _, a := range community.Latest().Authors {
		if a.Role != ledger.Issuer || a.Retired {
			continue
		}
		id := ledger.KeyIDOf(a.Key[:]).String()
		if fresh, ok := heard[id]; ok {
			v.fresh = min(v.fresh, fresh)
		} else {
			v.Problems = append(v.Problems, Problem{"issuer " + id, "named by the charter, never heard"})
		}
	}
	if v.fresh == math.MaxInt64 {
		v.fresh = 0
	}
	return nil
}

// heard is, for each issuer by key id, the time up to which all that it wrote
// is projected: its newest head's, but no newer than that of a ledger of its
// that is not whole.
func (r *Roster) heard(v *View) (map[string]int64, error) {
	rows, err := r.write.Query(`SELECT c.origin, c.author, c.kind, c.fresh, c.complete, c.problem, c.follows, c.follows_size,
			ifnull(p.projected, 0) FROM cursor c LEFT JOIN cursor p ON p.origin = c.follows`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	newest, whole := map[string]int64{}, map[string]int64{}
	for rows.Next() {
		var origin, author, kind, problem, follows string
		var fresh, size, have int64
		var complete bool
		if err := rows.Scan(&origin, &author, &kind, &fresh, &complete, &problem, &follows, &size, &have); err != nil {
			return nil, err
		}
		v.Floor = max(v.Floor, fresh)
		if problem != "" {
			v.Problems = append(v.Problems, Problem{origin, problem})
		}
		limit := int64(math.MaxInt64)
		if !complete {
			limit = fresh
		}
		if follows != "" && have < size {
			v.Problems = append(v.Problems, Problem{origin, fmt.Sprintf("it follows %d entries of %s, of which %d are here", size, follows, have)})
			limit = 0
		}
		if kind != string(ledger.CommunityLog) {
			continue
		}
		newest[author] = max(newest[author], fresh)
		if was, ok := whole[author]; !ok || limit < was {
			whole[author] = limit
		}
	}
	for author := range newest {
		newest[author] = min(newest[author], whole[author])
	}
	return newest, rows.Err()
}
