package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge"
	"tombolo/hw/board"
	"tombolo/hw/sim"
)

// hardware is what a wiring names, real or simulated, door by door.
type hardware struct {
	wiring *wiring.Wiring
	sim    *sim.Board // nil if nothing is simulated
	relays []relay    // of locks, operators and sounders
	lamps  []io.Closer
	inputs []io.Closer
	adcs   []io.Closer // that inputs hang on

	simReaders map[sim.Mount]*sim.Reader
	listener   net.Listener // of the simulated board, or nil
	buses      map[string]*osdpBus

	// fault tells of a part that fails, or works again; it may wait for the
	// controller, and is set before that runs.
	fault func(part, what string, cleared bool)
}

// newHardware drives every output safe and opens nothing.
func newHardware(w *wiring.Wiring, b *sim.Board) (*hardware, error) {
	h := &hardware{wiring: w, sim: b, simReaders: map[sim.Mount]*sim.Reader{}, fault: func(string, string, bool) {}}
	cfg := SimConfig(w)
	if b == nil && w.Sim.Socket != "" {
		h.sim = sim.New(cfg)
	}
	if h.sim == nil {
		return h, Safe(w)
	}
	return h, errors.Join(h.sim.SetSafe(cfg.Relays...), Safe(w))
}

// SimConfig is the simulated board that a wiring asks for. Its supervised inputs
// are normal to begin with.
func SimConfig(w *wiring.Wiring) sim.Config {
	cfg := sim.Config{Channels: map[int]int{}}
	for _, l := range w.Outputs() {
		if l.Simulated() {
			cfg.Relays = append(cfg.Relays, l.Name)
		}
	}
	for _, in := range w.AllInputs() {
		switch s := in.Supervised; {
		case in.Simulated():
			cfg.Inputs = append(cfg.Inputs, in.Name)
		case s != nil && s.ADC == wiring.SimADC:
			cfg.Channels[s.Channel] = s.Rest()
		}
	}
	for _, r := range readersOf(w) {
		if r.cfg.Kind == wiring.SimReader {
			cfg.Readers = append(cfg.Readers, r.mount())
		}
	}
	return cfg
}

// Safe drives every output of a wiring to its de-energised level and lets go of
// it: what the daemon does first, and what a supervisor does after it.
func Safe(w *wiring.Wiring) error {
	var errs []error
	for _, l := range w.Outputs() {
		if !l.Simulated() {
			errs = append(errs, named(l, board.SetSafe([]board.RelayConfig{relayConfig(l)})))
		}
	}
	return errors.Join(errs...)
}

// named says at which door the trouble is and with which line, as in
// "front/relay".
func named(l wiring.Line, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", l.Name, err)
}

func relayConfig(l wiring.Line) board.RelayConfig {
	return board.RelayConfig{Chip: l.Chip, Line: l.Offset, ActiveLow: l.ActiveLow}
}

// doorsOf are in the order of their names, so that every start is the same.
func doorsOf(w *wiring.Wiring) (out []*wiring.Door) {
	for _, name := range slices.Sorted(maps.Keys(w.Doors)) {
		out = append(out, w.Doors[name])
	}
	return out
}

// openRelays opens every output, de-energised, and describes the doors.
func (h *hardware) openRelays() (map[string]edge.Door, error) {
	doors := map[string]edge.Door{}
	for _, d := range doorsOf(h.wiring) {
		out := edge.Door{FailSafe: d.Lock == wiring.FailSafe, Contact: d.Contact != nil}
		for _, l := range []struct {
			line *wiring.Line
			to   *edge.Relay
		}{{&d.Relay, &out.Relay}, {d.Operator, &out.Operator}, {d.Sounder, &out.Sounder}} {
			if l.line == nil {
				continue
			}
			r, err := h.openRelay(*l.line)
			if err != nil {
				return nil, err
			}
			h.relays = append(h.relays, r)
			*l.to = r
		}
		doors[d.Name] = out
	}
	shows := map[sim.Mount]readers{}
	for _, r := range readersOf(h.wiring) {
		shown, err := h.openLamps(r)
		if err != nil {
			return nil, err
		}
		if shown != nil {
			shows[r.mount()] = append(shows[r.mount()], shown)
		}
	}
	for name, d := range doors {
		d.In, d.Out = shows[sim.Mount{Door: name}].reader(), shows[sim.Mount{Door: name, Exit: true}].reader()
		doors[name] = d
	}
	return doors, nil
}

// openLamps opens what a reader shows patterns with; nil if it has nothing.
func (h *hardware) openLamps(r reader) (edge.Reader, error) {
	if r.cfg.Kind == wiring.SimReader {
		unit, err := h.sim.OpenReader(r.mount())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		h.lamps = append(h.lamps, unit)
		h.simReaders[r.mount()] = unit
		return simLamp{unit}, nil
	}
	if r.cfg.Kind == wiring.OSDP {
		unit := h.buses[r.cfg.Bus].readers[r.cfg.Address]
		unit.lights = &osdpLights{reader: unit}
		i := newIndicator(unit.lights)
		h.lamps = append(h.lamps, i)
		return i, nil
	}
	if len(r.cfg.Indicators()) == 0 {
		return nil, nil
	}
	var lamps [3]lamp
	for i, l := range []*wiring.Line{r.cfg.Green, r.cfg.Red, r.cfg.Beeper} {
		if l == nil {
			continue
		}
		out, err := h.openRelay(*l)
		if err != nil {
			for _, l := range lamps[:i] {
				if l.relay != nil {
					err = errors.Join(err, l.relay.Close())
				}
			}
			return nil, err
		}
		lamps[i] = lamp{relay: out, part: "door/" + l.Name}
	}
	i := newIndicator(&lineLights{reader: r.cfg, lines: lamps, fault: func(part, what string, cleared bool) { h.fault(part, what, cleared) }})
	h.lamps = append(h.lamps, i)
	return i, nil
}

type relay interface {
	edge.Relay
	io.Closer
}

func (h *hardware) openRelay(l wiring.Line) (relay, error) {
	if l.Simulated() {
		r, err := h.sim.OpenRelay(l.Name)
		return r, named(l, err)
	}
	r, err := board.OpenRelay(relayConfig(l))
	return r, named(l, err)
}

// reader is one reader at a door.
type reader struct {
	name string // door/front/reader/1
	door string
	exit bool
	cfg  wiring.Reader
}

// mount is where it hangs.
func (r reader) mount() sim.Mount { return sim.Mount{Door: r.door, Exit: r.exit} }

func readersOf(w *wiring.Wiring) (out []reader) {
	for _, d := range doorsOf(w) {
		for i, r := range d.Readers {
			out = append(out, reader{fmt.Sprintf("door/%s/reader/%d", d.Name, i+1), d.Name, r.Side == wiring.Out, r})
		}
	}
	return out
}

var errTaken = errors.New("something that is no socket stands there: move it away")

// listenUnix opens a socket at path, in the place of one that a predecessor left.
func listenUnix(path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != os.ModeSocket: // somebody's file
		return nil, fmt.Errorf("%s: %w", path, errTaken)
	default:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return net.Listen("unix", path)
}

// listen opens the simulated board's socket.
func (h *hardware) listen() (err error) {
	if h.sim == nil || h.wiring.Sim.Socket == "" {
		return nil
	}
	h.listener, err = listenUnix(h.wiring.Sim.Socket)
	return err
}

// serve lets other processes watch and drive the simulated board.
func (h *hardware) serve(ctx context.Context) error {
	if h.listener == nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() { h.listener.Close() })()
	if err := h.sim.Serve(h.listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// close ends the inputs and what readers show, then lets go of the relays, each
// driven safe first.
func (h *hardware) close() error {
	var errs []error
	for _, c := range slices.Concat(h.inputs, h.adcs, h.lamps) {
		errs = append(errs, c.Close())
	}
	for _, r := range h.relays {
		errs = append(errs, r.Set(false), r.Close()) // a fail-safe lock is energised while it is locked
	}
	h.inputs, h.adcs, h.lamps, h.relays = nil, nil, nil, nil
	return errors.Join(errs...)
}
