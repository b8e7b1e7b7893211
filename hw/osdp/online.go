package osdp

import (
	"fmt"
	"slices"
	"time"
)

// choose gives the command of an online reader's turn. A card comes first, but
// for the least of polling; else a POLL every 50 ms, and between two of them
// what there is to be said.
func (r *reader) choose(now time.Time) command {
	unpolled, owed := now.Sub(r.lastPoll), r.owed
	r.owed = false
	if owed {
		return poll()
	}
	if q := r.cardRequest(); q != nil {
		if q.deferred || unpolled >= hungry {
			return poll()
		}
		r.current = q
		return q.command
	}
	if r.install != nil && r.keys[r.key] == DefaultKey {
		r.keySent = true
		return setKey(*r.install)
	}
	// Where each turn comes late, every fifth one is for the rest all the same.
	if unpolled >= hungry && r.polls < 4 || unpolled >= pollEvery && r.polls == 0 {
		return poll()
	}
	for len(r.work) > 0 {
		c := r.work[0]
		if r.work = r.work[1:]; !r.lacks.any(c) {
			return c
		}
	}
	if c, ok := r.shown.next(r.identity.Capabilities, &r.lacks); ok {
		return c
	}
	if len(r.requests) > 0 {
		r.current = r.requests[0]
		if r.current.key == nil {
			return r.current.command
		}
		if r.changeKey() {
			return r.current.command
		}
	}
	if r.scans(now) {
		return scanCard()
	}
	return poll()
}

// changeKey begins the rotation that is under way, if there is anything to do: a
// reader that took this key before has it.
func (r *reader) changeKey() bool {
	q := r.current
	if r.keys[r.key] == *q.key {
		r.keys, r.key = []Key{*q.key}, 0
		r.finish(replyACK{}, nil)
		return false
	}
	// From here on nobody knows which key the reader has: both are tried.
	r.rotating = q
	keys := slices.DeleteFunc(slices.Clone(r.keys[r.key+1:]), func(k Key) bool { return k == *q.key })
	r.keys, r.key = append([]Key{*q.key, r.keys[r.key]}, keys...), 1
	return true
}

// cardRequest is the APDU that waits for its response, if there is one.
func (r *reader) cardRequest() *request {
	i := slices.IndexFunc(r.requests, func(q *request) bool { return q.card != 0 })
	if i < 0 {
		return nil
	}
	return r.requests[i]
}

// urgent says that the reader's next turn should come as soon as possible.
func (r *reader) urgent() bool {
	return r.phase == phaseOnline && (len(r.requests) > 0 || len(r.work) > 0 || r.shown.dirty() || r.waiting())
}

// schedule says when the reader's next turn is.
func (r *reader) schedule(now time.Time) {
	if r.phase != phaseOnline {
		return
	}
	if now.After(r.statusAt) && !r.visit {
		r.askStatus(now)
	}
	if r.urgent() {
		r.next = now
		return
	}
	r.next = r.lastPoll.Add(pollEvery)
	if r.wantsScan(now) && r.command == cmdPoll {
		r.next = now
	}
}

// fed is when the reader last had what it has to have: a POLL once it is online.
func (r *reader) fed() time.Time {
	if r.phase == phaseOnline {
		return r.lastPoll
	}
	return r.lastTurn
}

// askStatus has the reader say how it is: LSTATR is mandatory.
func (r *reader) askStatus(now time.Time) {
	r.statusAt = now.Add(statusEvery)
	for _, s := range []struct {
		code byte
		has  bool
	}{
		{cmdLStat, true},
		{cmdRStat, r.identity.Capabilities[FunctionReaders].Items > 0},
		{cmdIStat, r.identity.Capabilities[FunctionContacts].Items > 0},
	} {
		if s.has && !r.lacks.any(ask(s.code)) {
			r.work = append(r.work, ask(s.code))
		}
	}
}

// add queues a request.
func (r *reader) add(q *request, now time.Time) {
	if r.phase != phaseOnline {
		r.tell(resultEvent{request: q, err: ErrOffline})
		return
	}
	r.requests = append(r.requests, q)
	r.next = now
}

// drop forgets a request that nobody waits for any more. One that is under way
// runs to its end.
func (r *reader) drop(q *request) {
	if q != r.current || q.deferred {
		r.forget(q)
	}
}

// forget takes a request off the queue without a result.
func (r *reader) forget(q *request) {
	r.requests = slices.DeleteFunc(r.requests, func(x *request) bool { return x == q })
	if r.current == q {
		r.current = nil
	}
}

// finish ends the request that is under way.
func (r *reader) finish(reply any, err error) {
	q := r.current
	r.forget(q)
	r.tell(resultEvent{request: q, reply: reply, err: err})
}

// online takes a reply of an online reader: to whatever was sent, it may as well
// be something that has just happened (§5.8).
func (r *reader) online(reply any, now time.Time) {
	if nak, ok := reply.(replyNAK); ok {
		r.nak(nak, now)
		return
	}
	r.absorb(reply, now)
	if r.command == cmdKeySet {
		r.keySet(reply, now)
		return
	}
	if r.current == nil {
		return
	}
	if r.current.card != 0 {
		r.answerCard(reply, now)
		return
	}
	switch reply.(type) {
	case replyUnknown, replyRaw, replyKeypad:
		r.finish(nil, fmt.Errorf("%w: %T to %s", ErrReply, reply, commandName(r.command)))
	default:
		r.finish(copied(reply), nil)
	}
}

// nak is the refusal of an online reader.
func (r *reader) nak(nak replyNAK, now time.Time) {
	err := error(&NAKError{r.command, nak.code})
	if nak.code == nakSequence || nak.code == nakSecureBlock || nak.code == nakEncrypted && r.session != nil {
		if r.command != cmdKeySet && (r.session != nil || nak.code == nakSequence) {
			r.fail(ErrRestarted, now)
			return
		}
	}
	if r.command == cmdPoll {
		r.fail(err, now)
		return
	}
	switch {
	case r.command == cmdKeySet && r.install != nil:
		r.fail(fmt.Errorf("%w: %w", ErrKeyNotTaken, err), now)
	case r.command == cmdKeySet && r.rotating != nil:
		r.keys = slices.DeleteFunc(r.keys, func(k Key) bool { return k == *r.rotating.key })
		r.key, r.rotating = max(r.key-1, 0), nil
		r.finish(nil, fmt.Errorf("%w: %w", ErrKeyNotTaken, err))
	case r.current != nil && r.current.card != 0:
		r.dropCard(fmt.Errorf("%w: %w", errCardGone, err))
	case r.current != nil:
		r.finish(nil, err)
	default:
		if nak.code == nakUnknown || r.card.asking {
			r.lacks.refused(r.kind, now)
		}
		r.note("reader refuses "+commandName(r.command), err, now)
	}
}

// keySet is the reply to KEYSET: the reader takes the new key for its next
// Secure Channel, which is begun at once.
func (r *reader) keySet(reply any, now time.Time) {
	if _, ok := reply.(replyACK); !ok {
		r.fail(fmt.Errorf("%w: %T to KEYSET", ErrReply, reply), now)
		return
	}
	if r.install != nil {
		r.keys = []Key{*r.install}
	}
	r.restart(now)
}

// absorb takes what a reply says of the reader, whatever was asked.
func (r *reader) absorb(reply any, now time.Time) {
	if r.visit {
		return
	}
	switch x := reply.(type) {
	case replyLocal:
		r.tampered(0, x.tamper)
		if !r.known || r.power != x.power {
			r.tell(powerEvent{x.power})
		}
		r.known, r.power = true, x.power
	case replyReader:
		r.tampered(1, slices.ContainsFunc(x.state, func(s byte) bool { return s != 0 }))
	case replyInput:
		for n, active := range x.active {
			if n >= len(r.inputs) {
				r.inputs = append(r.inputs, !active)
			}
			if r.inputs[n] != active {
				r.inputs[n] = active
				r.tell(inputEvent{n, active})
			}
		}
	case replyRaw:
		r.tell(refusedEvent{ErrRaw})
	case replyKeypad:
		for _, k := range x.keys {
			r.tell(keyEvent{k})
		}
	case replyUnknown:
		r.note("unknown reply", fmt.Errorf("%w: code %02X", ErrReply, x.code), now)
	default:
		r.absorbCard(reply, now)
	}
}

// tampered tells that the device (0) or what hangs on it (1) is tampered with.
func (r *reader) tampered(which int, active bool) {
	before := r.tamper[0] || r.tamper[1]
	r.tamper[which] = active
	if after := r.tamper[0] || r.tamper[1]; which == 0 && !r.known || after != before {
		r.tell(tamperEvent{after})
	}
}

// copied is a reply that outlives the frame that it points into.
func copied(reply any) any {
	switch x := reply.(type) {
	case replyMfg:
		x.data = slices.Clone(x.data)
		return x
	case replyReader:
		x.state = slices.Clone(x.state)
		return x
	}
	return reply
}
