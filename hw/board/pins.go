package board

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// HeaderChip, as the chip of a [RelayConfig], an [InputConfig] or a [LineUse],
// is the chip of a Raspberry Pi's 40-pin header, whatever it is called on this
// model; the line is then the BCM number.
const HeaderChip = "raspberry-pi"

// headerLabels are the kernel's labels of the chip whose first 28 lines are the
// header's BCM numbers. Not pinctrl-bcm2712: that is what the Pi 5's processor
// keeps for itself, and the header hangs on the RP1 (Raspberry Pi Ltd, RP1
// Peripherals, §3.1).
var headerLabels = []string{
	"pinctrl-bcm2835", // Pi 0 to 3, Zero 2
	"pinctrl-bcm2711", // Pi 4, 400, CM4
	"pinctrl-rp1",     // Pi 5, 500, CM5
}

// ErrPin is wrapped by every error of BCMOfPin.
var ErrPin = errors.New("board: header pin cannot be a line")

// BCMs is how many lines the header has: BCM 0 to 27.
const BCMs = 28

// What a pin of the header is, if it is no BCM line of the user's.
const (
	volts3 = -1 - iota
	volts5
	ground
)

// header is the 40-pin header by pin: a BCM number, or one of the above. It is
// the same on every Raspberry Pi that has 40 pins (Raspberry Pi documentation,
// "GPIO and the 40-pin header").
var header = [41]int{
	1: volts3, 2: volts5,
	3: 2, 4: volts5,
	5: 3, 6: ground,
	7: 4, 8: 14,
	9: ground, 10: 15,
	11: 17, 12: 18,
	13: 27, 14: ground,
	15: 22, 16: 23,
	17: volts3, 18: 24,
	19: 10, 20: ground,
	21: 9, 22: 25,
	23: 11, 24: 8,
	25: ground, 26: 7,
	27: 0, 28: 1,
	29: 5, 30: ground,
	31: 6, 32: 12,
	33: 13, 34: ground,
	35: 19, 36: 16,
	37: 26, 38: 20,
	39: ground, 40: 21,
}

// BCMOfPin gives the BCM number behind a pin of the 40-pin header, counted from
// 1 at the end where the SD card is, odd numbers on the inner row. A pin that
// there is not, power, ground and the two pins of the HAT's ID memory are
// errors, which wrap ErrPin and say which it is.
func BCMOfPin(pin int) (bcm int, err error) {
	if pin < 1 || pin >= len(header) {
		return 0, fmt.Errorf("%w: there is no pin %d: use 1 to %d", ErrPin, pin, len(header)-1)
	}
	bcm = header[pin]
	what := ""
	switch bcm {
	case volts3:
		what = "3.3 V power"
	case volts5:
		what = "5 V power"
	case ground:
		what = "ground"
	default:
		why, reserved := Reserved(bcm)
		if !reserved {
			return bcm, nil
		}
		what = why
	}
	return 0, fmt.Errorf("%w: pin %d is %s: wire another pin", ErrPin, pin, what)
}

// PinOfBCM gives the header's pin of a BCM number; ok is false if none has it.
func PinOfBCM(bcm int) (pin int, ok bool) {
	if bcm < 0 {
		return 0, false
	}
	pin = slices.Index(header[1:], bcm) + 1
	return pin, pin > 0
}

// Reserved tells why a BCM number of the header must not be wired to a door; ok
// is false if nothing is against it. What a bus of the same wiring occupies is
// for that wiring to know.
func Reserved(bcm int) (why string, ok bool) {
	// Raspberry Pi, HAT+ specification, "ID EEPROM": nothing else may be on these
	// two; the boot firmware talks to them before any kernel runs.
	switch bcm {
	case 0:
		return "ID_SD (BCM 0), the data line of a HAT's ID memory, which the boot firmware drives", true
	case 1:
		return "ID_SC (BCM 1), the clock line of a HAT's ID memory, which the boot firmware drives", true
	}
	return "", false
}

// PowerOnPull is the resistor that a line of the header has from power-on until
// somebody changes it: up on BCM 0 to 8, down on 9 to 27. So an active-high
// relay on the former, and an active-low one on the latter, is energised before
// any program runs, unless a stronger resistor outside holds it. Float means
// that the line is none of the header's.
//
// Source: the column "Pull" of BCM2835 ARM Peripherals table 6-31 and of BCM2711
// ARM Peripherals §5.3. A Pi 5's RP1 is taken to have the same, so that a header
// means one thing on all models; that is unproved, and none of it was measured.
func PowerOnPull(bcm int) Bias {
	switch {
	case bcm < 0 || bcm >= BCMs:
		return Float
	case bcm <= 8:
		return PullUp
	default:
		return PullDown
	}
}

// headerOf picks the header's chip.
func headerOf(chips []Chip) (Chip, error) {
	var found []Chip
	for _, c := range chips {
		if slices.Contains(headerLabels, c.Label) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Chip{}, fmt.Errorf("%w: %q, the chip of a Raspberry Pi's 40-pin header (%s); this machine has %s",
			ErrNoChip, HeaderChip, strings.Join(headerLabels, ", "), list(chips))
	default:
		return Chip{}, fmt.Errorf("%w: %q is %s: name one by its label", ErrAmbiguousChip, HeaderChip, list(found))
	}
}

// Header tells whether the chip is that of a Raspberry Pi's 40-pin header.
func (c Chip) Header() bool { return slices.Contains(headerLabels, c.Label) }
