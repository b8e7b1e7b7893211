package wiring

import (
	"errors"
	"strconv"
	"strings"
)

// Millivolts is a supply's voltage.
type Millivolts int

// ErrVolts: a text that is no supply's voltage.
var ErrVolts = errors.New("want " + voltWords)

const (
	voltWords = `volts from 2 to 5.5 such as "3.3V" or "5V"`

	// What an ADS1115 runs on (Texas Instruments, SBAS444, "Recommended Operating
	// Conditions").
	minSupply, maxSupply = 2000, 5500
)

// UnmarshalText takes volts with up to three decimals, as in "3.3V"; all else is
// ErrVolts.
func (m *Millivolts) UnmarshalText(text []byte) error {
	number, volts := strings.CutSuffix(string(text), "V")
	whole, decimals, point := strings.Cut(number, ".")
	if !volts || len(whole) != 1 || len(decimals) > 3 || !digits(whole) || point && !digits(decimals) {
		return ErrVolts
	}
	n, err := strconv.Atoi(whole + decimals + strings.Repeat("0", 3-len(decimals)))
	if err != nil || n < minSupply || n > maxSupply {
		return ErrVolts
	}
	*m = Millivolts(n)
	return nil
}

// Want completes "want …".
func (Millivolts) Want() string { return voltWords }

// String is as short as UnmarshalText takes it.
func (m Millivolts) String() string {
	s := strconv.Itoa(int(m / 1000))
	if rest := int(m % 1000); rest > 0 {
		s += strings.TrimRight("."+strconv.Itoa(1000 + rest)[1:], "0")
	}
	return s + "V"
}
