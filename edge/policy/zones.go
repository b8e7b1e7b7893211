package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tombolo/edge/strict"
)

// DefaultForgive is for soft and hard anti-passback, and for occupancy.
const DefaultForgive = 24 * time.Hour

// maxWithin is how many zones may lie within each other, the outermost counted.
const maxWithin = 8

// readZones reads the zones, and what one says of another.
func (b *builder) readZones(p *Policy) {
	for _, slug := range sortedKeys(b.f.Zones) {
		p.Zones[string(slug)] = b.zone(string(slug), b.f.Zones[slug])
	}
	for _, name := range sortedKeys(p.Zones) {
		b.within(p, p.Zones[name])
	}
}

func (b *builder) zone(name string, f fileZone) *Zone {
	path := strict.Path{"zones", name}
	z := &Zone{Name: name, Outside: f.Outside, Within: string(f.Within), Antipassback: f.Antipassback, Occupancy: int(f.Occupancy)}
	timed := f.Antipassback == AntipassbackTimed
	counts := f.Antipassback == AntipassbackSoft || f.Antipassback == AntipassbackHard || f.Occupancy > 0
	switch {
	case timed && f.AntipassbackTime != nil:
		z.AntipassbackTime = time.Duration(*f.AntipassbackTime)
	case timed && !b.doc.Has(path.With("antipassback_time")...):
		b.doc.Reject(path.With("antipassback_time"), `missing: antipassback = "timed" needs a time, as in antipassback_time = "10m"`)
	case f.AntipassbackTime != nil:
		b.doc.RejectKey(path.With("antipassback_time"), `only antipassback = "timed" has a time, and this zone's is %q`, f.Antipassback)
	}
	switch {
	case counts:
		z.Forgive = orDefault(f.Forgive, DefaultForgive)
	case f.Forgive != nil:
		b.doc.RejectKey(path.With("forgive"), `only antipassback = "soft" or "hard" and occupancy ask who is inside: this zone's antipassback is %q, and it has no occupancy`, f.Antipassback)
	}
	if f.Outside {
		reject := func(key string, set bool) {
			if set {
				b.doc.RejectKey(path.With(key), "this zone is outside: nobody is counted there, and it is no part of another")
			}
		}
		reject("within", f.Within != "")
		reject("antipassback", f.Antipassback != AntipassbackNone)
		reject("occupancy", f.Occupancy != 0)
	}
	return z
}

// within holds a zone's parents to a tree.
func (b *builder) within(p *Policy, z *Zone) {
	if z.Within == "" {
		return
	}
	path := strict.Path{"zones", z.Name, "within"}
	parent := p.Zones[z.Within]
	if parent == nil {
		b.zones.check(b.doc, path, z.Within)
		z.Within = ""
		return
	}
	if parent.Outside {
		b.doc.Reject(path, "%q is outside: a zone within it would be, too", parent.Name)
	}
	chain := []string{z.Name}
	for up := parent; up != nil; up = p.Zones[up.Within] {
		switch {
		case up == z:
			b.doc.Reject(path, "a zone cannot lie within itself: %s", strings.Join(append(chain, up.Name), " within "))
		case len(chain) == maxWithin:
			b.doc.Reject(path, "more than %d zones within each other", maxWithin)
		case slices.Contains(chain, up.Name): // a circle further up, which has its own error
		default:
			chain = append(chain, up.Name)
			continue
		}
		z.Within = "" // one error for each circle, and no walk without end
		return
	}
}

// borders finds, for each zone, the doors that lead over its border, sorted by
// name: those with one side inside it and the other not.
func (p *Policy) borders() map[string][]*Door {
	borders := make(map[string][]*Door, len(p.Zones))
	for _, name := range sortedKeys(p.Doors) {
		d := p.Doors[name]
		for z := p.Zones[d.From]; z != nil; z = p.Zones[z.Within] {
			if !p.Inside(z.Name, d.To) {
				borders[z.Name] = append(borders[z.Name], d)
			}
		}
		for z := p.Zones[d.To]; z != nil; z = p.Zones[z.Within] {
			if !p.Inside(z.Name, d.From) {
				borders[z.Name] = append(borders[z.Name], d)
			}
		}
	}
	return borders
}

// enforceable finds which gateways see a zone's border, turns hard anti-passback
// into soft where no gateway by itself knows who is inside, and says what else the
// people at a zone's doors get around.
func (b *builder) enforceable(p *Policy) {
	borders := p.borders()
	for _, name := range sortedKeys(p.Zones) {
		z := p.Zones[name]
		gateways, homes := map[string]bool{}, []string(nil)
		for _, d := range borders[name] {
			gateways[d.Gateway] = true
			if d.Home {
				homes = append(homes, d.Name)
			}
		}
		z.Shared = len(gateways) > 1
		if !z.Counts() {
			continue
		}
		rule := strict.Path{"zones", name, "antipassback"}
		if z.Shared {
			hang := fmt.Sprintf("this zone's doors hang on gateways %s", some(sortedKeys(gateways)))
			switch z.Antipassback {
			case AntipassbackHard:
				z.Antipassback = AntipassbackSoft
				b.note(rule, "taken as soft: %s, and none of them alone knows who is inside", hang)
			case AntipassbackTimed:
				b.note(rule, "%s: while they cannot reach each other, each counts the time by itself", hang)
			}
			if z.Occupancy > 0 {
				b.note(strict.Path{"zones", name, "occupancy"}, "%s: while they cannot reach each other, each counts people by itself", hang)
			}
		}
		if len(homes) > 0 {
			key := "antipassback"
			if z.Antipassback == AntipassbackNone {
				key = "occupancy"
			}
			b.note(strict.Path{"zones", name, key}, "the people of a home are let in whatever this says, by %s", some(homes))
		}
	}
}
