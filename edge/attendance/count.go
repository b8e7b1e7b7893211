package attendance

import (
	"slices"

	"tombolo/edge/policy"
	"tombolo/passport"
)

// Interval is how many are in a zone: at least Sure, at most Most. Nothing is known
// of a zone that is not Known.
type Interval struct {
	Sure, Most int
	Known      bool
}

// Count is how many are in a zone at a time, in Unix milliseconds. heard tells
// whether all that a gateway wrote is here; without one of those at the zone's
// doors nothing is known.
func (h *House) Count(zone string, now int64, heard func(gateway string) bool) Interval {
	if h.policy == nil || h.policy.Zones[zone] == nil || h.policy.Zones[zone].Outside {
		return Interval{}
	}
	z := h.policy.Zones[zone]
	forgive := z.Forgive.Milliseconds()
	if forgive == 0 {
		forgive = policy.DefaultForgive.Milliseconds()
	}
	// What came before is forgiven, and what comes from then on is all here.
	begin := now - forgive
	if h.since > begin {
		return Interval{}
	}
	booted := int64(0)
	for name, d := range h.policy.Doors {
		if h.policy.Inside(zone, d.From) == h.policy.Inside(zone, d.To) {
			continue
		}
		g, way := h.gateways[d.Gateway], h.doors[name]
		if g == nil || !g.clock || !heard(d.Gateway) || way != nil && (way.free || way.freed > begin) {
			return Interval{}
		}
		if g.booted > begin && h.policy.Inside(zone, d.From) {
			return Interval{} // whoever left by this door meanwhile came in here
		}
		booted = max(booted, g.booted)
	}
	out := Interval{Known: true}
	var seen []int64 // when the sure ones were, each
	in := map[passport.ID]bool{}
	for who, p := range h.people {
		here := h.policy.Inside(zone, p.zone) && p.at > begin
		if here && p.sure && p.at >= booted {
			seen = append(seen, p.at)
		}
		for _, s := range p.maybe {
			here = here || h.policy.Inside(zone, s.zone) && s.at > begin
		}
		if here {
			in[who] = true
		}
	}
	out.Most = len(in)
	var left []int64 // when somebody left, each
	for _, u := range h.unnamed {
		from, to := h.policy.Inside(zone, u.from), h.policy.Inside(zone, u.to)
		switch {
		case u.known || u.at <= begin || from == to:
		case from:
			left = append(left, u.at)
		default:
			out.Most++
		}
	}
	for _, g := range h.gateways {
		for _, c := range g.due {
			d := h.policy.Doors[c.door]
			if d == nil {
				continue
			}
			from, to := d.From, d.To
			if c.exit {
				from, to = to, from
			}
			if h.policy.Inside(zone, to) && !h.policy.Inside(zone, from) && !in[c.who] {
				in[c.who] = c.who != 0
				out.Most++
			}
		}
	}
	out.Sure = len(seen) - gone(seen, left)
	return out
}

// gone is how many of those who were seen may have left since: each leaving is of
// one who was seen before it, and of as many as can be.
func gone(seen, left []int64) (n int) {
	slices.Sort(seen)
	slices.Sort(left)
	before := 0 // seen before this leaving
	for _, at := range left {
		for before < len(seen) && seen[before] <= at {
			before++
		}
		if n < before {
			n++
		}
	}
	return n
}
