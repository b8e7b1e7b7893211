package wiring

import (
	"fmt"
	"slices"
	"strings"
)

// Lock is what a lock does without power.
type Lock uint8

// Locks. The zero value is none: the file must say which.
const (
	FailSecure Lock = iota + 1 // energised = unlocked
	FailSafe                   // energised = locked
)

// Bias is the resistor that the chip puts on an input.
type Bias uint8

// Biases. The zero value leaves the line to resistors on the board.
const (
	BiasNone Bias = iota
	PullUp
	PullDown
)

// Resistor is one that is soldered to an output's line, and holds it until a
// program drives it.
type Resistor uint8

// Resistors. The zero value is none.
const (
	ResistorUp   Resistor = iota + 1 // to the supply
	ResistorDown                     // to ground
)

// Kind is a reader's kind.
type Kind uint8

// Kinds. The zero value is none: the file must say which.
const (
	Scanner   Kind = iota + 1 // a serial QR scanner
	Keyboard                  // a QR scanner that types
	PCSC                      // an NFC reader that pcscd drives
	PN532                     // an NFC chip on I²C, SPI or a serial port
	OSDP                      // a reader on an RS-485 bus, with lights, a beeper and perhaps a keypad
	SimReader                 // a card reader with a keypad, on the simulated board's socket
)

// Keypad tells whether readers of this kind may have one.
func (k Kind) Keypad() bool { return k == SimReader || k == OSDP }

// Taps tells whether readers of this kind read cards.
func (k Kind) Taps() bool { return k == PCSC || k == PN532 || k == OSDP || k == SimReader }

// Shows tells whether readers of this kind have lights of their own.
func (k Kind) Shows() bool { return k == SimReader || k == OSDP }

// Converter is an ADC's kind.
type Converter uint8

// Converters. The zero value is none: the file must say which.
const ADS1115 Converter = 1

// Side is where a reader is.
type Side uint8

// Sides.
const (
	In  Side = iota // on the door's from side: for entering
	Out             // on its to side: an exit reader, which records and never refuses
)

var (
	lockNames = []string{"", "fail-secure", "fail-safe"}
	biasNames = []string{"none", "pull-up", "pull-down"}
	kindNames = []string{"", "scanner", "keyboard", "pcsc", "pn532", "osdp", "sim"}
	sideNames = []string{"in", "out"}

	resistorNames  = []string{"", "pull-up", "pull-down"}
	converterNames = []string{"", "ads1115"}
)

func (l Lock) String() string { return name(l, lockNames) }
func (b Bias) String() string { return name(b, biasNames) }
func (k Kind) String() string { return name(k, kindNames) }
func (s Side) String() string { return name(s, sideNames) }

func (r Resistor) String() string  { return name(r, resistorNames) }
func (c Converter) String() string { return name(c, converterNames) }

// UnmarshalText takes "fail-secure" or "fail-safe".
func (l *Lock) UnmarshalText(text []byte) error { return parse(l, text, lockNames) }

// UnmarshalText takes "none", "pull-up" or "pull-down".
func (b *Bias) UnmarshalText(text []byte) error { return parse(b, text, biasNames) }

// UnmarshalText takes "scanner", "keyboard", "pcsc", "pn532", "osdp" or "sim".
func (k *Kind) UnmarshalText(text []byte) error { return parse(k, text, kindNames) }

// UnmarshalText takes "in" or "out".
func (s *Side) UnmarshalText(text []byte) error { return parse(s, text, sideNames) }

// UnmarshalText takes "pull-up" or "pull-down".
func (r *Resistor) UnmarshalText(text []byte) error { return parse(r, text, resistorNames) }

// UnmarshalText takes "ads1115".
func (c *Converter) UnmarshalText(text []byte) error { return parse(c, text, converterNames) }

// Want completes "want …".
func (Lock) Want() string { return choice(lockNames) }

// Want completes "want …".
func (Bias) Want() string { return choice(biasNames) }

// Want completes "want …".
func (Kind) Want() string { return choice(kindNames) }

// Want completes "want …".
func (Side) Want() string { return choice(sideNames) }

// Want completes "want …".
func (Resistor) Want() string { return choice(resistorNames) }

// Want completes "want …".
func (Converter) Want() string { return choice(converterNames) }

func name[T ~uint8](v T, names []string) string {
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("unknown (%d)", v)
}

func parse[T ~uint8](v *T, text []byte, names []string) error {
	i := slices.Index(names, string(text))
	if i < 0 || names[i] == "" {
		return fmt.Errorf("want %s", choice(names))
	}
	*v = T(i)
	return nil
}

// choice is `"a", "b" or "c"`, without the empty name.
func choice(names []string) string {
	var quoted []string
	for _, n := range names {
		if n != "" {
			quoted = append(quoted, `"`+n+`"`)
		}
	}
	last := len(quoted) - 1
	if last == 0 {
		return quoted[0]
	}
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
