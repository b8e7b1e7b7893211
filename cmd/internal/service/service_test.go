package service_test

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/cmd/internal/service"
	"tombolo/cmd/internal/service/servicetest"
)

var quiet = slog.New(slog.DiscardHandler)

// part answers as whatever must not hang does, or hangs.
type part struct {
	hangs atomic.Bool
	asked chan struct{} // by whoever finds it hanging
}

func (p *part) alive(ctx context.Context) error {
	if !p.hangs.Load() {
		return nil
	}
	select {
	case p.asked <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestFeed: the watchdog is fed while there is an answer, goes hungry while there
// is none, and is fed again when there is.
func TestFeed(t *testing.T) { // sets the environment, so runs alone
	m := servicetest.Own(t)
	t.Setenv("WATCHDOG_USEC", "150000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	p := &part{asked: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		service.Feed(ctx, quiet, p.alive)
	}()
	m.Want("READY=1")
	for range 3 {
		m.Want("WATCHDOG=1")
	}

	p.hangs.Store(true)
	<-p.asked // so the last meal is on the table
	for m.Told(time.Millisecond) != "" {
	}
	for range 4 {
		<-p.asked
	}
	if got := m.Told(time.Millisecond); got != "" {
		t.Fatalf("nobody answers, and the service manager was told %q", got)
	}

	p.hangs.Store(false)
	m.Want("WATCHDOG=1")
	cancel()
	<-ended
	for got := ""; got != "STOPPING=1"; {
		if got = m.Told(20 * time.Second); got != "WATCHDOG=1" && got != "STOPPING=1" {
			t.Fatalf("at the end the service manager was told %q", got)
		}
	}
}

// TestNoWatchdog: a service manager without one is told of the start and the end
// alone.
func TestNoWatchdog(t *testing.T) {
	for _, usec := range []string{"", "0", "soon"} {
		t.Run(usec, func(t *testing.T) {
			m := servicetest.Own(t)
			t.Setenv("WATCHDOG_USEC", usec)
			ctx, cancel := context.WithCancel(t.Context())
			service.Feed(ctx, quiet, nil) // does not wait for the end
			m.Want("READY=1")
			cancel()
			m.Want("STOPPING=1")
		})
	}
}

func TestExtend(t *testing.T) {
	m := servicetest.Own(t)
	service.Extend(30*time.Second, quiet)
	m.Want("EXTEND_TIMEOUT_USEC=30000000")
	service.Stopping(quiet)
	m.Want("STOPPING=1")
}
