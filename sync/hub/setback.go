package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// A store that was set back (a backup, a snapshot of a volume, a database recovered
// to a point in time) may lack an EpochClosed or a Draw that the gateways have
// already. An author finds out that it cannot know what it signed, and begins a new
// incarnation: before a hub does that it asks the gateways for what it had published.

// ErrSetBack is why nothing is closed or drawn.
var ErrSetBack = errors.New("what is here may be older than what this hub has published, as its store was restored, or the machine or the database was started anew: run the hub, which first takes back what the gateways hold (it says so in its log), and ask again then")

// recoverPatience is how long gateways may take to say that they hold more of
// the census ledger than is here.
const recoverPatience = 10 * time.Second

// writer opens the census ledger to be written to; asked says that the gateways were
// asked just now. It is called by who holds the lease, see alone. Errors: ErrNotHub,
// ErrSetBack, store.ErrOtherAuthor.
func (h *Hub) writer(ctx context.Context, asked bool) (*store.Author, error) {
	a, err := h.author()
	if err != nil || a.Head().Size > 0 {
		return a, err
	}
	doubtful, err := h.doubtful()
	if err != nil || !doubtful {
		return a, err
	}
	if h.node == nil || !h.running.Load() {
		return nil, ErrSetBack
	}
	if !asked {
		if err := h.node.Recovered(ctx, h.patience); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("%w: %w", ErrSetBack, err)
		}
		if a, err = h.author(); err != nil { // after all that came
			return nil, err
		}
	}
	if a.Head().Size == 0 {
		if err := a.Refresh(); err != nil {
			return nil, err
		}
	}
	if err := h.cfg.Store.Pin(store.RestoredPin, []byte(store.NotRestored)); err != nil {
		return nil, err
	}
	h.node.Appended()
	h.cfg.Log.Info("what the hub had published is here; the census ledger goes on in a new incarnation", "ledger", a.Head().Origin.String())
	return a, nil
}

// doubtful tells whether a census ledger that begins here may not be the first.
func (h *Hub) doubtful() (bool, error) {
	if restored, err := h.cfg.Store.Restored(); err != nil || restored {
		return restored, err
	}
	all, err := h.cfg.Store.Ledgers()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(i store.Info) bool {
		return i.Origin.Kind == ledger.CensusLog && i.Origin.Author == h.self && i.Size > 0
	}), nil
}

// recover makes sure at the start that who closes or draws later, a command beside
// this process among them, may. It tries until it can.
func (h *Hub) recover(ctx context.Context) (ok bool) {
	if h.node == nil {
		return true
	}
	for said := false; ; {
		err := h.claim(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			return true
		case errors.Is(err, ErrNotHub): // whom nobody heeds has published nothing
		case !said:
			h.cfg.Log.Warn("nothing is closed or drawn before what the hub had published has come back from the gateways", "err", err)
			said = true
		}
		if !pause(ctx, time.Second) {
			return false
		}
	}
}

// claim waits for what gateways hold, and begins a new incarnation if one is needed.
func (h *Hub) claim(ctx context.Context) error {
	if err := h.node.Recovered(ctx, h.patience); err != nil {
		return err
	}
	h.closing.Lock()
	defer h.closing.Unlock()
	ctx, release, err := h.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = h.writer(ctx, true)
	return err
}
