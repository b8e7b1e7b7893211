package gateway

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/adc"
	"tombolo/hw/adc/ads1115"
	"tombolo/hw/board"
)

// listener hears of inputs; *edge.Controller is one.
type listener interface {
	Input(ctx context.Context, door string, input panel.Input, line door.Line, start bool) error
}

// wire is one input, and what it is there for.
type wire struct {
	*wiring.Input
	door  string // "" for the gateway's own
	input panel.Input
}

// part is what faults call it.
func (w wire) part() string {
	if w.door == "" {
		return "input/" + w.input.String()
	}
	return "door/" + w.door + "/" + w.input.String()
}

func wiresOf(w *wiring.Wiring) (out []wire) {
	add := func(in *wiring.Input, door string, input panel.Input) {
		if in != nil {
			out = append(out, wire{in, door, input})
		}
	}
	add(w.Inputs.Fire, "", panel.Fire) // first: what it says holds from the start
	add(w.Inputs.Tamper, "", panel.Tamper)
	add(w.Inputs.Mains, "", panel.Mains)
	add(w.Inputs.Battery, "", panel.Battery)
	for _, d := range doorsOf(w) {
		add(d.Contact, d.Name, panel.Contact)
		add(d.Rex, d.Name, panel.Rex)
		add(d.Tamper, d.Name, panel.Tamper)
	}
	return out
}

// openInputs opens every input and reports it to whoever listens, who runs.
// While ctx goes on a report waits for it.
func (h *hardware) openInputs(ctx context.Context, to listener) error {
	supervised := map[string][]*sensor{} // by ADC
	for _, w := range wiresOf(h.wiring) {
		s := &sensor{wire: w, tell: func(l door.Line, start bool) {
			_ = to.Input(ctx, w.door, w.input, l, start) // while it stops nobody is there to tell
		}, fault: h.fault}
		if w.Supervised != nil {
			supervised[w.Supervised.ADC] = append(supervised[w.Supervised.ADC], s)
			continue
		}
		in, err := h.openInput(*w.Input, func(active bool, _ time.Time) { s.set(door.LineOf(active)) })
		if err != nil {
			return named(w.Line, err)
		}
		h.inputs = append(h.inputs, in)
	}
	for name, sensors := range supervised {
		a, err := h.openADC(name)
		if err != nil {
			return fmt.Errorf("adc %s: %w", name, err)
		}
		h.inputs = append(h.inputs, sample(ctx, a, sensors))
	}
	return nil
}

// openADC opens a converter, which is closed once nobody samples it.
func (h *hardware) openADC(name string) (adc.ADC, error) {
	if name == wiring.SimADC {
		return h.sim.ADC(), nil
	}
	cfg := h.wiring.ADCs[name]
	to := ads1115.Config{Bus: cfg.Bus, Address: uint16(cfg.Address)}
	if err := to.Supply.Set(cfg.Supply.String()); err != nil { // a periph unit, which nobody outside hw imports
		return nil, err
	}
	a, err := ads1115.Open(to)
	if err != nil {
		return nil, err
	}
	h.adcs = append(h.adcs, a)
	return a, nil
}

func (h *hardware) openInput(in wiring.Input, f func(bool, time.Time)) (io.Closer, error) {
	if in.Simulated() {
		return h.sim.OpenInput(in.Name, f)
	}
	bias := map[wiring.Bias]board.Bias{wiring.BiasNone: board.Float, wiring.PullUp: board.PullUp, wiring.PullDown: board.PullDown}[in.Bias]
	return board.OpenInput(board.InputConfig{Chip: in.Chip, Line: in.Offset, ActiveLow: in.ActiveLow, Bias: bias, Report: f})
}

// undecided is how many readings in a row may lie between the states before that
// is a fault: a second's. A contact that moves makes one or two.
const undecided = 100

// sensor turns what is read of an input into changes of its line. Its methods
// are called by one goroutine at a time.
type sensor struct {
	wire
	tell  func(l door.Line, start bool)
	fault func(part, what string, cleared bool)

	known   bool // it was told
	line    door.Line
	between int // readings in a row that are none of the states
}

func (s *sensor) set(l door.Line) {
	if s.known && l == s.line {
		return
	}
	start := !s.known
	s.known, s.line = true, l
	s.tell(l, start)
}

// read takes a reading of a supervised input.
func (s *sensor) read(perMille int) {
	bands := s.Supervised.Bands
	l := bands.Line(perMille, door.LineNormal)
	if l != bands.Line(perMille, door.LineActive) { // it says what was said before: it is none of the states
		if s.between++; s.between == undecided {
			s.fault(s.part(), fmt.Sprintf("its voltage, %d of %d, is that of no state: look at its cable and its resistors", perMille, adc.Full), false)
		}
		return
	}
	if s.between >= undecided {
		s.fault(s.part(), "its voltage is that of a state again", true)
	}
	s.between = 0
	s.set(l)
}

// failed takes that the input cannot be read, or with nil that it can again.
func (s *sensor) failed(err error) {
	if err != nil {
		s.fault(s.part(), fmt.Sprintf("the input cannot be read, and counts as it was: %v", err), false)
		return
	}
	s.fault(s.part(), "the input is read again", true)
}

// sampling is an ADC that is read.
type sampling struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func sample(ctx context.Context, a adc.ADC, sensors []*sensor) *sampling {
	ctx, cancel := context.WithCancel(ctx)
	s := &sampling{cancel: cancel}
	of := map[int]*sensor{}
	cfg := adc.Config{ADC: a,
		Reading: func(channel, perMille int) { of[channel].read(perMille) },
		State:   func(channel int, err error) { of[channel].failed(err) },
	}
	for _, x := range sensors {
		of[x.Supervised.Channel] = x
		cfg.Channels = append(cfg.Channels, x.Supervised.Channel)
	}
	s.done.Go(func() {
		if err := adc.Run(ctx, cfg); err != nil {
			panic(err) // a wiring names each channel once
		}
	})
	return s
}

// Close ends the readings.
func (s *sampling) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}
