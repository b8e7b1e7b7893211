package policy

import (
	"fmt"
	"time"

	"tombolo/edge/schedule"
)

// Grant is what a policy says of one passport at one door.
type Grant uint8

// The zero value does not open. The numbers are not stored anywhere; add new
// ones at the end.
const (
	// UnknownDoor: the policy has no such door.
	UnknownDoor Grant = iota
	// UnknownClass: the policy does not know the class, and grants the
	// passport nothing of its own.
	UnknownClass
	// NoLevel: there is no level with this door.
	NoLevel
	// Granted: there is one, now.
	Granted
	// OutsideHours: there is one, but not at this hour.
	OutsideHours
	// NoClock: there is one, but it has hours and nobody knows the time.
	NoClock
	// LockedDown: there is one now, but none that opens in a lockdown.
	LockedDown
)

var grantNames = []string{
	UnknownDoor:  "unknown door",
	UnknownClass: "unknown class",
	NoLevel:      "no level for this door",
	Granted:      "granted",
	OutsideHours: "outside the hours of the levels for this door",
	NoClock:      "levels for this door have hours, and the time is unknown",
	LockedDown:   "no level for this door in a lockdown",
}

func (g Grant) String() string {
	if int(g) < len(grantNames) {
		return grantNames[g]
	}
	return fmt.Sprintf("unknown (%d)", uint8(g))
}

// Ask is a question to the policy.
type Ask struct {
	Door      string
	Class     string
	Passport  uint64
	Now       time.Time
	TimeKnown bool // without it only levels that hold always count
	Lockdown  bool // only levels that open in a lockdown count
}

// Allows tells whether a passport of a class may open a door by its levels. It
// knows nothing of homes, bars, suspensions, or how old the roster is. It
// allocates nothing.
func (p *Policy) Allows(a Ask) Grant {
	door, ok := p.grants.doors[a.Door]
	if !ok {
		return UnknownDoor
	}
	byClass, known := p.grants.classes[a.Class]
	own, hasOwn := p.grants.passports[a.Passport]
	if !known && !hasOwn {
		return UnknownClass
	}
	best := NoLevel
	for _, rules := range [...][]rule{byClass, own} {
		for i := range rules {
			if best = better(best, rules[i].grant(door, a)); best == Granted {
				return Granted
			}
		}
	}
	return best
}

// LevelsAllow is Allows for somebody who has just these levels, a guest for
// one: the question's class and passport do not count. A level that the policy
// does not know opens nothing.
func (p *Policy) LevelsAllow(levels []string, a Ask) Grant {
	door, ok := p.grants.doors[a.Door]
	if !ok {
		return UnknownDoor
	}
	best := NoLevel
	for _, name := range levels {
		if r, ok := p.grants.levels[name]; ok {
			best = better(best, r.grant(door, a))
		}
	}
	return best
}

// better is what several levels say together: whatever comes nearest to a
// grant.
func better(a, b Grant) Grant {
	rank := [...]uint8{NoLevel: 0, OutsideHours: 1, NoClock: 2, LockedDown: 3, Granted: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// grants is who may open what, compiled: a bit for each door, doors numbered
// in alphabetical order.
type grants struct {
	doors     map[string]uint
	levels    map[string]rule
	classes   map[string][]rule
	passports map[uint64][]rule
}

// rule is the doors of one or more levels that hold at the same times.
type rule struct {
	terms
	doors bitset
}

// terms is when a level holds.
type terms struct {
	schedule *schedule.Schedule
	lockdown bool // also then
}

func (r *rule) grant(door uint, a Ask) Grant {
	switch {
	case !r.doors.has(door):
		return NoLevel
	case !r.schedule.Always():
		if !a.TimeKnown {
			return NoClock
		}
		if open, _ := r.schedule.At(a.Now); !open {
			return OutsideHours
		}
	}
	if a.Lockdown && !r.lockdown {
		return LockedDown
	}
	return Granted
}

type bitset []uint64

func (s bitset) has(i uint) bool { return i/64 < uint(len(s)) && s[i/64]>>(i%64)&1 == 1 }
func (s bitset) add(i uint)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) or(t bitset) {
	for i := range t {
		s[i] |= t[i]
	}
}

func (p *Policy) compile() {
	g := grants{
		doors:     make(map[string]uint, len(p.Doors)),
		levels:    make(map[string]rule, len(p.Levels)),
		classes:   make(map[string][]rule, len(p.Classes)),
		passports: make(map[uint64][]rule, len(p.Passports)),
	}
	for i, name := range sortedKeys(p.Doors) {
		g.doors[name] = uint(i)
	}
	words := (len(p.Doors) + 63) / 64
	every := make(bitset, words)
	for _, i := range g.doors {
		every.add(i)
	}
	for _, l := range p.Levels {
		set := every
		if !l.All {
			set = make(bitset, words)
			for _, d := range l.Doors {
				set.add(g.doors[d])
			}
		}
		g.levels[l.Name] = rule{terms{l.Schedule, l.DuringLockdown}, set}
	}
	for _, c := range p.Classes {
		g.classes[c.Name] = g.rules(c.Levels)
	}
	for n, own := range p.Passports {
		g.passports[n] = g.rules(own.Levels)
	}
	p.grants = g
}

// rules are those of levels, with one rule for all that hold at the same times.
func (g *grants) rules(levels []string) []rule {
	rules := make([]rule, 0, len(levels))
	shared := make(map[terms]int, len(levels))
	for _, name := range levels {
		l := g.levels[name]
		i, ok := shared[l.terms]
		if !ok {
			shared[l.terms] = len(rules)
			rules = append(rules, l)
			continue
		}
		set := make(bitset, len(l.doors))
		set.or(rules[i].doors)
		set.or(l.doors)
		rules[i].doors = set
	}
	return rules
}

// opened are the doors that somebody's level opens at some time.
func (g *grants) opened() bitset {
	set := make(bitset, (len(g.doors)+63)/64)
	add := func(rules []rule) {
		for _, r := range rules {
			if !r.schedule.Never() {
				set.or(r.doors)
			}
		}
	}
	for _, r := range g.classes {
		add(r)
	}
	for _, r := range g.passports {
		add(r)
	}
	return set
}
