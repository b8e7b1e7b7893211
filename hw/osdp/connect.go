package osdp

import (
	"fmt"
	"slices"
	"time"
)

// connect takes a reply on the way to being online.
func (r *reader) connect(reply any, keyKind byte, now time.Time) {
	switch r.phase {
	case phaseSize:
		r.phase = phaseMode // whatever it says: most send short replies only
		return
	case phaseMode:
		// ACK, or the mode that it is in. A reader that has none is good for its keypad.
		x, ok := reply.(xrdMode)
		_, ack := reply.(replyACK)
		r.card = cardState{count: r.card.count, mode: (ack || ok && x.mode == 1) && r.command == cmdXWR}
		if !r.card.mode {
			r.note("no card can be asked", ErrNoTransparent, now)
		}
		r.goOnline(now)
		return
	}
	if nak, ok := reply.(replyNAK); ok {
		r.refused(nak, now)
		return
	}
	switch x := reply.(type) {
	case replyID:
		if r.phase != phaseFind && r.phase != phaseIdentify {
			break
		}
		uid := r.identity.UID
		r.identity = Identity{Vendor: x.vendor, Model: x.model, Version: x.version,
			Serial: x.serial, Firmware: x.firmware, UID: uid}
		r.phase++
		return
	case replyCap:
		switch r.phase {
		case phaseCap:
			r.findKey(x.capabilities, now)
			return
		case phaseAssess:
			r.assess(x.capabilities, now)
			return
		}
	case replyCCrypt:
		if r.phase == phaseChallenge {
			r.challenged(x, keyKind, now)
			return
		}
	case replyRMacI:
		if r.phase != phaseCrypt {
			break
		}
		// Annex D.4.4: the block's data is 1 if our cryptogram was right, FF if not.
		// Some say there which key it is, as in SCS 12: it is the R-MAC that counts.
		if keyKind == 0xFF || !r.began.begin(x) {
			r.wrongKey(now)
			return
		}
		r.session, r.began, r.phase = r.began, nil, phaseIdentify
		return
	}
	r.fail(fmt.Errorf("%w: %T to %s", ErrReply, reply, commandName(r.command)), now)
}

// refused is a NAK on the way to being online.
func (r *reader) refused(nak replyNAK, now time.Time) {
	err := error(&NAKError{r.command, nak.code})
	switch {
	case r.phase == phaseCap && nak.code != nakSequence:
		// CAP is mandatory, and some lack it: what it would say is asked for again
		// inside the Secure Channel, or taken as the least.
		r.findKey(Capabilities{FunctionSecureChannel: {Level: 1}}, now)
	case r.phase == phaseAssess && nak.code != nakSequence:
		r.assess(Capabilities{}, now)
	case r.phase == phaseChallenge && r.keyKind() == 0:
		r.nextKey(fmt.Errorf("%w: %w", ErrNotInInstallMode, err), now)
	case r.phase == phaseChallenge:
		r.fail(fmt.Errorf("%w: %w", ErrDowngrade, err), now)
	case r.phase == phaseCrypt:
		r.nextKey(fmt.Errorf("%w: %w", ErrWrongKey, err), now)
	case r.phase == phaseFind && (nak.code == nakEncrypted || nak.code == nakSecureBlock) && r.secure():
		r.phase = phaseChallenge // it says who it is inside the Secure Channel only
	default:
		r.fail(err, now)
	}
}

// findKey goes on to the Secure Channel, if there is to be one.
func (r *reader) findKey(c Capabilities, now time.Time) {
	if c[FunctionCRC].Level&1 != 0 {
		r.checksum = r.noCRC // it was found with a checksum by chance
	}
	switch {
	case !r.secure():
		r.phase = phaseAssess
		r.assess(c, now)
	case !c.SecureChannel():
		r.fail(ErrNoSecureChannel, now)
	default:
		r.phase = phaseChallenge
	}
}

// challenged is the reader's answer to the challenge.
func (r *reader) challenged(x replyCCrypt, keyKind byte, now time.Time) {
	switch {
	case keyKind == 0 && r.keyKind() == 1:
		r.nextKey(ErrDefaultKey, now)
	case !r.began.prove(x):
		r.wrongKey(now)
	default:
		r.identity.UID = x.uid
		r.phase = phaseCrypt
	}
}

func (r *reader) wrongKey(now time.Time) {
	if r.keyKind() == 0 {
		r.nextKey(ErrNotInInstallMode, now)
		return
	}
	r.nextKey(ErrWrongKey, now)
}

// nextKey tries the next key; err is what it comes to if there is none.
func (r *reader) nextKey(err error, now time.Time) {
	if r.key+1 == len(r.keys) {
		r.fail(err, now)
		return
	}
	r.link.reset() // a failed handshake leaves nothing
	r.key++
	r.phase, r.began, r.next = phaseChallenge, nil, now
}

// assess holds the capabilities against what was pinned, and goes online.
func (r *reader) assess(c Capabilities, now time.Time) {
	r.identity.Capabilities = c
	if r.config.Pinned != nil {
		if err := c.Covers(*r.config.Pinned); err != nil {
			r.fail(err, now)
			return
		}
	}
	if r.visit {
		r.goOnline(now)
		return
	}
	r.lacks.alive(now)
	r.phase, r.card.mode = phaseSize, false
}

func (r *reader) goOnline(now time.Time) {
	r.phase, r.probes, r.lastPoll, r.onlineAt = phaseOnline, 0, now, now
	r.shown.all()
	r.keysUsed()
	if r.visit {
		if r.install == nil || r.keys[r.key] == *r.install {
			r.tell(visitEvent{identity: r.identity})
		}
		r.schedule(now)
		return
	}
	if !r.up {
		r.known, r.inputs = false, nil
		r.tell(identityEvent{r.identity})
	}
	r.state(true, nil)
	r.askStatus(now)
	r.schedule(now)
}

// keysUsed settles a rotation once the Secure Channel stands again.
func (r *reader) keysUsed() {
	q := r.rotating
	if q == nil {
		return
	}
	r.rotating = nil
	if r.keys[r.key] == *q.key {
		r.keys, r.key = []Key{*q.key}, 0 // the old ones are nobody's any more
		r.tell(resultEvent{request: q, reply: replyACK{}})
		return
	}
	r.keys = slices.DeleteFunc(r.keys, func(k Key) bool { return k == *q.key })
	r.key = max(r.key-1, 0)
	r.tell(resultEvent{request: q, err: ErrKeyNotTaken})
}
