package edge

import (
	"context"
	"sync/atomic"
)

// turn is a lock that can be waited for with a context. Who ends a turn only
// tells one of those who wait that they may try: given to them, it would stand
// still until they run, and everybody with it, while whoever is running could
// take it. That costs ten doors at once a third of their rate. Nobody's turn
// waits for another's, as each first does what has come due.
type turn struct {
	taken atomic.Bool
	ended chan struct{} // holds one after a turn's end, until somebody tries
}

func newTurn() *turn { return &turn{ended: make(chan struct{}, 1)} }

// take returns ErrStopped once done is closed, or the context's error.
func (t *turn) take(ctx context.Context, done <-chan struct{}) error {
	for !t.taken.CompareAndSwap(false, true) {
		select {
		case <-t.ended:
		case <-done:
			return ErrStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (t *turn) end() {
	t.taken.Store(false)
	select {
	case t.ended <- struct{}{}:
	default:
	}
}
