package board

import (
	"errors"
	"strings"
	"testing"

	"github.com/warthog618/go-gpiocdev"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	// Three pins of each half that every drawing of the header shows.
	for pin, want := range map[int]int{3: 2, 11: 17, 12: 18, 13: 27, 37: 26, 40: 21} {
		if bcm, err := BCMOfPin(pin); err != nil || bcm != want {
			t.Errorf("pin %d: BCM %d, %v; want %d", pin, bcm, err, want)
		}
	}
	for _, c := range []struct {
		pin  int
		text string
	}{
		{-1, "there is no pin -1"}, {0, "there is no pin 0"}, {41, "use 1 to 40"}, {1 << 40, "use 1 to 40"},
		{1, "3.3 V"}, {17, "3.3 V"}, {2, "5 V"}, {4, "5 V"},
		{6, "ground"}, {9, "ground"}, {14, "ground"}, {20, "ground"}, {25, "ground"}, {30, "ground"}, {34, "ground"}, {39, "ground"},
		{27, "ID_SD"}, {28, "ID_SC"},
	} {
		bcm, err := BCMOfPin(c.pin)
		if !errors.Is(err, ErrPin) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("pin %d: BCM %d, %v; want an error with %q", c.pin, bcm, err, c.text)
		}
	}

	// Each BCM number has one pin, and 12 pins are power and ground.
	lines := 0
	for pin := range 42 {
		if bcm, err := BCMOfPin(pin); err == nil {
			lines++
			if back, ok := PinOfBCM(bcm); !ok || back != pin {
				t.Errorf("pin %d is BCM %d, which is pin %d, %v", pin, bcm, back, ok)
			}
		}
	}
	if lines != 40-12-2 {
		t.Errorf("%d pins are lines", lines)
	}
	for bcm := range BCMs {
		if _, ok := PinOfBCM(bcm); !ok {
			t.Errorf("BCM %d has no pin", bcm)
		}
	}
	for _, bcm := range []int{volts3, volts5, ground, -99, BCMs, 53, 1 << 40} {
		if pin, ok := PinOfBCM(bcm); ok {
			t.Errorf("BCM %d has pin %d", bcm, pin)
		}
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	for bcm := -2; bcm < 60; bcm++ {
		why, ok := Reserved(bcm)
		if want := bcm == 0 || bcm == 1; ok != want || ok != strings.Contains(why, "HAT") {
			t.Errorf("BCM %d: %q, %v", bcm, why, ok)
		}
	}
}

func TestPowerOnPull(t *testing.T) {
	t.Parallel()
	for bcm, want := range map[int]Bias{
		-1: Float, 0: PullUp, 2: PullUp, 8: PullUp, 9: PullDown, 17: PullDown, 27: PullDown, 28: Float, 53: Float,
	} {
		if got := PowerOnPull(bcm); got != want {
			t.Errorf("BCM %d: %v, want %v", bcm, got, want)
		}
	}
}

func TestHeaderChip(t *testing.T) {
	t.Parallel()
	chip := func(path, label string) Chip { return Chip{path, label, 54} }
	pi3 := []Chip{chip("/dev/gpiochip0", "pinctrl-bcm2835"), chip("/dev/gpiochip1", "raspberrypi-exp-gpio")}
	pi5 := []Chip{
		chip("/dev/gpiochip0", "gpio-brcmstb@107d508500"), chip("/dev/gpiochip1", "gpio-brcmstb@107d508520"),
		chip("/dev/gpiochip4", "pinctrl-rp1"), chip("/dev/gpiochip9", "pinctrl-bcm2712"),
	}
	for name, c := range map[string]struct {
		chips []Chip
		want  Chip
	}{"Pi 3": {pi3, pi3[0]}, "Pi 4": {pi, pi[0]}, "Pi 5": {pi5, pi5[2]}} {
		if got, err := find(c.chips, HeaderChip); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		chips []Chip
		want  error
		text  []string
	}{
		"no chip":                         {nil, ErrNoChip, []string{"has none"}},
		"a Pi 5's processor is no header": {pi5[3:], ErrNoChip, []string{"pinctrl-bcm2712", "/dev/gpiochip9"}},
		"another board":                   {[]Chip{chip("/dev/gpiochip0", "9030000.pl061")}, ErrNoChip, []string{"9030000.pl061", "pinctrl-rp1"}},
		"an expander":                     {pi3[1:], ErrNoChip, []string{"raspberrypi-exp-gpio"}},
		"a label that begins alike":       {[]Chip{chip("/dev/gpiochip0", "pinctrl-bcm27110")}, ErrNoChip, []string{"pinctrl-bcm27110"}},
		"a label in capitals":             {[]Chip{chip("/dev/gpiochip0", "PINCTRL-RP1")}, ErrNoChip, []string{"PINCTRL-RP1"}},
		"two of them":                     {append(pi3, pi5...), ErrAmbiguousChip, []string{"/dev/gpiochip0", "/dev/gpiochip4"}},
	} {
		got, err := find(c.chips, HeaderChip)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		for _, text := range c.text {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v lacks %q", name, err, text)
			}
		}
	}
	// A path that happens to be so called is no chip of the header.
	if got, err := find([]Chip{chip(HeaderChip, "x"), pi3[0]}, HeaderChip); err != nil || got != pi3[0] {
		t.Errorf("a path like the name: %v, %v", got, err)
	}
}

// TestHeaderLine: a line that is named by the header's chip and by its label is
// one line.
func TestHeaderLine(t *testing.T) {
	t.Parallel()
	err := checkLines(pi, []LineUse{{HeaderChip, 17, "relay"}, {"pinctrl-bcm2711", 17, "contact"}}, free)
	if !errors.Is(err, ErrLineTwice) {
		t.Errorf("named in two ways: %v", err)
	}
	for _, line := range []int{-1, BCMs, 53} {
		err := checkLines(pi, []LineUse{{HeaderChip, line, "relay"}}, free)
		if !errors.Is(err, ErrNoLine) || !strings.Contains(err.Error(), "0 to 27") {
			t.Errorf("BCM %d: %v", line, err)
		}
	}
	if err := checkLines(pi, []LineUse{{HeaderChip, 17, "relay"}, {HeaderChip, 18, "contact"}}, free); err != nil {
		t.Error(err)
	}
}

func free(string, int) (gpiocdev.LineInfo, error) { return gpiocdev.LineInfo{}, nil }
