package door

import (
	"errors"
	"fmt"
)

// What a supervised line has to bear besides its own values.
const (
	tolerance = 5       // percent, of each resistor
	cable     = 100     // ohms at most: a kilometre of 0.5 mm wire, there and back
	leakage   = 100_000 // ohms at least, between the two wires of a damp cable
	adcError  = 5       // per mille of the supply, either way

	minOhms, maxOhms = 100, 100_000
)

// Bands tells the four states of a supervised line by the voltage on it. The
// line hangs on the supply by a pull-up; at its far end a resistor in series
// with the contact and one in parallel to it:
//
//	supply ──[pull]──┬──────── cable ────[series]──┬──────────┐
//	                ADC                         contact   [parallel]
//	ground ──────────┴──────── cable ──────────────┴──────────┘
//
// A reading is per mille of the supply: 0 with the cable shorted, about 1000
// with it cut. Make one with [BandsOf].
type Bands struct {
	of    [4]band // by rising voltage
	lines [4]Line
}

// band is a range of readings, both ends in it.
type band struct{ low, high int }

// What BandsOf refuses.
var (
	ErrOhms  = errors.New("a resistor of a supervised line has 100 to 100000 ohms")
	ErrBands = errors.New("resistors of 5% cannot tell the states of the line apart")
)

// BandsOf works out the bands of a contact that is closed in its normal state,
// as that of a door is while the door is closed; see [Bands.NormallyOpen]. It
// refuses values that do not tell two states apart when every resistor is 5%
// off, the cable is long or damp, and the converter is 0.5% off: ErrBands. Ohms
// out of range are ErrOhms.
func BandsOf(pull, series, parallel int) (Bands, error) {
	for _, r := range [...]struct {
		name string
		ohms int
	}{{"pull-up", pull}, {"series", series}, {"parallel", parallel}} {
		if r.ohms < minOhms || r.ohms > maxOhms {
			return Bands{}, fmt.Errorf("%w: the %s resistor has %d", ErrOhms, r.name, r.ohms)
		}
	}
	p, closed, open := float64(pull), float64(series), float64(series+parallel)
	b := Bands{
		of: [...]band{
			{0, reading(p, 0, +1)},
			{reading(p, closed, -1), reading(p, closed, +1)},
			{reading(p, open, -1), reading(p, open, +1)},
			{reading(p, cut, -1), 1000},
		},
		lines: [...]Line{LineShorted, LineNormal, LineActive, LineCut},
	}
	advice := [...]string{"take a larger series resistor", "take a larger parallel resistor", "take smaller series and parallel resistors, or a larger pull-up"}
	for i, a := range advice {
		if b.of[i].high >= b.of[i+1].low {
			return Bands{}, fmt.Errorf("%w: %v and %v look alike with a pull-up of %d, series %d and parallel %d ohms; %s",
				ErrBands, b.lines[i], b.lines[i+1], pull, series, parallel, a)
		}
	}
	return b, nil
}

const cut = 1e12 // ohms: nothing but the leakage

// reading is the lowest (-1) or highest (+1) that a line of so many ohms can
// read as.
func reading(pull, ohms float64, side int) int {
	p := pull * (1 - float64(side)*tolerance/100)
	r := ohms * (1 + float64(side)*tolerance/100)
	if side > 0 {
		r += cable
	} else {
		r = r * leakage / (r + leakage)
	}
	return int(1000*r/(p+r)) + side*(adcError+1)
}

// NormallyOpen is the bands of the same resistors about a contact that is open
// in its normal state, as that of a button is.
func (b Bands) NormallyOpen() Bands {
	for i, l := range b.lines {
		switch l {
		case LineNormal:
			b.lines[i] = LineActive
		case LineActive:
			b.lines[i] = LineNormal
		}
	}
	return b
}

// Line is what a reading says. The bands do not adjoin: a reading between two
// of them, as while a contact moves or when somebody tries resistors on the
// cable, says what the line said last.
func (b Bands) Line(reading int, last Line) Line {
	reading = min(max(reading, 0), 1000)
	for i, band := range b.of {
		if band.low <= reading && reading <= band.high {
			return b.lines[i]
		}
	}
	return last
}
