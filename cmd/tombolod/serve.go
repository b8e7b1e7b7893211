package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/service"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
)

// serve runs the gateway until ctx ends, and tells the service manager how it
// is doing.
func serve(ctx context.Context, w *wiring.Wiring, log *slog.Logger, now func() time.Time) error {
	o := &opening{every: openingTold, log: log}
	g, err := o.run(ctx, func() (*gateway.Gateway, error) {
		return gateway.Open(gateway.Config{
			Wiring: w, Log: log, Software: "tombolod " + build.Version(), Now: now, Opening: o.tell,
			Observe: func(b ledger.Body, _ time.Time) {
				log.Debug("recorded", "kind", b.Kind().String(), "body", fmt.Sprintf("%+v", b))
			},
		})
	})
	if g == nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watch(ctx, g, log)
	log.Info("running", "gateway", g.Name, "doors", len(w.Doors), "version", build.Version())
	err = g.Run(ctx)
	log.Info("stopped")
	return err
}

const (
	// openingTold is how often the service manager and the log hear of an opening
	// that gets on.
	openingTold = 5 * time.Second
	// openingExtends is how long the manager then waits to hear of it again, as
	// long as TimeoutStartSec= in tombolod.service.
	openingExtends = 30 * time.Second
)

// opening is a start. The first time the ledgers of a large community take
// longer than a service manager waits: it is asked for more time, as long as the
// opening gets on.
type opening struct {
	every time.Duration
	log   *slog.Logger
	last  atomic.Pointer[gateway.Opening] // since watch looked, or nil
}

func (o *opening) tell(at gateway.Opening) { o.last.Store(&at) }

// run gives what open gives, or nil and no error if ctx ends before: nothing has
// moved then, and what is held goes with the process, as in a kill.
func (o *opening) run(ctx context.Context, open func() (*gateway.Gateway, error)) (g *gateway.Gateway, err error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	go o.watch(ctx)
	done := make(chan struct{})
	var opened *gateway.Gateway
	var failed error
	go func() {
		defer close(done)
		opened, failed = open()
	}()
	select {
	case <-done:
		return opened, failed
	case <-ctx.Done():
		o.log.Info("stopped while it opened")
		service.Stopping(o.log)
		return nil, nil
	}
}

// watch runs until ctx ends. An opening that hangs it leaves to the manager.
func (o *opening) watch(ctx context.Context) {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := o.last.Swap(nil)
		if at == nil {
			o.log.Warn("opening does not get on")
			continue
		}
		o.log.Info("opening", "what", at.What, "done", at.Done, "of", at.Of)
		service.Extend(openingExtends, o.log)
	}
}

// watched is what a watchdog asks; *gateway.Gateway is one.
type watched interface {
	Ready() <-chan struct{}
	Ping(ctx context.Context) error // returns once the goroutine that owns the doors has answered
}

// watch feeds the service manager's watchdog, but only on the word of the
// goroutine that owns the doors.
func watch(ctx context.Context, g watched, log *slog.Logger) {
	select {
	case <-g.Ready():
	case <-ctx.Done():
		return
	}
	service.Feed(ctx, log, g.Ping)
}
