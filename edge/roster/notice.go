package roster

import "time"

// notices remembers when each end of a home, and each Forgive, was first seen,
// and tells whether anything changed by it or before.
func (p *pass) notices() (changed bool, err error) {
	if !p.clock.Known() {
		return p.changed, nil
	}
	r, err := p.roster.write.Exec(`INSERT OR IGNORE INTO notice
		SELECT place, ?1 FROM (SELECT place FROM home WHERE ends IS NOT NULL UNION ALL SELECT place FROM forgiven)
		WHERE ?1 >= (SELECT ifnull(max(floor), 0) FROM cursor) - ?2`, p.clock.Now.Unix(), int64(floorSlack/time.Second))
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return p.changed || n > 0, err
}

// assumeSeen is for a source that shows a moment that is over, see Until: what
// was there first was seen when it was written.
func (p *projection) assumeSeen(exec execer, at []byte, index int64) error {
	if p.ledger.cut == nil || index >= p.ledger.cut.assumed {
		return nil
	}
	seen := placeTime(at)
	if p.clock.Known() {
		seen = min(seen, p.clock.Now.Unix())
	}
	return exec("INSERT OR IGNORE INTO notice VALUES (?, ?)", at, seen)
}
