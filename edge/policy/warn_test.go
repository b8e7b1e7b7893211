package policy

import (
	"strings"
	"testing"

	"tombolo/edge/strict"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	data := `version = 1
node = "n"
[zones.a]
[zones.b]
[zones.attic]
[doors.d]
gateway = "g"
from = "a"
to = "b"
mechanical_exit = true
strike = "40s"
[doors.e]
gateway = "g"
from = "b"
to = "a"
mechanical_exit = true
[levels.unused]
doors = ["d"]
[levels.used]
doors = ["d"]
[passports.1]
levels = ["used"]
`
	p, err := Parse("p.toml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	const want = `p.toml:3:2: zones: no zone is marked outside = true, so nobody ever counts as having left
p.toml:5:2: zones.attic: no door leads to or from this zone
p.toml:6:2: doors.d.held_open: held open is reported after 30s, before the lock's 40s are over
p.toml:12:2: doors.e: no class and no passport may open this door
p.toml:17:2: levels.unused: no class and no passport has this level: only guest passes can open its doors`
	if got := strict.Errors(p.Warnings).Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// plain is a policy that nothing is to be said about; each case adds to it.
const plain = `version = 1
node = "n"
[zones.street]
outside = true
[zones.house]
[zones.cellar]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
#front
[doors.cellar]
gateway = "gw1"
from = "house"
to = "cellar"
mechanical_exit = true
#cellar
[doors.back]
gateway = "gw2"
from = "street"
to = "house"
mechanical_exit = true
#back
[levels.all]
doors = ["front", "cellar", "back"]
#level
[classes.resident]
levels = ["all"]
#class
`

func TestWarnsOnce(t *testing.T) {
	t.Parallel()
	const office = "\n[schedules.office]\nweek = [\"mon-fri 08:00-18:00\"]\n"
	for _, c := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"a schedule for nothing", "#class", office, "31:2: schedules.office: no level and no door has this schedule"},
		{"a calendar for nothing", "#class", "[calendars.c]\ndays = [\"*-01-01\"]", "30:2: calendars.c: no schedule has special hours for these days"},
		{"a schedule without hours", "#level", "schedule = \"s\"\n[calendars.c]\ndays = [\"*-01-01\"]\n[schedules.s]\nweek = []\nspecial.c = []",
			"7:2: doors.front: no class and no passport may open this door\n" +
				"13:2: doors.cellar: no class and no passport may open this door\n" +
				"19:2: doors.back: no class and no passport may open this door\n" +
				"30:2: schedules.s: this schedule has no hours at all"},
		{"a level that is never", "#level\n", "schedule = \"never\"\n[levels.l]\ndoors = [\"*\"]\n[passports.1]\nlevels = [\"l\"]\n",
			"27:12: levels.all.schedule: this level never opens anything"},
		{"two calendars that share a day", "#level",
			"schedule = \"s\"\n[calendars]\na.days = [\"*-12-20..*-01-06\"]\nb.days = [\"2026-12-25\"]\n[schedules.s]\nweek = []\nspecial = { b = [], a = [\"10:00-12:00\"] }",
			"33:11: schedules.s.special: 2026-12-25 is in both calendars a and b: the fewer hours count"},
		{"two calendars that share a day every year", "#level",
			"schedule = \"s\"\n[calendars]\na.days = [\"*-12-20..*-01-06\"]\nb.days = [\"*-01-06\"]\n[schedules.s]\nweek = []\nspecial = { b = [], a = [\"10:00-12:00\"] }",
			"33:11: schedules.s.special: *-01-06 is in both calendars a and b: the fewer hours count"},
		{"two calendars that agree", "#level",
			"schedule = \"s\"\n[calendars]\na.days = [\"*-01-06\"]\nb.days = [\"*-01-06\"]\n[schedules.s]\nweek = []\nspecial = { b = [\"10:00-12:00\"], a = [\"10:00-12:00\"] }", ""},
		{"hard on two gateways", "[zones.house]", "[zones.house]\nantipassback = \"hard\"",
			"6:16: zones.house.antipassback: taken as soft: this zone's doors hang on gateways gw1, gw2, and none of them alone knows who is inside"},
		{"hard on one gateway", "[zones.cellar]", "[zones.cellar]\nantipassback = \"hard\"", ""},
		{"hard on two gateways by a zone within", "[zones.cellar]", "[zones.cellar]\nwithin = \"attic\"\n[zones.attic]\nantipassback = \"hard\"\n[doors.chute]\ngateway = \"gw3\"\nfrom = \"street\"\nto = \"cellar\"\nmechanical_exit = true\n[levels.chute]\ndoors = [\"chute\"]\n[passports.1]\nlevels = [\"chute\"]",
			"9:16: zones.attic.antipassback: taken as soft: this zone's doors hang on gateways gw1, gw3, and none of them alone knows who is inside"},
		{"a door of another gateway inside the zone", "#class", "[zones.tower]\nantipassback = \"hard\"\n[zones.room]\nwithin = \"tower\"\n" +
			"[doors]\nt = {gateway=\"gw5\",from=\"street\",to=\"tower\",mechanical_exit=true}\nr = {gateway=\"gw6\",from=\"tower\",to=\"room\",mechanical_exit=true}\n" +
			"[levels.x]\ndoors = [\"t\", \"r\"]\n[passports.1]\nlevels = [\"x\"]", ""},
		{"timed on two gateways", "[zones.house]", "[zones.house]\nantipassback = \"timed\"\nantipassback_time = \"1m\"",
			"6:16: zones.house.antipassback: this zone's doors hang on gateways gw1, gw2: while they cannot reach each other, each counts the time by itself"},
		{"occupancy on two gateways", "[zones.house]", "[zones.house]\noccupancy = 3",
			"6:13: zones.house.occupancy: this zone's doors hang on gateways gw1, gw2: while they cannot reach each other, each counts people by itself"},
		{"soft on two gateways", "[zones.house]", "[zones.house]\nantipassback = \"soft\"", ""},
		{"anti-passback behind a home", "[zones.cellar]", "[zones.cellar]\nantipassback = \"hard\"\n[doors.flat]\nhome = true\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"cellar\"\nmechanical_exit = true",
			"7:16: zones.cellar.antipassback: the people of a home are let in whatever this says, by flat"},
		{"occupancy behind a home", "[zones.cellar]", "[zones.cellar]\noccupancy = 3\n[doors.flat]\nhome = true\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"cellar\"\nmechanical_exit = true",
			"7:13: zones.cellar.occupancy: the people of a home are let in whatever this says, by flat"},
		{"no way to the street", "#class", "[zones.x]\n[zones.y]\n[doors.x]\ngateway = \"g\"\nfrom = \"x\"\nto = \"y\"\nmechanical_exit = true\n[levels.x]\ndoors = [\"x\"]\n[passports.1]\nlevels = [\"x\"]",
			"30:2: zones.x: no way through the doors leads from here to a zone that is outside: nobody can be seen leaving\n" +
				"31:2: zones.y: no way through the doors leads from here to a zone that is outside: nobody can be seen leaving"},
		{"doors lead out against their entry", "from = \"house\"\nto = \"cellar\"", "from = \"cellar\"\nto = \"house\"", ""},
		{"a zone whose parts have doors", "[zones.cellar]", "[zones.cellar]\nwithin = \"deep\"\n[zones.deep]", ""},
		{"extended held open before the lock", "#front", "extended_strike = \"120s\"", "7:2: doors.front.extended_held_open: held open is reported after 1m30s, before the lock's 2m are over"},
		{"warned before the lock", "#front", "pre_alarm = \"26s\"", "12:13: doors.front.pre_alarm: people are warned after 4s, before the lock's 5s are over"},
		{"first in without unlock", "#front", "first_in = true", "12:12: doors.front.first_in: only a scheduled unlock waits for the first person, and this door has none"},
		{"first in for ever", "#front", "unlock = \"always\"\nfirst_in = true", "13:12: doors.front.first_in: the schedule has no end: the first person unlocks this door for good"},
		{"unlocked and a PIN", "#front", "unlock = \"office\"\npin = \"always\"" + office, "13:7: doors.front.pin: nobody is asked for a PIN while the door is unlocked by schedule office"},
		{"unlocked and two persons", "#front", "unlock = \"office\"\ntwo_person = true" + office, "13:14: doors.front.two_person: nobody needs company while the door is unlocked by schedule office"},
		{"unlocked into a zone that counts", "[zones.house]", "[zones.house]\nantipassback = \"soft\"\n[doors.side]\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"house\"\nunlock = \"office\"\nmechanical_exit = true" + office,
			"11:10: doors.side.unlock: zone house counts who enters, and nobody is counted who walks in while the door is unlocked by schedule office"},
		{"unlocked into zones within each other", "[zones.house]", "[zones.house]\nwithin = \"block\"\noccupancy = 9\n[zones.block]\nantipassback = \"timed\"\nantipassback_time = \"1m\"\n[doors.side]\ngateway = \"gw2\"\nfrom = \"street\"\nto = \"house\"\nunlock = \"office\"\nmechanical_exit = true" + office,
			"7:13: zones.house.occupancy: this zone's doors hang on gateways gw1, gw2: while they cannot reach each other, each counts people by itself\n" +
				"9:16: zones.block.antipassback: this zone's doors hang on gateways gw1, gw2: while they cannot reach each other, each counts the time by itself\n" +
				"15:10: doors.side.unlock: zone block counts who enters, and nobody is counted who walks in while the door is unlocked by schedule office\n" +
				"15:10: doors.side.unlock: zone house counts who enters, and nobody is counted who walks in while the door is unlocked by schedule office"},
		{"unlocked within a zone that counts", "[zones.cellar]", "within = \"block\"\n[zones.block]\nantipassback = \"soft\"\n[zones.cellar]\nwithin = \"block\"\n[doors.stair]\ngateway = \"gw1\"\nfrom = \"house\"\nto = \"cellar\"\nunlock = \"office\"\nmechanical_exit = true" + office, ""},
		{"unlocked out of a zone that counts", "[zones.house]", "[zones.house]\noccupancy = 9\n[zones.x]\n[doors.x]\ngateway = \"gw1\"\nfrom = \"house\"\nto = \"x\"\nunlock = \"office\"\nmechanical_exit = true" + office,
			"6:13: zones.house.occupancy: this zone's doors hang on gateways gw1, gw2: while they cannot reach each other, each counts people by itself"},
		{"an unlocked home", "#front", "unlock = \"office\"\nhome = true" + office, "12:10: doors.front.unlock: a home's door stands unlocked for anybody, by schedule office"},
		{"two where one may be", "[zones.cellar]", "[zones.cellar]\noccupancy = 1\n[zones.x]\n[doors.x]\ngateway = \"gw1\"\nfrom = \"house\"\nto = \"cellar\"\nmechanical_exit = true\ntwo_person = true\n[doors.y]\ngateway = \"gw1\"\nfrom = \"x\"\nto = \"house\"\nmechanical_exit = true\n[levels.x]\ndoors = [\"x\", \"y\"]\n[passports.1]\nlevels = [\"x\"]",
			"14:14: doors.x.two_person: two persons enter together, and zone cellar takes one"},
		{"company for nobody", "#front", "company_time = \"1m\"", "12:16: doors.front.company_time: nobody needs company here: this door is not two_person, and no class or passport is escorted"},
		{"an operator for nobody", "#front", "operator = \"extended\"", "12:12: doors.front.operator: no class and no passport is extended: the operator never swings"},
		{"nobody escorts", "#class", "escorted = true", "30:12: classes.resident.escorted: no class and no passport escorts: nobody can bring these people in"},
		{"a passport escorts", "#class", "escorted = true\n[passports.1]\nlevels = [\"all\"]\nescort = true", ""},
		{"alike but for the colour", "#class", "[feedback]\ngranted = \"green 200ms\"\ndenied = \"red 200ms\"", "30:2: feedback: granted and denied differ by colour alone: not everybody can tell them apart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse("p", []byte(strings.Replace(plain, c.old, c.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			check(t, p)
			got := strings.ReplaceAll(strict.Errors(p.Warnings).Error(), "p:", "")
			if got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}
