package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retainEvery is how often the door log's oldest bodies are looked at.
const retainEvery = 24 * time.Hour

// retain lets go of the bodies of door log entries that are older than the wiring
// says, at the start and then once a day, until ctx ends. The leaves stay, and the
// log says what went. A clock that nobody vouches for drops nothing.
func (g *Gateway) retain(ctx context.Context) error {
	keep := g.cfg.Wiring.Retention.DoorLog
	if keep == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-g.authored:
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		switch done, err := g.retainOnce(ctx, keep); {
		case err != nil && ctx.Err() == nil:
			g.cfg.Log.Error("old entries of the door log are still here", "err", err)
			wait.Reset(retainEvery / 24)
		case !done:
			wait.Reset(time.Minute) // there is no clock yet
		default:
			wait.Reset(retainEvery)
		}
	}
}

var errRetain = errors.New("the door log keeps what is older than its retention")

func (g *Gateway) retainOnce(ctx context.Context, keep time.Duration) (done bool, err error) {
	author, clock := g.author.Load(), g.clock()
	if !clock.Known() {
		return false, nil
	}
	total := int64(0)
	for {
		n, err := author.Retain(clock.Now.Add(-keep), fmt.Sprintf("kept for %v", keep))
		if err != nil {
			return false, fmt.Errorf("%w: %w", errRetain, err)
		}
		if total += n; n == 0 || ctx.Err() != nil {
			break
		}
	}
	if total > 0 {
		g.cfg.Log.Info("entries of the door log were let go of", "entries", total, "older", keep)
		g.net.appended()
	}
	return true, nil
}
