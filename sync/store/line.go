package store

import "sync"

// sealedAhead is how many groups may wait for their commit. One would do if
// every goroutine ran as soon as it could.
const sealedAhead = 4

// line seals the journal's whole groups while those before them are committed:
// half of the work needs no disk. What it seals is a guess at what will be
// durable; a wrong one costs its work and nothing else, see group. The zero line
// has ended.
type line struct {
	ready chan *batch // the goroutine closes it when no whole group is left
	stop  chan struct{}
	done  sync.WaitGroup
}

// begin begins to seal what is queued behind a sealed batch.
func (l *line) begin(j *Journal, a *Author, last *batch) {
	on, from := last.after, last.end()
	b := j.whole(from)
	if b == nil {
		return
	}
	ready, stop := make(chan *batch, sealedAhead), make(chan struct{})
	l.ready, l.stop = ready, stop
	l.done.Go(func() {
		defer close(ready)
		for ; b != nil && a.seal(&b.group, on) == nil; b = j.whole(from) {
			on, from = b.after, b.end()
			select {
			case ready <- b:
			case <-stop:
				return
			}
		}
	})
}

func (l *line) ended() bool { return l.ready == nil }

// end forgets what was sealed.
func (l *line) end() {
	if !l.ended() {
		close(l.stop)
		l.done.Wait()
		l.ready = nil
	}
}

// next waits for the next batch; it is nil when the line has ended.
func (l *line) next() *batch {
	if l.ended() {
		return nil
	}
	b, ok := <-l.ready
	if !ok {
		l.end()
	}
	return b
}

// whole makes a batch of the queue from a place on, nil unless it is a whole
// one: a smaller may still grow.
func (j *Journal) whole(from int64) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.queue.gone+int64(j.queue.len()) < from+int64(j.cfg.Group) || j.lost > 0 {
		return nil
	}
	return j.gather(from)
}
