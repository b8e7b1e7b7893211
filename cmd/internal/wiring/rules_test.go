package wiring

import (
	"slices"
	"strings"
	"testing"

	"tombolo/edge/policy"
)

// ruledPolicy has one door for each rule that may miss a wire; every door leads
// from the street into the lab, and is driven by gw1.
const ruledPolicy = `version = 1
node = "casa"
[schedules.office]
week = ["mon-fri 08:00-18:00"]
[zones.street]
outside = true
[zones.lab]
`

const ruledDoor = `
[doors.front]
gateway = "gw1"
from = "street"
to = "lab"
mechanical_exit = true
`

const ruledWiring = `[sim]
socket = "s"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
`

const (
	contact = "contact = { chip = \"sim\" }\nrex = { chip = \"sim\" }\n"
	qr      = "[[doors.front.readers]]\nkind = \"scanner\"\nport = \"a\"\n"
	keypad  = "[[doors.front.readers]]\nkind = \"sim\"\n"
	exit    = "[[doors.front.readers]]\nkind = \"sim\"\nside = \"out\"\n"
	osdp    = "[[doors.front.readers]]\nkind = \"osdp\"\nbus = \"wall\"\naddress = 0\n"
	typing  = "[[doors.front.readers]]\nkind = \"keyboard\"\nport = \"b\"\n"
	nfc     = "[[doors.front.readers]]\nkind = \"pn532\"\nbus = \"spi:/dev/spidev0.0\"\n"
	wallBus = "[buses.wall]\nport = \"c\"\n"

	needsPower = "note: door front: the policy releases it on fire, and its lock is fail-secure: without power it stays locked; a fail-safe lock opens then too\n"
	noContact  = "note: door front: no contact: an entry cannot be told from a door that nobody went through, and a door held or forced open is not noticed\n"
)

// TestRules: for each rule what is said where its wire is missing, and that
// nothing is said where it is not.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, door, wires string
		want                    string
	}{
		{"nothing asked", "", "", contact + keypad, ""},

		{"relock without contact", "", `relock = "open"`, keypad, "fault: door front: the policy relocks on open, and without a contact nobody knows when: it stays unlocked until the strike time is over; wire a contact\n" + noContact},
		{"relock", "", `relock = "close"`, contact + keypad, ""},
		{"pre-alarm without contact", "", `pre_alarm = "10s"`, keypad, "fault: door front: the policy has a pre_alarm, and without a contact nobody knows that the door is left open: wire a contact\n" + noContact},
		{"pre-alarm with nothing that warns", "", `pre_alarm = "10s"`, contact + qr, "fault: door front: the policy has a pre_alarm, and nothing here can warn: wire a sounder, or a reader's red or beeper\n"},
		{"pre-alarm with a sounder", "", `pre_alarm = "10s"`, "sounder = { chip = \"sim\" }\n" + contact + qr, ""},
		{"pre-alarm with a reader", "", `pre_alarm = "10s"`, contact + keypad, ""},
		{"scheduled unlock without contact", "", `unlock = "office"`, keypad, noContact + "note: door front: it is unlocked by schedule, and without a contact nobody knows whether it is shut when the schedule ends\n"},
		{"scheduled unlock", "", `unlock = "office"`, contact + keypad, ""},
		{"sounder without contact", "", "", "sounder = { chip = \"sim\" }\n" + keypad, noContact + "note: door front: a sounder is wired, and without a contact nothing makes it sound\n"},

		{"PIN without keypad", "", `pin = "always"`, contact + qr, "fault: door front: the policy asks for a PIN, and no reader on the side of zone street has a keypad: nobody gets in at any time; add such a reader or change pin in the policy\n"},
		{"PIN with a keypad inside", "", `pin = "office"`, contact + qr + exit, "fault: door front: the policy asks for a PIN, and no reader on the side of zone street has a keypad: nobody gets in in the hours of schedule office; add such a reader or change pin in the policy\n"},
		{"PIN", "", `pin = "always"`, contact + keypad, ""},

		{"PIN at an OSDP reader", "", `pin = "always"`, contact + osdp + wallBus, ""},
		{"PIN at a PN532", "", `pin = "always"`, contact + nfc, "fault: door front: the policy asks for a PIN, and no reader on the side of zone street has a keypad: nobody gets in at any time; add such a reader or change pin in the policy\n"},
		{"pre-alarm with an OSDP reader", "", `pre_alarm = "10s"`, contact + osdp + wallBus, ""},
		{"pre-alarm with a PN532", "", `pre_alarm = "10s"`, contact + nfc, "fault: door front: the policy has a pre_alarm, and nothing here can warn: wire a sounder, or a reader's red or beeper\n"},
		{"codes refused at a scanner that types", "", `codes = "none"`, contact + typing, "fault: door front: its only readers are scanners, and the policy takes no codes here: nobody can open it; change codes in the policy or add a reader\n"},
		{"codes refused where cards are read", "", `codes = "none"`, contact + typing + nfc, ""},
		{"OSDP without Secure Channel", "", "", contact + qr + osdp + "insecure = true\n" + wallBus, "note: door front: reader 2 speaks OSDP without Secure Channel: whoever gets at its cable hears what is read and typed, and can answer for it; leave insecure out, and give it a key with `tombolod osdp install`\n"},

		{"hard anti-passback without exit reader", `antipassback = "hard"`, "", contact + keypad, "note: door front: zone lab has hard anti-passback, and there is no exit reader here: whoever leaves by the button or the handle stays inside for the log, for 1d or until a steward forgives it; add a reader with side = \"out\"\n"},
		{"soft anti-passback without exit reader", "antipassback = \"soft\"\nforgive = \"2h\"", "", contact + keypad, "note: door front: zone lab has soft anti-passback, and there is no exit reader here: whoever leaves by the button or the handle stays inside for the log, for 2h or until a steward forgives it; add a reader with side = \"out\"\n"},
		{"timed anti-passback without exit reader", "antipassback = \"timed\"\nantipassback_time = \"10m\"", "", contact + keypad, ""},
		{"occupancy without exit reader", "occupancy = 20", "", contact + keypad, "note: door front: zone lab has an occupancy limit of 20, and there is no exit reader here: whoever leaves by the button or the handle stays inside for the log, for 1d or until a steward forgives it; add a reader with side = \"out\"\n"},
		{"occupancy that forgives sooner", "occupancy = 20\nforgive = \"2h\"", "", contact + keypad, "note: door front: zone lab has an occupancy limit of 20, and there is no exit reader here: whoever leaves by the button or the handle stays inside for the log, for 2h or until a steward forgives it; add a reader with side = \"out\"\n"},
		{"both without contact", "antipassback = \"hard\"\noccupancy = 2", "", keypad + exit, noContact + "note: door front: zone lab has hard anti-passback and an occupancy limit of 2, and without a contact a grant counts as a passage: whoever turns back at the door is counted wrongly\n"},
		{"hard anti-passback", `antipassback = "hard"`, "", contact + keypad + exit, ""},

		{"fire release without input", "", "fire_release = true", contact + keypad, "fault: the policy releases front on fire, and no fire input is wired here: add fire to [inputs]\n" + needsPower},
		{"fire input without release", "", "", contact + keypad + "[inputs]\nfire = { chip = \"sim\" }\n", "note: a fire input is wired, and the policy releases none of the doors here: set fire_release at those that must open on fire\n"},
		{"fire release", "", "fire_release = true", contact + keypad + "[inputs]\nfire = { chip = \"sim\" }\n", needsPower},
		{"fire that a cut cable hides", "", "fire_release = true", contact + keypad + "[inputs]\nfire = { chip = \"x\", line = 1, bias = \"pull-up\", active_low = true }\n", "note: fire: a cut cable reads as no fire: have the fire panel open a closed contact (with bias = \"pull-up\" and active_low = false), or supervise the line\n" + needsPower},
		{"fire that a cut cable hides, pulled down", "", "fire_release = true", contact + keypad + "[inputs]\nfire = { chip = \"x\", line = 1, bias = \"pull-down\" }\n", "note: fire: a cut cable reads as no fire: have the fire panel open a closed contact (with bias = \"pull-up\" and active_low = false), or supervise the line\n" + needsPower},
		{"fire that a cut cable gives", "", "fire_release = true", contact + keypad + "[inputs]\nfire = { chip = \"x\", line = 1, bias = \"pull-up\" }\n", needsPower},

		{"an operator that never swings", "", `operator = "never"`, "operator = { chip = \"sim\" }\n" + contact + keypad, "note: door front: a door operator is wired, and the policy never swings it: set operator, or leave it out of the wiring file\n"},
		{"an operator", "", `operator = "extended"`, "operator = { chip = \"sim\" }\n" + contact + keypad, ""},

		{"three indicators", "", "", contact + qr + "green = { chip = \"sim\" }\nred = { chip = \"sim\" }\nbeeper = { chip = \"sim\" }\n", ""},
		{"a beeper", "", "", contact + qr + "beeper = { chip = \"sim\" }\n", "note: door front: reader 1 shows nothing for wait, offline with the lines that are wired: wire more of green, red and beeper, or change its feedback in the policy\n"},
		{"a red light", "", "", contact + qr + "red = { chip = \"sim\" }\n", "note: door front: reader 1 shows nothing for granted with the lines that are wired: wire more of green, red and beeper, or change its feedback in the policy\n"},
		{"two signals alike", "", "[feedback]\ndenied = \"beep 200ms, off 1s\"", contact + qr + "beeper = { chip = \"sim\" }\n", "note: door front: reader 1 shows granted and denied alike with the lines that are wired: wire more of green, red and beeper, or change its feedback in the policy\nnote: door front: reader 1 shows nothing for wait, offline with the lines that are wired: wire more of green, red and beeper, or change its feedback in the policy\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse("policy.toml", []byte(ruledPolicy+c.zone+"\n"+ruledDoor+c.door+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			w, err := Parse("/t/gateway.toml", []byte(ruledWiring+c.wires))
			if err != nil {
				t.Fatal(err)
			}
			if got := Text(Check(w, p, "gw1")); sortedLines(got) != sortedLines(c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// sortedLines leaves the order to TestCheck.
func sortedLines(s string) string { return strings.Join(slices.Sorted(strings.Lines(s)), "") }

// TestInterlockWithoutContact: two doors, of which one cannot be seen open.
func TestInterlockWithoutContact(t *testing.T) {
	t.Parallel()
	inner := strings.Replace(ruledDoor, "doors.front", "doors.inner", 1)
	p, err := policy.Parse("policy.toml", []byte(ruledPolicy+ruledDoor+inner+"[interlocks.airlock]\ndoors = [\"front\", \"inner\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := Parse("/t/gateway.toml", []byte(ruledWiring+keypad+strings.Replace(ruledWiring[strings.Index(ruledWiring, "[doors"):]+contact+keypad, "doors.front", "doors.inner", 2)))
	if err != nil {
		t.Fatal(err)
	}
	want := "fault: door front: it is interlocked with inner, and without a contact it counts as shut as soon as it is locked: wire a contact\n" + noContact
	if got := Text(Check(w, p, "gw1")); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestFireReleaseFailSafe: a lock that opens without power has fire on its side.
func TestFireReleaseFailSafe(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy.toml", []byte(ruledPolicy+ruledDoor+"fire_release = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	safe := strings.Replace(ruledWiring, "fail-secure", "fail-safe", 1)
	w, err := Parse("/t/gateway.toml", []byte(safe+contact+keypad+"[inputs]\nfire = { chip = \"sim\" }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := Text(Check(w, p, "gw1")); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "note: door front: fail-safe lock: ") {
		t.Errorf("got:\n%s", got)
	}
}

// TestExitButton: a magnet holds people in unless the button unlocks it.
func TestExitButton(t *testing.T) {
	t.Parallel()
	const (
		rex     = "contact = { chip = \"sim\" }\nrex = { chip = \"sim\" }\n"
		none    = "contact = { chip = \"sim\" }\n"
		nothing = "fault: door front: its exit button does nothing: "
		missing = "note: door front: fail-safe lock without rex: "
	)
	for _, c := range []struct {
		name, lock, rex, wires string
		want, not              string
	}{
		{"a magnet that a button unlocks", "fail-safe", "unlock", rex, "", nothing},
		{"a magnet that a button does not unlock", "fail-safe", "shunt", rex, nothing, missing},
		{"a magnet without a button", "fail-safe", "unlock", none, missing, nothing},
		{"a magnet without a button, shunted", "fail-safe", "shunt", none, missing, nothing},
		{"a strike whose handle opens", "fail-secure", "shunt", rex, "", nothing},
		{"a strike without a button", "fail-secure", "shunt", none, "", missing},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := policy.Parse("policy.toml", []byte(ruledPolicy+ruledDoor+"rex = \""+c.rex+"\"\n"))
			if err != nil {
				t.Fatal(err)
			}
			w, err := Parse("/t/gateway.toml", []byte(strings.Replace(ruledWiring, "fail-secure", c.lock, 1)+c.wires+keypad))
			if err != nil {
				t.Fatal(err)
			}
			if got := Text(Check(w, p, "gw1")); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
				t.Errorf("got:\n%s\nwant %q and not %q", got, c.want, c.not)
			}
		})
	}
}

// TestLights: what is not wired stays dark, and amber, blue and white light both.
func TestLights(t *testing.T) {
	t.Parallel()
	line := &Line{}
	both, none := Reader{Green: line, Red: line, Beeper: line}, Reader{}
	for _, c := range []struct {
		r    Reader
		s    policy.Step
		want Lights
	}{
		{both, policy.Step{Colour: policy.Green}, Lights{Green: true}},
		{both, policy.Step{Colour: policy.Red, Beep: true}, Lights{Red: true, Beep: true}},
		{both, policy.Step{Colour: policy.Amber}, Lights{Green: true, Red: true}},
		{both, policy.Step{Colour: policy.Blue}, Lights{Green: true, Red: true}},
		{both, policy.Step{Colour: policy.White}, Lights{Green: true, Red: true}},
		{both, policy.Step{Beep: true}, Lights{Beep: true}},
		{both, policy.Step{}, Lights{}},
		{none, policy.Step{Colour: policy.Amber, Beep: true}, Lights{}},
		{Reader{Green: line}, policy.Step{Colour: policy.Amber, Beep: true}, Lights{Green: true}},
		{Reader{Green: line}, policy.Step{Colour: policy.Red}, Lights{}},
	} {
		if got := c.r.Lights(c.s); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.s, got, c.want)
		}
	}
}
