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
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge"
	"tombolo/hw/board"
	"tombolo/hw/sim"
)

// hardware is what a wiring names, real or simulated, door by door.
type hardware struct {
	wiring *wiring.Wiring
	sim    *sim.Board // nil without simulated lines
	relays []relay
	inputs []io.Closer

	listener net.Listener // of the simulated board, or nil
}

// newHardware drives every relay safe and opens nothing.
func newHardware(w *wiring.Wiring, b *sim.Board) (*hardware, error) {
	h := &hardware{wiring: w, sim: b}
	var cfg sim.Config
	for _, d := range h.doors() {
		if d.Relay.Simulated() {
			cfg.Relays = append(cfg.Relays, d.Relay.Name)
		}
		for _, l := range []*wiring.Line{d.Contact, d.Rex} {
			if l != nil && l.Simulated() {
				cfg.Inputs = append(cfg.Inputs, l.Name)
			}
		}
	}
	if b == nil && len(cfg.Relays)+len(cfg.Inputs) > 0 {
		h.sim = sim.New(cfg)
	}
	if h.sim == nil {
		return h, Safe(w)
	}
	return h, errors.Join(h.sim.SetSafe(cfg.Relays...), Safe(w))
}

// Safe drives every relay of a wiring to its de-energised level and lets go of
// it: what the daemon does first, and what a supervisor does after it.
func Safe(w *wiring.Wiring) error {
	var errs []error
	for _, d := range doorsOf(w) {
		if !d.Relay.Simulated() {
			errs = append(errs, named(d.Relay, board.SetSafe([]board.RelayConfig{relayConfig(d.Relay)})))
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

func (h *hardware) doors() []*wiring.Door { return doorsOf(h.wiring) }

// doorsOf are in the order of their names, so that every start is the same.
func doorsOf(w *wiring.Wiring) (out []*wiring.Door) {
	for _, name := range slices.Sorted(maps.Keys(w.Doors)) {
		out = append(out, w.Doors[name])
	}
	return out
}

// openRelays opens every relay, de-energised, and describes the doors.
func (h *hardware) openRelays() (map[string]edge.Door, error) {
	doors := map[string]edge.Door{}
	for _, d := range h.doors() {
		r, err := h.openRelay(d.Relay)
		if err != nil {
			return nil, named(d.Relay, err)
		}
		h.relays = append(h.relays, r)
		doors[d.Name] = edge.Door{Relay: r, FailSafe: d.Lock == wiring.FailSafe, Contact: d.Contact != nil}
	}
	return doors, nil
}

type relay interface {
	edge.Relay
	io.Closer
}

func (h *hardware) openRelay(l wiring.Line) (relay, error) {
	if l.Simulated() {
		return h.sim.OpenRelay(l.Name)
	}
	return board.OpenRelay(relayConfig(l))
}

// openInputs opens contacts and REX buttons and reports them to the
// controller, which runs.
func (h *hardware) openInputs(ctx context.Context, c *edge.Controller) error {
	for _, d := range h.doors() {
		if d.Contact != nil {
			start := true // the first report is the level that was found
			err := h.openInput(*d.Contact, func(active bool, _ time.Time) {
				_ = c.Contact(ctx, d.Name, active, start) // while it stops nobody is there to tell
				start = false
			})
			if err != nil {
				return named(*d.Contact, err)
			}
		}
		if d.Rex != nil {
			start := true
			err := h.openInput(*d.Rex, func(active bool, _ time.Time) {
				// A button that is held down while the gateway starts lets nobody out
				// who was not let out before; the edge counts.
				if !start {
					_ = c.Rex(ctx, d.Name, active) // as above
				}
				start = false
			})
			if err != nil {
				return named(*d.Rex, err)
			}
		}
	}
	return nil
}

func (h *hardware) openInput(l wiring.Line, f func(bool, time.Time)) error {
	var in io.Closer
	var err error
	if l.Simulated() {
		in, err = h.sim.OpenInput(l.Name, f)
	} else {
		bias := map[wiring.Bias]board.Bias{wiring.BiasNone: board.Float, wiring.PullUp: board.PullUp, wiring.PullDown: board.PullDown}[l.Bias]
		in, err = board.OpenInput(board.InputConfig{Chip: l.Chip, Line: l.Offset, ActiveLow: l.ActiveLow, Bias: bias, Report: f})
	}
	if err == nil {
		h.inputs = append(h.inputs, in)
	}
	return err
}

// reader is one reader at a door.
type reader struct {
	name string // door/front/reader/1
	door string
	exit bool
	cfg  wiring.Reader
}

func readersOf(w *wiring.Wiring) (out []reader) {
	for _, d := range doorsOf(w) {
		for i, r := range d.Readers {
			out = append(out, reader{fmt.Sprintf("door/%s/reader/%d", d.Name, i+1), d.Name, r.Side == wiring.Out, r})
		}
	}
	return out
}

// listen opens the simulated board's socket.
func (h *hardware) listen() (err error) {
	path := h.wiring.Sim.Socket
	if h.sim == nil || path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	h.listener, err = net.Listen("unix", path)
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

// close ends the inputs, then lets go of the relays, each driven safe first.
func (h *hardware) close() error {
	var errs []error
	for _, in := range h.inputs {
		errs = append(errs, in.Close())
	}
	for _, r := range h.relays {
		errs = append(errs, r.Set(false), r.Close()) // a fail-safe lock is energised while it is locked
	}
	h.inputs, h.relays = nil, nil
	return errors.Join(errs...)
}
