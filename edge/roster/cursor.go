package roster

import (
	"database/sql"
	"errors"
)

// cursor is how far one ledger is projected.
type cursor struct {
	projected   int64
	fresh       int64
	floor       int64
	complete    bool
	problem     string
	refused     int64
	refusal     string
	follows     string
	followsSize int64
	ordered     int64
	blind       bool
}

func (p *projection) load(tx *sql.Tx) error {
	c := &p.cursor
	err := tx.QueryRow("SELECT projected, fresh, floor, complete, problem, refused, refusal, follows, follows_size, ordered, blind FROM cursor WHERE origin = ?",
		p.ledger.Head.Origin.String()).Scan(&c.projected, &c.fresh, &c.floor, &c.complete, &c.problem, &c.refused, &c.refusal, &c.follows, &c.followsSize, &c.ordered, &c.blind)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return err
}

func (p *projection) save(tx *sql.Tx) error {
	o, c := p.ledger.Head.Origin, p.cursor
	_, err := tx.Exec("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		o.String(), o.Author.String(), string(o.Kind), c.projected, c.fresh, c.floor, c.complete, c.problem, c.refused, c.refusal, c.follows, c.followsSize, c.ordered, c.blind)
	return err
}
