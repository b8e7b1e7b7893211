package wiring

import (
	"testing"

	"tombolo/edge/policy"
)

const checkedPolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[doors.flat-1]
gateway = "gw1"
from = "house"
to = "street"
home = true
codes = "none"
mechanical_exit = true
[doors.yard]
gateway = "gw1"
from = "house"
to = "street"
mechanical_exit = true
[doors.shed]
gateway = "gw2"
from = "house"
to = "street"
mechanical_exit = true
`

const checkedWiring = `name = "gw1"
[sim]
socket = "s"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
[[doors.front.readers]]
kind = "scanner"
port = "a"
[doors.flat-1]
lock = "fail-safe"
relay = { chip = "sim" }
[[doors.flat-1.readers]]
kind = "scanner"
port = "b"
[doors.shed]
lock = "fail-safe"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.shed.readers]]
kind = "scanner"
port = "c"
side = "out"
[doors.frnt]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
`

func TestCheck(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy.toml", []byte(checkedPolicy))
	if err != nil {
		t.Fatal(err)
	}
	full, err := Parse("/t/gateway.toml", []byte(checkedWiring))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := Parse("/t/gateway.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		w       *Wiring
		p       *policy.Policy
		gateway string
		want    string
	}{
		{"all that can be said", full, p, "gw1", `fault: door flat-1: its only readers are scanners, and the policy takes no codes here: nobody can open it; change codes in the policy or add a reader
fault: door frnt: it is wired, and the policy does not know it: nobody opens it from here; did you mean "front"?
fault: door shed: it is wired here, and the policy gives it to gateway gw2: nobody opens it from here; move the wires or change the policy
fault: door yard: the policy gives it to this gateway, and it is not wired: nobody can open it; add [doors.yard] to the wiring file
note: door flat-1: fail-safe lock: a power cut or a stopped daemon leaves this home unlocked, and the relay is energised for as long as it is locked
note: door flat-1: no contact: an entry cannot be told from a door that nobody went through, and a door held or forced open is not noticed; at a home, nobody will know that it was broken open
note: door flat-1: fail-safe lock without rex: no button unlocks it from inside; unless the handle itself frees the door (not so with a magnet), wire one, and one that cuts the lock's power
note: door flat-1: a home's people are promised entry by tap, and scanners read codes only: add a reader for taps
note: door shed: fail-safe lock: a power cut or a stopped daemon leaves it unlocked, and the relay is energised for as long as it is locked
note: door shed: no rex: each time somebody leaves by the mechanical way out it is reported as forced open
note: door shed: fail-safe lock without rex: no button unlocks it from inside; unless the handle itself frees the door (not so with a magnet), wire one, and one that cuts the lock's power
note: door shed: no reader on the side of zone house: it opens by command or from inside only
`},
		{"another machine's file", full, nil, "gw2", `stop: this file is for gateway gw1, and this machine is enrolled as gw2: bring the right file, or correct its name
note: door flat-1: fail-safe lock: a power cut or a stopped daemon leaves it unlocked, and the relay is energised for as long as it is locked
note: door flat-1: no contact: an entry cannot be told from a door that nobody went through, and a door held or forced open is not noticed
note: door flat-1: fail-safe lock without rex: no button unlocks it from inside; unless the handle itself frees the door (not so with a magnet), wire one, and one that cuts the lock's power
note: door shed: fail-safe lock: a power cut or a stopped daemon leaves it unlocked, and the relay is energised for as long as it is locked
note: door shed: no rex: each time somebody leaves by the mechanical way out it is reported as forced open
note: door shed: fail-safe lock without rex: no button unlocks it from inside; unless the handle itself frees the door (not so with a magnet), wire one, and one that cuts the lock's power
`},
		{"a gateway that the policy does not name", empty, p, "gw3", `fault: the policy gives gateway gw3 no door; did you mean "gw1"?
note: no door is wired: add [doors.NAME] to the wiring file
`},
		{"nothing yet", empty, nil, "", "note: no door is wired: add [doors.NAME] to the wiring file\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Text(Check(c.w, c.p, c.gateway)); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// TestCheckIsQuiet: nothing is said of a gateway that is as it should be.
func TestCheckIsQuiet(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy.toml", []byte(`version = 1
node = "casa"
zones = { street = { outside = true }, house = {} }
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
`))
	if err != nil {
		t.Fatal(err)
	}
	w, err := Parse("/t/gateway.toml", []byte(`[doors.front]
lock = "fail-secure"
relay = { chip = "pinctrl-rp1", line = 17 }
contact = { chip = "pinctrl-rp1", line = 27 }
rex = { chip = "pinctrl-rp1", line = 22 }
readers = [{ kind = "scanner", port = "/dev/ttyACM0" }]
`))
	if err != nil {
		t.Fatal(err)
	}
	if problems := Check(w, p, "gw1"); len(problems) != 0 {
		t.Errorf("got:\n%s", Text(problems))
	}
}
