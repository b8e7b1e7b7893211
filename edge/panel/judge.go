package panel

import (
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Judge says what would be decided. It changes nothing.
func (p *Panel) Judge(m Moment, e *Presented) access.Verdict {
	d := p.byName[e.Door]
	if d == nil {
		return access.Verdict{Reason: access.NoPolicy}
	}
	return p.judge(m, d, e, company{second: p.hasSecond(m, d, e), escort: p.escorted(m, d, e)})
}

// company is who is at a door with somebody who wants in.
type company struct {
	second, escort bool
	beside         []passport.ID // who would be let in before, at the same instant
}

func (p *Panel) judge(m Moment, d *panelDoor, e *Presented, with company) access.Verdict {
	switch {
	case e.Exit:
		return access.Verdict{Reason: access.Exit}
	case e.Refused != access.None:
		return access.Verdict{Reason: e.Refused}
	}
	v := p.view(m, d, e.Holder.Delegation.Passport, with)
	verdict := access.Decide(m.Clock.Now, e.Holder, e.Presentation, v)
	if verdict.Granted() && e.Presentation.Mode == passport.ModeWindow {
		if r := p.checkCode(m, e.Window); r != access.None {
			return access.Verdict{Reason: r}
		}
	}
	return verdict
}

// checkCode refuses a code that has opened, or that waits for its record.
func (p *Panel) checkCode(m Moment, w passport.Window) access.Reason {
	for _, o := range p.opening {
		if access.Same(o.code, w) {
			return access.CodeReplayed
		}
	}
	return p.codes.Check(m.Clock.Now, m.Up, w)
}

// view is what is known at a door of somebody who wants in.
func (p *Panel) view(m Moment, d *panelDoor, who passport.ID, with company) access.View {
	return access.View{
		Node: p.cfg.Node, Basis: p.basis, Name: d.name, Door: d.policy, Clock: m.Clock, RosterAge: m.Age,
		Around: p.around(m, d, who, with),
	}
}

// around is what is so at a door for somebody who wants in.
func (p *Panel) around(m Moment, d *panelDoor, who passport.ID, with company) access.Around {
	a := access.Around{Entered: -1, Used: p.usedFunc, Second: with.second, Escort: with.escort}
	for _, partner := range d.partners {
		a.PartnerOpen = a.PartnerOpen || p.isOpen(partner)
	}
	if d.policy == nil {
		return a
	}
	rules := p.basis.Policy
	for z := rules.Zones[d.policy.To]; z != nil && !rules.Inside(z.Name, d.policy.From); z = rules.Zones[z.Within] {
		place := p.place(m, d, z, who, with)
		if z.Name == d.policy.To {
			a.Inside, a.Entered, a.Full = place.Inside, place.Entered, place.Full
		} else {
			a.Outer = append(a.Outer, place)
		}
	}
	a.LockedOut = p.presence.LockedOut(p.basis, who, m.MS())
	return a
}

// place is what is so in a zone that a door leads into.
func (p *Panel) place(m Moment, d *panelDoor, z *policy.Zone, who passport.ID, with company) access.Place {
	a, now := access.Place{Zone: z, Entered: -1}, m.MS()
	if z.Antipassback != policy.AntipassbackNone {
		a.Inside = p.presence.Inside(p.basis, z, d.name, who, now)
		if m.Clock.Known() {
			if since := p.presence.Entered(p.basis, z, d.name, who, now); since >= 0 {
				a.Entered = time.Duration(since) * time.Millisecond
			}
		}
	}
	a.Full = p.presence.Full(p.basis, z, now, append(with.beside, who)...)
	return a
}

// used is how many entries of a pass were spent before this decision.
func (p *Panel) used(pass ledger.PassID) uint32 {
	n := p.presence.Used(pass)
	if pass == p.spending && n > 0 {
		n--
	}
	return n
}

// isOpen: open, unlocked, or about to be; or nobody can tell, as its contact's
// line is cut or shorted.
func (p *Panel) isOpen(d *panelDoor) bool {
	if d.state.Unlocked() || d.state.IsOpen() || d.blind() {
		return true
	}
	for _, o := range p.opening {
		if o.door == d {
			return true
		}
	}
	return false
}

// hasSecond reports whether the two-person rule has its other person: one who
// waits and would be let in, or one who has just been let in together.
func (p *Panel) hasSecond(m Moment, d *panelDoor, e *Presented) bool {
	who := e.Holder.Delegation.Passport
	if p.paired(m, d, e) {
		return true
	}
	w := d.company
	if w == nil || w.Holder.Delegation.Passport == who {
		return false
	}
	with := company{second: true, escort: p.escorts(e) || p.escorted(m, d, &w.Presented), beside: []passport.ID{who}}
	return p.judge(m, d, &w.Presented, with).Granted()
}

// paired reports whether somebody waited for company and the other has just been
// let in.
func (p *Panel) paired(m Moment, d *panelDoor, e *Presented) bool {
	who := e.Holder.Delegation.Passport
	return d.company != nil && d.company.Holder.Delegation.Passport == who &&
		d.pair.ok && d.pair.at == m.Up && d.pair.passport != who
}

// escorted reports whether somebody who may escort was let in here just now, or
// waits here and is another person.
func (p *Panel) escorted(m Moment, d *panelDoor, e *Presented) bool {
	who := e.Holder.Delegation.Passport
	if d.policy != nil && d.escort.ok && d.escort.passport != who && m.Up-d.escort.at < d.policy.CompanyTime {
		return true
	}
	return d.company != nil && d.company.Holder.Delegation.Passport != who && p.escorts(&d.company.Presented)
}

func (p *Panel) escorts(e *Presented) bool {
	return p.basis.Policy != nil && e.Holder.Known &&
		p.basis.Policy.Attributes(e.Holder.Class, uint64(e.Holder.Delegation.Passport)).Escort
}

func (p *Panel) presented(m Moment, e *Presented) {
	d := p.byName[e.Door]
	if d == nil {
		return
	}
	if w := d.pin; w != nil && !e.Exit {
		// Another presentation: whoever was to type a PIN begins again.
		p.typed(m, Typed{Door: d.name, Exit: w.Exit, Pin: access.PinTooLate})
	}
	p.decided(m, d, e, p.Judge(m, e))
}

// decided takes a verdict: it is recorded, and what the record says is done.
func (p *Panel) decided(m Moment, d *panelDoor, e *Presented, v access.Verdict) {
	if v.Reason == access.AwaitsPin {
		d.pin = &waiting{*e, m.Up + PinPatience}
		return
	}
	p.seq++
	p.take(m, d, e, v, p.decision(m, d, e, v))
	p.together(m, d, e, v)
}

// together lets in whoever waited for this one.
func (p *Panel) together(m Moment, d *panelDoor, e *Presented, v access.Verdict) {
	if !v.Granted() || e.Exit || d.company == nil {
		return
	}
	w := d.company
	if verdict := p.Judge(m, &w.Presented); verdict.Granted() {
		p.seq++
		p.take(m, d, &w.Presented, verdict, p.decision(m, d, &w.Presented, verdict))
	}
}

// take does what a recorded decision says.
func (p *Panel) take(m Moment, d *panelDoor, e *Presented, v access.Verdict, decision *ledger.Decision) {
	who := e.Holder.Delegation.Passport
	switch {
	case !v.Granted():
		p.record(m, decision)
		if d.policy != nil && (v.Reason == access.AwaitsSecond || v.Reason == access.AwaitsEscort) {
			d.company = &waiting{*e, m.Up + d.policy.CompanyTime}
		}
		if !v.Reason.Waits() {
			p.show(d, e.Exit, signalOf(v.Reason))
		}
		return
	case !e.Exit:
		p.accompany(m, d, e)
	}
	grant := door.Grant{
		Seq: decision.Seq, Exit: e.Exit, Kept: v.Reason == access.Home,
		Extended: p.basis.Policy != nil && e.Raw != nil && p.basis.Policy.Attributes(e.Holder.Class, uint64(who)).Extended,
	}
	if d.recordFirst(v) {
		if v.Pass != (ledger.PassID{}) {
			p.record(m, &ledger.PassUsed{Pass: v.Pass, Seq: decision.Seq})
		}
		p.remember(m, decision)
		p.opening[decision.Seq] = opening{d, grant, who, decision, p.basis.Generation, e.Window}
		p.told = append(p.told, Action{Do: RecordFirst, Body: decision, Seq: decision.Seq})
		return
	}
	p.open(m, d, grant, e.Window, decision)
}

// accompany remembers who was let in, for those who need company.
func (p *Panel) accompany(m Moment, d *panelDoor, e *Presented) {
	who := e.Holder.Delegation.Passport
	switch w := d.company; {
	case w == nil:
	case w.Holder.Delegation.Passport == who:
		d.company, d.pair = nil, pair{}
	default:
		d.pair = pair{who, m.Up, true}
	}
	if p.escorts(e) {
		d.escort = pair{who, m.Up, true}
	}
}

func (d *panelDoor) recordFirst(v access.Verdict) bool {
	if v.Reason == access.Home || v.Reason == access.Exit {
		return false
	}
	return v.Pass != (ledger.PassID{}) || d.policy != nil && d.policy.RecordFirst
}

// open lets a grant through, which uses up its code; first is its record.
func (p *Panel) open(m Moment, d *panelDoor, grant door.Grant, code passport.Window, first ledger.Body) {
	if code.Passport != 0 && !grant.Exit {
		p.codes.Use(code)
	}
	p.door(m, d, door.Event{Kind: door.Granted, Grant: grant}, first)
	p.show(d, grant.Exit, policy.SignalGranted)
}

// recorded lets a grant through that had to be durable first, unless the rules
// have changed in between, or what the zone asks is not so any more: somebody's
// way out may have opened a partner's door.
func (p *Panel) recorded(m Moment, e Recorded) {
	o, ok := p.opening[e.Seq]
	if !ok {
		return
	}
	delete(p.opening, e.Seq)
	reason := access.None
	switch {
	case !e.OK:
		reason = access.NotRecorded
	case o.generation != p.basis.Generation:
		reason = access.Again
	default:
		reason = access.Zone(p.view(m, o.door, o.who, company{}))
	}
	if reason == access.None {
		p.open(m, o.door, o.grant, o.code, &ledger.Opening{Seq: e.Seq, Door: o.door.name})
		return
	}
	if o.door.escort.passport == o.who {
		o.door.escort = pair{} // brings in nobody
	}
	refused := *o.decision
	refused.Granted, refused.Reason = false, reason.String()
	p.record(m, &refused)
	p.show(o.door, o.grant.Exit, signalOf(reason))
}

func (p *Panel) typed(m Moment, e Typed) {
	d := p.byName[e.Door]
	if d == nil || d.pin == nil || d.pin.Exit != e.Exit {
		return
	}
	w := d.pin.Presented
	d.pin = nil
	w.Presentation.Pin = e.Pin
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
		out.Passport = uint64(e.Holder.Delegation.Passport)
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

// signalOf is what a reader shows for a reason.
func signalOf(r access.Reason) policy.Signal {
	switch {
	case r.Grants():
		return policy.SignalGranted
	}
	switch r {
	case access.StaleRoster, access.ClockUnknown, access.NoPolicy, access.NotRecorded, access.Internal:
		return policy.SignalOffline
	}
	return policy.SignalDenied
}
