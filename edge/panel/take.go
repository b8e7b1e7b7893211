package panel

import (
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

func (p *Panel) presented(m Moment, e *Presented) {
	d := p.byName[e.Door]
	if d == nil {
		return
	}
	if w := d.pin; w != nil && !e.Exit {
		// Another presentation: whoever was to type a PIN begins again.
		p.typed(m, Typed{Door: d.name, Wait: w.number, Pin: access.PinTooLate})
	}
	p.listen(m, d, e)
	p.decided(m, d, e, p.Judge(m, e))
}

// decided takes a verdict: it is recorded, and what the record says is done. Who
// waits for company is let in with whom they waited for.
func (p *Panel) decided(m Moment, d *panelDoor, e *Presented, v access.Verdict) {
	if v.Reason == access.AwaitsPin {
		p.waits++
		d.pin = &waiting{Presented: *e, until: m.Up + PinPatience, number: p.waits}
		return
	}
	w, other := p.beside(m, d, e)
	p.seq++
	p.take(m, d, e, v, p.decision(m, d, e, v))
	if v.Granted() && other.Granted() {
		p.seq++
		p.take(m, d, &w.Presented, other, p.decision(m, d, &w.Presented, other))
	}
}

// take does what a recorded decision says.
func (p *Panel) take(m Moment, d *panelDoor, e *Presented, v access.Verdict, decision *ledger.Decision) {
	if !v.Granted() {
		p.refused(m, d, e, v, decision)
		return
	}
	g := granted{
		Grant: door.Grant{Seq: decision.Seq, Exit: e.Exit, Kept: v.Reason == access.Home, Extended: e.Raw != nil && p.attributes(e).Extended},
		by:    *e, pass: v.Pass, decision: decision,
	}
	w, other := p.beside(m, d, e)
	o := p.openingFor(d, v, other, d.takenAlong(m, e.who()))
	switch {
	case other.Granted():
		w.with = &letIn{m.Up, p.escorts(m, d, e), o}
	case w == nil && !e.Exit: // nobody waits, or this one did
		d.company = nil
	}
	if o == nil {
		p.open(m, d, g, decision)
		return
	}
	if v.Pass != (ledger.PassID{}) {
		p.record(m, &ledger.PassUsed{Pass: v.Pass, Seq: decision.Seq})
	}
	p.remember(m, decision)
	o.grants, o.waits = append(o.grants, g), o.waits+1
	p.opening[decision.Seq] = o
	p.told = append(p.told, Action{Do: RecordFirst, Body: decision, Seq: decision.Seq})
}

// refused says no, or waits for company.
func (p *Panel) refused(m Moment, d *panelDoor, e *Presented, v access.Verdict, decision *ledger.Decision) {
	p.record(m, decision)
	if w := d.company; w != nil && v.Reason == access.NotRecorded && w.who() == e.who() {
		d.company = nil // a Replay of a log that never had the grant
	}
	if d.policy != nil && (v.Reason == access.AwaitsSecond || v.Reason == access.AwaitsEscort && !d.awaitsSecond(e.who())) {
		d.company = &waiting{Presented: *e, until: m.Up + d.policy.CompanyTime, second: v.Reason == access.AwaitsSecond}
	}
	if !v.Reason.Waits() {
		p.show(d, e.Exit, signalOf(v.Reason))
	}
}

// awaitsSecond: another waits for a second person, and is not displaced by
// somebody who is none.
func (d *panelDoor) awaitsSecond(but passport.ID) bool {
	return d.company != nil && d.company.second && d.company.who() != but
}

// entered holds the time that a PIN has while what was typed is checked.
func (p *Panel) entered(m Moment, e Entered) {
	if d := p.byName[e.Door]; d != nil && d.pin != nil && d.pin.number == e.Wait && !d.pin.checked {
		d.pin.checked, d.pin.until = true, m.Up+PinPatience
	}
}

func (p *Panel) typed(m Moment, e Typed) {
	d := p.byName[e.Door]
	if d == nil || d.pin == nil || d.pin.number != e.Wait {
		return
	}
	w := d.pin.Presented
	d.pin = nil
	w.Presentation.Pin = e.Pin
	p.listen(m, d, &w)
	v := p.Judge(m, &w)
	if v.Granted() && e.Pin == access.PinTooLate { // none is asked for any more, but who knows who stands there
		v = access.Verdict{Reason: access.Again}
	}
	p.decided(m, d, &w, v)
}

// decision is the record of a verdict; seq was counted before.
func (p *Panel) decision(m Moment, d *panelDoor, e *Presented, v access.Verdict) *ledger.Decision {
	out := &ledger.Decision{
		Seq: p.seq, Door: d.name, Exit: e.Exit, Mode: e.Mode + pinMode(e.Presentation.Pin),
		Granted: v.Granted(), Reason: v.Reason.String(), RosterAge: -1,
	}
	if m.Clock.Known() && m.Age >= 0 {
		out.RosterAge = int64(m.Age / time.Second)
	}
	if p.basis.Policy != nil {
		out.Policy = p.basis.Policy.Version
	}
	if e.Raw != nil {
		out.Passport = uint64(e.who())
		out.Key = e.Holder.KeyID[:]
		out.Presentation = e.Raw
	}
	return out
}

var pinModes = [...]string{
	access.PinNotAsked: "", access.PinRight: "+pin", access.PinWrong: "+wrong-pin",
	access.PinDuress: "+duress", access.PinMissing: "+no-pin", access.PinTooLate: "+late",
}

func pinMode(p access.Pin) string { return pinModes[p] }

// parseMode takes a recorded mode apart.
func parseMode(s string) (mode string, p access.Pin) {
	mode, pin, ok := strings.Cut(s, "+")
	if ok {
		for i, name := range pinModes {
			if name == "+"+pin {
				return mode, access.Pin(i)
			}
		}
	}
	return mode, access.PinNotAsked
}
