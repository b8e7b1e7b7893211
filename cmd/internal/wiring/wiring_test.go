package wiring

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tombolo/edge/door"
	"tombolo/edge/strict"
	"tombolo/hw/board"
)

func example(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/gateway.toml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParse(t *testing.T) {
	t.Parallel()
	w, err := Parse("/etc/tombolo/gateway.toml", example(t))
	if err != nil {
		t.Fatal(err)
	}
	line := func(name string, offset int, activeLow bool) Line {
		return Line{Chip: "pinctrl-bcm2711", Offset: offset, ActiveLow: activeLow, Name: name}
	}
	bcm := func(name string, n int, activeLow bool) Line {
		return Line{Chip: board.HeaderChip, Offset: n, ActiveLow: activeLow, Name: name}
	}
	closed, err := door.BandsOf(2200, 1000, 1000)
	if err != nil {
		t.Fatal(err)
	}
	open, err := door.BandsOf(2200, 1000, 1500)
	if err != nil {
		t.Fatal(err)
	}
	want := &Wiring{
		Data: "/etc/tombolo/state",
		Name: "gw1",
		Sim:  Sim{Socket: "/etc/tombolo/sim.sock"},
		Inputs: Inputs{
			Fire:    &Input{Line: line("fire", 5, false), Bias: PullUp},
			Tamper:  &Input{Line: Line{Name: "tamper"}, Supervised: &Supervised{ADC: SimADC, Pull: 2200, Series: 1000, Parallel: 1000, Bands: closed}},
			Mains:   &Input{Line: line("mains", 6, true)},
			Battery: &Input{Line: Line{Chip: SimChip, Name: "battery"}},
		},
		Buses: map[string]*Bus{"wall": {Name: "wall", Port: "/dev/serial/by-id/usb-rs485", Baud: 115200}},
		ADCs:  map[string]*ADC{"hall": {Name: "hall", Kind: ADS1115, Bus: "/dev/i2c-1", Address: 0x49, Supply: 5000}},
		Doors: map[string]*Door{
			"front": {
				Name:     "front",
				Lock:     FailSecure,
				Relay:    line("front/relay", 17, true),
				Operator: ptr(line("front/operator", 18, false)),
				Sounder:  ptr(line("front/sounder", 19, false)),
				Contact:  &Input{Line: line("front/contact", 27, true), Bias: PullUp},
				Rex:      &Input{Line: Line{Chip: "/dev/gpiochip0", Offset: 22, Name: "front/rex"}, Bias: PullDown},
				Tamper:   &Input{Line: line("front/tamper", 23, false), Bias: PullUp},
				Readers: []Reader{
					{
						Kind: Scanner, Port: "/dev/serial/by-id/usb-scanner-in", Baud: 9600, Side: In,
						Green:  ptr(line("front/reader/1/green", 24, false)),
						Red:    ptr(line("front/reader/1/red", 25, true)),
						Beeper: &Line{Chip: SimChip, Name: "front/reader/1/beeper"},
					},
					{Kind: Scanner, Port: "/etc/tombolo/ports/out", Baud: 115200, Side: Out},
				},
			},
			"flat-1": {
				Name:    "flat-1",
				Lock:    FailSafe,
				Relay:   Line{Chip: SimChip, Name: "flat-1/relay"},
				Contact: &Input{Line: Line{Chip: SimChip, Name: "flat-1/contact"}},
				Rex: &Input{Line: Line{Name: "flat-1/rex"}, Supervised: &Supervised{
					ADC: SimADC, Channel: 1, Pull: 2200, Series: 1000, Parallel: 1500, NormallyOpen: true, Bands: open.NormallyOpen()}},
				Readers: []Reader{{Kind: SimReader, Side: In}, {Kind: SimReader, Side: Out}},
			},
			"yard": {
				Name:     "yard",
				Lock:     FailSecure,
				Relay:    bcm("yard/relay", 16, false),
				Operator: ptr(bcm("yard/operator", 7, true)),
				Sounder:  ptr(bcm("yard/sounder", 12, false)),
				Contact: &Input{Line: Line{Name: "yard/contact"}, Supervised: &Supervised{
					ADC: "hall", Channel: 3, Pull: 2200, Series: 1000, Parallel: 1000, Bands: closed}},
				Rex: &Input{Line: bcm("yard/rex", 20, true), Bias: PullUp},
				Readers: []Reader{
					{Kind: OSDP, Side: In, Bus: "wall", Address: 3},
					{Kind: OSDP, Side: Out, Bus: "wall", Insecure: true},
				},
			},
			"shed": {
				Name:  "shed",
				Lock:  FailSecure,
				Relay: bcm("shed/relay", 26, false),
				Readers: []Reader{
					{Kind: PCSC, Name: "ACS ACR1252", Green: ptr(bcm("shed/reader/1/green", 21, false))},
					{Kind: PN532, Bus: "i2c:/dev/i2c-1"},
					{Kind: Keyboard, Port: "/dev/input/by-id/usb-scanner-event-kbd"},
				},
			},
		},
	}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("got  %+v\nwant %+v", w, want)
		t.Errorf("inputs:\ngot  %+v\nwant %+v", w.Inputs, want.Inputs)
		for name := range want.Doors {
			t.Errorf("door %s:\ngot  %+v\nwant %+v", name, w.Doors[name], want.Doors[name])
		}
	}
	if !w.Doors["flat-1"].Relay.Simulated() || w.Doors["front"].Relay.Simulated() {
		t.Error("Simulated is wrong")
	}
}

func ptr[T any](v T) *T { return &v }

// TestAll: every output is driven safe, and every input opened, in one order.
func TestAll(t *testing.T) {
	t.Parallel()
	w, err := Parse("gateway.toml", example(t))
	if err != nil {
		t.Fatal(err)
	}
	var outputs, inputs []string
	for _, l := range w.Outputs() {
		outputs = append(outputs, l.Name)
	}
	for _, in := range w.AllInputs() {
		inputs = append(inputs, in.Name)
	}
	if want := strings.Fields("flat-1/relay front/relay front/operator front/sounder front/reader/1/green front/reader/1/red front/reader/1/beeper shed/relay shed/reader/1/green yard/relay yard/operator yard/sounder"); !slices.Equal(outputs, want) {
		t.Errorf("outputs %q", outputs)
	}
	if want := strings.Fields("fire tamper mains battery flat-1/contact flat-1/rex front/contact front/rex front/tamper yard/contact yard/rex"); !slices.Equal(inputs, want) {
		t.Errorf("inputs %q", inputs)
	}
}

// TestRest: with its resistors as they are given a supervised input is normal.
func TestRest(t *testing.T) {
	t.Parallel()
	w, err := Parse("gateway.toml", example(t))
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[int]*Supervised{312: w.Inputs.Tamper.Supervised, 531: w.Doors["flat-1"].Rex.Supervised} {
		if got := s.Rest(); got != want || s.Bands.Line(got, door.LineCut) != door.LineNormal {
			t.Errorf("rests at %d, want %d, which is %v", got, want, s.Bands.Line(got, door.LineCut))
		}
	}
}

// TestPaths: what the file says, and what is made of it.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"/etc/t/gateway.toml", ``, "/etc/t"},
		{"gateway.toml", ``, "."},
		{"conf/gateway.toml", `data = "../state/"`, "state"},
		{"/etc/t/gateway.toml", `data = "../../var"`, "/var"},
		{"conf/gateway.toml", `data = "/var/lib/tombolo/"`, "/var/lib/tombolo"},
	} {
		if w, err := Parse(c[0], []byte(c[1])); err != nil || w.Data != c[2] {
			t.Errorf("%s with %s: data %q, %v, want %q", c[0], c[1], w.Data, err, c[2])
		}
	}
}

// base is a valid file; each malformed case changes it in one place.
const base = `data = "/var/lib/tombolo"
name = "gw1"
[doors.front]
lock = "fail-secure"
relay = { chip = "pinctrl-rp1", line = 17, active_low = true, resistor = "pull-up" }
contact = { chip = "pinctrl-rp1", line = 27, bias = "pull-up" }
[[doors.front.readers]]
kind = "scanner"
port = "/dev/ttyACM0"
baud = 9600
side = "in"
[doors.yard]
lock = "fail-safe"
relay = { chip = "pinctrl-rp1", line = 18 }
`

// grown has what base has not: the gateway's inputs, outputs beside the lock,
// supervised inputs, indicators and a simulated reader.
const grown = `[sim]
socket = "sim.sock"
[inputs]
fire = { chip = "pinctrl-rp1", line = 5, bias = "pull-up" }
mains = { adc = "sim", channel = 3, pull = "2.2k", series = "1k", parallel = "1.2k" }
[doors.front]
lock = "fail-secure"
relay = { chip = "pinctrl-rp1", line = 17 }
operator = { chip = "pinctrl-rp1", line = 18, active_low = true, resistor = "pull-up" }
sounder = { chip = "pinctrl-rp1", line = 19 }
tamper = { adc = "sim", channel = 4, pull = "4.7k", series = "2k", parallel = "3k", normally_open = true }
[[doors.front.readers]]
kind = "scanner"
port = "/dev/ttyACM0"
green = { chip = "pinctrl-rp1", line = 20 }
red = { chip = "pinctrl-rp1", line = 21, active_low = true }
beeper = { chip = "pinctrl-rp1", line = 22 }
[[doors.front.readers]]
kind = "sim"
side = "out"
`

type mistake struct {
	name, old, new string // what to replace in base
	line, column   int
	key, msg       string // msg: a part of it
	is             error  // strict's sentinel, if there is one
}

var mistakes = []mistake{
	{"data empty", `"/var/lib/tombolo"`, `""`, 1, 8, "data", "empty: want a path", nil},
	{"data with a control character", `"/var/lib/tombolo"`, `"/var\u0000"`, 1, 8, "data", "without control characters", nil},
	{"name is no slug", `"gw1"`, `"GW 1"`, 2, 8, "name", `want a slug: 1 to 32 of a-z, 0-9 and "-", got "GW 1"`, strict.ErrSlug},
	{"unknown key", "name =", "nane =", 2, 1, "nane", `did you mean "name"?`, strict.ErrUnknown},
	{"door is no slug", "[doors.yard]", "[doors.Yard]", 12, 2, "doors.Yard", "want a slug", strict.ErrSlug},
	{"doubled door", "[doors.yard]", "[doors.front]", 12, 2, "doors.front", "line 3", strict.ErrDoubled},
	{"no lock", "lock = \"fail-secure\"\n", "", 3, 2, "doors.front.lock", "missing: say what the lock does without power", strict.ErrMissing},
	{"lock unknown", `"fail-secure"`, `"fail-open"`, 4, 8, "doors.front.lock", `want "fail-secure" or "fail-safe", got "fail-open"`, nil},
	{"lock empty", `"fail-secure"`, `""`, 4, 8, "doors.front.lock", `got ""`, nil},
	{"no relay", "relay = { chip = \"pinctrl-rp1\", line = 18 }\n", "", 12, 2, "doors.yard.relay", "missing: name the line that drives the lock", strict.ErrMissing},
	{"relay as a number", `{ chip = "pinctrl-rp1", line = 18 }`, "18", 14, 9, "doors.yard.relay", "want a table, got 18", strict.ErrValue},
	{"relay without chip", `chip = "pinctrl-rp1", line = 18`, "line = 18", 14, 9, "doors.yard.relay.chip", "missing: name the line by its header pin", nil},
	{"relay without line", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "pinctrl-rp1" }`, 14, 9, "doors.yard.relay.line", "missing: give the line's number", nil},
	{"relay with a bias", "line = 18", `line = 18, bias = "none"`, 14, 44, "doors.yard.relay.bias", "unknown key; known: active_low, bcm, chip, line, pin, resistor", strict.ErrUnknown},
	{"negative line", "line = 18", "line = -1", 14, 40, "doors.yard.relay.line", "want a whole number from 0 to 1023, got -1", strict.ErrValue},
	{"line too large", "line = 18", "line = 1024", 14, 40, "doors.yard.relay.line", "got 1024", strict.ErrValue},
	{"line in words", "line = 18", `line = "18"`, 14, 40, "doors.yard.relay.line", `got "18"`, strict.ErrValue},
	{"line doubled within a door", "line = 27", "line = 17", 6, 42, "doors.front.contact.line", "BCM 17 (pin 11) is front/relay already", nil},
	{"line doubled between doors", "line = 18", "line = 27", 14, 40, "doors.yard.relay.line", "BCM 27 (pin 13) is front/contact already", nil},
	{"chip by a wrong path", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "/dev/mem", line = 18 }`, 14, 18, "doors.yard.relay.chip", `want a label such as "pinctrl-bcm2711", a path such as "/dev/gpiochip0", or "sim", got "/dev/mem"`, nil},
	{"chip by a climbing path", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "/dev/gpiochip0/../mem", line = 18 }`, 14, 18, "doors.yard.relay.chip", "want a label", nil},
	{"chip empty", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "", line = 18 }`, 14, 18, "doors.yard.relay.chip", `got ""`, nil},
	{"chip too long", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "` + strings.Repeat("x", 32) + `", line = 18 }`, 14, 18, "doors.yard.relay.chip", "want a label", nil},
	{"active_low in words", "active_low = true", `active_low = "yes"`, 5, 57, "doors.front.relay.active_low", `want true or false, got "yes"`, strict.ErrValue},
	{"bias unknown", `bias = "pull-up"`, `bias = "pullup"`, 6, 53, "doors.front.contact.bias", `want "none", "pull-up" or "pull-down", got "pullup"`, nil},
	{"sim without a socket", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "sim" }`, 14, 18, "doors.yard.relay.chip", `needs the socket that moves it: add [sim]`, nil},
	{"sim with an empty table", "[doors.yard]", "[sim]\n[doors.yard]", 12, 2, "sim.socket", "missing: name the socket", strict.ErrMissing},
	{"sim with an empty socket", "[doors.yard]", "[sim]\nsocket = \"\"\n[doors.yard]", 13, 10, "sim.socket", "empty", nil},
	{"sim without simulated lines", "[doors.yard]", "[sim]\nsocket = \"s\"\n[doors.yard]", 12, 2, "sim", "nothing here is simulated", nil},
	{"sim with a line", `{ chip = "pinctrl-rp1", line = 18 }`, `{ chip = "sim", line = 18 }`, 14, 25, "doors.yard.relay.line", `it is the one named "yard/relay"`, nil},
	{"sim with a bias", `contact = { chip = "pinctrl-rp1", line = 27, bias`, `contact = { chip = "sim", bias`, 6, 27, "doors.front.contact.bias", `"front/contact"`, nil},
	{"no kind", "kind = \"scanner\"\n", "", 7, 3, "doors.front.readers[0].kind", "missing: say what kind", strict.ErrMissing},
	{"kind unknown", `"scanner"`, `"camera"`, 8, 8, "doors.front.readers[0].kind", `want "scanner", "keyboard", "pcsc", "pn532", "osdp" or "sim", got "camera"`, nil},
	{"no port", "port = \"/dev/ttyACM0\"\n", "", 7, 3, "doors.front.readers[0].port", "missing: name its serial device", nil},
	{"port empty", `"/dev/ttyACM0"`, `""`, 9, 8, "doors.front.readers[0].port", "empty: want a path", nil},
	{"port too long", `"/dev/ttyACM0"`, `"/` + strings.Repeat("x", maxPath) + `"`, 9, 8, "doors.front.readers[0].port", "at most 4095 bytes", nil},
	{"port doubled", "[doors.yard]", "[[doors.front.readers]]\nkind = \"scanner\"\nport = \"/dev/../dev/ttyACM0\"\n[doors.yard]", 14, 8, "doors.front.readers[1].port", "door front's reader 1 already", nil},
	{"baud not a standard one", "baud = 9600", "baud = 9601", 10, 8, "doors.front.readers[0].baud", "want one of 1200 2400", nil},
	{"baud in words", "baud = 9600", `baud = "9600"`, 10, 8, "doors.front.readers[0].baud", `got "9600"`, strict.ErrValue},
	{"side unknown", `"in"`, `"inside"`, 11, 8, "doors.front.readers[0].side", `want "in" or "out", got "inside"`, nil},
	{"readers as a table", "[[doors.front.readers]]", "[doors.front.readers]", 7, 2, "doors.front.readers", "want a list of tables, got a table", strict.ErrValue},
	{"not TOML", "side = \"in\"", "side = in", 11, 8, "doors.front.readers[0]", "not TOML", strict.ErrSyntax},
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	testMistakes(t, base, mistakes)
}

func testMistakes(t *testing.T, base string, mistakes []mistake) {
	if _, err := Parse("gateway.toml", []byte(base)); err != nil {
		t.Fatalf("the base is not valid: %v", err)
	}
	for _, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(base, c.old) != 1 {
				t.Fatalf("%q stands %d times in the base", c.old, strings.Count(base, c.old))
			}
			w, err := Parse("gateway.toml", []byte(strings.Replace(base, c.old, c.new, 1)))
			if w != nil {
				t.Error("a wiring beside the error")
			}
			var errs strict.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("not strict.Errors: %v", err)
			}
			for _, e := range errs {
				if e.Key != c.key {
					continue // one more that follows from it
				}
				if e.File != "gateway.toml" || e.Line != c.line || e.Column != c.column || !strings.Contains(e.Msg, c.msg) {
					t.Errorf("got  %v\nwant gateway.toml:%d:%d: %s: …%s…", e, c.line, c.column, c.key, c.msg)
				}
				if c.is != nil && !errors.Is(e, c.is) {
					t.Errorf("%v is not %v", e, c.is)
				}
				return
			}
			t.Errorf("no error for %s among:\n%v", c.key, err)
		})
	}
}

// FuzzParse derives again whatever Parse promises of a valid file.
func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(base))
	f.Add([]byte(grown))
	f.Add([]byte(fitted))
	f.Add([]byte(networked))
	for _, c := range networkMistakes {
		f.Add([]byte(strings.Replace(networked, c.old, c.new, 1)))
	}
	for _, c := range mistakes {
		f.Add([]byte(strings.Replace(base, c.old, c.new, 1)))
	}
	for _, c := range grownMistakes {
		f.Add([]byte(strings.Replace(grown, c.old, c.new, 1)))
	}
	for _, c := range fittedMistakes {
		f.Add([]byte(strings.Replace(fitted, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Parse("/etc/t/gateway.toml", data)
		if err != nil {
			var errs strict.Errors
			if w != nil || !errors.As(err, &errs) || len(errs) == 0 || len(errs) > strict.MaxErrors+1 {
				t.Fatalf("wiring %v beside %v", w, err)
			}
			return
		}
		again, err := Parse("/etc/t/gateway.toml", data)
		if err != nil || !reflect.DeepEqual(w, again) {
			t.Fatalf("the same bytes give two wirings (%v)", err)
		}
		checkWiring(t, w)
		checkNetwork(t, w)
		Check(w, nil, "")
	})
}

func checkWiring(t *testing.T, w *Wiring) {
	t.Helper()
	var slug strict.Slug
	simulated, lines, channels, names := false, map[lineID]bool{}, map[channelID]bool{}, map[string]bool{}
	if !strings.HasPrefix(w.Data, "/") {
		t.Errorf("data is %q", w.Data)
	}
	check := func(l Line) {
		id := lineID{l.Chip, l.Offset}
		if onHeader(l.Chip) {
			id.chip = board.HeaderChip
		}
		switch {
		case l.Name == "" || names[l.Name] || l.Offset < 0 || l.Offset > 1023:
			t.Errorf("%+v", l)
		case l.Simulated():
			simulated = true
			if (l != Line{Chip: SimChip, Name: l.Name}) {
				t.Errorf("a simulated line with more: %+v", l)
			}
		case l.Chip == "" && l != Line{Name: l.Name}:
			t.Errorf("a line of no chip: %+v", l)
		case l.Chip != "" && lines[id]:
			t.Errorf("line %v twice", id)
		case id.chip == board.HeaderChip && l.Offset < 2:
			t.Errorf("a reserved line: %+v", l)
		}
		lines[id], names[l.Name] = true, true
	}
	for _, l := range w.Outputs() {
		if check(l); l.Chip == "" {
			t.Errorf("an output of no chip: %+v", l)
		}
	}
	for _, in := range w.AllInputs() {
		check(in.Line)
		s := in.Supervised
		if in.Bias > PullDown || (s == nil) != (in.Chip != "") || in.Bias != BiasNone && (s != nil || in.Simulated()) {
			t.Errorf("input %+v", in)
		}
		if s == nil {
			continue
		}
		most := 63
		if s.ADC == SimADC {
			simulated = true
		} else if most = adsChannels - 1; w.ADCs[s.ADC] == nil {
			t.Errorf("an unknown adc: %+v", *s)
		}
		id := channelID{s.ADC, s.Channel}
		if s.Channel < 0 || s.Channel > most || channels[id] || s.Bands.Line(s.Rest(), door.LineCut) != door.LineNormal {
			t.Errorf("supervised %+v", *s)
		}
		channels[id] = true
	}
	if simulated = checkReaders(t, w) || simulated; simulated != (w.Sim.Socket != "") {
		t.Errorf("simulated %v and socket %q", simulated, w.Sim.Socket)
	}
	for name, d := range w.Doors {
		if d.Name != name || slug.UnmarshalText([]byte(name)) != nil || d.Lock != FailSecure && d.Lock != FailSafe || d.Relay.Name != name+"/relay" {
			t.Errorf("door %q: %+v", name, d)
		}
	}
	for name, a := range w.ADCs {
		if a.Name != name || name == SimADC || a.Kind != ADS1115 || a.Address < adsFirst || a.Address > adsLast || a.Supply < minSupply || a.Supply > maxSupply || !strings.HasPrefix(a.Bus, "/") {
			t.Errorf("adc %q: %+v", name, a)
		}
	}
}

// checkReaders looks at every reader, and that no two have one port, address or
// name; it tells whether one is simulated.
func checkReaders(t *testing.T, w *Wiring) (simulated bool) {
	t.Helper()
	places, pcsc, onBus := map[string]bool{}, []string{}, map[string]bool{}
	take := func(place string) {
		if places[place] {
			t.Errorf("two are on %s", place)
		}
		places[place] = true
	}
	for name, bus := range w.Buses {
		if take(bus.Port); bus.Name != name || !slices.Contains(osdpBauds, bus.Baud) || !strings.HasPrefix(bus.Port, "/") {
			t.Errorf("bus %q: %+v", name, bus)
		}
	}
	for _, a := range w.ADCs {
		take(fmt.Sprintf("%s %d", a.Bus, a.Address))
	}
	for name, d := range w.Doors {
		for _, r := range d.Readers {
			rest := r // what its kind has not is zero
			rest.Kind, rest.Side, rest.Green, rest.Red, rest.Beeper = 0, 0, nil, nil, nil
			ok := r.Side <= Out
			switch r.Kind {
			case SimReader:
				simulated = true
				take(fmt.Sprint("sim ", name, r.Side))
				ok = ok && len(r.Indicators()) == 0
			case Scanner:
				ok = ok && r.Baud >= 1200 && strings.HasPrefix(r.Port, "/")
				take(r.Port)
				rest.Port, rest.Baud = "", 0
			case Keyboard:
				ok = ok && strings.HasPrefix(r.Port, "/")
				take(r.Port)
				rest.Port = ""
			case PCSC:
				name := strings.ToLower(r.Name)
				for _, other := range pcsc {
					ok = ok && !strings.Contains(other, name) && !strings.Contains(name, other)
				}
				pcsc = append(pcsc, name)
				rest.Name = ""
			case PN532:
				kind, path, _ := strings.Cut(r.Bus, ":")
				ok = ok && slices.Contains([]string{"i2c", "spi", "uart"}, kind) && strings.HasPrefix(path, "/")
				if kind == "i2c" {
					path += " 36"
				}
				take(path)
				rest.Bus = ""
			case OSDP:
				ok = ok && r.Address <= 126 && w.Buses[r.Bus] != nil && len(r.Indicators()) == 0
				take(fmt.Sprintf("%s/%d", r.Bus, r.Address))
				onBus[r.Bus] = true
				rest.Bus, rest.Address, rest.Insecure = "", 0, false
			default:
				ok = false
			}
			if !ok || rest != (Reader{}) {
				t.Errorf("reader of door %s: %+v", name, r)
			}
		}
	}
	if len(onBus) != len(w.Buses) {
		t.Errorf("of the buses %v readers are on %v", w.Buses, onBus)
	}
	return simulated
}

func TestEnums(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{FailSecure.String() + " " + FailSafe.String() + " " + Lock(0).String(), "fail-secure fail-safe unknown (0)"},
		{BiasNone.String() + " " + PullUp.String() + " " + PullDown.String(), "none pull-up pull-down"},
		{Scanner.String() + " " + SimReader.String() + " " + OSDP.String() + " " + ADS1115.String() + " " + ResistorUp.String() + " " + In.String() + " " + Out.String() + " " + Side(7).String(), "scanner sim osdp ads1115 pull-up in out unknown (7)"},
		{Stop.String() + " " + Fault.String() + " " + Note.String(), "stop fault note"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}
