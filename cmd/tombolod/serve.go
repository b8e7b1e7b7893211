package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
)

// serve runs the gateway until ctx ends, and tells the service manager how it
// is doing.
func serve(ctx context.Context, w *wiring.Wiring, log *slog.Logger, now func() time.Time) error {
	g, err := gateway.Open(gateway.Config{
		Wiring: w, Log: log, Software: "tombolod " + build.Version(), Now: now,
		Observe: func(b ledger.Body, _ time.Time) {
			log.Debug("recorded", "kind", b.Kind().String(), "body", fmt.Sprintf("%+v", b))
		},
	})
	if err != nil {
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
	log.Info("ready")
	notify(daemon.SdNotifyReady, log)
	context.AfterFunc(ctx, func() { notify(daemon.SdNotifyStopping, log) })
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		if err != nil {
			log.Error("no watchdog", "err", err)
		}
		return
	}
	for tick := time.NewTicker(every / 3); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		alive, cancel := context.WithTimeout(ctx, every/3)
		err := g.Ping(alive)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			log.Error("the controller does not answer; the watchdog goes hungry")
			continue
		}
		if err == nil {
			notify(daemon.SdNotifyWatchdog, log)
		}
	}
}

func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager was not told", "state", state, "err", err)
	}
}
