package panel

import (
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/sync/ledger"
)

// modeRemote is how the answer to a steward's Open is recorded.
const modeRemote = "remote"

const (
	// OrderPatience is how late an Open may be.
	OrderPatience = 30 * time.Second
	// orderAhead is how far its author's clock may be ahead of this one.
	orderAhead = 5 * time.Second
)

// orders answers each Open of the rules at a door of this gateway, once: what was
// answered stands in the log, and is remembered by that. It opens only once the
// answer is durable.
func (p *Panel) orders(m Moment) {
	if p.follows {
		return
	}
	for _, o := range p.basis.Opens {
		d := p.byName[o.Door]
		if d == nil || p.presence.Answered(o) {
			continue
		}
		p.seq++
		v := access.Verdict{Reason: p.order(m, d, o)}
		decision := p.decision(m, d, &Presented{Door: d.name, Mode: modeRemote}, v)
		p.record(m, &ledger.Ordered{Origin: o.Origin, Index: o.Index, Seq: decision.Seq, Door: d.name})
		p.ordered(m, d, v, decision)
	}
}

// order judges an Open. A steward who opens a door under a lockdown lifts that
// first: what stands in the ledger then says so.
func (p *Panel) order(m Moment, d *panelDoor, o access.Order) access.Reason {
	late := time.Duration(m.MS()-o.At) * time.Millisecond
	switch {
	case d.policy == nil:
		return access.NoPolicy
	case !m.Clock.Known():
		return access.ClockUnknown
	case late > OrderPatience:
		return access.OrderStale
	case late < -orderAhead:
		return access.OrderAhead
	}
	if r := p.obeys(m, d); r != access.None {
		return r
	}
	return access.Remote
}

// obeys is why a door is not opened from afar now, or None.
func (p *Panel) obeys(m Moment, d *panelDoor) access.Reason {
	switch {
	case d.policy == nil:
		return access.NoPolicy
	case p.basis.LockedDown(d.name, m.Clock):
		return access.Lockdown
	case p.around(m, d, 0, company{}).PartnerOpen:
		return access.Interlock
	}
	return access.None
}

// ordered does what the record of an answer says. Nobody stands at the reader to be
// told no, and nobody's company is a steward.
func (p *Panel) ordered(m Moment, d *panelDoor, v access.Verdict, decision *ledger.Decision) {
	if !v.Granted() {
		p.record(m, decision)
		return
	}
	g := granted{Grant: door.Grant{Seq: decision.Seq}, by: Presented{Door: d.name, Mode: modeRemote}, decision: decision}
	p.remember(m, decision)
	p.opening[decision.Seq] = &opening{door: d, grants: []granted{g}, waits: 1}
	p.told = append(p.told, Action{Do: RecordFirst, Body: decision, Seq: decision.Seq})
}

// tried tells what became of policies that were tried, once each.
func (p *Panel) tried(m Moment) {
	for _, t := range p.basis.Tried {
		if kept, ok := p.presence.TriedBefore(t.Hash); !ok || kept != t.OK {
			p.record(m, &ledger.PolicyTried{Version: t.Version, Hash: t.Hash, OK: t.OK, Why: ledger.CleanText(t.Why, 400)})
		}
	}
}
