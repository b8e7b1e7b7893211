package panel

import (
	"cmp"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// granted is somebody's grant, with what they leave behind once the lock opens.
type granted struct {
	door.Grant
	by       Presented
	pass     ledger.PassID // that an entry was spent of, or zero
	decision *ledger.Decision
	again    bool // while it waited the key became another's
}

func (g *granted) isCode() bool {
	return g.by.Raw != nil && g.by.Presentation.Mode == passport.ModeWindow
}

// opening is one unlocking that has to wait until the grants of all who go in by
// it are durable.
type opening struct {
	door   *panelDoor
	grants []granted
	waits  int  // for so many records
	failed bool // one of them will never be durable
}

// openingFor is what a grant has to wait for, or nil if it opens at once. Those who
// go in together go in by one opening: nobody is let in on the word of another
// whose record fails, or by a lock that has opened for the other already.
// with has let this one in, or other becomes of who waits.
func (p *Panel) openingFor(d *panelDoor, v, other access.Verdict, with *letIn) *opening {
	switch {
	case kept(v):
		return nil
	case with != nil && with.opening != nil:
		return with.opening
	case d.recordFirst(v), d.recordFirst(other):
		return &opening{door: d}
	}
	return nil
}

// kept reports whether a grant waits for nothing and outlasts a lockdown.
func kept(v access.Verdict) bool { return v.Reason == access.Home || v.Reason == access.Exit }

// recordFirst reports whether a verdict is a grant that has to be durable first.
func (d *panelDoor) recordFirst(v access.Verdict) bool {
	return v.Granted() && !kept(v) && d.policy != nil && (v.Pass != (ledger.PassID{}) || d.policy.RecordFirst)
}

// open lets a grant through, which uses up its code; first is its record, if that
// has not been told.
func (p *Panel) open(m Moment, d *panelDoor, g granted, first ledger.Body) {
	if g.isCode() && (!g.Exit || p.stillGood(m, g.by.Window)) {
		p.codes.Use(g.by.Window)
		p.siblings.Open(g.by.Window, access.Used{Seq: g.Seq, Door: d.name})
	}
	switch {
	case !g.Exit && p.escorts(m, d, &g.by):
		d.escort = &escort{Presented: g.by, at: m.Up, seq: g.Seq}
	case g.Exit && g.by.Raw != nil && d.escort != nil && d.escort.who() == g.by.who():
		d.escort = nil
	}
	p.door(m, d, door.Event{Kind: door.Granted, Grant: g.Grant}, first)
	p.show(d, g.Exit, policy.SignalGranted)
}

// stillGood reports whether a code that lets somebody out might let in somebody
// else, who has seen it.
func (p *Panel) stillGood(m Moment, w passport.Window) bool {
	return m.Clock.Known() && w.At(m.Clock.Now.Unix()) == passport.WindowOK && p.codes.Check(m.Clock.Now, m.Up, w) == access.None
}

// recorded takes an answer. The last one lets all in whose grants had to be durable
// first, or nobody.
func (p *Panel) recorded(m Moment, e Recorded) {
	o := p.opening[e.Seq]
	if o == nil {
		return
	}
	delete(p.opening, e.Seq)
	o.waits--
	o.failed = o.failed || !e.OK
	if o.waits > 0 {
		return
	}
	reasons, refused := p.stillOpens(m, o)
	if refused {
		for i, g := range o.grants {
			p.takeBack(m, o.door, g, cmp.Or(reasons[i], access.Again))
		}
		return
	}
	for _, g := range o.grants {
		p.record(m, &ledger.Opening{Seq: g.Seq, Door: o.door.name})
	}
	for _, g := range o.grants {
		p.open(m, o.door, g, nil)
	}
	if w := o.door.company; w != nil && !p.follows { // who came in between: their escort is in now
		if v := p.Judge(m, &w.Presented); v.Granted() {
			p.decided(m, o.door, &w.Presented, v)
		}
	}
}

// stillOpens is why each of those who go in by an opening is refused after all, if
// somebody is: a record has failed, or what they were let in on is not so any
// more: their key was revoked, or somebody's way out has opened a partner's door.
// A Replay does what the log says.
func (p *Panel) stillOpens(m Moment, o *opening) (reasons []access.Reason, refused bool) {
	for _, g := range o.grants {
		r := access.None
		switch {
		case o.failed:
			r = access.NotRecorded
		case p.follows:
		case g.again:
			r = access.Again
		default:
			r = p.stands(m, o.door, &g)
		}
		reasons, refused = append(reasons, r), refused || r != access.None
	}
	return reasons, refused
}

// stands is why a grant that waited for its record is refused now, or None.
func (p *Panel) stands(m Moment, d *panelDoor, g *granted) access.Reason {
	if g.by.Mode == modeRemote {
		return p.obeys(m, d)
	}
	v := p.view(m, d, g.by.who(), company{})
	v.Around.Used = func(id ledger.PassID) uint32 {
		n := p.used(id)
		if id == g.pass && n > 0 { // its own
			n--
		}
		return n
	}
	verdict := access.Admits(m.Clock.Now, g.by.Holder, g.by.Presentation, v)
	switch {
	case !verdict.Granted():
		return verdict.Reason
	case verdict.Pass != (ledger.PassID{}) && verdict.Pass != g.pass: // another entry would have to be spent
		return access.Again
	}
	return access.None
}

func (p *Panel) takeBack(m Moment, d *panelDoor, g granted, r access.Reason) {
	decision := *g.decision
	decision.Granted, decision.Reason = false, r.String()
	p.record(m, &decision)
	if g.by.Mode != modeRemote {
		p.show(d, g.Exit, signalOf(r))
	}
}
