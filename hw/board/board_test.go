package board

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev"
)

// Relays and inputs on real lines are tested on the emulated board, in
// firmware/virt; here is what needs no hardware.

var pi = []Chip{
	{"/dev/gpiochip0", "pinctrl-bcm2711", 58},
	{"/dev/gpiochip1", "raspberrypi-exp-gpio", 8},
	{"/dev/gpiochip2", "mcp23017", 16},
	{"/dev/gpiochip3", "mcp23017", 16},
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pinctrl-bcm2711", "/dev/gpiochip0"} {
		if c, err := find(pi, name); err != nil || c != pi[0] {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if c, err := find(pi, "/dev/gpiochip3"); err != nil || c != pi[3] {
		t.Errorf("by path where the label is not unique: %v, %v", c, err)
	}
	for _, name := range []string{"", "gpiochip0", "pinctrl-rp1", "pinctrl", "PINCTRL-BCM2711", "/dev/gpiochip9", "/dev/gpiochip", "0"} {
		_, err := find(pi, name)
		if !errors.Is(err, ErrNoChip) {
			t.Errorf("%q: %v", name, err)
			continue
		}
		for _, c := range pi {
			if !strings.Contains(err.Error(), c.Label) || !strings.Contains(err.Error(), c.Path) {
				t.Errorf("%q: %v does not name %v", name, err, c)
			}
		}
	}
	if _, err := find(nil, "x"); !errors.Is(err, ErrNoChip) || !strings.Contains(err.Error(), "has none") {
		t.Errorf("no chips: %v", err)
	}
	_, err := find(pi, "mcp23017")
	if !errors.Is(err, ErrAmbiguousChip) || !strings.Contains(err.Error(), "gpiochip2") ||
		!strings.Contains(err.Error(), "gpiochip3") || strings.Contains(err.Error(), "gpiochip0") {
		t.Errorf("ambiguous label: %v", err)
	}
}

func TestCheckLines(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	info := func(path string, line int) (gpiocdev.LineInfo, error) {
		switch {
		case path == "/dev/gpiochip0" && line == 5:
			return gpiocdev.LineInfo{Used: true, Consumer: "leds"}, nil
		case path == "/dev/gpiochip0" && line == 6:
			return gpiocdev.LineInfo{Used: true}, nil
		case path == "/dev/gpiochip0" && line == 7:
			return gpiocdev.LineInfo{}, broken
		}
		return gpiocdev.LineInfo{}, nil
	}
	const bcm = "pinctrl-bcm2711"
	for _, c := range []struct {
		name string
		uses []LineUse
		want error
		text string
	}{
		{"none", nil, nil, ""},
		{"good", []LineUse{{bcm, 17, "a"}, {bcm, 18, "b"}, {"/dev/gpiochip2", 17 - 2, "c"}}, nil, ""},
		{"same line of two chips", []LineUse{{bcm, 4, "a"}, {"/dev/gpiochip2", 4, "b"}, {"/dev/gpiochip3", 4, "c"}}, nil, ""},
		{"unknown chip", []LineUse{{"pinctrl-rp1", 4, "relay of door front"}}, ErrNoChip, "relay of door front"},
		{"no chip", []LineUse{{"", 4, "a"}}, ErrNoChip, "pinctrl-bcm2711"},
		{"ambiguous chip", []LineUse{{"mcp23017", 4, "a"}}, ErrAmbiguousChip, "by its path"},
		{"line above", []LineUse{{bcm, 58, "a"}}, ErrNoLine, "0 to 27"},
		{"line of the SD card", []LineUse{{bcm, 48, "a"}}, ErrNoLine, "0 to 27"},
		{"header by path", []LineUse{{"/dev/gpiochip0", 17, "relay of door front"}}, ErrHeaderPath, "name it by pin or bcm"},
		{"line of the SD card by path", []LineUse{{"/dev/gpiochip0", 48, "a"}}, ErrNoLine, "0 to 27"},
		{"line below", []LineUse{{bcm, -1, "a"}}, ErrNoLine, "line -1"},
		{"line of the smaller chip", []LineUse{{"raspberrypi-exp-gpio", 8, "a"}}, ErrNoLine, "0 to 7"},
		{"twice", []LineUse{{bcm, 4, "relay"}, {bcm, 4, "contact"}}, ErrLineTwice, "also the relay"},
		{"twice, by label and path", []LineUse{{bcm, 4, "relay"}, {"/dev/gpiochip0", 4, "contact"}}, ErrLineTwice, "contact"},
		{"in use", []LineUse{{bcm, 5, "a"}}, ErrLineInUse, "held by leds"},
		{"in use by nobody known", []LineUse{{bcm, 6, "a"}}, ErrLineInUse, "kernel"},
		{"cannot be asked", []LineUse{{bcm, 7, "a"}}, broken, "line 7"},
	} {
		err := checkLines(pi, c.uses, info)
		if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	all := checkLines(pi, []LineUse{{"x", 0, "a"}, {bcm, 99, "b"}, {bcm, 5, "c"}, {bcm, 4, "d"}, {bcm, 4, "e"}}, info)
	for _, want := range []error{ErrNoChip, ErrNoLine, ErrLineInUse, ErrLineTwice} {
		if !errors.Is(all, want) {
			t.Errorf("%v lacks %v", all, want)
		}
	}
}

func TestOpenWithoutChip(t *testing.T) {
	t.Parallel()
	const name = "no such chip"
	if _, err := OpenRelay(RelayConfig{Chip: name}); !errors.Is(err, ErrNoChip) {
		t.Errorf("OpenRelay: %v", err)
	}
	if _, err := OpenInput(InputConfig{Chip: name, Report: func(bool, time.Time) {}}); !errors.Is(err, ErrNoChip) {
		t.Errorf("OpenInput: %v", err)
	}
	if _, err := OpenInput(InputConfig{Chip: name}); err == nil || errors.Is(err, ErrNoChip) {
		t.Errorf("OpenInput for nobody: %v", err)
	}
	if err := SetSafe([]RelayConfig{{Chip: name}, {Chip: name, Line: 1}}); !errors.Is(err, ErrNoChip) {
		t.Errorf("SetSafe: %v", err)
	}
	if err := SetSafe(nil); err != nil {
		t.Errorf("SetSafe of nothing: %v", err)
	}
}
