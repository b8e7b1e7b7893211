package panel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tombolo/edge/policy"
)

// simText is a policy as it is written: tables of lines, so that one line of it
// can be changed.
type simText struct {
	version int
	tables  []simTable
}

type simTable struct {
	name  string
	lines []simLine
}

type simLine struct{ key, value string }

func (x *simText) table(name string) *simTable {
	i := slices.IndexFunc(x.tables, func(t simTable) bool { return t.name == name })
	if i < 0 {
		x.tables = append(x.tables, simTable{name: name})
		i = len(x.tables) - 1
	}
	return &x.tables[i]
}

func (x *simText) set(table, key, value string) {
	t := x.table(table)
	t.lines = slices.DeleteFunc(t.lines, func(l simLine) bool { return l.key == key })
	t.lines = append(t.lines, simLine{key, value})
}

// with is the text with one line changed; it is the text itself where there is
// no such table.
func (x simText) with(table, key, value string) simText {
	out := simText{version: x.version}
	for _, t := range x.tables {
		out.tables = append(out.tables, simTable{t.name, slices.Clone(t.lines)})
	}
	if slices.ContainsFunc(x.tables, func(t simTable) bool { return t.name == table }) {
		out.set(table, key, value)
	}
	return out
}

func (x simText) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "version = %d\nnode = \"casa\"\ntimezone = \"Europe/Lisbon\"\n", x.version)
	for _, t := range x.tables {
		fmt.Fprintf(&b, "[%s]\n", t.name)
		for _, l := range t.lines {
			fmt.Fprintf(&b, "%s = %s\n", l.key, l.value)
		}
	}
	return b.String()
}

func (x simText) parse(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(x.String()))
	if err != nil {
		t.Fatalf("a generated policy is not lawful: %v\n%s", err, x)
	}
	return p
}

var (
	simZones     = []string{"street", "house", "yard", "lab", "vault", "attic"}
	simSchedules = []string{"office", "night", "often"}
	simLevels    = []string{"common", "inner", "firefighters", "hours"}
	simClasses   = []string{"resident", "visitor", "steward", "minor"}
)

func quoted(names []string) string { return `["` + strings.Join(names, `", "`) + `"]` }

// simDice draws lots for a policy.
type simDice struct{ *rand.Rand }

func (d simDice) one(of ...string) string { return of[d.IntN(len(of))] }

// word is one of several, quoted.
func (d simDice) word(of ...string) string { return `"` + d.one(of...) + `"` }

// in is true once in so many.
func (d simDice) in(n int) bool { return d.IntN(n) == 0 }

func (d simDice) some(of []string) []string {
	var out []string
	for _, s := range of {
		if d.in(2) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		out = append(out, d.one(of...))
	}
	return out
}

// simPolicy makes a policy of the doors, with every feature in some mixture.
func simPolicy(r *rand.Rand, version int, doors []string) simText {
	d, x := simDice{r}, simText{version: version}
	if d.in(2) {
		x.set("roster", "max_age", d.word("10m", "2h", "3d"))
	}
	x.set("calendars.feasts", "days", d.one(`["*-12-25"]`, `["2026-03-28..2026-03-30"]`))
	x.set("schedules.office", "week", `["mon-fri 08:00-18:00"]`)
	x.set("schedules.office", "special", `{ feasts = ["10:00-12:00"] }`)
	x.set("schedules.night", "week", `["daily 22:00-06:00"]`)
	var often []string
	for h := range 24 {
		often = append(often, fmt.Sprintf("daily %02d:10-%02d:20", h, h), fmt.Sprintf("daily %02d:40-%02d:50", h, h))
	}
	x.set("schedules.often", "week", quoted(often))
	d.zones(&x)
	interlocked, homes := d.doors(&x, doors)
	if len(interlocked) > 1 {
		x.set("interlocks.lock", "doors", quoted(interlocked))
	}
	d.people(&x, doors, homes)
	if d.in(2) {
		x.set("lockout", "after", d.one("1", "2", "3"))
		x.set("lockout", "for", d.word("10s", "1m", "10m"))
	}
	return x
}

func (d simDice) zones(x *simText) {
	x.set("zones.street", "outside", "true")
	for _, z := range simZones[1:] {
		table := "zones." + z
		x.set(table, "outside", "false")
		switch z {
		case "yard", "lab":
			x.set(table, "within", `"house"`)
		case "vault":
			x.set(table, "within", `"lab"`)
		}
		switch d.IntN(5) {
		case 0:
			x.set(table, "antipassback", `"soft"`)
		case 1, 2:
			x.set(table, "antipassback", `"hard"`)
			if d.in(2) {
				x.set(table, "forgive", d.word("1m", "30m", "12h"))
			}
		case 3:
			x.set(table, "antipassback", `"timed"`)
			x.set(table, "antipassback_time", d.word("1m", "10m"))
		}
		if d.in(3) {
			x.set(table, "occupancy", d.one("1", "2", "3"))
		}
	}
}

func (d simDice) doors(x *simText, doors []string) (interlocked, homes []string) {
	elsewhere, lock := d.in(6), d.in(2)
	for i, name := range doors {
		table := "doors." + name
		gateway := "gw1"
		if elsewhere && i == len(doors)-1 && i > 0 {
			gateway = "gw2"
		}
		x.set(table, "gateway", `"`+gateway+`"`)
		from := d.IntN(len(simZones))
		to := (from + 1 + d.IntN(len(simZones)-1)) % len(simZones)
		x.set(table, "from", `"`+simZones[from]+`"`)
		x.set(table, "to", `"`+simZones[to]+`"`)
		x.set(table, "mechanical_exit", "true")
		interlock := lock && gateway == "gw1" && d.in(2)
		home := !interlock && d.in(5)
		if interlock {
			interlocked = append(interlocked, name)
		}
		if home {
			homes = append(homes, name)
			x.set(table, "home", "true")
		}
		d.door(x, table, interlock, home)
	}
	return interlocked, homes
}

func (d simDice) door(x *simText, table string, interlock, home bool) {
	maybe := func(n int, key string, words ...string) {
		if d.in(n) {
			x.set(table, key, d.word(words...))
		}
	}
	flag := func(n int, key string) {
		if d.in(n) {
			x.set(table, key, "true")
		}
	}
	x.set(table, "strike", d.word("1s", "2s", "5s", "10s"))
	maybe(3, "extended_strike", "10s", "20s")
	x.set(table, "held_open", d.word("12s", "30s", "2m"))
	maybe(3, "extended_held_open", "2m", "5m")
	maybe(3, "pre_alarm", "2s", "10s")
	maybe(2, "relock", "timer", "open", "close")
	maybe(3, "operator", "all", "extended", "never")
	maybe(3, "clock", "floor", "rtc", "ntp")
	maybe(3, "stale", "deny", "allow")
	maybe(4, "max_age", "5m", "1h", "24h")
	maybe(3, "codes", "node", "door", "none")
	maybe(3, "rex", "unlock", "shunt")
	maybe(3, "company_time", "5s", "30s")
	flag(3, "fire_release")
	flag(4, "record_first")
	if !interlock && d.in(3) {
		x.set(table, "unlock", d.word(simSchedules...))
		flag(2, "first_in")
	}
	if !home {
		flag(5, "two_person")
		maybe(3, "pin", append(simSchedules, "always")...)
	}
}

func (d simDice) people(x *simText, doors, homes []string) {
	for _, l := range simLevels {
		table := "levels." + l
		x.set(table, "doors", quoted(d.some(doors)))
		switch l {
		case "common":
			if d.in(2) {
				x.set(table, "doors", `["*"]`)
			}
		case "firefighters":
			x.set(table, "during_lockdown", "true")
		case "hours":
			x.set(table, "schedule", d.word(simSchedules...))
			x.set(table, "during_lockdown", d.one("true", "false"))
		}
	}
	for _, c := range simClasses {
		table := "classes." + c
		levels := d.some(simLevels)
		if c == "resident" && !slices.Contains(levels, "common") {
			levels = append(levels, "common")
		}
		x.set(table, "levels", quoted(levels))
		switch {
		case c == "minor" && d.in(2):
			x.set(table, "escorted", "true")
		case c == "steward":
			x.set(table, "escort", "true")
		case c == "resident" && d.in(3):
			x.set(table, "extended", "true")
		}
	}
	for n := 1; n <= 3; n++ {
		table := fmt.Sprintf("passports.%d", n)
		x.set(table, "levels", quoted(d.some(simLevels)))
		if d.in(3) {
			x.set(table, d.one("extended", "escort", "escorted"), "true")
		}
	}
}

// simChange is one line of a policy, changed.
type simChange struct{ table, key, value string }

func (c simChange) String() string { return fmt.Sprintf("[%s] %s = %s", c.table, c.key, c.value) }

// change draws a line whose change concerns decisions alone: what stands before
// a decision in the log stays true under the other policy.
func (d simDice) change(doors []string) simChange {
	door, level, class := "doors."+d.one(doors...), "levels."+d.one(simLevels...), "classes."+d.one(simClasses...)
	inside := "zones." + d.one(simZones[1:]...)
	changes := []simChange{
		{level, "doors", quoted(d.some(doors))},
		{level, "schedule", d.word(simSchedules...)},
		{level, "during_lockdown", d.one("true", "false")},
		{class, "levels", quoted(d.some(simLevels))},
		{class, "escorted", "true"},
		{door, "max_age", d.word("1m", "20m", "30d")},
		{door, "stale", d.word("deny", "allow")},
		{door, "clock", d.word("floor", "rtc", "ntp")},
		{door, "codes", d.word("node", "door", "none")},
		{door, "pin", d.word("always", "never", "often")},
		{door, "two_person", d.one("true", "false")},
		{inside, "occupancy", d.one("0", "1", "2")},
		{inside, "within", d.word(simZones[1:]...)},
		{inside, "antipassback", d.word("none", "soft", "hard")},
		{inside, "forgive", d.word("1m", "7d")},
		{"lockout", "after", d.one("1", "4")},
	}
	return changes[d.IntN(len(changes))]
}
