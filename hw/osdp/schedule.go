package osdp

import "time"

const (
	// replyTimeout is how long a reader may take, OSDP 2.2 §5.7.
	replyTimeout = 200 * time.Millisecond
	// pollAtLeast is how often each reader has its turn even while another one is
	// silent, where the line is fast enough.
	pollAtLeast = 200 * time.Millisecond
	// windowLeast is the least that a silent reader is given.
	windowLeast = 70 * time.Millisecond
	// hungry readers come before a card's APDUs.
	hungry = 75 * time.Millisecond
	// slack is what scheduling and the kernel may add to a round.
	slack = 40 * time.Millisecond
)

// schedule gives out turns. It is pure.
type schedule struct {
	// silentEnd is when the last turn without a reply was over.
	silentEnd time.Time
	// waiting is the silent reader that is next, since when the others get a
	// round ahead of it.
	waiting *reader
	since   time.Time
}

// pick gives the reader whose turn it is, or how long nobody has one.
func (s *schedule) pick(readers []*reader, now time.Time) (*reader, time.Duration) {
	silent := pickSilent(readers, now)
	if silent != s.waiting {
		s.waiting, s.since = silent, now
	}
	wait := time.Second
	var best, owed *reader
	for _, r := range readers {
		d := r.next.Sub(now)
		switch {
		case !r.answering():
			if d > 0 {
				wait = min(wait, d)
			}
		case silent != nil && (r.fed().Before(s.silentEnd) || r.fed().Before(s.since)):
			if owed == nil || r.fed().Before(owed.fed()) {
				owed = r
			}
		case d > 0:
			wait = min(wait, d)
		case best == nil || before(r, best, now):
			best = r
		}
	}
	// A turn that may cost the whole window comes right behind a round of all the
	// others, so that none of them waits longer than that round and the window.
	switch {
	case owed != nil:
		owed.owed = true
		return owed, 0
	case silent != nil:
		return silent, 0
	case best != nil:
		return best, 0
	}
	return nil, max(wait, time.Millisecond)
}

// pickSilent gives the silent reader that waits longest of those that are due.
// While a card is being served, readers that have been lost are not looked for.
func pickSilent(readers []*reader, now time.Time) (silent *reader) {
	served := false
	for _, r := range readers {
		served = served || r.card.here
	}
	for _, r := range readers {
		if r.answering() || r.next.After(now) || served && r.phase == phaseFind {
			continue
		}
		if silent == nil || r.lastTurn.Before(silent.lastTurn) {
			silent = r
		}
	}
	return silent
}

// before says that a's turn comes before b's: who waits too long, then a card,
// then who waits longest.
func before(a, b *reader, now time.Time) bool {
	if x, y := now.Sub(a.fed()) > hungry, now.Sub(b.fed()) > hungry; x != y {
		return x
	} else if x {
		return a.fed().Before(b.fed())
	} else if a.urgent() != b.urgent() {
		return a.urgent()
	}
	return a.lastTurn.Before(b.lastTurn)
}

// window is how long r's reply is waited for: what the others can spare of the
// 200 ms, but the full time where that cannot be met anyway, and for a reader that
// was heard to need it.
func (s *schedule) window(readers []*reader, r *reader, now time.Time) time.Duration {
	if now.Before(r.slowTill) {
		return replyTimeout
	}
	var round time.Duration
	for _, o := range readers {
		if o != r && o.answering() {
			round += o.took
		}
	}
	// Twice: some of them will have more to say than a POLL.
	switch w := pollAtLeast - slack - 2*round; {
	case round == 0, round > pollAtLeast-windowLeast:
		return replyTimeout
	case w < windowLeast:
		return windowLeast
	default:
		return min(w, replyTimeout)
	}
}

// done notes how r's turn went: how long a round takes is a matter of POLLs.
func (s *schedule) done(r *reader, now time.Time) {
	if r.misses > 0 {
		s.silentEnd, s.waiting = now, nil
		return
	}
	if took := now.Sub(r.lastTurn); r.took == 0 {
		r.took = took
	} else if r.command == cmdPoll {
		r.took += (took - r.took) / 8
	}
}
