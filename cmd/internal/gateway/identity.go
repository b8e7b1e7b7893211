package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
)

// vouchEvery is how often the ledgers are looked at again for what phones are
// shown, while they could not be read.
const vouchEvery = time.Minute

// takesTaps tells whether phones may come.
func takesTaps(w *wiring.Wiring) bool {
	return slices.ContainsFunc(readersOf(w), func(r reader) bool { return r.cfg.Kind.Taps() && r.cfg.Kind != wiring.SimReader })
}

// vouch keeps what this gateway proves itself to phones with up to date, until
// ctx ends: the words of issuer and steward may arrive later than the gateway
// starts. Without them phones are not asked; words of somebody who has retired are
// shown all the same (folder.ErrRetired), as phones may know no better.
func (g *Gateway) vouch(ctx context.Context) error {
	told := "?"
	tick := time.NewTicker(vouchEvery)
	defer tick.Stop()
	for failing := false; ; {
		id, err := g.folder.Vouched()
		if failing = err != nil && !errors.Is(err, folder.ErrUnvouched); !failing {
			g.vouched.Store(id) // what cannot be read leaves it as it was
		}
		if what := why(err); what != told && ctx.Err() == nil {
			if told = what; err != nil {
				g.cfg.Log.Warn(what)
			} else {
				g.cfg.Log.Info("phones are asked")
			}
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case <-g.moved:
				waiting = false
			case <-tick.C:
				waiting = !failing
			}
		}
	}
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
