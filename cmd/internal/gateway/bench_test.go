package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/osdp/osdptest"
	"tombolo/hw/sim"
	"tombolo/passport"
)

// onlooker notes what a bench reports.
type onlooker struct {
	mu    sync.Mutex
	heard []string
}

func (o *onlooker) note(format string, args ...any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, fmt.Sprintf(format, args...))
	return nil
}

func (o *onlooker) Challenge(_ string, nonce [32]byte) passport.Challenge {
	return passport.Challenge{Nonce: nonce}
}

func (o *onlooker) Tap(_ context.Context, name string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error {
	return o.note("tap %s %v, verified: %v", name, exit, key.Verify(ch.Sum(), sig) == nil)
}

func (o *onlooker) Code(_ context.Context, name string, exit bool, frame []byte) error {
	return o.note("code %s %v", name, exit)
}

func (o *onlooker) Unread(_ context.Context, name string, exit bool) error {
	return o.note("unread %s %v", name, exit)
}

func (o *onlooker) Key(_ context.Context, name string, exit bool, key byte) error {
	return o.note("key %s %v %c", name, exit, key)
}

func (o *onlooker) Input(_ context.Context, name string, input panel.Input, line door.Line, start bool) error {
	return o.note("input %s/%v %v %v", name, input, line, start)
}

func (o *onlooker) Fault(_ context.Context, part, what string, cleared bool) error {
	return o.note("fault %s %v", part, cleared)
}

func (o *onlooker) await(t *testing.T, what string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		o.mu.Lock()
		heard := slices.Clone(o.heard)
		o.mu.Unlock()
		if slices.Contains(heard, what) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not heard: %s; heard %q", what, heard)
		}
	}
}

// TestBench: without enrolment or policy it hears every reader and input, drives
// every output, and leaves all of them safe; beside a daemon it does not begin.
func TestBench(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	pd := osdptest.New(osdptest.Config{Address: 3, Insecure: true})
	h.hang(pd, "side = \"out\"\ninsecure = true\n")
	h.readers += "[[doors.front.readers]]\nkind = \"sim\"\n"
	w := must(wiring.Parse(filepath.Join(h.dir, "gateway.toml"), []byte(fmt.Sprintf(wiringText, "", h.port)+h.readers)))
	b := must(gateway.OpenBench(gateway.BenchConfig{Wiring: w, Board: h.board, Log: slog.New(slog.NewTextHandler(&h.log, nil))}))
	if _, err := gateway.OpenBench(gateway.BenchConfig{Wiring: w, Board: h.board, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, folder.ErrLocked) {
		t.Errorf("two benches: %v", err)
	}
	if line, ok := b.Line("front", panel.Contact); ok {
		t.Errorf("before it runs the contact is %v", line)
	}
	o := &onlooker{}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx, o) }()
	<-b.Ready()
	o.await(t, "input front/contact normal true")
	if err := h.board.SetInput("front/contact", true); err != nil {
		t.Fatal(err)
	}
	o.await(t, "input front/contact active false")
	if line, ok := b.Line("front", panel.Contact); !ok || line != door.LineActive {
		t.Errorf("the contact is %v, %v", line, ok)
	}
	if err := h.scanner.Scan(h.code(time.Now())); err != nil {
		t.Fatal(err)
	}
	o.await(t, "code front false")
	pd.Present(h.halo())
	o.await(t, "tap front true, verified: true")
	pd.Press("5")
	o.await(t, "key front true 5")
	c := must(sim.Dial(filepath.Join(h.dir, "sim.sock")))
	defer c.Close()
	in := sim.Mount{Door: "front"}
	sig := must(h.phone.Sign([32]byte(must(c.Challenge(in)))))
	if err := c.Tap(in, append(must(h.phone.Key().MarshalBinary()), sig[:]...)); err != nil {
		t.Fatal(err)
	}
	o.await(t, "tap front false, verified: true")
	if err := b.Doors()["front"].Relay.Set(true); err != nil || !h.board.Energised("front/relay") {
		t.Errorf("the relay: %v", err)
	}
	stop()
	if err := errors.Join(<-ran, b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	if h.board.Energised("front/relay") {
		t.Error("the relay is left energised")
	}
	h.board.Check(t)
}
