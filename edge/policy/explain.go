package policy

import (
	"fmt"
	"strings"
	"time"

	"tombolo/edge/schedule"
	"tombolo/edge/strict"
)

// Explain says in words what p does: what holds for the node as a whole where
// it differs from the defaults, then door by door and in alphabetical order.
// It is what a steward reads before signing. The same policy gives the same
// text.
func Explain(p *Policy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Node %s, policy version %d, hash %x\n", p.Node, p.Version, p.hash)
	explainTimes(&b, p)
	explainZones(&b, p)
	explainInterlocks(&b, p)
	explainPeople(&b, p)
	explainFeedback(&b, p)
	explainCensus(&b, p)
	for _, name := range sortedKeys(p.Doors) {
		b.WriteString("\n")
		explainDoor(&b, p, p.Doors[name])
	}
	return b.String()
}

func explainTimes(b *strings.Builder, p *Policy) {
	if len(p.Schedules) == 2 && p.Location == time.UTC {
		return
	}
	fmt.Fprintf(b, "\nTimes are those of %s.\n", p.Location)
	for _, name := range sortedKeys(p.Calendars) {
		var days []string
		for _, d := range p.Calendars[name].Days {
			days = append(days, d.Words())
		}
		fmt.Fprintf(b, "  Calendar %s: %s.\n", name, strings.Join(days, ", "))
	}
	for _, name := range sortedKeys(p.Schedules) {
		if name != always && name != never {
			fmt.Fprintf(b, "  Schedule %s: %s.\n", name, p.Schedules[name].Words())
		}
	}
}

func explainZones(b *strings.Builder, p *Policy) {
	head := "\nZones:\n"
	for _, name := range sortedKeys(p.Zones) {
		z := p.Zones[name]
		var says []string
		if z.Within != "" {
			says = append(says, "a part of "+z.Within)
		}
		switch z.Antipassback {
		case AntipassbackSoft:
			says = append(says, fmt.Sprintf("whoever enters twice without leaving is let in and recorded, for %s after the entry", strict.Duration(z.Forgive)))
		case AntipassbackHard:
			says = append(says, fmt.Sprintf("whoever is inside is not let in again before leaving, for %s after the entry", strict.Duration(z.Forgive)))
		case AntipassbackTimed:
			says = append(says, fmt.Sprintf("nobody is let in twice within %s", strict.Duration(z.AntipassbackTime)))
		}
		if z.Occupancy > 0 {
			says = append(says, fmt.Sprintf("nobody is let in while %s inside", people(z.Occupancy)))
			if z.Antipassback == AntipassbackNone || z.Antipassback == AntipassbackTimed {
				says = append(says, fmt.Sprintf("whoever was not seen leaving counts as inside for %s after the entry", strict.Duration(z.Forgive)))
			}
		}
		if says != nil {
			fmt.Fprintf(b, "%s  %s: %s.\n", head, name, strings.Join(says, "; "))
			head = ""
		}
	}
}

func people(n int) string {
	if n == 1 {
		return "1 person is"
	}
	return fmt.Sprintf("%d people are", n)
}

func explainInterlocks(b *strings.Builder, p *Policy) {
	head := "\nInterlocks:\n"
	for _, name := range sortedKeys(p.Interlocks) {
		fmt.Fprintf(b, "%s  %s: of %s, none opens for an entry while another is open or unlocked; the way out always opens.\n",
			head, name, words(p.Interlocks[name].Doors))
		head = ""
	}
}

// explainPeople says what holds of some people at every door, and of PINs.
func explainPeople(b *strings.Builder, p *Policy) {
	head := "\nPeople:\n"
	say := func(who string, a Attributes) {
		var says []string
		for _, s := range [...]struct {
			has  bool
			says string
		}{
			{a.Extended, "get the longer times"}, {a.Escort, "may escort others"}, {a.Escorted, "enter only with an escort"},
		} {
			if s.has {
				says = append(says, s.says)
			}
		}
		if says != nil {
			fmt.Fprintf(b, "%s  %s: %s.\n", head, who, strings.Join(says, "; "))
			head = ""
		}
	}
	for _, c := range sortedKeys(p.Classes) {
		say("Class "+c, p.Classes[c].Attributes)
	}
	for _, n := range sortedKeys(p.Passports) {
		say(fmt.Sprintf("Passport %d", n), p.Passports[n].Attributes)
	}
	pins := p.Lockout != Lockout{DefaultLockoutAfter, DefaultLockoutFor}
	for _, d := range p.Doors {
		pins = pins || !d.Pin.Never()
	}
	if pins {
		fmt.Fprintf(b, "%s  After %d wrong PINs in a row a passport is refused for %s.\n", head, p.Lockout.After, strict.Duration(p.Lockout.For))
	}
}

func explainFeedback(b *strings.Builder, p *Policy) {
	head := "\nReaders show:\n"
	usual := DefaultFeedback()
	for s := SignalGranted; s <= SignalKey; s++ {
		if text := p.Feedback[s].String(); text != usual[s].String() {
			fmt.Fprintf(b, "%s  %s: %s.\n", head, strings.ReplaceAll(s.String(), "_", " "), text)
			head = ""
		}
	}
}

// explainCensus says what of the number of people leaves the node, where that is
// not what it is by itself.
func explainCensus(b *strings.Builder, p *Policy) {
	switch p.Census.Occupancy {
	case PublishNever:
		b.WriteString("\nCensus:\n  How many are in a zone never leaves the node.\n")
	case PublishAlways:
		b.WriteString("\nCensus:\n  How many are in each zone is published, rounded to tens, also when few or none are there.\n")
	}
}

// during is the time of a schedule in a sentence; its words stand above all
// doors.
func during(s *schedule.Schedule) string {
	switch {
	case s.Name() == always:
		return ""
	case s.Name() == never:
		return never
	}
	return "during " + s.Name()
}

// words is `a, b and c`.
func words(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " and " + list[last]
}
