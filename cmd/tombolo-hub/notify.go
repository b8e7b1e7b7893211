package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// ready tells the service manager, and from then on feeds its watchdog as long as
// alive says yes, until ctx ends.
func ready(ctx context.Context, log *slog.Logger, alive func(context.Context) error) {
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
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asking, cancel := context.WithTimeout(ctx, every/3)
		err := alive(asking)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				log.Error("the watchdog goes hungry", "err", err)
			}
			continue
		}
		notify(daemon.SdNotifyWatchdog, log)
	}
}

func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager was not told", "state", state, "err", err)
	}
}
