package panel

import (
	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// change takes new rules. Who waits goes on waiting, if their key is still theirs,
// and is judged by the new rules in the end.
func (p *Panel) change(m Moment, b *access.Basis, holders map[passport.KeyID]access.Holder) {
	newer := b.Generation != p.basis.Generation
	p.basis, p.trust = b, m.Clock.Trust
	p.record(m, basisBody(b, m.Clock.Trust))
	p.forgive(m)
	p.tried(m)
	if newer {
		for _, o := range p.opening {
			for i := range o.grants {
				g := &o.grants[i]
				g.again = g.again || g.by.Raw != nil && !g.by.renew(holders)
			}
		}
	}
	for _, d := range p.doors {
		d.policy = p.policyDoor(d.name)
		d.shared = d.policy != nil && !d.policy.Home && b.Policy.Shared(d.policy)
		d.configure()
		d.partners = d.partners[:0]
		if d.policy != nil {
			for _, name := range d.policy.Partners {
				if partner := p.byName[name]; partner != nil {
					d.partners = append(d.partners, partner)
				}
			}
		}
		if newer {
			p.renew(m, d, holders)
		}
	}
	p.second = m.Clock.Now.Unix()
	p.look(m)
	p.fires(m)
	p.orders(m)
}

// renew takes what the ledgers say now of a presentation's key; false if it is not
// the same key of the same passport.
func (p *Presented) renew(holders map[passport.KeyID]access.Holder) bool {
	h, was := holders[p.Holder.KeyID], p.Holder.Delegation
	if !h.Known || h.Delegation.Key != was.Key || h.Delegation.Passport != was.Passport {
		return false
	}
	p.Holder = h
	return true
}

// renew looks again at those who wait at a door, and at the escort.
func (p *Panel) renew(m Moment, d *panelDoor, holders map[passport.KeyID]access.Holder) {
	if l := d.escort; l != nil && (!l.renew(holders) || !p.attributes(&l.Presented).Escort ||
		access.Standing(l.Holder) != access.None || p.basis.Barred(l.who(), m.Clock)) {
		d.escort = nil
	}
	if w := d.company; w != nil && !w.renew(holders) { // it is recorded as waiting
		p.show(d, w.Exit, policy.SignalDenied)
		d.company = nil
	}
	if w := d.pin; w != nil && !w.renew(holders) {
		d.pin = nil
		w.Refused = access.Again
		p.decided(m, d, &w.Presented, access.Verdict{Reason: access.Again})
	}
}

func basisBody(b *access.Basis, t access.Trust) *ledger.Basis {
	body := &ledger.Basis{Clock: t.String(), Sources: b.Sources[:min(len(b.Sources), ledger.MaxSources)]}
	if b.Policy != nil {
		hash := b.Policy.Hash()
		body.Policy, body.Hash = b.Policy.Version, hash[:]
	}
	return body
}

// policyDoor is the door in the policy, or nil if the policy does not give it to
// this gateway.
func (p *Panel) policyDoor(name string) *policy.Door {
	if p.basis.Policy == nil {
		return nil
	}
	d := p.basis.Policy.Doors[name]
	if d == nil || d.Gateway != p.cfg.Gateway {
		return nil
	}
	return d
}

// blind: the contact's line is cut or shorted, so that nobody can tell whether the
// door is open.
func (d *panelDoor) blind() bool {
	contact := d.lines[Contact].settle.Line()
	return contact == door.LineCut || contact == door.LineShorted
}

// configure tells the door's machine what holds now. A contact that cannot tell is
// none: a grant is then taken for an entry, or anti-passback would end with a wire.
func (d *panelDoor) configure() {
	d.cfg = configOf(d.policy, Hardware{FailSafe: d.hw.FailSafe, Contact: d.hw.Contact && !d.blind()})
}

func configOf(d *policy.Door, hw Hardware) door.Config {
	if d == nil {
		return door.Config{
			Strike: defaultStrike, ExtendedStrike: defaultStrike,
			HeldOpen: defaultHeldOpen, ExtendedHeldOpen: defaultHeldOpen, HasContact: hw.Contact,
		}
	}
	return door.Config{
		Strike: d.Strike, ExtendedStrike: d.ExtendedStrike, HeldOpen: d.HeldOpen, ExtendedHeldOpen: d.ExtendedHeldOpen,
		PreAlarm: d.PreAlarm, Relock: relocks[d.Relock], Operator: operators[d.Operator], HasContact: hw.Contact,
	}
}

var (
	relocks = [...]door.Relock{
		policy.RelockTimer: door.RelockTimer, policy.RelockOpen: door.RelockOpen, policy.RelockClose: door.RelockClose,
	}
	operators = [...]door.Operator{
		policy.OperatorAll: door.OperatorAll, policy.OperatorExtended: door.OperatorExtended, policy.OperatorNever: door.OperatorNever,
	}
)
