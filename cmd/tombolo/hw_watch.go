package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
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
	c.Flags().StringVar(path, "config", "gateway.toml", "the gateway's wiring `FILE`")
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
	Kind  string `json:"kind"`  // "input", "code", "card", "key", "unread", "fault", "fault over"
	What  string `json:"what"`
	State string `json:"state,omitempty"` // of an input: "normal", "active", "cut", "shorted"

	door  string
	exit  bool
	input panel.Input
	line  door.Line
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
		return o.reader(name, exit, "unread", "a %s whose signature is wrong: %v", kindSays(key.Kind), err)
	}
	return o.reader(name, exit, "card", "a %s, key %s, signs as it should", kindSays(key.Kind), key.ID().String()[:16])
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
	what := inputSays(input, line)
	if start {
		what += ", to begin with"
	}
	return o.see(seen{Where: where, What: what, State: line.String(), door: name, input: input, line: line, Kind: "input"})
}

func (o *onlooker) Fault(_ context.Context, part, what string, cleared bool) error {
	// Parts are named as records name them, "door/front/contact" and "input/fire".
	part = strings.TrimPrefix(strings.TrimPrefix(part, "door/"), "input/")
	if cleared {
		return o.see(seen{Where: part, What: what, Kind: "fault over"})
	}
	return o.see(seen{Where: part, What: what, Kind: "fault"})
}

// inputStates are an input's normal and active, as who stands before it sees them.
var inputStates = map[panel.Input][2]string{
	panel.Contact: {"closed", "open"}, panel.Rex: {"not pressed", "pressed"}, panel.Tamper: {"closed", "open"},
	panel.Fire: {"no fire", "fire"}, panel.Mains: {"mains power", "mains power has failed"}, panel.Battery: {"charged", "low"},
}

// inputSays is what an input says, in words.
func inputSays(input panel.Input, line door.Line) string {
	switch words, ok := inputStates[input]; {
	case line == door.LineCut:
		return "its cable is cut"
	case line == door.LineShorted:
		return "its cable is shorted"
	case ok:
		return words[line]
	}
	return line.String()
}

// words is one line of `hw watch`.
func (s seen) words() string {
	what := s.What
	if s.Kind == "fault" {
		what = "FAULT: " + what
	}
	return fmt.Sprintf("%s  %-18s  %s\n", time.Time(s.Time).Format("15:04:05.000"), s.Where, what)
}

func (e *env) hwWatch() *cobra.Command {
	var config string
	c := verb("watch", "Tell what inputs and readers report as it happens, until interrupted; no lock moves", func(c *cobra.Command, _ []string) error {
		w, err := readWiring(config)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancelCause(c.Context())
		defer stop(nil)
		o := &onlooker{now: e.Now, tell: func(s seen) {
			if err := e.print(s, "%s", s.words()); err != nil {
				stop(err) // whoever read it has gone
			}
		}}
		err = e.onBench(ctx, w, o, func(ctx context.Context, _ *gateway.Bench) error {
			e.note("watching %s; interrupt to end", config)
			<-ctx.Done()
			return nil
		})
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			err = errors.Join(cause, err)
		}
		return err
	})
	wiringFlag(c, &config)
	return c
}

// onBench runs the hardware of a wiring with somebody else than a controller
// hearing of it, while do runs.
func (e *env) onBench(ctx context.Context, w *wiring.Wiring, to gateway.Doors, do func(context.Context, *gateway.Bench) error) error {
	// Why a card or a code is refused stands there only.
	log := slog.New(slog.NewTextHandler(e.Err, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}}))
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
	outer := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
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
	var failed error
	select {
	case err = <-did:
		stop()
		failed = <-ran
	case failed = <-ran:
		stop()
		err = <-did
	}
	if errors.Is(err, context.Canceled) { // by what failed, unless from outside
		if err = nil; outer.Err() != nil {
			err = errBenchInterrupted
		}
	}
	return errors.Join(err, failed, b.Close())
}

// errBenchInterrupted is told by what was not done to its end.
var errBenchInterrupted = errors.New("interrupted before the end; every output was let go")
