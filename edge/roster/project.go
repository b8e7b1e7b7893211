package roster

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Clock is what the gateway's clock shows, and whether to believe it.
type Clock struct {
	Now   time.Time
	Known bool
}

// maxAhead is how far a head may move the floor past the local clock.
const maxAhead = 24 * time.Hour

// batch is how many entries are projected in one transaction.
const batch = 4096

// Project catches up with the source and returns the new view. What cannot be
// projected stands among the view's problems and does not stop the rest; an
// error means that the roster itself failed, and the old view stays.
func (r *Roster) Project(clock Clock) (*View, error) {
	r.projecting.Lock()
	defer r.projecting.Unlock()
	v, err := r.project(clock)
	if err != nil {
		return r.View(), fmt.Errorf("project the ledgers: %w", err)
	}
	r.view.Store(v)
	return v, nil
}

func (r *Roster) project(clock Clock) (*View, error) {
	community, err := r.cfg.Source.Charters(r.cfg.Community)
	if err != nil {
		return nil, err
	}
	node, err := r.cfg.Source.Charters(r.cfg.Node)
	if err != nil {
		return nil, err
	}
	ledgers, err := r.cfg.Source.Ledgers()
	if err != nil {
		return nil, err
	}
	var mine []projection
	again := false
	for _, l := range ledgers {
		p := projection{roster: r, ledger: l, clock: clock, registries: registries(community), target: passport.NodeTarget(passport.NodeID(r.cfg.Node))}
		switch l.Head.Origin.Kind {
		case ledger.CommunityLog:
			p.role, p.charters = ledger.Issuer, community
		case ledger.NodeLog:
			p.role, p.charters = ledger.Steward, node
		default:
			continue
		}
		if l.Head.Origin.Community != r.cfg.Community {
			continue
		}
		var counts bool
		if p.limit, counts = p.charters.Limit(p.role, l.Head.Origin); !counts {
			p.limit.Size = 0
		}
		if err := p.load(); err != nil {
			return nil, err
		}
		if p.cursor.projected > p.limit.Size {
			again = true // a charter took back what was counted
		}
		if counts || p.cursor.projected > 0 {
			mine = append(mine, p)
		}
	}
	if again {
		if err := r.reset(); err != nil {
			return nil, err
		}
		for i := range mine {
			mine[i].cursor = cursor{}
		}
	}
	var problems []Problem
	for _, p := range mine {
		rejected, err := p.run()
		if err != nil {
			return nil, err
		}
		problems = append(problems, rejected...)
	}
	if clock.Known {
		_, err := r.write.Exec("INSERT OR IGNORE INTO notice SELECT place, ? FROM home WHERE ends IS NOT NULL", clock.Now.Unix())
		if err != nil {
			return nil, err
		}
	}
	return r.loadView(community, problems)
}

// reset empties the projection.
func (r *Roster) reset() error {
	return inTx(r.write, func(tx *sql.Tx) error {
		for _, table := range []string{"cursor", "claim", "owner", "doorkey", "revoked", "home", "policy", "gateway"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
}

func registries(cs ledger.Charters) (out []passport.Domain) {
	for _, r := range cs.Registries() {
		out = append(out, passport.Domain{ChainID: r.ChainID, Registry: r.Address})
	}
	return out
}

// cursor is how far one ledger is projected.
type cursor struct {
	projected   int64
	fresh       int64
	complete    bool
	problem     string
	stopped     bool
	follows     string
	followsSize int64
}

// projection is one ledger's pass.
type projection struct {
	roster     *Roster
	ledger     Ledger
	role       ledger.AuthorRole
	charters   ledger.Charters
	limit      ledger.Limit
	clock      Clock
	registries []passport.Domain
	target     passport.Target
	cursor     cursor
	drops      []ledger.Dropped // read once a body is missing
}

func (p *projection) load() error {
	c := &p.cursor
	err := p.roster.write.QueryRow("SELECT projected, fresh, complete, problem, stopped, follows, follows_size FROM cursor WHERE origin = ?",
		p.ledger.Head.Origin.String()).Scan(&c.projected, &c.fresh, &c.complete, &c.problem, &c.stopped, &c.follows, &c.followsSize)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return err
}

// run projects what is new of the ledger. It returns entries that were passed
// over because they say what nobody may say.
func (p *projection) run() (rejected []Problem, err error) {
	head := p.ledger.Head
	end := min(head.Size, p.limit.Size)
	p.cursor.complete = false
	if p.limit.Root != nil {
		switch {
		case head.Size < p.limit.Size:
			return nil, p.halt(fmt.Errorf("the charter counts %d entries of it and %d are here", p.limit.Size, head.Size))
		default:
			root, err := p.ledger.Root(p.limit.Size)
			if err != nil {
				return nil, err
			}
			if root != *p.limit.Root {
				return nil, p.halt(errors.New("its entries are not those that the charter counts"))
			}
		}
	}
	for !p.cursor.stopped && p.cursor.projected < end {
		var halted error
		err := inTx(p.roster.write, func(tx *sql.Tx) error {
			index := p.cursor.projected
			for e, err := range p.ledger.Entries(index, min(end, index+batch)) {
				if err != nil {
					halted = err
					break
				}
				var refused, stop error
				if refused, stop, err = p.entry(tx, index, e); err != nil {
					return err
				}
				if stop != nil {
					halted = fmt.Errorf("entry %d: %w", index, stop)
					break
				}
				if refused != nil {
					rejected = append(rejected, Problem{head.Origin.String(), fmt.Sprintf("entry %d was passed over: %v", index, refused)})
				}
				index++
			}
			if halted == nil && index == p.cursor.projected {
				halted = fmt.Errorf("entry %d is not readable", index)
			}
			p.cursor.projected = index
			return p.save(tx)
		})
		if err != nil {
			return nil, err
		}
		if halted != nil {
			return rejected, p.halt(halted)
		}
	}
	if p.cursor.stopped {
		return rejected, p.halt(errors.New(p.cursor.problem))
	}
	return rejected, p.done()
}

// done: the whole range is projected, so the head's time counts, but no later
// than it was first seen, and heartbeats count for issuers.
func (p *projection) done() error {
	fresh := int64(min(p.ledger.Head.Fresh(), math.MaxInt64))
	if h, err := ledger.OpenHead(p.ledger.Head.Note, p.ledger.Head.Author, p.charters.Cosigners()...); err == nil {
		fresh = int64(min(h.Fresh(), math.MaxInt64))
	}
	p.cursor.fresh = max(p.cursor.fresh, min(fresh, p.ledger.Seen))
	p.cursor.complete, p.cursor.problem = true, ""
	return inTx(p.roster.write, p.save)
}

func (p *projection) halt(why error) error {
	p.cursor.problem = why.Error()
	return inTx(p.roster.write, p.save)
}

func (p *projection) save(tx *sql.Tx) error {
	o, c := p.ledger.Head.Origin, p.cursor
	_, err := tx.Exec("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		o.String(), o.Author.String(), string(o.Kind), c.projected, c.fresh, c.complete, c.problem, c.stopped, c.follows, c.followsSize)
	return err
}

// entry projects one entry. refused passes it over; stop ends the ledger's
// projection here; err is the roster's own failure.
func (p *projection) entry(tx *sql.Tx, index int64, e ledger.Entry) (refused, stop, err error) {
	leaf, err := e.Check(index)
	if err != nil {
		return nil, err, nil
	}
	if !leaf.Kind.Known() {
		if leaf.Critical {
			// For good: only newer software may go on from here.
			p.cursor.stopped = true
			return nil, fmt.Errorf("%w (%v)", ledger.ErrUnknownKind, leaf.Kind), nil
		}
		return nil, nil, nil
	}
	if e.Dropped() {
		recorded, err := p.dropRecorded(index)
		if err == nil && !recorded {
			err = ledger.ErrWithheld
		}
		return nil, err, nil
	}
	body, err := ledger.ParseBody(leaf.Kind, e.Body)
	if err != nil {
		p.cursor.stopped = true
		return nil, err, nil
	}
	refused, err = p.apply(tx, index, e, body)
	var stopped *stopError
	if errors.As(refused, &stopped) {
		return nil, stopped.err, nil
	}
	return refused, nil, err
}

// dropRecorded looks whether the author says that it dropped the body.
func (p *projection) dropRecorded(index int64) (bool, error) {
	if p.drops == nil {
		p.drops = []ledger.Dropped{}
		for e, err := range p.ledger.Entries(index, p.ledger.Head.Size) {
			if err != nil {
				return false, err
			}
			leaf, err := ledger.ParseLeaf(e.Leaf)
			if err != nil || leaf.Kind != ledger.KindDropped || e.Dropped() {
				continue
			}
			if body, err := ledger.ParseBody(leaf.Kind, e.Body); err == nil {
				p.drops = append(p.drops, *body.(*ledger.Dropped))
			}
		}
	}
	for _, d := range p.drops {
		if d.First <= index && index <= d.Last {
			return true, nil
		}
	}
	return false, nil
}

// stopError is a refusal of the whole ledger.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }
