package wiring

import (
	"maps"
	"slices"

	"tombolo/edge/door"
)

// SimChip is the chip that is not there: the simulated board.
const SimChip = "sim"

// SimADC is the converter of the simulated board. Others come with their drivers.
const SimADC = "sim"

// DefaultBaud is a scanner's speed when the file does not say.
const DefaultBaud = 9600

// Wiring is a valid gateway.toml. Paths in it are absolute, or relative to
// the working directory if the file's own path was.
type Wiring struct {
	Data   string // folder of keys, ledgers and roster
	Name   string // gateway's slug that the enrolment must show; "" for any
	Sim    Sim
	Inputs Inputs
	Doors  map[string]*Door
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
	Chip      string // label, path as in /dev/gpiochip0, or SimChip; "" of a supervised input
	Offset    int    // 0 to 1023; 0 if simulated
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
	ADC                    string // SimADC
	Channel                int    // 0 to 63
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

// Reader is one reader.
type Reader struct {
	Kind Kind
	Port string // path of the serial device; "" of a simulated reader
	Baud int    // bits per second; 0 of a simulated reader
	Side Side

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
