package gateway

import (
	"strings"
	"testing"

	"tombolo/cmd/internal/wiring"
)

// TestNamed: a line that cannot be driven or opened is named by door and use, and
// the others are let go of.
func TestNamed(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"front/relay":           `relay = { chip = "none", line = 1 }`,
		"front/operator":        `operator = { chip = "none", line = 1 }`,
		"front/sounder":         `sounder = { chip = "none", line = 1 }`,
		"front/contact":         `contact = { chip = "none", line = 1 }`,
		"front/rex":             `rex = { chip = "none", line = 1 }`,
		"front/tamper":          `tamper = { chip = "none", line = 1 }`,
		"front/reader/1/green":  "[[doors.front.readers]]\nkind = \"scanner\"\nport = \"a\"\nbeeper = { chip = \"sim\" }\ngreen = { chip = \"none\", line = 1 }",
		"front/reader/1/beeper": "[[doors.front.readers]]\nkind = \"scanner\"\nport = \"a\"\ngreen = { chip = \"sim\" }\nbeeper = { chip = \"none\", line = 1 }",
	} {
		if name != "front/relay" {
			text = "relay = { chip = \"sim\" }\n" + text
		}
		w, err := wiring.Parse("/t/gateway.toml", []byte("[sim]\nsocket = \"s\"\n[inputs]\nmains = { chip = \"sim\" }\n[doors.front]\nlock = \"fail-secure\"\n"+text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		h, err := newHardware(w, nil)
		output := strings.Contains(name, "/") && !strings.Contains("contact rex tamper", name[strings.LastIndex(name, "/")+1:])
		if output != (err != nil) || output && !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("driven safe, %s: %v", name, err)
		}
		_, relays := h.openRelays()
		inputs := h.openInputs(t.Context(), &heard{})
		got := inputs
		if output {
			got = relays
		}
		if got == nil || !strings.HasPrefix(got.Error(), name+": ") || (relays != nil) != output {
			t.Errorf("%s: %v, %v", name, relays, inputs)
		}
		if err := h.close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.sim.Check(t) // nothing is left open
	}
	w, err := wiring.Parse("/t/gateway.toml", []byte("[inputs]\nfire = { chip = \"none\", line = 1 }\n"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHardware(w, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.openInputs(t.Context(), &heard{}); err == nil || !strings.HasPrefix(err.Error(), "fire: ") {
		t.Errorf("the gateway's own: %v", err)
	}
}
