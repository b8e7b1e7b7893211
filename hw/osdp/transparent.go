package osdp

import (
	"fmt"
	"slices"
	"time"

	"tombolo/passport/card"
)

// CardTime is what a card has for all of its APDUs together.
const CardTime = 4 * time.Second

// cardRest is how long the card that was just served is not taken for a new one
// while the reader goes on reporting it.
const cardRest = 250 * time.Millisecond

// scanEvery is how often a reader that does not report cards by itself is asked.
const scanEvery = 300 * time.Millisecond

var errCardGone = card.ErrGone

// cardState is the card in front of a reader in transparent mode, OSDP 2.2
// §6.20 and §7.26.
type cardState struct {
	count int  // cards so far
	here  bool // the count-th is being served
	ended time.Time
	seen  time.Time // last report of a card that was not followed by its absence

	mode    bool // the reader has accepted mode 1
	pushes  bool // it reports cards by itself
	asking  bool // the command under way is a scan
	scanned time.Time
	scan    bool // the last scan found a card
}

// wantsScan says that the reader is to be asked for a card.
func (r *reader) wantsScan(now time.Time) bool {
	c := &r.card
	return c.mode && !c.pushes && !r.lacks.any(scanCard()) && !c.here && now.Sub(c.scanned) >= scanEvery
}

// scans says the same, and that it will be asked.
func (r *reader) scans(now time.Time) bool {
	if !r.wantsScan(now) {
		return false
	}
	r.card.scanned, r.card.asking = now, true
	return true
}

// absorbCard takes what a reply says of cards.
func (r *reader) absorbCard(reply any, now time.Time) {
	c := &r.card
	scanned := c.asking
	switch x := reply.(type) {
	case replyACK:
		if scanned {
			c.scan = false
		}
	case xrdMode:
		c.mode = x.mode == 1
	case xrdPresent:
		if x.status == cardAbsent {
			c.seen, c.scan = time.Time{}, false
			if c.here {
				r.dropCard(fmt.Errorf("%w: the reader says so", errCardGone))
			}
			return
		}
		if scanned {
			was := c.scan
			if c.scan = true; was {
				return
			}
		} else {
			c.pushes = true
		}
		r.cardCame(now)
	case xrdInfo:
		if c.mode {
			r.cardCame(now)
		} else {
			r.tell(refusedEvent{ErrNoTransparent})
		}
	case xrdError:
		if r.current == nil && r.cardRequest() == nil && !scanned {
			r.tell(refusedEvent{fmt.Errorf("%w (the reader's code is %02X)", ErrCard, x.code)})
		}
	}
	// A response that the reader owed us comes with a POLL.
	if q := r.cardRequest(); q != nil && q.deferred && r.current == nil {
		r.current = q
		r.answerCard(reply, now)
		r.current = nil
	}
}

// cardCame is the report of a card.
func (r *reader) cardCame(now time.Time) {
	c := &r.card
	same := !c.seen.IsZero() && (now.Sub(c.seen) < cardRest || now.Sub(c.ended) < cardRest)
	c.seen = now
	if c.here || same {
		return
	}
	c.count++
	c.here = true
	r.tell(cardEvent{c.count})
}

// answerCard takes the reply to an APDU.
func (r *reader) answerCard(reply any, now time.Time) {
	q := r.current
	switch x := reply.(type) {
	case xrdAPDU:
		if len(x.response) == 0 {
			r.dropCard(fmt.Errorf("%w: the reader has no response", errCardGone))
			return
		}
		r.finish(xrdAPDU{slices.Clone(x.response)}, nil)
	case xrdError:
		r.dropCard(fmt.Errorf("%w: the reader's code is %02X", errCardGone, x.code))
	case xrdPresent:
		if x.asError && !q.deferred {
			r.dropCard(fmt.Errorf("%w: the reader's code is %02X", errCardGone, x.status))
			return
		}
		q.deferred = true
	case replyACK, replyLocal, replyInput, replyOutput, replyReader, replyKeypad, replyRaw:
		// The response is still to come; that the card is absent has been dealt with.
		q.deferred = true
	default:
		r.dropCard(fmt.Errorf("%w: %T to an APDU", errCardGone, reply))
	}
}

// transmit queues an APDU for the card; err is told at once.
func (r *reader) transmit(q *request, now time.Time) {
	switch {
	case !r.card.here || q.card != r.card.count:
		r.tell(resultEvent{request: q, err: errCardGone})
		return
	case r.cardRequest() != nil:
		r.tell(resultEvent{request: q, err: fmt.Errorf("%w: two APDUs at once", card.ErrAnswer)})
		return
	}
	limit := r.identity.Capabilities.ReceiveBuffer()
	if limit == 0 {
		limit = maxFrame // it does not say: it will refuse what it cannot
	}
	if fits := r.fits(limit); len(q.command.data) > fits {
		r.tell(resultEvent{request: q, err: fmt.Errorf("%w: %w: %d bytes, %d fit", errCardGone, ErrTooLong, len(q.command.data), fits)})
		return
	}
	r.add(q, now)
}

// endCard: the card's time with us is over.
func (r *reader) endCard(number int, now time.Time) {
	if !r.card.here || r.card.count != number {
		return
	}
	r.leaveCard(now)
}

func (r *reader) leaveCard(now time.Time) {
	r.card.here, r.card.ended = false, now
	if r.phase == phaseOnline && r.card.mode {
		r.work = append(r.work, endCard())
		r.next = now
	}
}

// dropCard ends the card and its APDU.
func (r *reader) dropCard(err error) {
	if q := r.cardRequest(); q != nil {
		r.forget(q)
		r.tell(resultEvent{request: q, err: err})
	}
	if !r.card.here {
		return
	}
	r.tell(goneEvent{r.card.count, err})
	r.leaveCard(r.lastTurn)
}
