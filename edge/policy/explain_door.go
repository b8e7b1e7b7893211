package policy

import (
	"fmt"
	"slices"
	"strings"

	"tombolo/edge/strict"
)

func explainDoor(b *strings.Builder, p *Policy, d *Door) {
	line := func(format string, args ...any) { fmt.Fprintf(b, "  "+format+"\n", args...) }
	fmt.Fprintf(b, "Door %s: from %s to %s, driven by gateway %s\n", d.Name, zoneWords(p, d.From), zoneWords(p, d.To), d.Gateway)
	b.WriteString("  Opens for:\n")
	for _, who := range openers(p, d) {
		fmt.Fprintf(b, "    %s\n", who)
	}
	explainEntry(line, d)
	line("Unlocks for %s; open for more than %s is reported.", strict.Duration(d.Strike), strict.Duration(d.HeldOpen))
	if p.everybody().Extended || d.ExtendedStrike != min(3*d.Strike, maxStrike) || d.ExtendedHeldOpen != min(3*d.HeldOpen, maxHeldOpen) {
		line("For those who need longer: unlocks for %s; open for more than %s is reported.", strict.Duration(d.ExtendedStrike), strict.Duration(d.ExtendedHeldOpen))
	}
	if d.PreAlarm > 0 {
		line("People are warned %s before it is reported.", strict.Duration(d.PreAlarm))
	}
	switch d.Relock {
	case RelockOpen:
		line("Locks again as soon as it was opened.")
	case RelockClose:
		line("Locks again as soon as it was opened and closed.")
	}
	switch d.Operator {
	case OperatorExtended:
		line("An operator swings it for those who need longer only.")
	case OperatorNever:
		line("An operator never swings it.")
	}
	line("Codes: %s.", [...]string{
		CodesNode: "those made for the node or for this door",
		CodesDoor: "only those made for this door",
		CodesNone: "none; cards and phones by tap only",
	}[d.Codes])
	switch d.Clock {
	case TrustRTC:
		line("Codes and hours count only by a clock that a battery kept or the network set.")
	case TrustNTP:
		line("Codes and hours count only by a clock that the network set.")
	}
	then := "nobody is let in but a home's people"
	switch {
	case d.Stale == StaleAllow:
		then = "it goes on with the roster that it has"
	case !d.Home:
		then = "nobody is let in"
	}
	line("Roster older than %s: %s.", strict.Duration(d.MaxAge), then)
	if d.RecordFirst {
		line("The record is on disk before the lock moves.")
	}
	if d.FireRelease {
		line("A fire alarm unlocks it, and it stays unlocked until the alarm ends.")
	}
	rex := "the button also unlocks"
	if d.Rex == RexShunt {
		rex = "the sensor only keeps it from counting as forced"
	}
	line("Way out: always, mechanical, without power; %s.", rex)
}

// explainEntry says what an entry needs beside a level, and when it needs
// nothing.
func explainEntry(line func(string, ...any), d *Door) {
	if !d.Unlock.Never() {
		when := during(d.Unlock)
		if when == "" {
			when = "always"
		}
		first := ""
		if d.FirstIn {
			first = ", once somebody was let in during that time"
		}
		line("Unlocked for everybody %s%s.", when, first)
	}
	if !d.Pin.Never() {
		line("Asks for a PIN too%s.", lead(" ", during(d.Pin)))
	}
	if d.TwoPerson {
		line("Opens for two persons only, the second within %s.", strict.Duration(d.CompanyTime))
	} else if d.CompanyTime != DefaultCompanyTime {
		line("Waits %[1]s for an escort, who brings in whoever presents within %[1]s.", strict.Duration(d.CompanyTime))
	}
	if len(d.Partners) > 0 {
		verb := "is"
		if len(d.Partners) > 1 {
			verb = "are"
		}
		line("Does not open for an entry before %s %s shut (interlock %s).", words(d.Partners), verb, words(d.Interlocks))
	}
}

// lead puts a space before what is not empty.
func lead(space, s string) string {
	if s == "" {
		return ""
	}
	return space + s
}

func zoneWords(p *Policy, zone string) string {
	if p.Zones[zone].Outside {
		return zone + " (outside)"
	}
	return zone
}

// openers are the lines under "Opens for", homes first, then classes, then
// passports by number; levels that hold at the same times stand together.
func openers(p *Policy, d *Door) []string {
	var who []string
	if d.Home {
		who = append(who, "the people of this home, by tap, whatever else holds")
	}
	through := func(name string, levels []string) {
		with, order := map[string][]string{}, []string(nil)
		for _, n := range levels {
			l := p.Levels[n]
			if _, ok := slices.BinarySearch(l.Doors, d.Name); !ok {
				continue
			}
			when := lead(", ", during(l.Schedule))
			if l.DuringLockdown {
				when += ", also in a lockdown"
			}
			if with[when] == nil {
				order = append(order, when)
			}
			with[when] = append(with[when], n)
		}
		for _, when := range order {
			who = append(who, fmt.Sprintf("%s (level %s)%s", name, strings.Join(with[when], ", "), when))
		}
	}
	for _, c := range sortedKeys(p.Classes) {
		through("class "+c, p.Classes[c].Levels)
	}
	for _, n := range sortedKeys(p.Passports) {
		through(fmt.Sprintf("passport %d", n), p.Passports[n].Levels)
	}
	if who == nil {
		who = append(who, "nobody")
	}
	return who
}
