// Package service is what a daemon tells the service manager that started it
// (systemd's sd_notify(3)); without one it tells nobody. A daemon calls [Feed] once
// it is ready, and [Extend] before, as often as a start that is slow gets on.
package service

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Feed tells that the daemon is ready, and that it stops when ctx ends. In between
// it feeds the watchdog, if there is one, as long as alive returns nil in time: that
// asks whatever must not hang. Feed returns when ctx ends, or at once without a
// watchdog.
func Feed(ctx context.Context, log *slog.Logger, alive func(context.Context) error) {
	log.Info("ready")
	notify(daemon.SdNotifyReady, log)
	context.AfterFunc(ctx, func() { Stopping(log) })
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

// Extend asks for more time to start: so long from now, or TimeoutStartSec= if that
// ends later.
func Extend(by time.Duration, log *slog.Logger) {
	notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", by.Microseconds()), log)
}

// Stopping tells that the daemon stops before it was ready.
func Stopping(log *slog.Logger) { notify(daemon.SdNotifyStopping, log) }

func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager was not told", "state", state, "err", err)
	}
}
