package roster

import (
	"database/sql"
	"errors"
	"time"

	"tombolo/sync/ledger"
)

// ordered is an order's place by its effective time: its author's, but no later
// than it was first seen here, and no earlier than the order before it in its
// ledger. By a clock that was ahead for a day, nobody could otherwise lift for
// years what it imposed. Whether a time is ahead, and since when it is held, only
// a clock that is believed can tell: settle does.
func (p *projection) ordered(tx *sql.Tx, index int64, e ledger.Entry) ([]byte, error) {
	at := timedPlace(p.ledger, index, e)
	if err := p.assumeSeen(func(query string, args ...any) error {
		_, err := tx.Exec(query, args...)
		return err
	}, at, index); err != nil {
		return nil, err
	}
	ahead := !p.clock.Known() || e.Time > p.clock.Now.UnixMilli()
	if ahead && p.settling {
		if _, err := tx.Exec("INSERT OR IGNORE INTO notice VALUES (?, ?)", at, p.clock.Now.Unix()); err != nil {
			return nil, err
		}
	}
	var seen int64
	switch err := tx.QueryRow("SELECT seen FROM notice WHERE place = ?", at).Scan(&seen); {
	case err == nil:
		e.Time = min(e.Time, seen*1000+999) // seen is in whole seconds
	case !errors.Is(err, sql.ErrNoRows):
		return nil, err
	case ahead:
		p.cursor.blind = true
	}
	e.Time = max(e.Time, p.cursor.ordered)
	p.cursor.ordered = e.Time
	return timedPlace(p.ledger, index, e), nil
}

// settle plays the node's orders again, once a clock is believed, if one of them
// is dated past it or came without a clock: until then it counts by its own time.
func (p *pass) settle(ledgers []Ledger) error {
	if !p.clock.Known() {
		return nil
	}
	var blind, believed bool
	err := p.roster.write.QueryRow("SELECT ifnull(max(blind), 0), ?1 >= ifnull(max(floor), 0) - ?2 FROM cursor",
		p.clock.Now.Unix(), int64(floorSlack/time.Second)).Scan(&blind, &believed)
	if err != nil || !blind || !believed {
		return err
	}
	p.changed, p.settling = true, true
	return p.do(func(tx *sql.Tx) error {
		for _, table := range []string{"lockdown", "bar", "pin"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		for _, l := range ledgers {
			one, counts := p.projection(l)
			if !counts || l.Head.Origin.Kind != ledger.NodeLog {
				continue
			}
			if err := one.load(tx); err != nil {
				return err
			}
			if err := one.reorder(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// reorder plays the orders of a ledger again, as far as it is projected.
func (p *projection) reorder(tx *sql.Tx) error {
	p.cursor.ordered, p.cursor.blind = 0, false
	var index int64
	for e, err := range p.ledger.Entries(0, p.cursor.projected) {
		if err != nil {
			return err
		}
		if _, body, err := e.Open(p.ledger.Head.Origin.Kind, index); err == nil && body != nil {
			if err := p.order(tx, index, e, body); err != nil {
				return err
			}
		}
		index++
	}
	return p.save(tx)
}
