package replica

import (
	"slices"
	"time"

	"tombolo/sync/ledger"
)

const (
	ackLeast      = 50 * time.Millisecond
	ackMost       = 200 * time.Millisecond
	ackEvery      = time.Second
	witnessEvery  = time.Minute
	ackPauseLeast = 2 * time.Minute
	ackPauseMost  = 12 * time.Hour
	ackAgainLeast = 200 * time.Millisecond
	ackAgainMost  = 2 * time.Second
)

// acknowledgeSoon follows another's ledger that grew durably.
func (r *Replica) acknowledgeSoon(b *book) {
	at := r.clock + r.between(ackLeast, ackMost)
	if b.ackLast != 0 {
		at = max(at, b.ackLast+ackEvery)
	}
	if b.ackAt == 0 || b.ackAt > at {
		b.ackAt = r.plan(b, at)
	}
}

// fireAck acknowledges what grew; and, as an acknowledgement may get lost, what
// did not at growing intervals.
func (r *Replica) fireAck(b *book) {
	switch {
	case b.ackAt == 0:
		return
	case b.ackAt > r.clock:
		r.plan(b, b.ackAt)
		return
	}
	b.ackAt = 0
	if !b.shows() || b.own {
		return
	}
	witness, sent := r.witnesses(b), false
	for _, l := range r.links {
		if l.up && l.carries(b.scope) {
			r.do(SendHeld{Link: l.id, Scope: b.scope, Head: b.head, Witness: witness})
			sent = true
		}
	}
	if !sent {
		return // a link that comes up publishes it
	}
	if b.head.Size > b.ackSize {
		b.ackPause = 0
	}
	r.acknowledged(b, witness)
	b.ackPause = min(max(2*b.ackPause, ackPauseLeast), ackPauseMost)
	b.ackAt = r.plan(b, r.clock+r.between(b.ackPause/2, b.ackPause))
	if b.head.Size > b.witnessSize {
		b.ackAt = r.plan(b, min(b.ackAt, b.witnessLast+witnessEvery))
	}
}

// witnesses reports whether an acknowledgement is witnessed as well: once a
// minute. One that is repeated is witnessed again, as it takes the place of the
// one that the broker retained.
func (r *Replica) witnesses(b *book) bool {
	return b.head.Size >= b.witnessSize && (b.witnessLast == 0 || r.clock-b.witnessLast >= witnessEvery)
}

func (r *Replica) acknowledged(b *book, witness bool) {
	b.ackLast, b.ackSize = r.clock, b.head.Size
	if witness {
		b.witnessLast, b.witnessSize = r.clock, b.head.Size
	}
}

// fireLinks publishes acknowledgements again on links that came up.
func (r *Replica) fireLinks() {
	for _, l := range r.links {
		if l.at == 0 {
			continue
		}
		if l.at > r.clock {
			r.due(l.at)
			continue
		}
		l.at = 0
		for len(l.again) > 0 && l.at == 0 {
			b := l.again[0]
			l.again = slices.Delete(l.again, 0, 1)
			if !b.shows() {
				continue
			}
			witness := r.witnesses(b)
			r.do(SendHeld{Link: l.id, Scope: b.scope, Head: b.head, Witness: witness})
			r.acknowledged(b, witness)
			if b.ackAt == 0 {
				b.ackAt = r.plan(b, r.clock+r.between(ackPauseLeast/2, ackPauseLeast))
			}
			l.at = r.due(r.clock + pace)
		}
	}
}

// hearHeld takes an acknowledgement: of an own ledger, or of any for an
// observer. Its head is one like any other; who lost its disk learns from it how
// far it had signed.
func (r *Replica) hearHeld(v via, m Held) {
	c, ok := peek(m.Note)
	if !ok {
		r.counts.Invalid++
		return
	}
	if !r.cfg.writes(c.Origin.Author) && !r.cfg.Observer {
		r.counts.Strangers++
		return
	}
	from := r.rights.Authors[v.peer]
	var keys []ledger.Cosigner
	if len(from.Hold) > 0 {
		keys = append(keys, ledger.Cosigner{Role: ledger.RoleHold, Key: from.Hold})
	}
	if len(from.Witness) > 0 {
		keys = append(keys, ledger.Cosigner{Role: ledger.RoleWitness, Key: from.Witness})
	}
	if len(keys) == 0 {
		r.counts.Strangers++ // nobody who acknowledges, or not yet
		r.stray(v, c.Origin, m)
		return
	}
	b, h, ok := r.open(v, m, m.Author, m.Note, keys...)
	if !ok {
		return
	}
	plain, signed := h, h
	plain.Others, signed.Others = nil, nil
	for _, o := range h.Others {
		if o.Role == ledger.RoleHeartbeat {
			plain.Others = append(plain.Others, o)
		} else {
			signed.Others = append(signed.Others, o)
		}
	}
	if len(signed.Others) == 0 {
		r.counts.Invalid++
		r.blame(v.peer, c.Origin, ledger.ErrSignature)
		return
	}
	r.do(StoreHeld{Peer: v.peer, Head: signed})
	r.heard(v, b, plain)
}
