//go:build pcsc

package nfc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ebfe/scard"
)

const (
	openTime  = 5 * time.Second         // for what needs only pcscd's answer; one that its socket starts takes a second
	closeTime = 1500 * time.Millisecond // more than statusTime
)

// worker is the goroutine that makes the calls of one PC/SC context: a call can
// block for as long as the reader's driver or pcscd likes, and nothing can end
// it from outside (SCardCancel ends SCardGetStatusChange alone). So its caller
// waits for a bounded time, and leaves worker, thread and context to the call
// if that was not enough; they end when it returns.
type worker struct {
	slot int
	jobs chan func()
	done chan struct{}

	// Owned by the worker's goroutine.
	context *scard.Context
	card    *scard.Card

	// Owned by the caller.
	stuck bool // a call did not come back in time

	// Guarded by workers.mu.
	reader    string
	abandoned bool
}

// maxWorkers bounds the threads that a pcscd which hangs can cost. It knows at
// most 16 readers.
const maxWorkers = 32

// pool knows the workers of the process, which is what libpcsclite is the
// client for. It keeps a reader from being opened anew for as long as a call to
// it has not come back.
type pool struct {
	mu    sync.Mutex
	slots [maxWorkers]*worker
}

var workers pool

func newWorker() (*worker, error) {
	w := &worker{jobs: make(chan func()), done: make(chan struct{})}
	workers.mu.Lock()
	defer workers.mu.Unlock()
	for i, taken := range workers.slots {
		if taken == nil {
			w.slot, workers.slots[i] = i, w
			go w.run()
			return w, nil
		}
	}
	return nil, fmt.Errorf("%w: %d calls have not come back", ErrStuck, maxWorkers)
}

func (w *worker) run() {
	defer close(w.done)
	for job := range w.jobs {
		job()
	}
	w.disconnect()
	if w.context != nil {
		_ = w.context.Release() // fails if pcscd has gone, and with it the context
	}
	workers.mu.Lock()
	defer workers.mu.Unlock()
	workers.slots[w.slot] = nil
}

// claim makes the worker the one of a reader.
func (w *worker) claim(reader string) error {
	workers.mu.Lock()
	defer workers.mu.Unlock()
	for _, other := range workers.slots {
		switch {
		case other == nil || other.reader != reader:
		case other.abandoned:
			return fmt.Errorf("%w: %s", ErrStuck, reader)
		default:
			return fmt.Errorf("%w: %s", ErrOpen, reader)
		}
	}
	w.reader = reader
	return nil
}

// stop lets go of the context. It waits a moment for a call that is under way,
// unless that was waited for before. Nothing may be called after it.
func (w *worker) stop() error {
	close(w.jobs)
	limit := closeTime
	if w.stuck {
		limit = 0
	}
	select {
	case <-w.done:
		return nil
	case <-time.After(limit):
	}
	workers.mu.Lock()
	defer workers.mu.Unlock()
	w.abandoned = true
	return fmt.Errorf("%w: %s", ErrStuck, w.reader)
}

type result[T any] struct {
	value T
	err   error
}

// call has the worker run f, after what it is at, and waits for the result
// until ctx ends or limit has passed, then with ErrStuck. What f was to return
// is dropped if it comes later.
func call[T any](ctx context.Context, w *worker, limit time.Duration, f func() (T, error)) (T, error) {
	out := make(chan result[T], 1)
	job := func() {
		v, err := f()
		out <- result[T]{v, err}
	}
	var none T
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case w.jobs <- job:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-late.C:
		w.stuck = true
		return none, ErrStuck
	}
	select {
	case r := <-out:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-late.C:
		w.stuck = true
		return none, ErrStuck
	}
}

// establish connects to pcscd and gives the readers it knows.
func (w *worker) establish() ([]string, error) {
	c, err := scard.EstablishContext()
	if err != nil {
		return nil, explain(err)
	}
	w.context = c
	readers, err := c.ListReaders()
	switch {
	case errors.Is(err, scard.ErrNoReadersAvailable):
		return nil, nil
	case err != nil:
		return nil, explain(err)
	}
	return readers, nil
}

// disconnect lets go of the card, if there is one. The card is left as it is: a
// reset has many contactless readers report that it left and came back, so that
// it would be read twice, and a tap leaves nothing behind in a card that the
// next program could use. pcscd cuts its power soon after.
func (w *worker) disconnect() {
	if w.card != nil {
		_ = w.card.Disconnect(scard.LeaveCard) // fails if the card or the reader has left
		w.card = nil
	}
}

// diagnose tells a refusal from the end of pcscd, which libpcsclite reports
// alike: pcscd hangs up on whom its polkit rules do not allow.
func (w *worker) diagnose(err error) error {
	if !errors.Is(err, scard.ErrSecurityViolation) {
		return err
	}
	if _, listErr := w.context.ListReaders(); listErr != nil {
		return scard.ErrNoService
	}
	return err
}

// explain wraps an error of PC/SC with what is to be done about it; others
// become an error as they are.
func explain(err error) error {
	var why error
	switch e, _ := errors.AsType[scard.Error](err); e {
	case scard.ErrNoService, scard.ErrServiceStopped, scard.ErrCommError, scard.ErrShutdown, scard.ErrInvalidHandle:
		why = ErrNoService
	case scard.ErrSecurityViolation, scard.ErrNoAccess:
		why = ErrNoRight
	case scard.ErrNoReadersAvailable:
		why = ErrNoReader
	case scard.ErrUnknownReader, scard.ErrReaderUnavailable:
		why = ErrUnplugged
	default:
		return fmt.Errorf("nfc: PC/SC: %w", err)
	}
	return fmt.Errorf("%w (%w)", why, err)
}

// pin makes a name that is this reader's to C and this worker's alone to
// package scard. It keeps the memory of a name that C is using under the name
// itself, and so drops it when a second goroutine uses the same name; for C the
// name ends at the NUL.
func (w *worker) pin(reader string) string {
	return fmt.Sprintf("%s\x00%d", strings.TrimRight(reader, "\x00"), w.slot)
}
