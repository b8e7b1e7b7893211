package panel_test

import (
	"slices"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simOpening is an unlocking that waits for the records of all who go in by it.
type simOpening struct {
	d       *simDoor
	people  []*simPerson
	answers int  // of the journal
	failed  bool // one of them
	beside  bool // another with whom they go in has been let in already
	judged  bool // why is known
}

type simPerson struct {
	e        *panel.Presented
	seq      uint64
	pass     ledger.PassID
	extended bool
	two      bool          // have to go in together
	again    bool          // the key is another's by now
	why      access.Reason // they are refused after all
}

func (m *simModel) granted(d *simDoor, e *panel.Presented, b *ledger.Decision, v simVerdict, first bool) {
	kept, with := isKept(v), simMet{}
	if w := d.company; w != nil && w.who() == e.Holder.Delegation.Passport && w.with.at == m.m.Up {
		with = w.with
	}
	must := m.goesFirst(d, v) || !kept && with.opening != nil
	m.follow = nil
	if w := d.company; !e.Exit && w != nil && w.who() != e.Holder.Delegation.Passport {
		if other := m.ask(d, e, m.basis.Policy).other().answer(); other.reason.Grants() {
			must = must || !kept && m.goesFirst(d, other)
			m.follow = w
		}
	}
	m.require(first == must, "%s: recorded first is %v, and has to be %v", d.name, first, must)
	if v.pass != (ledger.PassID{}) && !kept {
		m.require(m.passUsed == ledger.PassUsed{Pass: v.pass, Seq: b.Seq}, "the guest pass is not spent before its decision")
	}
	m.grants[b.Seq] = simGrant{d.name, e.Exit, m.m.Up}
	p := &simPerson{e: e, seq: b.Seq, pass: v.pass, two: d.policy != nil && d.policy.TwoPerson, extended: e.Raw != nil && simAttributes(m.basis.Policy, e).Extended}
	switch {
	case must:
		if with.opening == nil {
			with.opening = &simOpening{d: d, beside: with.who != 0}
		}
		with.opening.people = append(with.opening.people, p)
		m.awaiting[b.Seq] = with.opening
	default:
		if with.opening != nil { // who is at home waits for nobody
			with.opening.beside = true
		}
		with.opening = nil
		m.open(d, p, kept, kept)
	}
	if !e.Exit {
		m.company(d, e, with.opening)
	}
}

func isKept(v simVerdict) bool { return v.reason == access.Exit || v.reason == access.Home }

// goesFirst: a grant has to be durable before the lock opens.
func (m *simModel) goesFirst(d *simDoor, v simVerdict) bool {
	return !isKept(v) && (v.pass != ledger.PassID{} || d.policy.RecordFirst)
}

// open: the lock opens, and a code is used up. Where two have to go in together,
// it may not open for one alone.
func (m *simModel) open(d *simDoor, p *simPerson, kept, alone bool) {
	e := p.e
	d.grant(m.m.Up, kept, p.extended)
	d.expect(e.Exit, policy.SignalGranted)
	isCode := e.Presentation.Mode == passport.ModeWindow && e.Raw != nil
	a := simAsk{simModel: m, Presented: e, d: d, p: m.basis.Policy, door: d.policy}
	if e.Exit {
		if e.Raw != nil && d.escort.by != nil && d.escort.who == e.Holder.Delegation.Passport {
			d.escort = simMet{}
		}
		if isCode && a.timed() && a.now() >= int64(e.Window.Start)-int64(e.Window.Length) && a.now() < int64(e.Window.Start)+2*int64(e.Window.Length) {
			if a.codeUsedHere() == access.None {
				m.used[e.Window.Nonce] = struct{}{}
				m.opens(d, e)
			}
			m.codes[e.Window.Nonce] = true
		}
		return
	}
	m.apart(d, kept || a.atHome()) // a home may have begun while the record was waited for
	who := e.Holder.Delegation.Passport
	d.letIn[who] = true
	d.two = d.two || !alone && p.two
	if a.mayEscort() {
		d.escort = simMet{who: who, by: e, seq: p.seq, at: m.m.Up}
	}
	if isCode {
		n := e.Window.Nonce
		m.require(m.wrongTime || !m.codes[n], "the code %x opens twice", n)
		m.codes[n], m.used[n] = true, struct{}{}
		m.opens(d, e)
	}
}

// renew: the ledgers have changed.
func (o *simOpening) renew(m *simModel) {
	for _, p := range o.people {
		p.again = !m.stays(&p.e) || p.again
	}
}

// apart: of the doors of an interlock one opens for an entry while no other's
// contact says, as it bounces, that it is open or that nobody knows. It looks at
// wires alone.
func (m *simModel) apart(d *simDoor, kept bool) {
	if kept || m.basis.Policy == nil {
		return
	}
	for _, lock := range m.basis.Policy.Interlocks {
		if !slices.Contains(lock.Doors, d.name) {
			continue
		}
		for _, name := range lock.Doors {
			if partner := m.doors[name]; partner != nil && name != d.name {
				m.require(partner.wires[panel.Contact].said == door.LineNormal, "%s opens while the contact of %s is %v", d.name, name, partner.wires[panel.Contact].said)
			}
		}
	}
}

// company: somebody who may enter has come for who waits, or waits no more.
func (m *simModel) company(d *simDoor, e *panel.Presented, o *simOpening) {
	who := e.Holder.Delegation.Passport
	switch w := d.company; {
	case w == nil:
	case w.who() == who:
		d.company = nil
	case m.follow != nil:
		w.with = simMet{
			who: who, at: m.m.Up, opening: o,
			escorts: simAsk{simModel: m, Presented: e, d: d, p: m.basis.Policy, door: d.policy}.mayEscort(),
		}
	}
}

// together: whoever waits and may go in now, does; and no lock opens for one
// alone where two have to go in.
func (m *simModel) together() {
	if w := m.follow; w != nil {
		r := m.ask(m.doors[w.Door], w.Presented, m.basis.Policy).answer().reason
		m.require(!r.Grants() || m.forgets(m.doors[w.Door], w.Presented), "%s: %d waited and is not let in with the other", w.Door, w.who())
	}
	for _, name := range m.names {
		d := m.doors[name]
		m.require(!d.two || len(d.letIn) >= 2, "%s: two-person: the lock opens for one of a pair alone: %v", name, d.letIn)
		d.two = false
	}
}

// person is who goes in by an opening with a decision. The last answer of the
// journal tells for all of them.
func (m *simModel) person(o *simOpening, seq uint64) *simPerson {
	r, ok := m.event.(panel.Recorded)
	asked := ok && slices.ContainsFunc(o.people, func(p *simPerson) bool { return p.seq == r.Seq })
	m.require(asked && o.answers == len(o.people), "%s: %d is decided before its records are answered", o.d.name, seq)
	if !o.judged {
		m.stillOpens(o)
	}
	delete(m.awaiting, seq)
	return o.people[slices.IndexFunc(o.people, func(p *simPerson) bool { return p.seq == seq })]
}

// takenBack: a grant that waited for its record is refused after all.
func (m *simModel) takenBack(o *simOpening, b *ledger.Decision) {
	p := m.person(o, b.Seq)
	delete(m.grants, b.Seq)
	m.require(!b.Granted && b.Reason == p.why.String(), "grant %d is taken back as %s, and should be as %v", b.Seq, b.Reason, p.why)
	o.d.expect(false, signalFor(p.why))
	m.tally.reasons[p.why]++
	if len(o.people) > 1 {
		m.tally.apart++
	}
}

// stillOpens tells of all who wait for an opening why they are refused, if one of
// them is.
func (m *simModel) stillOpens(o *simOpening) {
	o.judged = true
	one := false
	for _, p := range o.people {
		a := simAsk{simModel: m, Presented: p.e, d: o.d, p: m.basis.Policy, door: o.d.policy, own: p.pass}
		switch {
		case o.failed:
			p.why = access.NotRecorded
		case p.again:
			p.why = access.Again
		default:
			p.why = a.stands()
		}
		one = one || p.why != access.None
	}
	for _, p := range o.people {
		if one && p.why == access.None { // whom they were to go in with is refused
			p.why = access.Again
		}
	}
}

func (m *simModel) opening(b *ledger.Opening) {
	o := m.awaiting[b.Seq]
	m.require(o != nil && b.Door == o.d.name, "%s opens for %d, which waits for no record", b.Door, b.Seq)
	p := m.person(o, b.Seq)
	m.require(p.why == access.None, "%s opens for %d, which should be %v", b.Door, b.Seq, p.why)
	if p.pass != (ledger.PassID{}) {
		m.spent[p.pass]++
		for _, q := range m.basis.Passes[p.e.Holder.Delegation.Passport] {
			m.require(q.ID != p.pass || q.Uses == 0 || m.spent[q.ID] <= q.Uses, "the guest pass %v is spent %d times, of %d", q.ID, m.spent[q.ID], q.Uses)
		}
	}
	if len(o.people) > 1 {
		m.tally.together++
	}
	m.open(o.d, p, false, o.beside)
	m.follow = o.d.company
}

// asked is what those at a door do beside presenting.
var asked = []access.Reason{
	access.AwaitsPin, access.PinLate, access.LockedOutDuress, access.LockedOut, access.NoPin, access.WrongPin, access.AwaitsEscort, access.AwaitsSecond,
}

// stands is why who waited for a record is refused now, or None.
func (a simAsk) stands() access.Reason {
	if a.atHome() {
		return access.None
	}
	for _, rule := range simRules {
		switch {
		case slices.Contains(asked, rule.reason) || !rule.holds(a):
		case rule.reason == levelDenies:
			return a.byLevelOrPass().reason
		default:
			return rule.reason
		}
	}
	if v := a.byLevelOrPass(); v.pass != (ledger.PassID{}) && v.pass != a.own {
		return access.Again
	}
	return access.None
}

// spentBut is how many entries of a pass others have had.
func (a simAsk) spentBut(id ledger.PassID) uint32 {
	n := a.memory.spent[id]
	if id == a.own && n > 0 {
		n--
	}
	return n
}

// mayEscort: by the policy, and not because they live here.
func (a simAsk) mayEscort() bool {
	return a.Holder.Known && simAttributes(a.p, a.Presented).Escort && !a.atHome()
}
