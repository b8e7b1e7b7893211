package panel_test

import (
	"bytes"
	"fmt"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// record takes an entry of the log: what it says has to be so.
func (m *simModel) record(a panel.Action) {
	_, err := ledger.MarshalBody(a.Body)
	m.require(err == nil, "the ledger does not take %+v: %v", a.Body, err)
	decision, isDecision := a.Body.(*ledger.Decision)
	m.require(a.Do == panel.Record || isDecision && decision.Seq == a.Seq, "a %v goes first", a.Body.Kind())
	switch a.Body.(type) {
	case *ledger.Basis, *ledger.Forgiven:
	default: // before all that the new rules decide
		m.forgives()
	}
	switch b := a.Body.(type) {
	case *ledger.Boot:
		_, ok := m.event.(panel.Started)
		m.require(ok, "a Boot in mid-run")
	case *ledger.Basis:
		m.newBasis(b)
	case *ledger.Line:
		m.require(len(m.lines) > 0 && m.lines[0] == *b, "the input %+v, and not %+v", *b, m.lines)
		m.lines = m.lines[1:]
	case *ledger.Fault:
		if m.told.allows(b) && (len(m.faults) == 0 || m.faults[0] != fmt.Sprint(b.Part, b.Cleared)) {
			break
		}
		m.require(len(m.faults) > 0 && m.faults[0] == fmt.Sprint(b.Part, b.Cleared), "the fault %+v, and not %v", *b, m.faults)
		m.faults = m.faults[1:]
	case *ledger.Forgiven:
		before, done := m.memory.forgiven[passport.ID(b.Passport)]
		m.require(!done || before != b.Before, "passport %d is forgiven twice by one word", b.Passport)
		m.require(m.basis.Forgiven[passport.ID(b.Passport)] == b.Before, "nobody forgives passport %d up to %d", b.Passport, b.Before)
	case *ledger.DoorState:
		m.doorState(b)
	case *ledger.ClockStep:
		e, ok := m.event.(panel.ClockSet)
		m.require(ok && e.From == b.From && e.To == b.To, "a clock that nobody set: %+v", *b)
	case *ledger.PassUsed:
		m.require(m.passUsed.Seq != b.Seq, "pass %v is spent twice for one decision", b.Pass)
		m.passUsed = *b
	case *ledger.Decision:
		if o := m.awaiting[b.Seq]; o != nil {
			m.takenBack(o, b)
		} else {
			m.decision(b, a.Do == panel.RecordFirst)
			return // it is in the log by now
		}
	case *ledger.Opening:
		m.opening(b)
	case *ledger.Passage:
		m.passage(b)
	case *ledger.Siblings:
		m.siblings(b)
	default:
		m.require(false, "a %v in the log", b.Kind())
	}
	m.append(a.Body)
}

func (m *simModel) append(b ledger.Body) {
	m.index++
	m.log = append(m.log, panel.Logged{Index: m.index, Time: m.m.MS(), Body: b})
	m.ups = append(m.ups, m.m.Up)
	if _, spends := b.(*ledger.PassUsed); !spends { // that is part of the decision which follows
		m.memory.apply(m.m.MS(), b)
	}
	m.hold() // the first person in
}

// forgives: every Forgive of the ledgers has been carried out.
func (m *simModel) forgives() {
	for who, before := range m.basis.Forgiven {
		m.require(m.memory.forgiven[who] == before, "passport %d is not forgiven up to %d", who, before)
	}
}

func (m *simModel) newBasis(b *ledger.Basis) {
	next := m.basis
	switch e := m.event.(type) {
	case panel.Started:
		next = e.Basis
	case panel.Changed:
		next = e.Basis
	default:
		m.require(false, "a Basis for %T", e)
	}
	again := next.Generation != m.basis.Generation
	m.basis, m.m.Clock.Trust = next, m.trust
	m.require(b.Clock == m.m.Clock.Trust.String() && len(b.Sources) == len(next.Sources), "the Basis says %+v", *b)
	for _, name := range m.names {
		d := m.doors[name]
		was := *d
		d.policy = ownDoor(next.Policy, name)
		if was.strike(true) != d.strike(true) || was.strike(false) != d.strike(false) || was.longest() != d.longest() ||
			was.heldOpen() != d.heldOpen() || was.relock() != d.relock() {
			d.changed, d.before = true, was.longest()
		}
		if again {
			if d.company != nil && !m.stays(&d.company.Presented) {
				d.expect(d.company.Exit, policy.SignalDenied)
				d.company = nil
			}
			if d.pin != nil && !m.stays(&d.pin.Presented) {
				d.lost, d.pin = d.pin, nil
			}
			if d.escort.by != nil && (!m.stays(&d.escort.by) || !m.mayStillEscort(d)) {
				d.escort = simMet{}
			}
		}
	}
	if again {
		for _, o := range m.awaiting {
			o.renew(m)
		}
	}
	m.hold()
}

// stays: who waits has the same key as before, and is judged by what the ledgers
// say of it now.
func (m *simModel) stays(e **panel.Presented) bool {
	changed, _ := m.event.(panel.Changed)
	h, was := changed.Holders[(*e).Holder.KeyID], (*e).Holder
	if !h.Known || h.Delegation.Key != was.Delegation.Key || h.Delegation.Passport != was.Delegation.Passport {
		return false
	}
	now := **e
	now.Holder = h
	*e = &now
	return true
}

// mayStillEscort: whoever was let in as an escort is somebody still.
func (m *simModel) mayStillEscort(d *simDoor) bool {
	h := d.escort.by.Holder
	return simAttributes(m.basis.Policy, d.escort.by).Escort && m.reached() >= m.basis.Bars[h.Delegation.Passport] &&
		!h.Revoked && h.Admitted && !h.Disputed && h.ByOwner && !h.Expelled && !h.Suspended
}

func (m *simModel) doorState(b *ledger.DoorState) {
	d := m.doors[b.Door]
	switch b.State {
	case "lockdown", "lockdown-over":
		down := b.State == "lockdown"
		m.require(d.down != down, "%s: %s twice", b.Door, b.State)
		d.down = down
	default:
		m.require(d.state != b.State, "%s is %s twice", b.Door, b.State)
		d.state = b.State
	}
}

// source is where a decision in the log comes from.
type source uint8

const (
	fromEvent source = iota + 1
	fromCompany
	fromLate
	fromLost
	fromRex
)

// from finds the presentation that a decision answers.
func (m *simModel) from(b *ledger.Decision) (*panel.Presented, source) {
	d := m.doors[b.Door]
	m.require(d != nil, "a decision at %q", b.Door)
	if spoken(b.Mode) == "rex" {
		for i, name := range m.rexes {
			if name == b.Door {
				m.rexes = append(m.rexes[:i:i], m.rexes[i+1:]...)
				return &panel.Presented{Door: b.Door, Mode: "rex", Presentation: access.Presentation{Exit: true}}, fromRex
			}
		}
		m.require(false, "%s: a button that nobody pressed", b.Door)
	}
	is := func(e *panel.Presented) bool {
		return e != nil && e.Door == b.Door && e.Exit == b.Exit && bytes.Equal(e.Raw, b.Presentation) && simAsk{Presented: e}.mode() == b.Mode
	}
	if w := d.late; w != nil {
		late := *w.Presented
		late.Pin = access.PinTooLate
		if is(&late) {
			d.late = nil
			return &late, fromLate
		}
	}
	if w := d.lost; w != nil && is(w.Presented) {
		again := *w.Presented
		again.Refused = access.Again
		d.lost = nil
		return &again, fromLost
	}
	if w := m.follow; w != nil && is(w.Presented) {
		m.follow = nil
		return w.Presented, fromCompany
	}
	m.require(is(m.presented), "a decision that nobody asked for: %+v", b)
	e := m.presented
	m.presented = nil
	return e, fromEvent
}

func (m *simModel) decision(b *ledger.Decision, first bool) {
	e, from := m.from(b)
	d := m.doors[b.Door]
	if from == fromEvent {
		m.heard(d, e)
	}
	want := m.ask(d, e, m.basis.Policy).answer()
	got, known := access.ParseReason(b.Reason)
	m.require(known && got.Grants() == b.Granted, "decision %+v", b)
	switch {
	case from == fromLate && want.reason.Grants():
		// The PIN is not asked for any more: the door does not open by itself.
		want = simVerdict{reason: access.Again}
	case from == fromLate && eitherLate(want.reason) && eitherLate(got):
		want.reason = got
	case want.reason == access.CodeReplayed && got == access.CodeExpired:
		want.reason = got // forgotten, and refused for good
	case m.forgets(d, e) && (got == access.CodeExpired || got == access.AwaitsSecond):
		want.reason = got
	}
	m.require(got == want.reason, "passport %d at %s (%s, exit %v) is %v, and should be %v", b.Passport, b.Door, b.Mode, b.Exit, got, want.reason)
	m.require(e.Raw == nil && b.Passport == 0 || b.Passport == uint64(e.Holder.Delegation.Passport), "decision of passport %d", b.Passport)
	m.tally.decisions++
	m.tally.reasons[got]++
	m.foretell(d, e, b, from)
	if m.passUsed.Seq == b.Seq {
		m.memory.apply(m.m.MS(), &m.passUsed)
	}
	m.append(b)
	m.flash(d, e, got)
	if !b.Granted {
		m.require(!first, "a denial is recorded first")
		if (got == access.AwaitsSecond || got == access.AwaitsEscort) && d.policy != nil {
			w := d.company
			if got == access.AwaitsSecond || w == nil || !w.second || w.who() == e.Holder.Delegation.Passport {
				d.company = &simWait{Presented: e, until: m.m.Up + d.policy.CompanyTime, second: got == access.AwaitsSecond}
			}
		}
		return
	}
	m.granted(d, e, b, want, first)
}

// eitherLate: a PIN that comes too late is judged in the midst of a step, in which
// the partner's door may have been locked or opened since.
func eitherLate(r access.Reason) bool { return r == access.Interlock || r == access.PinLate }

// forgets: a clock was set back, and a code is asked for whose time may have been
// over before. Whether it is refused depends on what was forgotten until then.
func (m *simModel) forgets(d *simDoor, e *panel.Presented) bool {
	isCode := func(e *panel.Presented) bool { return e.Presentation.Mode == passport.ModeWindow }
	return m.setBack && (isCode(e) || d.company != nil && isCode(d.company.Presented))
}

// foretell notes what the decision would be under a policy with a line changed.
func (m *simModel) foretell(d *simDoor, e *panel.Presented, b *ledger.Decision, from source) {
	reason, _ := access.ParseReason(b.Reason)
	if other := m.others[m.basis.Policy]; other != nil && reason != access.Again {
		would := m.ask(d, e, other).answer().reason
		if m.forgets(d, e) || would == access.CodeReplayed || m.tellsNot(reason, would) || from == fromLate && eitherLate(would) {
			would = access.None // it may be another, see decision
		}
		reason = would
	}
	m.foretold[m.index+1] = reason
}

// tellsNot: an interlock hangs on a contact that moves, which no log tells.
func (m *simModel) tellsNot(was, would access.Reason) bool {
	if was == access.Interlock && would != access.Interlock {
		return true
	}
	for _, d := range m.doors {
		if w := d.wires[panel.Contact]; w.said != w.told && would == access.Interlock {
			return true
		}
	}
	return false
}

// flash: a reader shows what became of its presentation.
func (m *simModel) flash(d *simDoor, e *panel.Presented, r access.Reason) {
	switch {
	case r.Grants(): // shown when the lock opens
	case r == access.AwaitsSecond || r == access.AwaitsEscort:
	default:
		d.expect(e.Exit, signalFor(r))
	}
}

func signalFor(r access.Reason) policy.Signal {
	switch r {
	case access.StaleRoster, access.ClockUnknown, access.NoPolicy, access.NotRecorded, access.Internal:
		return policy.SignalOffline
	}
	return policy.SignalDenied
}

func (m *simModel) passage(b *ledger.Passage) {
	g, ok := m.grants[b.Seq]
	m.require(ok && g.door == b.Door && g.exit == b.Exit, "a passage by %+v, which nobody was granted or which had its end", b)
	if d := m.doors[b.Door]; !b.Entered && d.escort.by != nil && d.escort.seq == b.Seq {
		d.escort = simMet{}
	}
	m.require(m.awaiting[b.Seq] == nil, "a passage by %d, which is not recorded", b.Seq)
	delete(m.grants, b.Seq)
	d := m.doors[b.Door]
	if b.Entered {
		m.require(d.open || d.stood || !d.sees(), "%s: somebody went in by a closed door", b.Door)
	} else {
		m.require(d.hw.Contact && (!d.open || d.tooLate || d.changed || !d.sees()) || m.stopped, "%s: somebody who was granted did not go in by the open door", b.Door)
	}
}

// answered: who presented has an answer by now, or is to type a PIN.
func (m *simModel) answered() {
	e := m.presented
	if e == nil {
		return
	}
	d := m.doors[e.Door]
	r := m.ask(d, e, m.basis.Policy).answer().reason
	m.require(r == access.AwaitsPin, "passport %d at %s has no answer, and should have %v", e.Holder.Delegation.Passport, e.Door, r)
	seen, _ := m.panel.Door(d.name)
	m.require(seen.Wait > m.waits, "%s: wait %d comes after %d", d.name, seen.Wait, m.waits)
	m.waits = seen.Wait
	d.pin = &simWait{Presented: e, until: m.m.Up + panel.PinPatience, number: seen.Wait}
	m.tally.reasons[r]++
	m.presented = nil
}
