package nfc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tombolo/hw/internal/reopen"
	"tombolo/passport/card"
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Open == nil:
		return c, fmt.Errorf("%w: Open is nil", ErrConfig)
	case c.Card == nil:
		return c, fmt.Errorf("%w: Card is nil", ErrConfig)
	case c.RetryMin < 0 || c.RetryMax < 0:
		return c, fmt.Errorf("%w: retry times are negative", ErrConfig)
	}
	if c.RetryMin == 0 {
		c.RetryMin = 250 * time.Millisecond
	}
	if c.RetryMax == 0 {
		c.RetryMax = 2 * time.Second
	}
	c.RetryMax = max(c.RetryMax, c.RetryMin)
	if c.Refused == nil {
		c.Refused = func(error) {}
	}
	if c.State == nil {
		c.State = func(bool, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Run reads cards until ctx ends and then returns nil; a reader that is missing
// or goes is tried again for ever. The only error is ErrConfig, at once.
//
// A card is read once for each time that it is held to the reader. One that
// lies there when the reader is opened is not read before it has left: whoever
// left it there may be gone, and a restart must not open their door.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	reopen.Run(ctx, reopen.Config{Min: cfg.RetryMin, Max: cfg.RetryMax, What: "reader", Log: cfg.Log, State: cfg.State}, func(state func(bool, error)) (bool, error) {
		return session(ctx, cfg, state)
	})
	return nil
}

// session opens the reader and reads cards until it fails or ctx ends; worked
// says that it saw at least one card.
func session(ctx context.Context, cfg Config, state func(bool, error)) (worked bool, err error) {
	field, err := cfg.Open(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		if err := field.Close(); err != nil {
			cfg.Log.Warn("reader was not closed", "err", err)
		}
	}()
	state(true, nil)
	for {
		if err := left(ctx, field, state); err != nil {
			return worked, err
		}
		t, err := field.Wait(ctx)
		switch {
		case err == nil:
			worked = true
			hold(ctx, cfg, t)
		case errors.Is(err, ErrSeveral), errors.Is(err, ErrNotISO), errors.Is(err, ErrHeld), errors.Is(err, card.ErrGone):
			worked = true
			cfg.Log.Debug("card refused", "err", err)
			cfg.Refused(err)
		default:
			return worked, err
		}
	}
}

// left waits until the field is empty, and tells of what does not leave it.
func left(ctx context.Context, field Field, state func(bool, error)) error {
	soon, cancel := context.WithTimeout(ctx, LieTime)
	defer cancel()
	if err := field.Left(soon); err == nil || soon.Err() == nil || ctx.Err() != nil {
		return err
	}
	state(false, ErrLies)
	if err := field.Left(ctx); err != nil {
		return err
	}
	state(true, nil)
	return nil
}

// hold lends the card to whom it concerns.
func hold(ctx context.Context, cfg Config, t card.Transceiver) {
	ctx, cancel := context.WithTimeout(ctx, CardTime)
	l := lend(ctx, t)
	defer l.end()
	defer cancel()
	cfg.Card(ctx, l)
}
