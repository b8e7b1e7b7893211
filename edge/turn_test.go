package edge

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurn: one at a time, and everybody gets a turn.
func TestTurn(t *testing.T) {
	t.Parallel()
	const goroutines, turns = 16, 2000
	turn, count := newTurn(), 0
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range turns {
				if err := turn.take(t.Context(), nil); err != nil {
					t.Error(err)
					return
				}
				count++ // the race detector holds it to one at a time
				turn.end()
			}
		})
	}
	all.Wait()
	if count != goroutines*turns {
		t.Errorf("%d turns of %d", count, goroutines*turns)
	}
}

// TestTurnIsGivenUp: who waits for a turn goes when its context ends, or when
// there are no more turns.
func TestTurnIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turn, done := newTurn(), make(chan struct{})
		if err := turn.take(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := turn.take(ctx, done); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ended: %v", err)
		}
		late := make(chan error)
		go func() { late <- turn.take(t.Context(), done) }()
		synctest.Wait()
		turn.end()
		if err := <-late; err != nil {
			t.Errorf("whose turn has come: %v", err)
		}
		go func() { late <- turn.take(t.Context(), done) }()
		synctest.Wait()
		close(done)
		if err := <-late; !errors.Is(err, ErrStopped) {
			t.Errorf("with no more turns: %v", err)
		}
	})
}
