package panel

import (
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
)

// Judge says what would be decided. It changes nothing.
func (p *Panel) Judge(m Moment, e *Presented) access.Verdict {
	d := p.byName[e.Door]
	if d == nil {
		return access.Verdict{Reason: access.NoPolicy}
	}
	return p.judge(m, d, e, p.companyOf(m, d, e))
}

// company is who is at a door with somebody who wants in.
type company struct {
	second, escort bool
	beside         []passport.ID // who would be let in before, at the same instant
}

func (p *Panel) judge(m Moment, d *panelDoor, e *Presented, with company) access.Verdict {
	switch {
	case e.Exit:
		return access.Verdict{Reason: access.Exit}
	case e.Refused != access.None:
		return access.Verdict{Reason: e.Refused}
	}
	v := p.view(m, d, e.who(), with)
	verdict := access.Decide(m.Clock.Now, e.Holder, e.Presentation, v)
	if verdict.Granted() && e.Presentation.Mode == passport.ModeWindow {
		if r := p.checkCode(m, e.Window); r != access.None {
			return access.Verdict{Reason: r}
		}
	}
	return verdict
}

// checkCode refuses a code that has opened, or that waits for its record.
func (p *Panel) checkCode(m Moment, w passport.Window) access.Reason {
	for _, o := range p.opening {
		if slices.ContainsFunc(o.grants, func(g granted) bool { return g.isCode() && access.Same(g.by.Window, w) }) {
			return access.CodeReplayed
		}
	}
	r := p.codes.Check(m.Clock.Now, m.Up, w)
	if r == access.None && p.siblings.UsedThere(p.basis, w) {
		return access.CodeReplayed
	}
	return r
}

// view is what is known at a door of somebody who wants in.
func (p *Panel) view(m Moment, d *panelDoor, who passport.ID, with company) access.View {
	return access.View{
		Node: p.cfg.Node, Basis: p.basis, Name: d.name, Door: d.policy, Clock: m.Clock, RosterAge: m.Age,
		Around: p.around(m, d, who, with),
	}
}

// around is what is so at a door for somebody who wants in.
func (p *Panel) around(m Moment, d *panelDoor, who passport.ID, with company) access.Around {
	a := access.Around{Entered: -1, Used: p.used, Second: with.second, Escort: with.escort}
	for _, partner := range d.partners {
		a.PartnerOpen = a.PartnerOpen || p.isOpen(m, partner) || p.moving
	}
	if d.policy == nil {
		return a
	}
	rules := p.basis.Policy
	for z := rules.Zones[d.policy.To]; z != nil && !rules.Inside(z.Name, d.policy.From); z = rules.Zones[z.Within] {
		place := p.place(m, d, z, who, with)
		if z.Name == d.policy.To {
			a.Inside, a.Entered, a.Full = place.Inside, place.Entered, place.Full
		} else {
			a.Outer = append(a.Outer, place)
		}
	}
	a.LockedOut = p.presence.LockedOut(p.basis, who, m.MS())
	return a
}

// place is what is so in a zone that a door leads into.
func (p *Panel) place(m Moment, d *panelDoor, z *policy.Zone, who passport.ID, with company) access.Place {
	a, now := access.Place{Zone: z, Entered: -1}, m.MS()
	if z.Antipassback != policy.AntipassbackNone {
		a.Inside = p.crowd(d, z).Inside(p.basis, z, d.name, who, now)
		if m.Clock.Known() {
			if since := p.crowd(d, z).Entered(p.basis, z, d.name, who, now); since >= 0 {
				a.Entered = time.Duration(since) * time.Millisecond
			}
		}
	}
	a.Full = p.crowd(d, z).Full(p.basis, z, now, append(with.beside, who)...)
	return a
}

// crowd knows who is in a zone. Where one gateway sees all doors of it nobody
// else's word counts, nor at a home's door: siblings keep nobody out there.
func (p *Panel) crowd(d *panelDoor, z *policy.Zone) crowd {
	if z.Shared && !d.policy.Home {
		return access.Crowd{Own: p.presence, Siblings: p.siblings}
	}
	return p.presence
}

type crowd interface {
	Inside(b *access.Basis, z *policy.Zone, by string, who passport.ID, now int64) bool
	Entered(b *access.Basis, z *policy.Zone, by string, who passport.ID, now int64) int64
	Full(b *access.Basis, z *policy.Zone, now int64, who ...passport.ID) bool
}

// isOpen: open, unlocked, or about to be, as its contact moves or somebody who
// asked to leave may open it; or nobody can tell, as its contact's line is cut or
// shorted.
func (p *Panel) isOpen(m Moment, d *panelDoor) bool {
	contact := d.lines[Contact].settle
	if d.state.Unlocked() || d.state.IsOpen() || d.state.Shunted(m.Up) || contact.Line() != door.LineNormal || contact.Raw() != door.LineNormal {
		return true
	}
	for _, o := range p.opening {
		if o.door == d {
			return true
		}
	}
	return false
}

// companyOf is who goes in with somebody who wants in: one who waits and would be
// let in, too; one who has just been let in and takes this one along; or an escort
// who went ahead.
func (p *Panel) companyOf(m Moment, d *panelDoor, e *Presented) company {
	var with company
	if w, v := p.beside(m, d, e); v.Granted() {
		with.second, with.escort = true, p.escorts(m, d, &w.Presented)
	}
	if l := d.takenAlong(m, e.who()); l != nil {
		with.second, with.escort = true, l.escorts
	}
	with.escort = with.escort || d.escorted(m, e.who())
	return with
}

// beside is another who waits at a door, or nil, and what becomes of them if this
// one is let in now.
func (p *Panel) beside(m Moment, d *panelDoor, e *Presented) (*waiting, access.Verdict) {
	w := d.company
	if w == nil || e.Exit || w.who() == e.who() {
		return nil, access.Verdict{}
	}
	with := company{second: true, escort: p.escorts(m, d, e) || d.escorted(m, w.who()), beside: []passport.ID{e.who()}}
	return w, p.judge(m, d, &w.Presented, with)
}

// takenAlong is who was let in at this very instant while this one waited for
// company, or nil.
func (d *panelDoor) takenAlong(m Moment, who passport.ID) *letIn {
	if w := d.company; w != nil && w.who() == who && w.with != nil && w.with.at == m.Up {
		return w.with
	}
	return nil
}

// escorted reports whether another who may escort has been let in here just now.
func (d *panelDoor) escorted(m Moment, who passport.ID) bool {
	return d.policy != nil && d.escort != nil && d.escort.who() != who && m.Up-d.escort.at < d.policy.CompanyTime
}

// attributes are what the policy says of somebody beside their levels.
func (p *Panel) attributes(e *Presented) policy.Attributes {
	if p.basis.Policy == nil {
		return policy.Attributes{}
	}
	return p.basis.Policy.Attributes(e.Holder.Class, uint64(e.who()))
}

// escorts: the policy lets this one bring in others; to be at home is not enough.
func (p *Panel) escorts(m Moment, d *panelDoor, e *Presented) bool {
	return e.Holder.Known && p.attributes(e).Escort &&
		!access.AtHome(e.Holder, e.Presentation, access.View{Node: p.cfg.Node, Basis: p.basis, Name: d.name, Clock: m.Clock})
}
