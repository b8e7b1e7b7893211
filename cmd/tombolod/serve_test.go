package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
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

// manager is the service manager's socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return manager{t, conn}
}

// told is the next thing that the manager was told, or "" if there is none
// within the patience.
func (m manager) told(patience time.Duration) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, err := m.conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

func (m manager) want(want string) {
	m.t.Helper()
	if got := m.told(20 * time.Second); got != want {
		m.t.Fatalf("the service manager was told %q, want %q", got, want)
	}
}

// TestWatchdog: it is fed while the owner of the doors answers, goes hungry
// while it does not, and is fed again when it does.
func TestWatchdog(t *testing.T) { // sets the environment, so runs alone
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "150000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	o := &owner{ready: make(chan struct{}), asked: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watch(ctx, o, slog.New(slog.DiscardHandler))
	}()
	if got := m.told(300 * time.Millisecond); got != "" {
		t.Fatalf("before the gateway is ready the service manager was told %q", got)
	}
	close(o.ready)
	m.want("READY=1")
	for range 3 {
		m.want("WATCHDOG=1")
	}

	o.hangs.Store(true)
	<-o.asked // so the last meal is on the table
	for m.told(time.Millisecond) != "" {
	}
	for range 4 {
		<-o.asked
	}
	if got := m.told(time.Millisecond); got != "" {
		t.Fatalf("nobody answers, and the service manager was told %q", got)
	}

	o.hangs.Store(false)
	m.want("WATCHDOG=1")
	cancel()
	<-ended
	for got := ""; got != "STOPPING=1"; {
		if got = m.told(20 * time.Second); got != "WATCHDOG=1" && got != "STOPPING=1" {
			t.Fatalf("at the end the service manager was told %q", got)
		}
	}
}

// TestOpening: the manager is asked for more time while a start gets on, and not
// while it hangs.
func TestOpening(t *testing.T) {
	m := newManager(t)
	var log bytes.Buffer // of the watching goroutine, which a channel orders
	o := &opening{every: 20 * time.Millisecond, log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.watch(ctx)
	}()
	if got := m.told(100 * time.Millisecond); got != "" {
		t.Fatalf("nothing gets on, and the service manager was told %q", got)
	}
	for i := range int64(3) {
		o.tell(gateway.Opening{What: "the roster", Done: i * 4096, Of: 10_000})
		m.want("EXTEND_TIMEOUT_USEC=30000000")
	}
	if got := m.told(100 * time.Millisecond); got != "" {
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
	m := newManager(t)
	o := &opening{every: time.Millisecond, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	want, fails := &gateway.Gateway{}, errors.New("no folder")
	g, err := o.run(ctx, func() (*gateway.Gateway, error) {
		o.tell(gateway.Opening{What: "the roster"})
		m.want("EXTEND_TIMEOUT_USEC=30000000")
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
	m.want("STOPPING=1")
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

// TestNoWatchdog: a service manager without one is told of the start and the
// end alone, and one that is none of nothing.
func TestNoWatchdog(t *testing.T) {
	for _, usec := range []string{"", "0", "soon"} {
		t.Run(usec, func(t *testing.T) {
			m := newManager(t)
			t.Setenv("WATCHDOG_USEC", usec)
			o := &owner{ready: make(chan struct{})}
			close(o.ready)
			ctx, cancel := context.WithCancel(t.Context())
			watch(ctx, o, slog.New(slog.DiscardHandler)) // does not wait for the end
			m.want("READY=1")
			cancel()
			m.want("STOPPING=1")
		})
	}
	t.Run("stopped before it was ready", func(t *testing.T) {
		m := newManager(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		watch(ctx, &owner{ready: make(chan struct{})}, slog.New(slog.DiscardHandler))
		if got := m.told(time.Millisecond); got != "" {
			t.Errorf("told %q", got)
		}
	})
}
