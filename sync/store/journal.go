package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tombolo/sync/ledger"
)

// JournalConfig says how a Journal groups and what it does in trouble.
type JournalConfig struct {
	Author *Author
	// Delay is how long a record waits for company before it is committed.
	Delay time.Duration
	// Queue bounds the records that wait for a disk that fails.
	Queue int
	// Trouble is told of a commit that failed, once, and of the first that
	// succeeded again with a nil error. It must not block.
	Trouble func(error)
}

// Journal gathers records from whoever must not wait and appends them in
// groups, in the order in which they came. While the disk fails it keeps up to
// Queue records and counts what it has to let go, which the log then says.
type Journal struct {
	cfg   JournalConfig
	wake  chan struct{}
	drain sync.Mutex // held by the one flush at a time

	mu      sync.Mutex
	pending []pending // under mu
	flying  int       // under mu: so many of the first are being committed
	urgent  bool      // under mu: somebody waits
	lost    int       // under mu
}

type pending struct {
	record
	done chan<- error // nil when nobody waits
}

// ErrFull says that the journal can take no more until its disk works again.
var ErrFull = errors.New("the journal is full; its disk is failing")

const maxBatch = 1024

// NewJournal makes a journal; Run commits.
func NewJournal(cfg JournalConfig) *Journal {
	return &Journal{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Record queues a record and returns at once. The body belongs to the journal
// from then on. One that the ledger could never take is refused here, with
// ledger.ErrBody or ledger.ErrWrongLog, so that none blocks those behind it.
func (j *Journal) Record(d Draft) error { return j.add(d, nil) }

// RecordFirst returns when the record is durable, or with the reason why it is
// not; a record that could not be committed is dropped. When ctx ends first the
// record is withdrawn, unless its commit is under way: then it may yet stand in
// the log.
func (j *Journal) RecordFirst(ctx context.Context, d Draft) error {
	done := make(chan error, 1)
	if err := j.add(d, done); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		j.withdraw(done)
		return ctx.Err()
	}
}

func (j *Journal) withdraw(done chan<- error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := slices.DeleteFunc(slices.Clone(j.pending[j.flying:]), func(p pending) bool { return p.done == done })
	j.pending = append(j.pending[:j.flying:j.flying], waiting...)
}

func (j *Journal) add(d Draft, done chan<- error) error {
	r, err := j.cfg.Author.accept(d)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) >= j.cfg.Queue {
		j.lost++
		return ErrFull
	}
	j.pending = append(j.pending, pending{r, done})
	j.urgent = j.urgent || done != nil
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return nil
}

// Run commits until ctx ends, and then once more.
func (j *Journal) Run(ctx context.Context) error {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return j.Flush()
		case <-j.wake:
		}
		j.mu.Lock()
		wait := j.cfg.Delay
		if j.urgent {
			wait = 0
		}
		j.mu.Unlock()
		if failures > 0 {
			wait = min(time.Second<<min(failures-1, 5), 30*time.Second)
		}
		if wait > 0 {
			j.pause(ctx, wait, failures == 0)
		}
		switch err := j.Flush(); {
		case err != nil:
			if failures++; failures == 1 {
				j.cfg.Trouble(err)
			}
			select {
			case j.wake <- struct{}{}:
			default:
			}
		case failures > 0:
			failures = 0
			j.cfg.Trouble(nil)
		}
	}
}

// pause waits; a record that somebody waits for ends it early, unless the disk
// is being given time.
func (j *Journal) pause(ctx context.Context, d time.Duration, early bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return
		case <-ctx.Done():
			return
		case <-j.wake:
			j.mu.Lock()
			urgent := j.urgent
			j.mu.Unlock()
			if urgent && early {
				return
			}
		}
	}
}

// Flush commits what is queued now.
func (j *Journal) Flush() error {
	j.drain.Lock()
	defer j.drain.Unlock()
	for {
		j.mu.Lock()
		j.flying = min(len(j.pending), maxBatch)
		batch := j.pending[:j.flying]
		j.urgent = false
		lost := j.lost
		j.mu.Unlock()
		if len(batch) == 0 && lost == 0 {
			return nil
		}
		err := j.commit(batch, lost)
		j.settle(batch, lost, err)
		if err != nil {
			return err
		}
	}
}

func (j *Journal) commit(batch []pending, lost int) error {
	a := j.cfg.Author
	records := make([]record, 0, len(batch)+1)
	for _, p := range batch {
		records = append(records, p.record)
	}
	if lost > 0 {
		what := fmt.Sprintf("%d records were lost while the disk failed", lost)
		r, err := a.accept(Draft{&ledger.Fault{Part: "journal", What: what}, a.cfg.Now()})
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.append(records)
	return err
}

// settle tells those who wait and takes what is done, or was waited for in
// vain, out of the queue.
func (j *Journal) settle(batch []pending, lost int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rest := j.pending[len(batch):]
	var keep []pending
	for _, p := range batch {
		switch {
		case p.done != nil:
			p.done <- err
		case err != nil:
			keep = append(keep, p)
		}
	}
	j.pending, j.flying = append(keep, rest...), 0
	if err == nil {
		j.lost -= lost
	}
}
