package roster

import (
	"database/sql"
	"maps"
	"slices"
	"strings"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// maxLockdown is how long a lockdown may last, seconds: it always has an end.
const maxLockdown = 30 * 24 * 3600

// order writes what a steward orders at the doors.
func (p *projection) order(tx *sql.Tx, index int64, e ledger.Entry, body ledger.Body) error {
	exec := func(query string, args ...any) error {
		_, err := tx.Exec(query, args...)
		return err
	}
	switch b := body.(type) {
	case *ledger.GuestPass:
		// Its own dates say when it counts, whenever it was written.
		return exec(`INSERT INTO pass VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT DO UPDATE SET place = ?2, passport = ?3, levels = ?4, not_before = ?5, not_after = ?6, uses = ?7 WHERE place > ?2`,
			b.Pass[:], timedPlace(p.ledger, index, e), int64(b.Passport), strings.Join(b.Levels, " "), b.NotBefore, b.NotAfter, b.Uses)
	case *ledger.GuestEnded:
		return exec("INSERT OR IGNORE INTO pass_ended VALUES (?)", b.Pass[:])
	case *ledger.Lockdown, *ledger.LockdownLifted, *ledger.Bar, *ledger.PinSet:
		at, err := p.ordered(tx, index, e)
		if err != nil {
			return err
		}
		return p.ruling(exec, at, body)
	}
	// Dropped and NodeRegistered change nothing here. NodeVouched
	// and GatewayVouched concern whoever takes a gateway's word.
	return nil
}

// ruling writes an order that a later one replaces; the time in at is the
// effective one.
func (p *projection) ruling(exec execer, at []byte, body ledger.Body) error {
	switch b := body.(type) {
	case *ledger.Lockdown:
		return exec("INSERT OR IGNORE INTO lockdown VALUES (?, ?, ?)", at, strings.Join(b.Doors, " "), min(b.Ends, placeTime(at)+maxLockdown))
	case *ledger.LockdownLifted:
		return exec("INSERT OR IGNORE INTO lockdown VALUES (?, ?, NULL)", at, strings.Join(b.Doors, " "))
	case *ledger.Bar:
		return exec("INSERT INTO bar VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET place = ?2, ends = ?3 WHERE place < ?2", int64(b.Passport), at, b.Ends)
	case *ledger.PinSet:
		return exec("INSERT INTO pin VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET place = ?2, sealed = ?3 WHERE place < ?2",
			int64(b.Passport), at, p.box(b))
	}
	return nil
}

// box is this gateway's part of a PinSet; empty if there is none.
func (p *projection) box(b *ledger.PinSet) []byte {
	for _, x := range b.Boxes {
		if x.Gateway == p.roster.cfg.Gateway {
			return x.Sealed
		}
	}
	return []byte{}
}

func (r *Roster) loadOrders(v *View) error {
	for _, load := range []func(*View) error{r.loadLockdowns, r.loadBars, r.loadPasses, r.loadForgiven, r.loadOpens} {
		if err := load(v); err != nil {
			return err
		}
	}
	return nil
}

// loadLockdowns plays lockdowns and liftings in the order of (time, place): any
// steward lifts what another imposed. What is over by the floor is over for
// every clock, and so is what was lifted before the first that is not.
func (r *Roster) loadLockdowns(v *View) error {
	if v.Policy == nil {
		return nil
	}
	all := slices.Collect(maps.Keys(v.Policy.Doors))
	v.Lockdowns = map[string]int64{}
	var first []byte
	if err := r.write.QueryRow("SELECT min(place) FROM lockdown WHERE ends > ?", v.Floor).Scan(&first); err != nil || first == nil {
		return err
	}
	var doors string
	var ends sql.NullInt64
	return r.each(func() {
		names := strings.Fields(doors)
		if len(names) == 0 {
			names = all
		}
		for _, name := range names {
			switch {
			case !ends.Valid:
				delete(v.Lockdowns, name)
			case v.Policy.Doors[name] != nil:
				v.Lockdowns[name] = max(v.Lockdowns[name], ends.Int64)
			}
		}
	}, "SELECT doors, ends FROM lockdown WHERE place >= ? AND (ends IS NULL OR ends > ?) ORDER BY place", []any{first, v.Floor}, &doors, &ends)
}

func (r *Roster) loadBars(v *View) error {
	v.Bars = map[passport.ID]int64{}
	var number, ends int64
	return r.each(func() { v.Bars[passport.ID(number)] = ends }, "SELECT passport, ends FROM bar WHERE ends > ?", []any{v.Floor}, &number, &ends)
}

// forgotten is how long after its end a guest pass is still told from one that
// never was, seconds: a guest who comes too late is told so, and no clock that is
// believed shows a time before the end.
const forgotten = 30 * 24 * 3600

func (r *Roster) loadPasses(v *View) error {
	v.Passes = map[passport.ID][]access.Pass{}
	var id []byte
	var levels string
	var number int64
	var p access.Pass
	var damaged error
	err := r.each(func() {
		if len(id) != len(ledger.PassID{}) {
			damaged = errDamaged
			return
		}
		p.ID, p.Levels = ledger.PassID(id), strings.Fields(levels)
		v.Passes[passport.ID(number)] = append(v.Passes[passport.ID(number)], p)
	}, `SELECT id, passport, levels, not_before, not_after, uses FROM pass p
		WHERE not_after > ? AND NOT EXISTS (SELECT 1 FROM pass_ended e WHERE e.id = p.id) ORDER BY place`,
		[]any{v.Floor - forgotten}, &id, &number, &levels, &p.NotBefore, &p.NotAfter, &p.Uses)
	if err != nil {
		return err
	}
	return damaged
}

// loadForgiven takes each Forgive at its author's time, but no later than it was
// first seen here: by an author's clock that is ahead, everybody would be
// forgiven what is yet to come. One that no believed clock has seen counts by its
// own time: what a gateway without a clock remembers has no time to hold against it.
func (r *Roster) loadForgiven(v *View) error {
	v.Forgiven = map[passport.ID]int64{}
	var number, at int64
	return r.each(func() { v.Forgiven[passport.ID(number)] = at },
		`SELECT f.passport, max(min(f.at, ifnull(n.seen * 1000 + 999, f.at)))
		FROM forgiven f LEFT JOIN notice n ON n.place = f.place GROUP BY f.passport`, nil, &number, &at)
}

// each runs a query and calls f with the columns of each row.
func (r *Roster) each(f func(), query string, args []any, columns ...any) error {
	rows, err := r.write.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return err
		}
		f()
	}
	return rows.Err()
}
