package roster

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// maxAhead is how far a head may move the floor past the local clock.
const maxAhead = 24 * time.Hour

// batch is how many entries are projected in one transaction.
const batch = 4096

// Project catches up with the source and returns the view. What cannot be
// projected stands among the view's problems and does not stop the rest; an
// error means that the roster itself failed, and the old view stays.
//
// While it catches up, each ledger counts as far as it has come. Under a new
// charter everything is made again, and lookups see the old state until all of
// the new is there.
func (r *Roster) Project(clock access.Clock) (*View, error) {
	r.projecting.Lock()
	defer r.projecting.Unlock()
	err := r.stirred()
	if err == nil {
		err = r.project(clock)
	}
	r.still.Store(true)
	if err != nil {
		r.unfinished = true
		return r.View(), fmt.Errorf("project the ledgers: %w", err)
	}
	r.unfinished = false
	return r.View(), nil
}

// pass is one Project.
type pass struct {
	roster     *Roster
	community  ledger.Charters
	node       ledger.Charters
	registries []passport.Domain
	successors Successors
	clock      access.Clock
	do         func(func(*sql.Tx) error) error // in a transaction
	touched    map[uint64]bool                 // passports of which lookups do not know the last yet
	changed    bool
	settling   bool // orders are played again by a clock that is believed
}

func (r *Roster) project(clock access.Clock) error {
	p := &pass{roster: r, clock: clock, do: func(f func(*sql.Tx) error) error { return inTx(r.write, f) }}
	var err error
	if p.community, err = r.cfg.Source.Charters(r.cfg.Community); err != nil {
		return err
	}
	if p.node, err = r.cfg.Source.Charters(r.cfg.Node); err != nil {
		return err
	}
	for _, d := range p.community.Registries() {
		p.registries = append(p.registries, passport.Domain{ChainID: d.ChainID, Registry: d.Address})
	}
	p.successors = SuccessorsOf(p.community.Latest())
	if p.changed, err = r.changedElsewhere(); err != nil {
		return err
	}
	ledgers, unreadable := r.cfg.Source.Ledgers()
	again, err := p.charters()
	switch {
	case err != nil:
	case again && unreadable != nil:
		// Made again without what cannot be read now, the roster would lack homes
		// and revocations that it has. The charter has to wait.
	case again:
		err = p.again(ledgers)
	default:
		err = p.run(ledgers)
	}
	if err != nil {
		return err
	}
	if unreadable == nil {
		if err = p.settle(ledgers); err != nil {
			return err
		}
	}
	if p.changed, err = p.notices(); err != nil {
		return err
	}
	if !p.changed && !r.unfinished && fmt.Sprint(unreadable) == r.unreadable {
		return nil
	}
	v, err := r.loadView(p, unreadable)
	if err != nil {
		return err
	}
	r.unreadable = fmt.Sprint(unreadable)
	r.view.Store(v)
	return nil
}

// changedElsewhere tells whether another process, such as a check, projected
// into the file since this one last looked.
func (r *Roster) changedElsewhere() (bool, error) {
	was := r.version
	err := r.write.QueryRow("PRAGMA data_version").Scan(&r.version)
	return r.version != was, err
}

// charters tells whether everything has to be made again because the charters
// changed: what counts, under which registries, is another now.
func (p *pass) charters() (again bool, err error) {
	var community, node int
	err = p.roster.write.QueryRow("SELECT community, node FROM charters").Scan(&community, &node)
	if errors.Is(err, sql.ErrNoRows) {
		return false, p.do(p.saveCharters)
	}
	return community != p.community.Len() || node != p.node.Len(), err
}

func (p *pass) saveCharters(tx *sql.Tx) error {
	_, err := tx.Exec("INSERT OR REPLACE INTO charters VALUES (1, ?, ?)", p.community.Len(), p.node.Len())
	return err
}

// projections are the tables that are made of the ledgers, and of nothing else.
var projections = []string{"cursor", "holder", "claim", "doorkey", "revoked", "home", "policy",
	"lockdown", "bar", "pass", "pass_ended", "forgiven", "pin", "removed", "gateway", "opens"}

// again empties the projection and makes it anew, all in one transaction:
// nobody may see a roster from which a revocation is missing that was there.
func (p *pass) again(ledgers []Ledger) error {
	p.changed = true
	do := p.do
	defer func() { p.do = do }()
	return do(func(tx *sql.Tx) error {
		for _, table := range projections {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		p.do = func(f func(*sql.Tx) error) error { return f(tx) }
		if err := p.run(ledgers); err != nil {
			return err
		}
		return p.saveCharters(tx)
	})
}

// run projects what is new of the ledgers that count.
func (p *pass) run(ledgers []Ledger) error {
	for _, l := range ledgers {
		one, counts := p.projection(l)
		if !counts {
			continue
		}
		if err := p.do(one.load); err != nil {
			return err
		}
		if err := one.run(); err != nil {
			return err
		}
	}
	return nil
}

// projection is that of one ledger; counts is false for those that are another
// community's or node's, or by nobody whom the charters name.
func (p *pass) projection(l Ledger) (one projection, counts bool) {
	one = projection{pass: p, ledger: l}
	role := ledger.Issuer
	switch l.Head.Origin.Kind {
	case ledger.CommunityLog:
		one.charters = p.community
	case ledger.NodeLog:
		one.charters, role = p.node, ledger.Steward
	default:
		return one, false
	}
	// A steward's key may serve two nodes; its entries must not.
	if l.Head.Origin.Community != p.roster.cfg.Community || l.Charter != one.charters.ID() {
		return one, false
	}
	one.limit, counts = one.charters.Limit(role, l.Head.Origin)
	return one, counts
}

// projection is one ledger's part of a pass.
type projection struct {
	*pass
	ledger   Ledger
	charters ledger.Charters
	limit    ledger.Limit
	cursor   cursor
	missing  *ledger.Missing // made once a body is missing, of all that follows it
	last     int64           // time of the last entry with a body, Unix milliseconds
}

// counted is how many of the entries that are held count.
func (p *projection) counted() int64 { return min(p.ledger.Head.Size, p.limit.Size) }

// end is how many of them are to be projected.
func (p *projection) end() int64 {
	if c := p.ledger.cut; c != nil {
		return min(p.counted(), c.size)
	}
	return p.counted()
}

// run projects what is new of the ledger. What stops it stands in the cursor,
// and is tried again each time: newer software may go on. An error is the
// roster's own failure.
func (p *projection) run() error {
	was := p.cursor
	p.cursor.complete, p.cursor.problem = false, ""
	// What the charter counts it counts, forked or not.
	convicted := p.ledger.Forked && p.limit.Root == nil
	if convicted {
		if err := p.do(p.convict); err != nil {
			return err
		}
	}
	if err := p.checkLimit(); err != nil {
		p.cursor.problem = err.Error()
	}
	for p.cursor.problem == "" && p.cursor.projected < p.end() {
		if err := p.do(p.batch); err != nil {
			return err
		}
	}
	if p.cursor.problem == "" {
		p.heard()
	}
	if convicted {
		p.cursor.complete = false
		if p.cursor.problem == "" {
			p.cursor.problem = fmt.Sprintf("its author signed two histories, and the proof is held: nothing counts of it but the %d entries that were here before; retire the key with `tombolo charter update`",
				p.cursor.projected)
		}
	}
	if p.cursor == was {
		return nil
	}
	p.changed = true
	return p.do(p.save)
}

// convict ends the ledger at the head that was held when the proof was first
// seen, however much of it the source brings later.
func (p *projection) convict(tx *sql.Tx) error {
	l := &p.ledger
	origin := l.Head.Origin.String()
	if _, err := tx.Exec("INSERT OR IGNORE INTO fork VALUES (?, ?, ?)", origin, l.Head.Note, l.Seen); err != nil {
		return err
	}
	var note []byte
	if err := tx.QueryRow("SELECT note, seen FROM fork WHERE origin = ?", origin).Scan(&note, &l.Seen); err != nil {
		return err
	}
	var err error
	if l.Head, err = ledger.OpenHead(note, l.Head.Author); err != nil || l.Head.Origin.String() != origin {
		return errDamaged
	}
	return nil
}

// checkLimit holds what is here of a retired author's ledger against what the
// charter counts of it. A part of it cannot be told from a stolen key's fork,
// so it does not count.
func (p *projection) checkLimit() error {
	if p.limit.Root == nil {
		return nil
	}
	if size := p.ledger.Head.Size; size < p.limit.Size {
		return fmt.Errorf("the charter counts %d entries of it and %d are here", p.limit.Size, size)
	}
	root, err := p.ledger.Root(p.limit.Size)
	if err != nil {
		return err
	}
	if root != *p.limit.Root {
		return errors.New("its entries are not those that the charter counts")
	}
	return nil
}

// batch projects the next entries and saves how far it came.
func (p *projection) batch(tx *sql.Tx) error {
	index := p.cursor.projected
	for e, err := range p.ledger.Entries(index, min(p.end(), index+batch)) {
		stop := err
		if stop == nil {
			if stop, err = p.entry(tx, index, e); err != nil {
				return err
			}
		}
		if stop != nil {
			p.cursor.problem = fmt.Sprintf("entry %d: %v", index, stop)
			break
		}
		index++
	}
	if index == p.cursor.projected && p.cursor.problem == "" {
		p.cursor.problem = fmt.Sprintf("entry %d is not readable", index)
	}
	p.cursor.projected = index
	if err := p.tell(tx); err != nil {
		return err
	}
	return p.save(tx)
}

// entry projects one entry. stop ends the ledger's projection before it; err is
// the roster's own failure.
func (p *projection) entry(tx *sql.Tx, index int64, e ledger.Entry) (stop, err error) {
	leaf, body, stop := e.Open(p.ledger.Head.Origin.Kind, index)
	switch {
	case stop != nil:
		return stop, nil
	case !leaf.Kind.Known():
		if leaf.Critical {
			return fmt.Errorf("%w (%v)", ledger.ErrUnknownKind, leaf.Kind), nil
		}
		return nil, nil
	case body == nil:
		return p.dropped(index), nil
	}
	if b, ok := body.(*ledger.Begin); ok {
		return p.begin(b), nil
	}
	p.last = e.Time
	refused, err := p.apply(tx, index, e, body)
	if refused != nil {
		p.cursor.refused++
		p.cursor.refusal = fmt.Sprintf("entry %d: %v", index, refused)
	}
	return nil, err
}

func (p *projection) begin(b *ledger.Begin) error {
	if b.Charter != p.charters.ID() {
		return fmt.Errorf("it was written under the charter %v, not %v", b.Charter, p.charters.ID())
	}
	if f := b.Predecessor; f != nil {
		o := p.ledger.Head.Origin
		o.Incarnation = f.Incarnation
		p.cursor.follows, p.cursor.followsSize = o.String(), f.Size
	}
	return nil
}

// dropped passes over a missing body if the author says, in an entry that comes
// later and counts, that it dropped it, or that nothing hangs on it any more.
func (p *projection) dropped(index int64) error {
	if p.missing == nil {
		p.missing = &ledger.Missing{}
		at := index
		for e, err := range p.ledger.Entries(index, p.counted()) {
			if err != nil {
				return err
			}
			if _, body, err := e.Open(p.ledger.Head.Origin.Kind, at); err == nil {
				p.missing.Cover(body)
			}
			at++
		}
	}
	if p.missing.Covers(index) {
		return nil
	}
	return ledger.ErrWithheld
}

// heard: the whole range is projected, so the head's time counts, but no later
// than it was first seen; heartbeats count for issuers. What was seen without a
// clock was seen at no time that could be compared, until a head is seen with one.
func (p *projection) heard() {
	head := p.ledger.Head
	if cosigners := p.charters.Cosigners(); len(cosigners) > 0 {
		if h, err := ledger.OpenHead(head.Note, head.Author, cosigners...); err == nil {
			head = h
		}
	}
	signed, c := int64(min(head.Fresh(), math.MaxInt64)), &p.cursor
	if p.end() < p.counted() {
		signed = p.last / 1000 // the head of that moment is not held any more
	}
	c.complete = true
	if p.ledger.Seen < epoch {
		c.fresh = max(c.fresh, signed)
		return
	}
	if c.fresh > p.ledger.Seen+int64(maxAhead/time.Second) {
		c.fresh = 0
	}
	c.fresh = max(c.fresh, min(signed, p.ledger.Seen))
	c.floor = max(c.floor, min(signed, p.ledger.Seen+int64(maxAhead/time.Second)))
}
