package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/card"
)

// BenchConfig says what to put on the bench.
type BenchConfig struct {
	Wiring *wiring.Wiring
	Log    *slog.Logger
	// Board is the simulated board; nil makes one if the wiring has simulated lines.
	Board *sim.Board
}

// Bench is a gateway's hardware with nobody who decides: whoever runs it hears
// what readers and inputs report, and drives what it wants. It asks for no
// enrolment, no policy and no roster.
type Bench struct {
	cfg    BenchConfig
	board  *hardware
	doors  map[string]edge.Door
	ready  chan struct{}
	close  func() error
	unlock func() error

	mu    sync.Mutex
	lines map[wired]door.Line
}

// wired is an input of a door, or the gateway's own with no door.
type wired struct {
	door  string
	input panel.Input
}

// OpenBench drives every output safe and opens it. It returns folder.ErrLocked
// while a daemon runs on the same folder, and so the same hardware.
func OpenBench(cfg BenchConfig) (_ *Bench, err error) {
	b := &Bench{cfg: cfg, ready: make(chan struct{}), lines: map[wired]door.Line{}}
	b.close = sync.OnceValue(b.closeAll)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	// Where no folder is nobody runs on it.
	if b.unlock, err = folder.Lock(cfg.Wiring.Data, folder.DaemonLock, false); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if b.board, err = newHardware(cfg.Wiring, cfg.Board); err != nil {
		return nil, err
	}
	keys, err := benchKeys(cfg.Wiring.Data)
	if err != nil {
		return nil, err
	}
	b.board.buses = newBuses(cfg.Wiring, keys)
	b.doors, err = b.board.openRelays()
	return b, err
}

// errBench keeps a bench from writing down what it learns of readers.
var errBench = errors.New("a bench keeps nothing")

// benchKeys are the keys of a folder's OSDP readers, to be read; without a master
// key no reader has any.
func benchKeys(dir string) (*osdpKeys, error) {
	none := &osdpKeys{damaged: errBench}
	f, err := folder.Open(dir, false)
	if errors.Is(err, folder.ErrNoFolder) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	master, err := f.OSDPKey()
	if err = errors.Join(err, f.Close()); errors.Is(err, folder.ErrNoKey) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	k, err := readOSDPKeys(dir, master)
	k.damaged = cmp.Or(err, errBench)
	return k, err
}

// Doors are the outputs, by door. Whoever energises one lets it go again.
func (b *Bench) Doors() map[string]edge.Door { return maps.Clone(b.doors) }

// Line is what an input reported last; ok is false if it never did.
func (b *Bench) Line(name string, input panel.Input) (line door.Line, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line, ok = b.lines[wired{name, input}]
	return line, ok
}

// Ready is closed once Run has opened every input and tried every reader.
func (b *Bench) Ready() <-chan struct{} { return b.ready }

// Run reports to somebody until ctx ends or a part fails. It may be called once.
func (b *Bench) Run(ctx context.Context, to Doors) error {
	noted := &noting{Doors: to, bench: b}
	fault := func(ctx context.Context, part, what string, cleared bool) {
		if err := to.Fault(ctx, part, what, cleared); err != nil && ctx.Err() == nil {
			b.cfg.Log.Error("not told", "part", part, "what", what, "err", err)
		}
	}
	b.board.fault = func(part, what string, cleared bool) { fault(ctx, part, what, cleared) }
	if err := b.board.listen(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts, tried sync.WaitGroup
	start := func(p part) {
		tried.Add(1)
		parts.Go(func() {
			done := sync.OnceFunc(tried.Done)
			defer done()
			if err := p.run(ctx, done); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", p.name, err))
			}
		})
	}
	start(part{"simulated board", func(ctx context.Context, tried func()) error { tried(); return b.board.serve(ctx) }})
	rd := &reading{board: b.board, to: noted, log: b.cfg.Log, fault: fault, identity: func() *card.Identity { return nil }}
	for _, p := range rd.parts() {
		start(p)
	}
	if err := b.board.openInputs(ctx, noted); err != nil {
		cancel(err)
	}
	go func() {
		tried.Wait()
		close(b.ready)
	}()
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// Close lets go of everything, every output driven safe first.
func (b *Bench) Close() error { return b.close() }

func (b *Bench) closeAll() error {
	var errs []error
	if b.board != nil {
		errs = append(errs, b.board.close())
	}
	if b.unlock != nil {
		errs = append(errs, b.unlock())
	}
	return errors.Join(errs...)
}

// noting keeps what inputs report on its way, and binds challenges to the bench:
// no gateway takes their answers.
type noting struct {
	Doors
	bench *Bench
}

func (n *noting) Challenge(name string, nonce [32]byte) passport.Challenge {
	c := n.Doors.Challenge(name, nonce)
	c.Nonce, c.Place = nonce, passport.TapPlace([32]byte{}, passport.DoorTarget(passport.NodeID{}, name))
	return c
}

func (n *noting) Input(ctx context.Context, name string, input panel.Input, line door.Line, start bool) error {
	n.bench.mu.Lock()
	n.bench.lines[wired{name, input}] = line
	n.bench.mu.Unlock()
	return n.Doors.Input(ctx, name, input, line, start)
}
