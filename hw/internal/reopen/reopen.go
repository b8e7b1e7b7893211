// Package reopen keeps a device in use that may be missing, or go: scanners,
// readers and buses all come back by themselves, in one manner.
package reopen

import (
	"context"
	"log/slog"
	"time"
)

// Config says how long to wait, and who hears of it.
type Config struct {
	// Min and Max bound the wait between two attempts, which doubles from one to
	// the other.
	Min, Max time.Duration
	What     string       // in the log: "scanner up"
	Log      *slog.Logger // required, as is State
	// State hears that the device is there (true, nil) or is not, and why: on the
	// first outcome and on each change, not on each attempt.
	State func(up bool, err error)
}

// Run has session use the device again and again until ctx ends. A session opens
// it, says by state that it is there, and returns why it no longer is; worked says
// that the device did something meanwhile. One that opens and fails at once is not
// tried at full speed. All functions are called from Run's own goroutine.
func Run(ctx context.Context, cfg Config, session func(state func(up bool, err error)) (worked bool, err error)) {
	var known, up bool
	state := func(now bool, err error) {
		if known && up == now {
			return
		}
		known, up = true, now
		if now {
			cfg.Log.Info(cfg.What + " up")
		} else {
			cfg.Log.Warn(cfg.What+" down", "err", err)
		}
		cfg.State(now, err)
	}
	wait := cfg.Min
	for ctx.Err() == nil {
		opened := time.Now()
		worked, err := session(state)
		if ctx.Err() != nil {
			return
		}
		state(false, err)
		if worked || time.Since(opened) > cfg.Max {
			wait = cfg.Min
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, cfg.Max)
	}
}
