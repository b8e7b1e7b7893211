package panel_test

import (
	"encoding/binary"
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/passport"
)

// live lets some time pass, and one thing happen.
func (w *simWorld) live() {
	w.pass()
	if len(w.pending) > 0 && w.up >= w.pending[0].due {
		w.answer(0)
		return
	}
	switch n := w.IntN(1000); {
	case n < 500:
		w.present()
	case n < 600:
		w.typePin(false)
	case n < 820:
		w.wire()
	case n < 890:
		w.step(panel.Ticked{})
	case n < 895:
		w.typePin(true)
	case n < 970:
		w.enact()
	case n < 983:
		w.setClock()
	case n < 990:
		w.step(panel.Recorded{Seq: uint64(w.IntN(50)) + 1<<32, OK: true}) // of nothing
	case n < 996:
		w.restart()
	default:
		w.newPolicy()
		w.publish()
	}
}

// pass lets time pass: often to the tick that is owed, sometimes far beyond it.
func (w *simWorld) pass() {
	if w.shorts > 0 {
		w.shorts--
		w.up += time.Duration(w.IntN(30)) * time.Millisecond
		return
	}
	if w.in(3) {
		w.shorts = w.IntN(8)
	}
	if at, ok := w.panel.Wake(); ok && at < w.up+time.Minute && w.in(2) {
		w.up = at
		w.step(panel.Ticked{})
		return
	}
	if len(w.pending) > 0 && w.in(2) {
		w.up = max(w.up, w.pending[0].due)
		return
	}
	span := []time.Duration{0, 30 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 3 * time.Second, 20 * time.Second}[w.IntN(6)]
	if w.in(20) {
		span = []time.Duration{3 * time.Minute, 20 * time.Minute, 2 * time.Hour}[w.IntN(3)]
	}
	w.up += time.Duration(w.Int64N(int64(span) + 1)).Truncate(time.Millisecond)
}

// present is somebody at a reader. Some come again and again, so that people
// meet.
func (w *simWorld) present() {
	key := w.ledgers.keys[w.IntN(len(w.ledgers.keys))]
	if w.in(3) {
		key = w.ledgers.keys[w.IntN(4)]
	}
	e := panel.Presented{Door: w.names[w.IntN(len(w.names))], Mode: "tap"}
	if w.in(3) {
		e.Door = w.names[0]
	}
	if w.in(3) { // the same again
		e.Door = w.last.door
		if w.in(2) {
			key = w.last.key
		}
	}
	if w.wrongly > 0 && w.in(2) {
		e.Door, key = w.last.door, w.last.key
	}
	w.last.door, w.last.key = e.Door, key
	e.Exit = w.in(6)
	e.Presentation.Exit = e.Exit
	switch {
	case w.in(25):
		e.Mode, e.Refused = "unread", []access.Reason{access.Unreadable, access.OtherCommunity, access.UnknownKey, access.BadSignature}[w.IntN(4)]
	case w.in(4):
		w.code(&e, key)
	default:
		e.Holder = w.ledgers.holder(key, int(w.basis.Generation))
		e.Presentation.Mode = passport.ModeTap
		w.taps++
		e.Raw = binary.BigEndian.AppendUint64([]byte("tap"), w.taps)
	}
	w.step(e)
}

// code presents a code: a new one, or one that was seen before.
func (w *simWorld) code(e *panel.Presented, key passport.KeyID) {
	if n := len(w.codes); n > 0 && w.in(3) {
		at, exit := e.Door, e.Exit
		*e = w.codes[max(0, n-1-w.IntN(5))]
		e.Door, e.Exit, e.Presentation.Exit = at, exit, exit
		key = e.Holder.KeyID
	} else {
		w.nonces++
		e.Mode, e.Presentation.Mode = "window", passport.ModeWindow
		target := passport.NodeTarget(simNode)
		if w.in(2) {
			target = passport.DoorTarget(simNode, e.Door)
		}
		length := passport.MinWindow + w.IntN(passport.MaxWindow-passport.MinWindow+1)
		start := w.moment().Clock.Now.Unix() + int64(w.IntN(4*length)-2*length-w.IntN(2)*length/2)
		e.Window = passport.Window{
			Community: [8]byte{1}, Key: key.Short(), Start: uint32(max(0, start)), Length: uint8(length), Target: target.Short(),
		}
		binary.BigEndian.PutUint64(e.Window.Nonce[:], w.nonces)
		e.Window.Sig[0], e.Window.Sig[32] = 1, 1
		e.Window.Passport = w.ledgers.holder(key, len(w.ledgers.bases)).Delegation.Passport
	}
	e.Holder = w.ledgers.holder(key, int(w.basis.Generation))
	target := passport.DoorTarget(simNode, e.Door)
	e.ForDoor = e.Window.Target == target.Short()
	e.Raw, _ = e.Window.MarshalBinary()
	node := passport.NodeTarget(simNode)
	if !e.ForDoor && e.Window.Target != node.Short() { // made for another door
		e.Refused, e.Holder, e.Raw = access.OutOfScope, access.Holder{}, nil
	} else {
		w.codes = append(w.codes, *e)
	}
}

// typePin types at a door that waits, or at any.
func (w *simWorld) typePin(anywhere bool) {
	e := panel.Typed{Door: w.names[w.IntN(len(w.names))]}
	if !anywhere {
		for _, name := range w.names {
			if d, _ := w.panel.Door(name); d.AwaitsPin != 0 {
				e.Door = name
				break
			}
		}
		if d, _ := w.panel.Door(e.Door); d.AwaitsPin == 0 {
			w.present()
			return
		}
	}
	if d, _ := w.panel.Door(e.Door); !anywhere || w.in(2) {
		e.Wait = d.Wait
		if w.wrongly > 0 && w.in(3) { // somebody leaves meanwhile, by another door of an interlock perhaps
			w.step(panel.Moved{Door: w.names[w.IntN(len(w.names))], Input: panel.Rex, Line: door.LineActive})
			w.up += 20 * time.Millisecond
			w.step(panel.Ticked{})
		}
		if w.in(4) { // the check is slow
			w.step(panel.Entered{Door: e.Door, Wait: e.Wait})
			w.up += time.Duration(w.IntN(20_000)) * time.Millisecond
			if w.in(2) {
				return
			}
		}
	} else {
		e.Wait = max(1, d.Wait) - 1
	}
	e.Pin = []access.Pin{access.PinRight, access.PinRight, access.PinRight, access.PinWrong, access.PinWrong, access.PinDuress, access.PinMissing}[w.IntN(7)]
	if w.wrongly > 0 { // somebody tries
		w.wrongly--
		e.Pin = access.PinWrong
		if w.in(4) {
			e.Pin = access.PinDuress
		}
	} else if w.in(10) {
		w.wrongly = 12
	}
	w.step(e)
}

// wire moves a line, as one of its bounces or for long.
func (w *simWorld) wire() {
	name := w.names[w.IntN(len(w.names))]
	e := panel.Moved{Door: name, Input: panel.Contact, Line: door.LineOf(w.in(2))}
	switch n := w.IntN(100); {
	case n < 65: // where somebody may go in, they do
		for _, other := range w.names {
			if d := w.model.doors[other]; d.unlocked() && w.in(2) {
				e.Door, e.Line = other, door.LineOf(!d.open || w.in(4))
			} else if d.open && w.in(3) {
				e.Door, e.Line = other, door.LineNormal
			}
		}
		if !w.hardware[e.Door].Contact {
			e.Input = panel.Rex
		}
	case n < 85:
		e.Input = panel.Rex
	case n < 90:
		e.Input = panel.Tamper
	case n < 95:
		e.Door, e.Input = "", panel.Fire
		e.Line = door.LineOf(w.in(3))
	default:
		e.Door, e.Input = "", []panel.Input{panel.Tamper, panel.Mains, panel.Battery}[w.IntN(3)]
	}
	if w.in(40) {
		e.Line = []door.Line{door.LineCut, door.LineShorted}[w.IntN(2)]
	}
	e.Start = w.in(100)
	w.step(e)
	if w.in(2) { // it comes to rest
		w.up += 20 * time.Millisecond
		w.step(panel.Ticked{})
	} else if w.in(2) {
		w.shorts += 3
	}
}

// answer is the journal's, to what goes first.
func (w *simWorld) answer(i int) {
	p := w.pending[i]
	w.pending = slices.Delete(w.pending, i, i+1)
	m := w.model
	at := slices.IndexFunc(m.log, func(e panel.Logged) bool { return e.Index == p.entry.Index })
	ok := !w.in(10)
	switch {
	case ok:
		w.firsts = max(w.firsts, at+1)
	case at == len(m.log)-1 && w.in(2): // and it is not persisted; what is decided on it would be
		delete(m.foretold, p.entry.Index)
		m.log, m.ups = slices.Delete(m.log, at, at+1), slices.Delete(m.ups, at, at+1)
		if w.firsts > at {
			w.firsts--
		}
	}
	w.step(panel.Recorded{Seq: p.seq, OK: ok})
}

func (w *simWorld) enact() {
	for range 1 + w.IntN(2) {
		w.ledgers.enact(w.moment().Clock.Now, w.names)
	}
	w.publish()
}

func (w *simWorld) publish() {
	w.basis = w.ledgers.publish()
	w.changed()
}

// changed brings those along who wait.
func (w *simWorld) changed() {
	e := panel.Changed{Basis: w.basis, Holders: map[passport.KeyID]access.Holder{}}
	for _, id := range w.panel.Waiting() {
		e.Holders[id] = w.ledgers.holder(id, int(w.basis.Generation))
	}
	w.step(e)
}

// setClock sets the clock, or changes the trust in it.
func (w *simWorld) setClock() {
	if w.trust > access.TrustUnknown && w.in(2) || w.in(8) {
		w.trust = access.Trust(w.IntN(4))
		w.changed()
		return
	}
	from := w.moment().Clock.Now.UnixMilli()
	if w.trust == access.TrustUnknown && !w.in(3) { // somebody tells the time
		to := w.truth.now(w)
		w.began += to - from
		if to < from {
			w.model.setBack, w.model.wrongTime = true, true
		}
		w.step(panel.ClockSet{From: from, To: to})
		w.trust = access.Trust(1 + w.IntN(3))
		w.changed()
		return
	}
	by := []int64{1_000, 60_000, 3600_000}[w.IntN(3)]
	to := from + w.Int64N(2*by) - by
	w.began += to - from
	if to < from {
		w.model.setBack, w.model.wrongTime = true, true
	}
	w.step(panel.ClockSet{From: from, To: to})
}

// restart ends the gateway, in order or not, and starts it again.
func (w *simWorld) restart() {
	if w.in(3) {
		w.step(panel.Stopped{})
		w.step(panel.Ticked{})
	}
	w.crash()
	off := w.Int64N(100_000)
	w.truth.restart(w, off)
	w.began += w.up.Milliseconds() + off
	if w.in(5) { // without a battery the clock begins anywhere
		w.trust = access.TrustUnknown
		w.began -= w.Int64N(3 * 24 * 3600_000)
		w.model.wrongTime = true
	} else if w.in(2) {
		w.trust = access.Trust(1 + w.IntN(3))
	}
	w.start()
}
