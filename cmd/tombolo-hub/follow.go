package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// followEvery is how often a store is asked whether anybody wrote to it: what a
// command takes in counts within a second.
const followEvery = 250 * time.Millisecond

// follow calls do at the start and after every change of the store, until ctx
// ends. It rests after each call ten times as long as that took.
func follow(ctx context.Context, s *store.Store, log *slog.Logger, do func() error) {
	w := &watched{store: s}
	defer w.stop()
	troubled := false
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for ; ctx.Err() == nil; wait(ctx, tick.C) {
		began := time.Now()
		moved, err := w.changed(ctx)
		if err == nil && !moved {
			continue
		}
		if err == nil {
			err = do()
		}
		switch {
		case err == nil && troubled:
			log.Info("the ledgers can be read again")
		case err != nil:
			w.stop() // the next look is at everything
			if ctx.Err() == nil && !troubled {
				log.Error("the ledgers cannot be read; what was known before stays", "err", err)
			}
		}
		troubled = err != nil
		pause := time.NewTimer(10 * time.Since(began))
		wait(ctx, pause.C)
		pause.Stop()
	}
}

// watched is a store that is watched for as long as that works. The first look of
// a watch says yes, so that nothing is missed.
type watched struct {
	store *store.Store
	look  func() (bool, error) // nil without a watch
	end   context.CancelFunc
}

func (w *watched) changed(ctx context.Context) (bool, error) {
	if w.look == nil {
		watching, end := context.WithCancel(ctx)
		look, err := w.store.Watch(watching)
		if err != nil {
			end()
			return false, err
		}
		w.look, w.end = look, end
	}
	return w.look()
}

func (w *watched) stop() {
	if w.look != nil {
		w.end()
		w.look = nil
	}
}

func wait(ctx context.Context, c <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-c:
	}
}

// standing is what the ledgers said when they were last read: whom they give which
// rights, and the epochs.
type standing struct {
	rights atomic.Pointer[replica.Rights]
	epochs atomic.Pointer[[]ledger.EpochOpened]
}
