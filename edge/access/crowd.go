package access

import (
	"cmp"
	"slices"

	"tombolo/edge/policy"
	"tombolo/passport"
)

// pardoned is up to when what is said of a passport is forgiven. A sibling's
// claims go by their times: they arrive in no order with what is forgiven here.
func (p *Presence) pardoned(who passport.ID) int64 { return max(p.forgiven[who], p.forgiven[0]) }

// Crowd is who is where in a node, by this gateway's own log and by what its
// siblings told. Its methods are those of Presence; each log is believed for the
// doors that hang on its gateway, and whose word is the latest counts.
type Crowd struct {
	Own      *Presence
	Siblings *Siblings
}

// latest is where somebody passed last; log is nil if that was here.
func (c Crowd) latest(b *Basis, who passport.ID, now int64) (found trace, log *sibling, ok bool) {
	if own, seen := c.Own.last[who]; seen {
		found, ok = trace{own.Side, own.At}, true
	}
	pardoned := c.Own.pardoned(who)
	for _, l := range c.Siblings.logs {
		t, seen := l.last[who]
		if !seen || t.at <= pardoned || !l.speaks(b, t.Side) {
			continue
		}
		// By a clock that is not known all are ahead, and then their own times decide.
		if !ok || cmp.Or(cmp.Compare(min(t.at, now), min(found.at, now)), cmp.Compare(t.at, found.at)) > 0 {
			found, log, ok = t, l, true
		}
	}
	return found, log, ok
}

// within reports whether somebody's last passage has led into a zone, and they are
// still taken to be there.
func (c Crowd) within(b *Basis, z *policy.Zone, who passport.ID, now int64) bool {
	t, _, ok := c.latest(b, who, now)
	return ok && b.Policy.Inside(z.Name, leads(b.Policy, t.Side)) && counts(z, seen{stamp: stamp{At: t.at}}, now)
}

// due calls f with those whom a sibling has let in and who have not passed yet,
// until it returns false.
func (c Crowd) due(b *Basis, now int64, f func(comer) bool) {
	for _, l := range c.Siblings.logs {
		for _, d := range l.due {
			if now-d.at < comes && l.speaks(b, d.Side) && !f(d) {
				return
			}
		}
	}
}

// Inside is Presence's, over the node.
func (c Crowd) Inside(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) bool {
	return c.within(b, z, who, now) || c.comes(b, z, by, who, now)
}

func (c Crowd) comes(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) (coming bool) {
	if c.Own.comes(b, z, by, who) {
		return true
	}
	c.due(b, now, func(d comer) bool {
		coming = d.who == who && b.Policy.Inside(z.Name, leads(b.Policy, d.Side))
		return !coming
	})
	return coming
}

// Entered is Presence's, over the node.
func (c Crowd) Entered(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) int64 {
	if c.comes(b, z, by, who, now) {
		return 0
	}
	since, pardoned := c.Own.Entered(b, z, by, who, now), c.Own.pardoned(who)
	for _, l := range c.Siblings.logs {
		for _, e := range l.entries[who] {
			if e.at > pardoned && l.speaks(b, e.Side) && b.Policy.Inside(z.Name, leads(b.Policy, e.Side)) {
				if ago := max(0, now-e.at); since < 0 || ago < since {
					since = ago
				}
			}
		}
	}
	return since
}

// Count is Presence's, over the node.
func (c Crowd) Count(b *Basis, z *policy.Zone, now int64, but ...passport.ID) (n int) {
	in := func(side Side) bool { return b.Policy.Inside(z.Name, leads(b.Policy, side)) }
	counted := func(who passport.ID, log *sibling) bool {
		if slices.Contains(but, who) {
			return false
		}
		t, latest, ok := c.latest(b, who, now)
		return ok && latest == log && counts(z, seen{stamp: stamp{At: t.at}}, now)
	}
	for side, members := range c.Own.at {
		if in(side) {
			for who := range members {
				if counted(who, nil) {
					n++
				}
			}
		}
	}
	for _, l := range c.Siblings.logs {
		for side, members := range l.at {
			if in(side) && l.speaks(b, side) {
				for who := range members {
					if counted(who, l) {
						n++
					}
				}
			}
		}
	}
	return n + c.coming(b, z, now, but)
}

// coming is the number of those who are let in from without and are not counted
// inside, each once.
func (c Crowd) coming(b *Basis, z *policy.Zone, now int64, but []passport.ID) int {
	var all []passport.ID
	add := func(who passport.ID, s Side) {
		if enters(b, z, s) && !slices.Contains(but, who) && !slices.Contains(all, who) && !c.within(b, z, who, now) {
			all = append(all, who)
		}
	}
	for _, d := range c.Own.due {
		add(d.Passport, d.Side)
	}
	c.due(b, now, func(d comer) bool {
		add(d.who, d.Side)
		return true
	})
	return len(all)
}

// Full is Presence's, over the node.
func (c Crowd) Full(b *Basis, z *policy.Zone, now int64, who ...passport.ID) bool {
	return z.Occupancy > 0 && c.Count(b, z, now, who...)+len(who) > z.Occupancy
}
