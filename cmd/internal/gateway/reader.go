package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/nfc"
	"tombolo/passport"
	"tombolo/passport/card"
)

// Doors is who hears of readers and inputs; *edge.Controller is one. Its methods
// may be called from any goroutine.
type Doors interface {
	Challenge(door string, nonce [32]byte) passport.Challenge
	Tap(ctx context.Context, door string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error
	Code(ctx context.Context, door string, exit bool, frame []byte) error
	Unread(ctx context.Context, door string, exit bool) error
	Key(ctx context.Context, door string, exit bool, key byte) error
	Input(ctx context.Context, door string, input panel.Input, line door.Line, start bool) error
	Fault(ctx context.Context, part, what string, cleared bool) error
}

// reading runs the readers of a wiring. It has one small file for each way to
// read: codes.go, taps.go, osdpbus.go, simreader.go.
type reading struct {
	board *hardware
	to    Doors
	log   *slog.Logger
	fault func(ctx context.Context, part, what string, cleared bool)

	// What cards' challenges are bound to, and what phones are shown.
	gateway  [32]byte
	node     passport.NodeID
	identity func() *card.Identity
}

// part is something that runs until its context ends: a reader, or a bus of
// them. tried is called once it is known whether it is there.
type part struct {
	name string
	run  func(ctx context.Context, tried func()) error
}

func (rd *reading) parts() (out []part) {
	for _, name := range slices.Sorted(maps.Keys(rd.board.buses)) {
		b := rd.board.buses[name]
		out = append(out, part{b.part(), func(ctx context.Context, tried func()) error { return rd.readBus(ctx, b, tried) }})
	}
	for _, r := range readersOf(rd.board.wiring) {
		if r.cfg.Kind != wiring.OSDP {
			out = append(out, part{r.name, func(ctx context.Context, tried func()) error { return rd.read(ctx, r, tried) }})
		}
	}
	return out
}

// read runs a reader until ctx ends; one that is unplugged is a fault, not an
// end.
func (rd *reading) read(ctx context.Context, r reader, tried func()) error {
	log := rd.log.With("reader", r.name)
	switch r.cfg.Kind {
	case wiring.Scanner, wiring.Keyboard:
		return rd.readCodes(ctx, r, log, tried)
	case wiring.PCSC, wiring.PN532:
		return rd.readCards(ctx, r, log, tried)
	case wiring.SimReader:
		return rd.readSim(ctx, r, tried)
	}
	panic(fmt.Sprintf("a wiring has no readers of kind %v", r.cfg.Kind)) // parts runs the others
}

// state is what a driver tells of whether a part is there; the driver logs it.
// missing says in words what is not.
func (rd *reading) state(ctx context.Context, part, missing string, tried func()) func(up bool, err error) {
	down := false
	return func(up bool, err error) {
		defer tried()
		switch {
		case errors.Is(err, nfc.ErrLies): // it is there
			rd.fault(ctx, part, err.Error(), false)
		case !up:
			rd.fault(ctx, part, fmt.Sprintf("%s: %v", missing, err), false)
		case down:
			rd.fault(ctx, part, "it answers again", true)
		}
		down = !up
	}
}
