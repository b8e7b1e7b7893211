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
		m.require(len(m.faults) > 0 && m.faults[0] == fmt.Sprint(b.Part, b.Cleared), "the fault %+v, and not %v", *b, m.faults)
		m.faults = m.faults[1:]
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
			if d.company != nil {
				d.expect(d.company.Exit, policy.SignalDenied)
			}
			d.company, d.pair, d.escort = nil, simMet{}, simMet{}
			d.lost, d.pin = d.pin, nil
		}
	}
	m.hold()
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
	want := m.ask(d, e, m.basis.Policy).answer()
	got, known := access.ParseReason(b.Reason)
	m.require(known && got.Grants() == b.Granted, "decision %+v", b)
	switch {
	case from == fromLate && want.reason.Grants():
		// The PIN is not asked for any more: the door does not open by itself.
		want = simVerdict{reason: access.Again}
	case from == fromLate && want.reason == access.Interlock && got == access.PinLate:
		want.reason = got // the partner may have opened since, in the same step
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
			d.company = &simWait{e, m.m.Up + d.policy.CompanyTime}
		}
		return
	}
	m.granted(d, e, b, want, first)
}

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
		if m.forgets(d, e) || would == access.CodeReplayed || from == fromLate && would == access.Interlock {
			would = access.None // it may be another, see decision
		}
		reason = would
	}
	m.foretold[m.index+1] = reason
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

func (m *simModel) granted(d *simDoor, e *panel.Presented, b *ledger.Decision, v simVerdict, first bool) {
	who := e.Holder.Delegation.Passport
	kept := v.reason == access.Exit || v.reason == access.Home
	must := !kept && (v.pass != ledger.PassID{} || d.policy.RecordFirst)
	m.require(first == must, "%s: recorded first is %v, and has to be %v", d.name, first, must)
	if v.pass != (ledger.PassID{}) && !kept {
		m.require(m.passUsed == ledger.PassUsed{Pass: v.pass, Seq: b.Seq}, "the guest pass is not spent before its decision")
	}
	m.grants[b.Seq] = simGrant{d.name, e.Exit, m.m.Up}
	if !e.Exit {
		m.letIn(d, e, who)
	}
	extended := e.Raw != nil && simAttributes(m.basis.Policy, e).Extended
	if must {
		m.awaiting[b.Seq] = &simOpening{e, d, v.pass, extended, m.basis.Generation}
	} else {
		m.open(d, e, kept, extended)
	}
	if !e.Exit {
		m.follow = d.company
		d.two = d.two || !kept && d.policy.TwoPerson
	}
}

// open: the lock opens, and a code is used up.
func (m *simModel) open(d *simDoor, e *panel.Presented, kept, extended bool) {
	d.grant(m.m.Up, kept, extended)
	d.expect(e.Exit, policy.SignalGranted)
	if e.Presentation.Mode == passport.ModeWindow && !e.Exit {
		n := e.Window.Nonce
		m.require(m.wrongTime || !m.codes[n], "the code %x opens twice", n)
		m.codes[n], m.used[n] = true, struct{}{}
	}
}

// letIn remembers an entry for those who need company.
func (m *simModel) letIn(d *simDoor, e *panel.Presented, who passport.ID) {
	if d.instant != m.m.Up {
		d.instant = m.m.Up
		clear(d.granted)
	}
	d.granted[who] = true
	switch w := d.company; {
	case w == nil:
	case w.who() == who:
		d.company, d.pair = nil, simMet{}
	default:
		d.pair = simMet{who, m.m.Up}
	}
	if simAttributes(m.basis.Policy, e).Escort {
		d.escort = simMet{who, m.m.Up}
	}
}

// together: whoever waits and may go in now, does; and nobody goes alone where
// two have to.
func (m *simModel) together() {
	if w := m.follow; w != nil {
		r := m.ask(m.doors[w.Door], w.Presented, m.basis.Policy).answer().reason
		m.require(!r.Grants() || m.forgets(m.doors[w.Door], w.Presented), "%s: %d waited and is not let in with the other", w.Door, w.who())
	}
	for _, name := range m.names {
		d := m.doors[name]
		m.require(!d.two || len(d.granted) >= 2, "%s: somebody goes in alone: %v", name, d.granted)
		d.two = false
	}
}

// takenBack: a grant that waited for its record is refused after all.
func (m *simModel) takenBack(o *simOpening, b *ledger.Decision) {
	r, ok := m.event.(panel.Recorded)
	m.require(ok && r.Seq == b.Seq && !b.Granted, "decision %d comes twice", b.Seq)
	delete(m.awaiting, b.Seq)
	delete(m.grants, b.Seq)
	want := m.stillOpens(o, r)
	m.require(b.Reason == want.String(), "grant %d is taken back as %s, and should be as %v", b.Seq, b.Reason, want)
	o.d.expect(false, signalFor(want))
	m.tally.reasons[want]++
	if o.d.escort.who == o.e.Holder.Delegation.Passport {
		o.d.escort = simMet{} // and brings nobody in
	}
}

// stillOpens is None if what waited for its record may be opened now.
func (m *simModel) stillOpens(o *simOpening, r panel.Recorded) access.Reason {
	a := simAsk{simModel: m, Presented: o.e, d: o.d, p: m.basis.Policy, door: o.d.policy}
	switch {
	case !r.OK:
		return access.NotRecorded
	case o.generation != m.basis.Generation:
		return access.Again
	case a.zonesAsk() != access.None:
		return a.zonesAsk()
	case a.partnerIsOpen():
		return access.Interlock
	}
	return access.None
}

func (m *simModel) opening(b *ledger.Opening) {
	o, r := m.awaiting[b.Seq], m.event
	answer, ok := r.(panel.Recorded)
	m.require(ok && o != nil && answer.Seq == b.Seq && b.Door == o.d.name, "%s opens for %d, which nobody has recorded", b.Door, b.Seq)
	delete(m.awaiting, b.Seq)
	want := m.stillOpens(o, answer)
	m.require(want == access.None, "%s opens for %d, which should be %v", b.Door, b.Seq, want)
	if o.pass != (ledger.PassID{}) {
		m.spent[o.pass]++
		for _, p := range m.basis.Passes[o.e.Holder.Delegation.Passport] {
			m.require(p.ID != o.pass || p.Uses == 0 || m.spent[p.ID] <= p.Uses, "the guest pass %v is spent %d times, of %d", p.ID, m.spent[p.ID], p.Uses)
		}
	}
	m.open(o.d, o.e, false, o.extended)
}

func (m *simModel) passage(b *ledger.Passage) {
	g, ok := m.grants[b.Seq]
	m.require(ok && g.door == b.Door && g.exit == b.Exit, "a passage by %+v, which nobody was granted or which had its end", b)
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
	d.pin = &simWait{e, m.m.Up + panel.PinPatience}
	m.tally.reasons[r]++
	m.presented = nil
}
