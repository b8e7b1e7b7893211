package policy

import (
	"fmt"
	"maps"
	"slices"
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
	// NoLevel: neither the class nor the passport has a level with this door.
	NoLevel
	// Granted: one of them has.
	Granted
)

func (g Grant) String() string {
	switch g {
	case UnknownDoor:
		return "unknown door"
	case UnknownClass:
		return "unknown class"
	case NoLevel:
		return "no level for this door"
	case Granted:
		return "granted"
	}
	return fmt.Sprintf("unknown (%d)", uint8(g))
}

// grants is who may open what, compiled: a bit for each door, doors numbered
// in alphabetical order.
type grants struct {
	doors     map[string]uint
	classes   map[string]bitset
	passports map[uint64]bitset
}

type bitset []uint64

func (s bitset) has(i uint) bool { return i/64 < uint(len(s)) && s[i/64]>>(i%64)&1 == 1 }
func (s bitset) add(i uint)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) or(t bitset) {
	for i := range t {
		s[i] |= t[i]
	}
}

// Allows tells whether a passport of a class may open a door by its levels. It
// knows nothing of homes, bars, suspensions, time or age. It allocates
// nothing.
func (p *Policy) Allows(door, class string, passport uint64) Grant {
	i, ok := p.grants.doors[door]
	if !ok {
		return UnknownDoor
	}
	byClass, known := p.grants.classes[class]
	own, hasOwn := p.grants.passports[passport]
	switch {
	case byClass.has(i) || own.has(i):
		return Granted
	case !known && !hasOwn:
		return UnknownClass
	}
	return NoLevel
}

func (p *Policy) compile() {
	g := grants{
		doors:     make(map[string]uint, len(p.Doors)),
		classes:   make(map[string]bitset, len(p.Classes)),
		passports: make(map[uint64]bitset, len(p.Passports)),
	}
	for i, name := range slices.Sorted(maps.Keys(p.Doors)) {
		g.doors[name] = uint(i)
	}
	words := (len(p.Doors) + 63) / 64
	every := make(bitset, words)
	for i := range g.doors {
		every.add(g.doors[i])
	}
	levels := make(map[string]bitset, len(p.Levels))
	for _, l := range p.Levels {
		if l.All {
			levels[l.Name] = every
			continue
		}
		set := make(bitset, words)
		for _, d := range l.Doors {
			set.add(g.doors[d])
		}
		levels[l.Name] = set
	}
	union := func(names []string) bitset {
		set := make(bitset, words)
		for _, n := range names {
			set.or(levels[n])
		}
		return set
	}
	for _, c := range p.Classes {
		g.classes[c.Name] = union(c.Levels)
	}
	for n, names := range p.Passports {
		g.passports[n] = union(names)
	}
	p.grants = g
}

// opened are the doors that somebody's level opens.
func (g *grants) opened() bitset {
	set := make(bitset, (len(g.doors)+63)/64)
	for _, s := range g.classes {
		set.or(s)
	}
	for _, s := range g.passports {
		set.or(s)
	}
	return set
}
