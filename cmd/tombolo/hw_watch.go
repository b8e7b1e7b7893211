package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/qr"
)

// maxWiring bounds a wiring file.
const maxWiring = 1 << 20

// wiringFlag is where the wiring file is.
func wiringFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", "gateway.toml", "the gateway's wiring file")
}

func readWiring(path string) (*wiring.Wiring, error) {
	data, err := folder.ReadFile(path, maxWiring)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return wiring.Parse(abs, data)
}

// seen is something that the hardware told, as programs read it.
type seen struct {
	Time  stamp  `json:"time"`
	Where string `json:"where"` // "front/contact", "front/reader", "front/reader/out", "fire"
	Kind  string `json:"kind"`  // "input", "code", "card", "key", "unread", "fault"
	What  string `json:"what"`

	door  string
	exit  bool
	input panel.Input
	line  door.Line
	start bool
}

// onlooker hears of a gateway's hardware in place of a controller: it decides
// nothing, and tells what it saw.
type onlooker struct {
	now  func() time.Time
	tell func(seen) // one call at a time

	mu sync.Mutex
}

var _ gateway.Doors = (*onlooker)(nil)

func (o *onlooker) see(s seen) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Time = stamp(o.now())
	o.tell(s)
	return nil
}

func (o *onlooker) reader(name string, exit bool, kind, format string, args ...any) error {
	return o.see(seen{Where: sim.Mount{Door: name, Exit: exit}.String(), What: fmt.Sprintf(format, args...), door: name, exit: exit, Kind: kind})
}

// Challenge is one that no gateway takes: whatever is answered here opens nothing.
func (o *onlooker) Challenge(_ string, nonce [32]byte) passport.Challenge {
	return passport.Challenge{Nonce: nonce}
}

func (o *onlooker) Code(_ context.Context, name string, exit bool, frame []byte) error {
	w, err := qr.Decode(frame)
	if err != nil {
		return o.reader(name, exit, "unread", "%d characters that are no code of ours: %v", len(frame), err)
	}
	return o.reader(name, exit, "code", "a code of passport %d, for %d s from %s", w.Passport, w.Length, when(unix(int64(w.Start))))
}

func (o *onlooker) Tap(_ context.Context, name string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error {
	if err := key.Verify(ch.Sum(), sig); err != nil {
		return o.reader(name, exit, "unread", "a %s whose signature is wrong: %v", key.Kind, err)
	}
	return o.reader(name, exit, "card", "a %s, key %s, signs as it should", key.Kind, key.ID().String()[:16])
}

func (o *onlooker) Unread(_ context.Context, name string, exit bool) error {
	return o.reader(name, exit, "unread", "something that it cannot read")
}

func (o *onlooker) Key(_ context.Context, name string, exit bool, key byte) error {
	return o.reader(name, exit, "key", "key %c", key)
}

func (o *onlooker) Input(_ context.Context, name string, input panel.Input, line door.Line, start bool) error {
	where := input.String()
	if name != "" {
		where = name + "/" + where
	}
	what := line.String()
	if start {
		what += ", to begin with"
	}
	return o.see(seen{Where: where, What: what, door: name, input: input, line: line, start: start, Kind: "input"})
}

func (o *onlooker) Fault(_ context.Context, part, what string, cleared bool) error {
	return o.see(seen{Where: part, What: what, Kind: "fault"})
}

func (e *env) hwWatch() *cobra.Command {
	var config string
	c := verb("watch", "Tell what inputs and readers report as it happens, until interrupted; no lock moves", func(c *cobra.Command, _ []string) error {
		w, err := readWiring(config)
		if err != nil {
			return err
		}
		var failed error
		o := &onlooker{now: e.Now, tell: func(s seen) {
			failed = errors.Join(failed, e.print(s, "%s  %-22s %s\n", time.Time(s.Time).Format("15:04:05.000"), s.Where, s.What))
		}}
		return errors.Join(e.onBench(c.Context(), w, o, func(ctx context.Context, _ *gateway.Bench) error {
			e.note("watching %s; interrupt to end", config)
			<-ctx.Done()
			return nil
		}), failed)
	})
	wiringFlag(c, &config)
	return c
}

// onBench runs the hardware of a wiring with somebody else than a controller
// hearing of it, while do runs.
func (e *env) onBench(ctx context.Context, w *wiring.Wiring, to gateway.Doors, do func(context.Context, *gateway.Bench) error) error {
	level := slog.LevelError
	log := slog.New(slog.NewTextHandler(e.Err, &slog.HandlerOptions{Level: level}))
	b, err := gateway.OpenBench(gateway.BenchConfig{Wiring: w, Log: log})
	if errors.Is(err, folder.ErrLocked) {
		return fmt.Errorf("a tombolod runs on %s and holds the hardware: stop it first (systemctl stop tombolod), or read `tombolo log --follow`", w.Data)
	}
	if err != nil {
		return err
	}
	if w.Sim.Socket != "" {
		e.note("the simulated board listens on %[1]s: tombolo hw drive --sim %[1]s …", w.Sim.Socket)
	}
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx, to) }()
	select {
	case <-b.Ready():
	case err := <-ran:
		stop()
		return errors.Join(err, b.Close())
	}
	did := make(chan error, 1)
	go func() { did <- do(ctx, b) }()
	select {
	case err = <-did:
		stop()
		return errors.Join(err, <-ran, b.Close())
	case err = <-ran:
		stop()
		return errors.Join(err, <-did, b.Close())
	}
}
