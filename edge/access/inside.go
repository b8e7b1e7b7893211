package access

import (
	"math"
	"slices"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// leads is the zone that somebody is in who passed a side, or "" if the policy
// has no such door any more.
func leads(p *policy.Policy, s Side) string {
	d := p.Doors[s.Door]
	switch {
	case d == nil:
		return ""
	case s.Exit:
		return d.From
	}
	return d.To
}

// counts reports whether somebody who was seen is still taken to be where they
// went: the zone's own time has not passed.
func counts(z *policy.Zone, s seen, now int64) bool {
	return z.Forgive == 0 || now-s.At < z.Forgive.Milliseconds()
}

// Inside reports whether a passport is in a zone, or has been let into it by
// another door than this and not passed yet. now is in Unix milliseconds.
func (p *Presence) Inside(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) bool {
	l, ok := p.last[who]
	return ok && b.Policy.Inside(z.Name, leads(b.Policy, l.Side)) && counts(z, l, now) ||
		p.comes(b, z, by, who)
}

// comes reports whether a passport has been let into a zone by another door.
func (p *Presence) comes(b *Basis, z *policy.Zone, by string, who passport.ID) bool {
	for _, d := range p.due {
		if d.Passport == who && d.Door != by && b.Policy.Inside(z.Name, leads(b.Policy, d.Side)) {
			return true
		}
	}
	return false
}

// Entered is how many milliseconds ago a passport last entered a zone, whether
// or not it has left since; −1 if that is not known.
func (p *Presence) Entered(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) int64 {
	if p.comes(b, z, by, who) {
		return 0
	}
	for _, e := range slices.Backward(p.entries[who]) {
		if b.Policy.Inside(z.Name, leads(b.Policy, e.Side)) {
			return max(0, now-e.At)
		}
	}
	return -1
}

// Count is the number of people in a zone but for some, those who were let in and
// have not passed yet among them.
func (p *Presence) Count(b *Basis, z *policy.Zone, now int64, but ...passport.ID) (n int) {
	for side, members := range p.at {
		if !b.Policy.Inside(z.Name, leads(b.Policy, side)) {
			continue
		}
		for who := range members {
			if !slices.Contains(but, who) && counts(z, p.last[who], now) {
				n++
			}
		}
	}
	for seq, d := range p.due {
		if !slices.Contains(but, d.Passport) && enters(b, z, d.Side) && !p.counted(b, z, seq, d.Passport, now) {
			n++
		}
	}
	return n
}

// enters reports whether a side leads into a zone from without.
func enters(b *Basis, z *policy.Zone, s Side) bool {
	return b.Policy.Inside(z.Name, leads(b.Policy, s)) && !b.Policy.Inside(z.Name, leads(b.Policy, Side{s.Door, !s.Exit}))
}

// counted reports whether whoever was let in by a decision is counted without
// it: is inside already, or has presented twice.
func (p *Presence) counted(b *Basis, z *policy.Zone, seq uint64, who passport.ID, now int64) bool {
	if l, ok := p.last[who]; ok && b.Policy.Inside(z.Name, leads(b.Policy, l.Side)) && counts(z, l, now) {
		return true
	}
	for other, d := range p.due {
		if other < seq && d.Passport == who && enters(b, z, d.Side) {
			return true
		}
	}
	return false
}

// Full reports whether a zone has no room for all of those who want in together.
func (p *Presence) Full(b *Basis, z *policy.Zone, now int64, who ...passport.ID) bool {
	return z.Occupancy > 0 && p.Count(b, z, now, who...)+len(who) > z.Occupancy
}

// Used is the number of entries that a guest pass was spent on.
func (p *Presence) Used(pass ledger.PassID) uint32 {
	used, known := p.spent[pass]
	if !known && len(p.spent) >= maxPasses {
		return math.MaxUint32
	}
	return used
}

// LockedOut reports whether a passport's PIN was typed wrongly so often since it
// was right or forgiven, and so lately, that none counts now.
func (p *Presence) LockedOut(b *Basis, who passport.ID, now int64) bool {
	times, lockout := p.wrong[who], b.Policy.Lockout
	n := len(times)
	return n > 0 && n >= lockout.After && now-times[n-1].At < lockout.For.Milliseconds()
}

// EnteredAt is when somebody last came in by a door whom a level lets in, Unix
// milliseconds; 0 if nobody ever did. Whoever lives there, has a guest pass or was
// threatened opens it for nobody else.
func (p *Presence) EnteredAt(door string) int64 { return p.entered[door].At }
