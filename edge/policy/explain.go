package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tombolo/edge/strict"
)

// Explain says in words what p does, door by door and in alphabetical order:
// what a steward reads before signing. The same policy gives the same text.
func Explain(p *Policy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Node %s, policy version %d, hash %x\n", p.Node, p.Version, p.hash)
	for _, name := range slices.Sorted(maps.Keys(p.Doors)) {
		b.WriteString("\n")
		explainDoor(&b, p, p.Doors[name])
	}
	return b.String()
}

func explainDoor(b *strings.Builder, p *Policy, d *Door) {
	fmt.Fprintf(b, "Door %s: from %s to %s, driven by gateway %s\n", d.Name, zoneWords(p, d.From), zoneWords(p, d.To), d.Gateway)
	b.WriteString("  Opens for:\n")
	for _, who := range openers(p, d) {
		fmt.Fprintf(b, "    %s\n", who)
	}
	fmt.Fprintf(b, "  Unlocks for %s; open for more than %s is reported.\n", strict.Duration(d.Strike), strict.Duration(d.HeldOpen))
	fmt.Fprintf(b, "  Codes: %s.\n", [...]string{
		CodesNode: "those made for the node or for this door",
		CodesDoor: "only those made for this door",
		CodesNone: "none; cards and phones by tap only",
	}[d.Codes])
	then := "nobody is let in but a home's people"
	switch {
	case d.Stale == StaleAllow:
		then = "it goes on with the roster that it has"
	case !d.Home:
		then = "nobody is let in"
	}
	fmt.Fprintf(b, "  Roster older than %s: %s.\n", strict.Duration(d.MaxAge), then)
	if d.RecordFirst {
		b.WriteString("  The record is on disk before the lock moves.\n")
	}
	rex := "the button also unlocks"
	if d.Rex == RexShunt {
		rex = "the sensor only keeps it from counting as forced"
	}
	fmt.Fprintf(b, "  Way out: always, mechanical, without power; %s.\n", rex)
}

func zoneWords(p *Policy, zone string) string {
	if p.Zones[zone].Outside {
		return zone + " (outside)"
	}
	return zone
}

// openers are the lines under "Opens for", homes first, then classes, then
// passports by number.
func openers(p *Policy, d *Door) []string {
	var who []string
	if d.Home {
		who = append(who, "the people of this home, by tap, whatever else holds")
	}
	through := func(levels []string) []string {
		var with []string
		for _, l := range levels {
			if _, ok := slices.BinarySearch(p.Levels[l].Doors, d.Name); ok {
				with = append(with, l)
			}
		}
		return with
	}
	for _, c := range slices.Sorted(maps.Keys(p.Classes)) {
		if with := through(p.Classes[c].Levels); with != nil {
			who = append(who, fmt.Sprintf("class %s (level %s)", c, strings.Join(with, ", ")))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(p.Passports)) {
		if with := through(p.Passports[n]); with != nil {
			who = append(who, fmt.Sprintf("passport %d (level %s)", n, strings.Join(with, ", ")))
		}
	}
	if who == nil {
		who = append(who, "nobody")
	}
	return who
}
