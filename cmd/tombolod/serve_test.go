package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/service/servicetest"
)

// owner answers as the goroutine that owns the doors does, or hangs.
type owner struct {
	ready chan struct{}
	hangs atomic.Bool
	asked chan struct{} // by a ping that finds it hanging
}

func (o *owner) Ready() <-chan struct{} { return o.ready }

func (o *owner) Ping(ctx context.Context) error {
	if !o.hangs.Load() {
		return nil
	}
	select {
	case o.asked <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestWatch: the manager hears of a start once the gateway is ready, and is fed on
// the word of whoever owns the doors alone.
func TestWatch(t *testing.T) { // sets the environment, so runs alone
	m := servicetest.Own(t)
	t.Setenv("WATCHDOG_USEC", "150000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	o := &owner{ready: make(chan struct{}), asked: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watch(ctx, o, slog.New(slog.DiscardHandler))
	}()
	if got := m.Told(300 * time.Millisecond); got != "" {
		t.Fatalf("before the gateway is ready the service manager was told %q", got)
	}
	close(o.ready)
	m.Want("READY=1")
	m.Want("WATCHDOG=1")
	o.hangs.Store(true)
	<-o.asked // so the last meal is on the table
	for m.Told(time.Millisecond) != "" {
	}
	for range 2 {
		<-o.asked
	}
	if got := m.Told(time.Millisecond); got != "" {
		t.Fatalf("nobody answers, and the service manager was told %q", got)
	}
	cancel()
	<-ended
	m.Want("STOPPING=1")
}

// TestOpening: the manager is asked for more time while a start gets on, and not
// while it hangs.
func TestOpening(t *testing.T) {
	m := servicetest.Own(t)
	var log bytes.Buffer // of the watching goroutine, which a channel orders
	o := &opening{every: 20 * time.Millisecond, log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.watch(ctx)
	}()
	if got := m.Told(100 * time.Millisecond); got != "" {
		t.Fatalf("nothing gets on, and the service manager was told %q", got)
	}
	for i := range int64(3) {
		o.tell(gateway.Opening{What: "the roster", Done: i * 4096, Of: 10_000})
		m.Want("EXTEND_TIMEOUT_USEC=30000000")
	}
	if got := m.Told(100 * time.Millisecond); got != "" {
		t.Fatalf("it hangs, and the service manager was told %q", got)
	}
	cancel()
	<-ended
	for _, want := range []string{"does not get on", `msg=opening what="the roster" done=8192 of=10000`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &log)
		}
	}
}

// TestOpeningEnds with what opens, or when it is stopped, whatever waits.
func TestOpeningEnds(t *testing.T) {
	m := servicetest.Own(t)
	o := &opening{every: time.Millisecond, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	want, fails := &gateway.Gateway{}, errors.New("no folder")
	g, err := o.run(ctx, func() (*gateway.Gateway, error) {
		o.tell(gateway.Opening{What: "the roster"})
		m.Want("EXTEND_TIMEOUT_USEC=30000000")
		return want, fails
	})
	if g != want || !errors.Is(err, fails) {
		t.Errorf("got %p, %v", g, err)
	}
	waits := make(chan struct{})
	defer close(waits)
	g, err = o.run(ctx, func() (*gateway.Gateway, error) {
		cancel()
		<-waits
		return want, nil
	})
	if g != nil || err != nil {
		t.Errorf("stopped: %p, %v", g, err)
	}
	m.Want("STOPPING=1")
}

// TestUnitWaits as long for the first word of a start as for the next.
func TestUnitWaits(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../firmware/tombolod.service")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("\nTimeoutStartSec=%v\n", openingExtends); !strings.Contains(string(unit), want) {
		t.Errorf("tombolod.service does not say %q", want)
	}
}

// TestStoppedBeforeReady: nobody is told of a start that was none.
func TestStoppedBeforeReady(t *testing.T) {
	m := servicetest.Own(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	watch(ctx, &owner{ready: make(chan struct{})}, slog.New(slog.DiscardHandler))
	if got := m.Told(time.Millisecond); got != "" {
		t.Errorf("told %q", got)
	}
}
