package gateway

import (
	"sync"
	"time"

	"tombolo/edge"
	"tombolo/edge/policy"
)

// player says what a pattern shows when. It is pure: the time comes with the
// call, and never runs back. The zero value is dark.
type player struct {
	again policy.Pattern // shown again and again
	once  policy.Pattern // shown over it, to its end
	step  int            // of once while that is shown, else of again
	began time.Time      // that step
}

// show is edge.Reader's.
func (p *player) show(pattern policy.Pattern, loop bool, now time.Time) {
	if loop {
		if p.again = pattern; len(p.once) > 0 {
			return
		}
	} else {
		p.once = pattern
	}
	p.step, p.began = 0, now
}

// at is what is shown now, and until when; ok is false if that is for good.
func (p *player) at(now time.Time) (_ policy.Step, until time.Time, ok bool) {
	for {
		pattern := p.again
		if len(p.once) > 0 {
			pattern = p.once
		}
		if len(pattern) == 0 {
			return policy.Step{}, time.Time{}, false
		}
		step := pattern[p.step]
		until := p.began.Add(max(step.For, time.Millisecond))
		if now.Before(until) {
			return step, until, true
		}
		p.began = until
		if now.Sub(until) > time.Minute { // the machine slept: nobody saw what was missed
			p.began = now
		}
		if p.step++; p.step == len(pattern) {
			p.step, p.once = 0, nil
		}
	}
}

// lights is what an indicator plays on. Its methods are called by one goroutine;
// showing the same again costs nothing.
type lights interface {
	light(policy.Step)
	Close() error // dark and silent
}

// indicator plays patterns on a reader's lights. It is an edge.Reader.
type indicator struct {
	lights lights

	mu     sync.Mutex
	player player

	changed chan struct{} // holds one when there is something to look at
	stop    chan struct{}
	done    chan struct{}
}

// newIndicator plays on lights that are dark, and owns them.
func newIndicator(l lights) *indicator {
	i := &indicator{lights: l, changed: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go i.run()
	return i
}

// Show is edge.Reader's.
func (i *indicator) Show(p policy.Pattern, loop bool) {
	i.mu.Lock()
	i.player.show(p, loop, time.Now())
	i.mu.Unlock()
	select {
	case i.changed <- struct{}{}:
	default:
	}
}

func (i *indicator) run() {
	defer close(i.done)
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for {
		i.mu.Lock()
		step, until, ok := i.player.at(time.Now())
		i.mu.Unlock()
		i.lights.light(step)
		wake.Stop()
		if ok {
			wake.Reset(time.Until(until))
		}
		select {
		case <-i.stop:
			return
		case <-i.changed:
		case <-wake.C:
		}
	}
}

// Close leaves the reader dark.
func (i *indicator) Close() error {
	close(i.stop)
	<-i.done
	return i.lights.Close()
}

// readers are those on one side of a door: what one shows, all show.
type readers []edge.Reader

// Show is edge.Reader's.
func (all readers) Show(p policy.Pattern, loop bool) {
	for _, r := range all {
		r.Show(p, loop)
	}
}

// reader is nil for none: the controller asks.
func (all readers) reader() edge.Reader {
	if len(all) == 0 {
		return nil
	}
	return all
}
