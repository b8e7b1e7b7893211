package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"tombolo/edge/schedule"
	"tombolo/edge/strict"
)

// warn notes what is lawful but probably not meant.
func (b *builder) warn(p *Policy) {
	b.warnTimes(p)
	b.warnZones(p)
	b.warnDoors(p)
	b.warnGrants(p)
	b.warnCensus(p)
	if slices.Equal(p.Feedback[SignalGranted].seen(false), p.Feedback[SignalDenied].seen(false)) {
		b.note(strict.Path{"feedback"}, "granted and denied differ by colour alone: not everybody can tell them apart")
	}
	slices.SortFunc(b.warnings, func(x, y strict.Error) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column), cmp.Compare(x.Key, y.Key), cmp.Compare(x.Msg, y.Msg))
	})
	p.Warnings = b.warnings
}

func (b *builder) warnTimes(p *Policy) {
	used, days := map[*schedule.Schedule]bool{}, map[*schedule.Calendar]bool{}
	for _, l := range p.Levels {
		used[l.Schedule] = true
	}
	for _, d := range p.Doors {
		used[d.Unlock], used[d.Pin] = true, true
	}
	for name, s := range p.Schedules {
		path := strict.Path{"schedules", name}
		for i, sp := range s.Special() {
			days[sp.Calendar] = true
			for _, other := range s.Special()[:i] {
				if slices.Equal(sp.Hours, other.Hours) {
					continue
				}
				if day, ok := schedule.Shared(sp.Calendar, other.Calendar); ok {
					b.note(path.With("special"), "%s is in both calendars %s and %s: the fewer hours count", day, other.Calendar.Name, sp.Calendar.Name)
				}
			}
		}
		switch {
		case name == always || name == never:
		case !used[s]:
			b.note(path, "no level and no door has this schedule")
		case s.Never():
			b.note(path, "this schedule has no hours at all")
		}
	}
	for name, c := range p.Calendars {
		if !days[c] {
			b.note(strict.Path{"calendars", name}, "no schedule has special hours for these days")
		}
	}
}

func (b *builder) warnZones(p *Policy) {
	led, outside := map[string]bool{}, false
	for _, d := range p.Doors {
		for _, side := range [...]string{d.From, d.To} {
			for z := p.Zones[side]; z != nil && !led[z.Name]; z = p.Zones[z.Within] {
				led[z.Name] = true
			}
		}
	}
	for _, z := range p.Zones {
		outside = outside || z.Outside
		if !led[z.Name] {
			b.note(strict.Path{"zones", z.Name}, "no door leads to or from this zone")
		}
	}
	if !outside {
		b.note(strict.Path{"zones"}, "no zone is marked outside = true, so nobody ever counts as having left")
		return
	}
	exits := p.exits()
	for _, d := range p.Doors {
		for _, side := range [...]string{d.From, d.To} {
			if !exits[side] {
				exits[side] = true // once
				b.note(strict.Path{"zones", side}, "no way through the doors leads from here to a zone that is outside: nobody can be seen leaving")
			}
		}
	}
}

// exits are the zones from which doors lead outside. A door lets people out
// both ways, whichever way is its entry.
func (p *Policy) exits() map[string]bool {
	next := map[string][]string{}
	for _, d := range p.Doors {
		next[d.From] = append(next[d.From], d.To)
		next[d.To] = append(next[d.To], d.From)
	}
	exits, todo := map[string]bool{}, []string(nil)
	for _, z := range p.Zones {
		if z.Outside {
			exits[z.Name] = true
			todo = append(todo, z.Name)
		}
	}
	for len(todo) > 0 {
		zone := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, z := range next[zone] {
			if !exits[z] {
				exits[z] = true
				todo = append(todo, z)
			}
		}
	}
	return exits
}

func (b *builder) warnDoors(p *Policy) {
	everybody := p.everybody()
	opened := p.grants.opened()
	for _, d := range p.Doors {
		note := func(key, format string, args ...any) { b.note(strict.Path{"doors", d.Name, key}, format, args...) }
		if !d.Home && d.Unlock.Never() && !opened.has(p.grants.doors[d.Name]) {
			b.note(strict.Path{"doors", d.Name}, "no class and no passport may open this door")
		}
		if d.HeldOpen < d.Strike {
			note("held_open", "held open is reported after %s, before the lock's %s are over", strict.Duration(d.HeldOpen), strict.Duration(d.Strike))
		} else if d.ExtendedHeldOpen < d.ExtendedStrike {
			note("extended_held_open", "held open is reported after %s, before the lock's %s are over",
				strict.Duration(d.ExtendedHeldOpen), strict.Duration(d.ExtendedStrike))
		} else if d.PreAlarm > 0 && d.HeldOpen-d.PreAlarm < d.Strike {
			note("pre_alarm", "people are warned after %s, before the lock's %s are over", strict.Duration(d.HeldOpen-d.PreAlarm), strict.Duration(d.Strike))
		}
		unlocks := !d.Unlock.Never()
		switch {
		case d.FirstIn && !unlocks:
			note("first_in", "only a scheduled unlock waits for the first person, and this door has none")
		case d.FirstIn && d.Unlock.Always():
			note("first_in", "the schedule has no end: the first person unlocks this door for good")
		case unlocks && d.Home:
			note("unlock", "a home's door stands unlocked for anybody, by schedule %s", d.Unlock.Name())
		}
		if unlocks && !d.Pin.Never() {
			note("pin", "nobody is asked for a PIN while the door is unlocked by schedule %s", d.Unlock.Name())
		}
		if unlocks && d.TwoPerson {
			note("two_person", "nobody needs company while the door is unlocked by schedule %s", d.Unlock.Name())
		}
		if unlocks {
			for z := p.Zones[d.To]; z != nil; z = p.Zones[z.Within] {
				if (z.Antipassback != AntipassbackNone || z.Occupancy > 0) && !p.Inside(z.Name, d.From) {
					note("unlock", "zone %s counts who enters, and nobody is counted who walks in while the door is unlocked by schedule %s", z.Name, d.Unlock.Name())
				}
			}
		}
		if d.TwoPerson {
			for z := p.Zones[d.To]; z != nil; z = p.Zones[z.Within] {
				if z.Occupancy == 1 && !p.Inside(z.Name, d.From) {
					note("two_person", "two persons enter together, and zone %s takes one", z.Name)
				}
			}
		}
		if d.CompanyTime != DefaultCompanyTime && !d.TwoPerson && !everybody.Escorted {
			note("company_time", "nobody needs company here: this door is not two_person, and no class or passport is escorted")
		}
		if d.Operator == OperatorExtended && !everybody.Extended {
			note("operator", "no class and no passport is extended: the operator never swings")
		}
	}
}

// everybody has each attribute that somebody has.
func (p *Policy) everybody() (all Attributes) {
	add := func(a Attributes) {
		all = Attributes{all.Extended || a.Extended, all.Escort || a.Escort, all.Escorted || a.Escorted}
	}
	for _, c := range p.Classes {
		add(c.Attributes)
	}
	for _, g := range p.Passports {
		add(g.Attributes)
	}
	return all
}

func (b *builder) warnGrants(p *Policy) {
	used, alone := map[string]bool{}, !p.everybody().Escort
	escorted := func(path strict.Path, a Attributes) {
		if a.Escorted && alone {
			b.note(path.With("escorted"), "no class and no passport escorts: nobody can bring these people in")
		}
	}
	for _, c := range p.Classes {
		mark(used, c.Levels)
		escorted(strict.Path{"classes", c.Name}, c.Attributes)
	}
	for n, g := range p.Passports {
		mark(used, g.Levels)
		escorted(strict.Path{"passports", strconv.FormatUint(n, 10)}, g.Attributes)
	}
	homes := p.homes()
	for _, l := range p.Levels {
		if l.All && len(homes) > 0 && used[l.Name] {
			b.note(strict.Path{"levels", l.Name, "doors"}, `"*" includes homes: whoever has this level may open %s`, strings.Join(homes, ", "))
		}
		if !used[l.Name] {
			b.note(strict.Path{"levels", l.Name}, "no class and no passport has this level: only guest passes can open its doors")
		} else if l.Schedule == p.Schedules[never] {
			b.note(strict.Path{"levels", l.Name, "schedule"}, "this level never opens anything")
		}
	}
}

// homes are the doors that people live behind, sorted; at most ten of them,
// then "…".
func (p *Policy) homes() []string {
	var homes []string
	for _, name := range sortedKeys(p.Doors) {
		if !p.Doors[name].Home {
			continue
		}
		if len(homes) == 10 {
			return append(homes, "…")
		}
		homes = append(homes, name)
	}
	return homes
}
