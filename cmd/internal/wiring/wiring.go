package wiring

import (
	"maps"
	"slices"

	"tombolo/edge/door"
)

// SimChip is the chip that is not there: the simulated board.
const SimChip = "sim"

// SimADC is the converter of the simulated board; no other has its name.
const SimADC = "sim"

// What holds where the file does not say.
const (
	DefaultBaud    = 9600 // of a scanner, and of an OSDP bus
	DefaultAddress = 0x48 // of an ADS1115, with its pin ADDR to ground
	DefaultSupply  = 3300 // of an ADC's resistors, in millivolts
)

// Wiring is a valid gateway.toml. Paths in it are absolute, or relative to
// the working directory if the file's own path was.
type Wiring struct {
	Data   string // folder of keys, ledgers and roster
	Name   string // gateway's slug that the enrolment must show; "" for any
	Sim    Sim
	Inputs Inputs
	Buses  map[string]*Bus // RS-485 buses, by name
	ADCs   map[string]*ADC // converters but for the simulated one, by name
	Doors  map[string]*Door

	Broker    *Broker          // nil: it runs none
	Links     map[string]*Link // by name
	Metrics   *Metrics         // nil: none are shown
	Retention Retention
	Census    Census
}

// Bus is an RS-485 bus with OSDP readers on it.
type Bus struct {
	Name string
	Port string // path of the serial device
	Baud int    // bits per second
}

// ADC is a converter that supervised inputs hang on.
type ADC struct {
	Name    string
	Kind    Converter
	Bus     string // path of the I²C device
	Address int    // on it, 0x48 to 0x4B
	Supply  Millivolts
}

// Sim is the simulated board.
type Sim struct {
	Socket string // Unix socket that shows and moves what is simulated; "" if nothing is
}

// Inputs are the gateway's own; nil if they are not wired.
type Inputs struct {
	Fire    *Input // active = the fire panel says fire
	Tamper  *Input // active = the gateway's case is open
	Mains   *Input // active = mains power has failed
	Battery *Input // active = the battery is low
}

// Door is what is wired at one door. What may be nil is not wired.
type Door struct {
	Name     string
	Lock     Lock
	Relay    Line   // of the lock
	Operator *Line  // relay of the automatic door operator
	Sounder  *Line  // relay
	Contact  *Input // active = open
	Rex      *Input // active = somebody wants out
	Tamper   *Input // active = the reader or its box is open
	Readers  []Reader
}

// Line is one GPIO line, or a named line of the simulated board.
type Line struct {
	Chip      string // label, path as in /dev/gpiochip0, board.HeaderChip, or SimChip; "" of a supervised input
	Offset    int    // 0 to 1023, on the header the BCM number, 0 to 27; 0 if simulated
	ActiveLow bool
	Name      string // what it is at which door, as in "front/relay": consumer, logs, simulated board
}

// Simulated tells whether the line is on the simulated board.
func (l Line) Simulated() bool { return l.Chip == SimChip }

// Input is a GPIO line, or a channel of an ADC.
type Input struct {
	Line
	Bias       Bias
	Supervised *Supervised // nil for a GPIO line
}

// Supervised is an input that tells a cut or shorted cable by the resistors at
// its end; see door.Bands.
type Supervised struct {
	ADC                    string // SimADC, or one of the Wiring's
	Channel                int    // 0 to 63; of an ADS1115 0 to 3
	Pull, Series, Parallel Ohms
	NormallyOpen           bool // the contact is open while nothing is the matter, as a button's is
	Bands                  door.Bands
}

// Rest is what the channel reads in the normal state, with resistors of exactly
// their values; per mille.
func (s *Supervised) Rest() int {
	ohms := s.Series
	if s.NormallyOpen {
		ohms += s.Parallel
	}
	return int(1000 * ohms / (s.Pull + ohms))
}

// Reader is one reader. What its kind has not is zero.
type Reader struct {
	Kind Kind
	Side Side

	Port     string // path of the device; of a scanner or a keyboard
	Baud     int    // bits per second; of a scanner
	Name     string // PC/SC's, or a part of it; "" is the only one there is
	Bus      string // of a PN532 as in "i2c:/dev/i2c-1", or an OSDP reader's in the Wiring
	Address  byte   // on an OSDP bus, 0 to 126
	Insecure bool   // an OSDP reader is spoken to without Secure Channel

	// Indicator lines; nil if they are not wired. Amber is both colours.
	Green, Red, Beeper *Line
}

// Indicators are the reader's indicator lines that are wired.
func (r Reader) Indicators() []Line { return wired(r.Green, r.Red, r.Beeper) }

// Outputs are all output lines that are wired, in the order of the doors' names.
func (w *Wiring) Outputs() (out []Line) {
	for _, d := range w.sorted() {
		out = append(out, d.Relay)
		out = append(out, wired(d.Operator, d.Sounder)...)
		for _, r := range d.Readers {
			out = append(out, r.Indicators()...)
		}
	}
	return out
}

// AllInputs are the gateway's inputs that are wired, and then those of the
// doors in the order of their names.
func (w *Wiring) AllInputs() []*Input {
	all := []*Input{w.Inputs.Fire, w.Inputs.Tamper, w.Inputs.Mains, w.Inputs.Battery}
	for _, d := range w.sorted() {
		all = append(all, d.Contact, d.Rex, d.Tamper)
	}
	return slices.DeleteFunc(all, func(in *Input) bool { return in == nil })
}

func (w *Wiring) sorted() (out []*Door) {
	for _, name := range slices.Sorted(maps.Keys(w.Doors)) {
		out = append(out, w.Doors[name])
	}
	return out
}

func wired(lines ...*Line) (out []Line) {
	for _, l := range lines {
		if l != nil {
			out = append(out, *l)
		}
	}
	return out
}
