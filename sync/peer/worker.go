package peer

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// readQueue bounds what is to be read and sent. What finds no room is left
	// out: whoever needs it asks again, and a head goes out again later.
	readQueue = 4096
	// writeQueue is beyond what the replica has under way at any time.
	writeQueue = 1 << 14
	// together bounds what a worker takes at once, so that what is more urgent
	// need not wait long.
	together = 128
)

// urgency orders a worker's jobs.
type urgency uint8

const (
	first  urgency = iota // heads and acknowledgements: small, and somebody waits at a door
	second                // what was asked for
	urgencies
)

// job is something to be done beside the owner.
type job any

// worker does jobs one after the other, the more urgent first and otherwise in
// their order.
type worker struct {
	most int
	wake chan struct{}

	mu     sync.Mutex
	queues [urgencies][]job // under mu
}

func newWorker(most int) *worker { return &worker{most: most, wake: make(chan struct{}, 1)} }

// add queues a job and returns at once; false if there is no room.
func (w *worker) add(u urgency, j job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queues[u]) >= w.most {
		return false
	}
	w.queues[u] = append(w.queues[u], j)
	signal(w.wake)
	return true
}

// remove takes out the jobs for which out says so.
func (w *worker) remove(out func(job) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for u, q := range w.queues {
		kept := q[:0:0]
		for _, j := range q {
			if !out(j) {
				kept = append(kept, j)
			}
		}
		w.queues[u] = kept
	}
}

// run works until ctx ends.
func (w *worker) run(ctx context.Context, do func([]job)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for jobs := w.take(); len(jobs) > 0 && ctx.Err() == nil; jobs = w.take() {
			do(jobs)
		}
	}
}

// take takes what is most urgent.
func (w *worker) take() []job {
	w.mu.Lock()
	defer w.mu.Unlock()
	for u := range w.queues {
		q := w.queues[u]
		if len(q) == 0 {
			continue
		}
		n := min(len(q), together)
		if urgency(u) != first {
			n = 1
		}
		w.queues[u] = q[n:]
		if n == len(q) {
			w.queues[u] = nil
		}
		return q[:n:n]
	}
	return nil
}

// troubles keeps a log readable: each kind of trouble once a minute.
type troubles struct {
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // under mu
}

func newTroubles(now func() time.Time) *troubles {
	return &troubles{now: now, last: map[string]time.Time{}}
}

func (t *troubles) log(log *slog.Logger, what string, args ...any) {
	t.mu.Lock()
	now := t.now()
	due := now.Sub(t.last[what]).Abs() >= faultLogged
	if due {
		t.last[what] = now
	}
	t.mu.Unlock()
	if due {
		log.Warn(what, args...)
	}
}
