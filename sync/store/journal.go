package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/sync/ledger"
)

// JournalConfig says how a Journal groups and what it does in trouble.
type JournalConfig struct {
	// Author writes. It may be nil: then Open is asked for one before the first
	// commit, again for as long as it fails, and whenever an author found that
	// somebody else had written (ErrOtherAuthor). So a journal takes records
	// before its disk does. Open may be nil where Author is not.
	Author *Author
	Open   func() (*Author, error)
	// Kind is the ledger's, if Author is nil.
	Kind ledger.LogKind
	// Group bounds the records of one commit; 0 is 1024.
	Group int
	// Delay is how long a record waits for company before it is committed.
	Delay time.Duration
	// Queue bounds the records that wait for a disk that fails.
	Queue int
	// Trouble is told of a commit that failed, once, and of the first that
	// succeeded again with a nil error. It must not block.
	Trouble func(error)
	// Committed is told after each commit that succeeded; it must not block. It
	// may be nil.
	Committed func()
}

// Journal gathers records from whoever must not wait and appends them in
// groups, in the order in which they came. While the disk fails it keeps up to
// Queue records and counts what it has to let go, which the log then says.
type Journal struct {
	cfg   JournalConfig
	wake  chan struct{}
	drain sync.Mutex // held by the one flush at a time

	author atomic.Pointer[Author]

	mu      sync.Mutex
	queue   queue    // under mu
	flying  int      // under mu: so many of its first are being committed
	edition int      // under mu: counts what left the queue other than at its front
	urgent  bool     // under mu: somebody waits
	lost    int      // under mu
	spare   []*batch // under mu: to be used again
}

// ErrFull says that the journal can take no more until its disk works again.
var ErrFull = errors.New("the journal is full; its disk is failing")

const maxBatch = 1024

// NewJournal makes a journal; Run commits.
func NewJournal(cfg JournalConfig) *Journal {
	if cfg.Group == 0 {
		cfg.Group = maxBatch
	}
	j := &Journal{cfg: cfg, wake: make(chan struct{}, 1)}
	if cfg.Author != nil {
		j.cfg.Kind = cfg.Author.cfg.Kind
		j.author.Store(cfg.Author)
	}
	return j
}

// Head is the newest durable head, a zero one while there is no author.
func (j *Journal) Head() (h ledger.Head) {
	if a := j.author.Load(); a != nil {
		h = a.Head()
	}
	return h
}

// Waiting is how many records are not durable yet.
func (j *Journal) Waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.queue.len()
}

// Record queues a record and returns at once. The body belongs to the journal
// from then on. One that the ledger could never take is refused here, with
// ledger.ErrBody or ledger.ErrWrongLog, so that none blocks those behind it.
func (j *Journal) Record(d Draft) error { return j.add(d, nil) }

// RecordFirst takes a record in the order of the calls, as Record does, and
// hurries it. durable returns once it is durable, or cannot be; given up
// waiting for, it is taken back unless it is being committed.
func (j *Journal) RecordFirst(d Draft) (durable func(context.Context) error) {
	done := make(chan error, 1)
	if err := j.add(d, done); err != nil {
		return func(context.Context) error { return err }
	}
	return func(ctx context.Context) error {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			j.withdraw(done)
			return ctx.Err()
		}
	}
}

func (j *Journal) withdraw(done chan<- error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.queue.remove(j.flying, j.queue.len(), func(p pending) bool { return p.done == done }) > 0 {
		j.edition++
	}
}

func (j *Journal) add(d Draft, done chan<- error) error {
	r, err := accept(j.cfg.Kind, d)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.queue.len() >= j.cfg.Queue {
		j.lost++
		return ErrFull
	}
	j.queue.push(pending{r, done})
	j.urgent = j.urgent || done != nil
	if j.queue.len() == 1 || done != nil { // it knows of the others already
		j.rouse()
	}
	return nil
}

// rouse wakes Run up.
func (j *Journal) rouse() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
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
	var l line
	defer l.end()
	for {
		b := j.depart(&l)
		if b == nil {
			return nil
		}
		err := j.commit(&l, b)
		j.settle(b, err)
		if err != nil {
			j.rouse() // to try again
			return err
		}
		if j.cfg.Committed != nil {
			j.cfg.Committed()
		}
	}
}

// batch is what one commit takes from the queue.
type batch struct {
	group
	waiting []chan<- error // whoever waits for one of its records
	from    int64          // place in the queue, counted since it began
	n       int            // records of the queue
	edition int            // the queue's
	lost    int            // it also records that so many were lost
}

func (b *batch) end() int64 { return b.from + int64(b.n) }

// depart returns the next batch to be committed, nil when nothing is left: the
// one that was sealed ahead, unless something was taken out of the queue since.
// Then the line ends.
func (j *Journal) depart(l *line) *batch {
	b := l.next()
	j.mu.Lock()
	guessed := b != nil && b.from == j.queue.gone && b.edition == j.edition
	if !guessed {
		b = j.gather(j.queue.gone)
		b.lost = j.lost
	}
	j.flying = b.n
	j.urgent = false
	j.mu.Unlock()
	if !guessed {
		l.end()
	}
	if b.n == 0 && b.lost == 0 {
		return nil
	}
	return b
}

// gather makes a batch of the queue from a place on. It is called under mu.
func (j *Journal) gather(from int64) *batch {
	b := new(batch)
	if n := len(j.spare); n > 0 {
		b, j.spare = j.spare[n-1], j.spare[:n-1]
	}
	queued := j.queue.from(from)
	queued = queued[:min(len(queued), j.cfg.Group)]
	b.from, b.n, b.edition = from, len(queued), j.edition
	for i := range queued {
		p := &queued[i]
		b.given = append(b.given, p.record)
		if p.done != nil {
			b.waiting = append(b.waiting, p.done)
		}
	}
	return b
}

func (j *Journal) commit(l *line, b *batch) error {
	a, err := j.open()
	if err != nil {
		return err
	}
	if !b.sealed {
		if err := j.seal(a, b); err != nil {
			return err
		}
	}
	if l.ended() {
		l.begin(j, a, b)
	}
	guess := b.after
	err = a.commit(&b.group)
	if !guess.is(b.after) { // it was sealed again; the line follows what never was
		l.end()
	}
	if errors.Is(err, ErrOtherAuthor) && j.cfg.Open != nil {
		j.author.Store(nil)
	}
	return err
}

// seal seals a batch, with a word about what was lost.
func (j *Journal) seal(a *Author, b *batch) error {
	if b.lost > 0 {
		what := fmt.Sprintf("%d records were lost while the disk failed", b.lost)
		r, err := accept(a.cfg.Kind, Draft{&ledger.Fault{Part: "journal", What: what}, a.cfg.Now()})
		if err != nil {
			return err
		}
		b.given = append(b.given, r)
	}
	return a.seal(&b.group, a.basis())
}

// open returns the author.
func (j *Journal) open() (*Author, error) {
	if a := j.author.Load(); a != nil {
		return a, nil
	}
	a, err := j.cfg.Open()
	if err == nil {
		j.author.Store(a)
	}
	return a, err
}

// settle tells those who wait and takes what is done, or was waited for in
// vain, out of the queue.
func (j *Journal) settle(b *batch, err error) {
	for _, done := range b.waiting {
		done <- err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flying = 0
	if err != nil {
		if j.queue.remove(0, b.n, func(p pending) bool { return p.done != nil }) > 0 {
			j.edition++
		}
		return
	}
	j.queue.pop(b.n)
	j.lost -= b.lost
	if len(j.spare) < sealedAhead {
		b.group.reset()
		*b = batch{group: b.group, waiting: b.waiting[:0]}
		j.spare = append(j.spare, b)
	}
}
