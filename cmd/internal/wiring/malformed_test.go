package wiring

import (
	"errors"
	"testing"

	"tombolo/edge/strict"
)

const (
	fireLine  = `{ chip = "pinctrl-rp1", line = 5, bias = "pull-up" }`
	mainsLine = `{ adc = "sim", channel = 3, pull = "2.2k", series = "1k", parallel = "1.2k" }`
	operator  = `operator = { chip = "pinctrl-rp1", line = 18, active_low = true, resistor = "pull-up" }`
	sounder   = `sounder = { chip = "pinctrl-rp1", line = 19 }`
	green     = `green = { chip = "pinctrl-rp1", line = 20 }`
	simReader = "kind = \"sim\"\nside = \"out\"\n"
)

var grownMistakes = []mistake{
	// The gateway's inputs.
	{"inputs as a list", "[inputs]", "[[inputs]]", 3, 3, "inputs", "want a table, got a list", strict.ErrValue},
	{"input unknown", "fire =", "smoke =", 4, 1, "inputs.smoke", "unknown key; known: battery, fire, mains, tamper", strict.ErrUnknown},
	{"input misspelt", "fire =", "fir =", 4, 1, "inputs.fir", `did you mean "fire"?`, strict.ErrUnknown},
	{"a contact of the gateway", "fire =", "contact =", 4, 1, "inputs.contact", "unknown key", strict.ErrUnknown},
	{"input as a number", fireLine, "5", 4, 8, "inputs.fire", "want a table, got 5", strict.ErrValue},
	{"input as a list", fireLine, "[" + fireLine + "]", 4, 8, "inputs.fire", "want a table, got a list", strict.ErrValue},
	{"input empty", fireLine, "{}", 4, 8, "inputs.fire.chip", "missing: name the line by its header pin", nil},
	{"input without line", ", line = 5", "", 4, 8, "inputs.fire.line", "missing: give the line's number", nil},
	{"input's line too large", "line = 5", "line = 1024", 4, 39, "inputs.fire.line", "got 1024", strict.ErrValue},
	{"input doubled", "mains =", "fire =", 5, 1, "inputs.fire", "line 4", strict.ErrDoubled},
	{"input on the lock's line", "line = 17", "line = 5", 8, 40, "doors.front.relay.line", "BCM 5 (pin 29) is fire already", nil},
	{"input's chip by a wrong path", fireLine, `{ chip = "/dev/null", line = 5 }`, 4, 17, "inputs.fire.chip", "want a label", nil},
	{"input with a debounce", `bias = "pull-up"`, `debounce = "20ms"`, 4, 42, "inputs.fire.debounce", "unknown key", strict.ErrUnknown},
	{"simulated input with a bias", fireLine, `{ chip = "sim", bias = "none" }`, 4, 24, "inputs.fire.bias", `it is the one named "fire"`, nil},

	// Supervised inputs.
	{"chip and adc", `adc = "sim", channel = 3`, `adc = "sim", chip = "sim"`, 5, 11, "inputs.mains.adc", "chip is there too", nil},
	{"another adc", `adc = "sim", channel = 3`, `adc = "mcp3008", channel = 3`, 5, 17, "inputs.mains.adc", `there is no adc "mcp3008"; known: sim`, nil},
	{"adc empty", `adc = "sim", channel = 3`, `adc = "", channel = 3`, 5, 17, "inputs.mains.adc", `there is no adc ""`, nil},
	{"adc as a number", `adc = "sim", channel = 3`, `adc = 0, channel = 3`, 5, 17, "inputs.mains.adc", "want a string, got 0", strict.ErrValue},
	{"no channel", "channel = 3, ", "", 5, 9, "inputs.mains.channel", "missing: give the number of the adc's channel", nil},
	{"channel too large", "channel = 3", "channel = 64", 5, 34, "inputs.mains.channel", "want a whole number from 0 to 63, got 64", strict.ErrValue},
	{"channel negative", "channel = 3", "channel = -1", 5, 34, "inputs.mains.channel", "got -1", strict.ErrValue},
	{"channel in words", "channel = 3", `channel = "3"`, 5, 34, "inputs.mains.channel", `got "3"`, strict.ErrValue},
	{"channel doubled", "channel = 4", "channel = 3", 11, 35, "doors.front.tamper.channel", `channel 3 of "sim" is mains already`, nil},
	{"no pull", `pull = "2.2k", `, "", 5, 9, "inputs.mains.pull", "missing: give the pull-up resistor", nil},
	{"no series", `series = "1k", `, "", 5, 9, "inputs.mains.series", "missing: give the resistor in series", nil},
	{"no parallel", `, parallel = "1.2k"`, "", 5, 9, "inputs.mains.parallel", "missing: give the resistor in parallel", nil},
	{"ohms as a number", `pull = "2.2k"`, "pull = 2200", 5, 44, "inputs.mains.pull", `want ohms such as "470", "1k" or "2.2k", got 2200`, strict.ErrValue},
	{"ohms of nothing", `series = "1k"`, `series = "0"`, 5, 61, "inputs.mains.series", `got "0"`, ErrOhms},
	{"ohms with a unit", `series = "1k"`, `series = "1kΩ"`, 5, 61, "inputs.mains.series", `want ohms such as`, ErrOhms},
	{"a resistor too small", `series = "1k"`, `series = "47"`, 5, 44, "inputs.mains.pull", "100 to 100000 ohms: the series resistor has 47", nil},
	{"states that look alike", `parallel = "1.2k"`, `parallel = "100"`, 5, 44, "inputs.mains.pull", "normal and active look alike", nil},
	{"supervised with a line", "channel = 3", "channel = 3, line = 3", 5, 37, "inputs.mains.line", "its line is the adc's channel", nil},
	{"supervised with a bias", "channel = 3", `channel = 3, bias = "pull-up"`, 5, 37, "inputs.mains.bias", "its resistors are pull, series and parallel", nil},
	{"supervised with active_low", "channel = 3", "channel = 3, active_low = true", 5, 37, "inputs.mains.active_low", "say normally_open = true", nil},
	{"normally_open in words", "normally_open = true", `normally_open = "yes"`, 11, 101, "doors.front.tamper.normally_open", `want true or false, got "yes"`, strict.ErrValue},
	{"a line with a channel", `line = 5, bias`, `line = 5, channel = 3, bias`, 4, 42, "inputs.fire.channel", "only a supervised input", nil},
	{"a line with resistors", `line = 5, bias`, `line = 5, pull = "1k", bias`, 4, 42, "inputs.fire.pull", "only a supervised input", nil},
	{"a line that is normally open", `line = 5, bias`, `line = 5, normally_open = true, bias`, 4, 42, "inputs.fire.normally_open", "only a supervised input", nil},
	{"supervised without a socket", "[sim]\nsocket = \"sim.sock\"\n", "", 3, 17, "inputs.mains.adc", "needs the socket that moves it", nil},

	// Outputs beside the lock.
	{"operator as a number", operator, "operator = 18", 9, 12, "doors.front.operator", "want a table, got 18", strict.ErrValue},
	{"operator without chip", operator, "operator = { line = 18 }", 9, 12, "doors.front.operator.chip", "missing: name the line by its header pin", nil},
	{"operator without line", operator, `operator = { chip = "pinctrl-rp1" }`, 9, 12, "doors.front.operator.line", "missing: give the line's number", nil},
	{"operator with a bias", operator, `operator = { chip = "pinctrl-rp1", line = 18, bias = "none" }`, 9, 47, "doors.front.operator.bias", "unknown key; known: active_low, bcm, chip, line, pin, resistor", strict.ErrUnknown},
	{"operator on an adc", operator, `operator = { adc = "sim", channel = 7 }`, 9, 14, "doors.front.operator.adc", "unknown key", strict.ErrUnknown},
	{"operator on the lock's line", "line = 18", "line = 17", 9, 43, "doors.front.operator.line", "BCM 17 (pin 11) is front/relay already", nil},
	{"sounder on the operator's line", "line = 19", "line = 18", 10, 42, "doors.front.sounder.line", "is front/operator already", nil},
	{"sounder's line negative", "line = 19", "line = -19", 10, 42, "doors.front.sounder.line", "got -19", strict.ErrValue},
	{"sounder's active_low in words", "line = 19", "line = 19, active_low = 1", 10, 59, "doors.front.sounder.active_low", "want true or false, got 1", strict.ErrValue},
	{"sounder misspelt", sounder, `siren = { chip = "sim" }`, 10, 1, "doors.front.siren", "unknown key", strict.ErrUnknown},
	{"sounder's chip too long", sounder, `sounder = { chip = "0123456789012345678901234567890123", line = 1 }`, 10, 20, "doors.front.sounder.chip", "want a label", nil},
	{"a simulated operator with a line", operator, `operator = { chip = "sim", line = 1 }`, 9, 28, "doors.front.operator.line", `it is the one named "front/operator"`, nil},
	{"an operator of the gateway", "[doors.front]", sounder + "\n[doors.front]", 6, 1, "inputs.sounder", "unknown key", strict.ErrUnknown},

	// Indicators.
	{"indicator as a number", green, "green = 20", 15, 9, "doors.front.readers[0].green", "want a table, got 20", strict.ErrValue},
	{"indicator without chip", green, "green = { line = 20 }", 15, 9, "doors.front.readers[0].green.chip", "missing: name the line by its header pin", nil},
	{"indicator without line", green, `green = { chip = "pinctrl-rp1" }`, 15, 9, "doors.front.readers[0].green.line", "missing: give the line's number", nil},
	{"indicator of another colour", green, `amber = { chip = "pinctrl-rp1", line = 20 }`, 15, 1, "doors.front.readers[0].amber", "unknown key", strict.ErrUnknown},
	{"indicator with a bias", "line = 20", `line = 20, bias = "none"`, 15, 44, "doors.front.readers[0].green.bias", "unknown key", strict.ErrUnknown},
	{"indicator doubled", "red =", "green =", 16, 1, "doors.front.readers[0].green", "line 15", strict.ErrDoubled},
	{"two colours on a line", "line = 21", "line = 20", 16, 38, "doors.front.readers[0].red.line", "is front/reader/1/green already", nil},
	{"beeper on the sounder's line", "line = 22", "line = 19", 17, 41, "doors.front.readers[0].beeper.line", "is front/sounder already", nil},
	{"indicator's chip by a wrong path", green, `green = { chip = "/sys/class/leds", line = 1 }`, 15, 18, "doors.front.readers[0].green.chip", "want a label", nil},
	{"indicator's line too large", "line = 20", "line = 4096", 15, 40, "doors.front.readers[0].green.line", "got 4096", strict.ErrValue},
	{"a simulated indicator with active_low", green, `green = { chip = "sim", active_low = true }`, 15, 25, "doors.front.readers[0].green.active_low", `"front/reader/1/green"`, nil},

	// Simulated readers.
	{"sim reader with a port", simReader, simReader + "port = \"x\"\n", 21, 1, "doors.front.readers[1].port", "a simulated reader has none", nil},
	{"sim reader with a speed", simReader, simReader + "baud = 9600\n", 21, 1, "doors.front.readers[1].baud", "a simulated reader has none", nil},
	{"sim reader with a green light", simReader, simReader + "green = { chip = \"sim\" }\n", 21, 1, "doors.front.readers[1].green", "what it shows is told on the socket", nil},
	{"sim reader with a red light", simReader, simReader + "red = { chip = \"sim\" }\n", 21, 1, "doors.front.readers[1].red", "what it shows is told on the socket", nil},
	{"sim reader with a beeper", simReader, simReader + "beeper = { chip = \"sim\" }\n", 21, 1, "doors.front.readers[1].beeper", "what it shows is told on the socket", nil},
	{"two sim readers on a side", simReader, simReader + "[[doors.front.readers]]\n" + simReader, 22, 8, "doors.front.readers[2].kind", `a simulated reader on its side "out" already`, nil},
	{"sim reader in capitals", simReader, "kind = \"SIM\"\n", 19, 8, "doors.front.readers[1].kind", `or "sim", got "SIM"`, nil},
	{"sim reader with a name", simReader, simReader + "name = \"a\"\n", 21, 1, "doors.front.readers[1].name", "a simulated reader has none", nil},
	{"sim reader with a chip", simReader, simReader + "chip = \"sim\"\n", 21, 1, "doors.front.readers[1].chip", "unknown key", strict.ErrUnknown},
	{"sim reader on a side that is none", "side = \"out\"", "side = \"both\"", 20, 8, "doors.front.readers[1].side", `want "in" or "out", got "both"`, nil},
	{"sim reader without a socket", "[sim]\nsocket = \"sim.sock\"\n", "", 17, 8, "doors.front.readers[1].kind", "needs the socket that moves it", nil},
	{"a scanner that was a sim reader", simReader, "kind = \"scanner\"\n", 18, 3, "doors.front.readers[1].port", "missing: name its serial device", nil},
}

func TestGrownMalformed(t *testing.T) {
	t.Parallel()
	testMistakes(t, grown, grownMistakes)
}

func TestOhms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ohms{
		"1": 1, "470": 470, "999": 999, "1000": 1000, "1k": 1000, "2.2k": 2200, "2200": 2200, "0.47k": 470, "0.001k": 1,
		"1.001k": 1001, "4.70k": 4700, "100k": 100_000, "10000k": maxOhms,
	} {
		var o, again Ohms
		if err := o.UnmarshalText([]byte(text)); err != nil || o != want {
			t.Errorf("%q is %d, %v, want %d", text, o, err, want)
		}
		if err := again.UnmarshalText([]byte(o.String())); err != nil || again != o {
			t.Errorf("%q is written %q, which is %d, %v", text, o, again, err)
		}
	}
	for _, text := range []string{
		"", "k", ".", "0", "0k", "0.0k", "-1", "+1", "1.", "1.k", ".5k", "01", "01k", "00k", "1K", "1M", "1 k", " 1k", "1k ", "1kk", "1.0005k",
		"1.5", "1,5k", "4k7", "1e3", "0x10", "1_000", "10000.001k", "10000001", "99999999999999999999", "١k", "1k\x00",
	} {
		o := Ohms(7)
		if err := o.UnmarshalText([]byte(text)); !errors.Is(err, ErrOhms) || o != 7 {
			t.Errorf("%q: %d, %v", text, o, err)
		}
	}
}

// FuzzOhms: what is taken is bounded, and String writes it so that it is taken again.
func FuzzOhms(f *testing.F) {
	for _, text := range []string{"470", "2.2k", "0.001k", "1.k", "4k7", "10000k"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var o, again Ohms
		if o.UnmarshalText([]byte(text)) != nil {
			return
		}
		if o < 1 || o > maxOhms {
			t.Fatalf("%q is %d", text, o)
		}
		if err := again.UnmarshalText([]byte(o.String())); err != nil || again != o {
			t.Fatalf("%q is written %q, which is %d, %v", text, o, again, err)
		}
	})
}
