package store

import (
	"context"
	"errors"
	"fmt"
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
	urgent  bool      // under mu: somebody waits
	lost    int       // under mu
}

type pending struct {
	Draft
	done chan<- error // nil when nobody waits
}

// ErrFull says that the journal can take no more until its disk works again.
var ErrFull = errors.New("the journal is full; its disk is failing")

const maxBatch = 1024

// NewJournal makes a journal; Run commits.
func NewJournal(cfg JournalConfig) *Journal {
	return &Journal{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Record queues a record and returns at once.
func (j *Journal) Record(d Draft) error { return j.add(pending{Draft: d}) }

// RecordFirst returns when the record is durable, or with the reason why it is
// not; a record that could not be committed is dropped.
func (j *Journal) RecordFirst(ctx context.Context, d Draft) error {
	done := make(chan error, 1)
	if err := j.add(pending{d, done}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *Journal) add(p pending) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) >= j.cfg.Queue {
		j.lost++
		return ErrFull
	}
	j.pending = append(j.pending, p)
	j.urgent = j.urgent || p.done != nil
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
		batch := j.pending[:min(len(j.pending), maxBatch)]
		j.urgent = false
		lost := j.lost
		j.mu.Unlock()
		if len(batch) == 0 && lost == 0 {
			return nil
		}
		drafts := make([]Draft, 0, len(batch)+1)
		for _, p := range batch {
			drafts = append(drafts, p.Draft)
		}
		if lost > 0 {
			f := &ledger.Fault{Part: "journal", What: fmt.Sprintf("%d records were lost while the disk failed", lost)}
			drafts = append(drafts, Draft{f, j.cfg.Author.cfg.Now()})
		}
		_, err := j.cfg.Author.Append(drafts...)
		j.settle(batch, lost, err)
		if err != nil {
			return err
		}
	}
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
	j.pending = append(keep, rest...)
	if err == nil {
		j.lost -= lost
	}
}
