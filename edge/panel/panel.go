package panel

import (
	"maps"
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Config says whose doors they are and what is known at the start.
type Config struct {
	Node     passport.NodeID
	Gateway  string // its name in the policy: other gateways' doors are not opened from here
	Doors    map[string]Hardware
	Presence *access.Presence // what the door log says of people; the panel owns it from then on
	Reached  time.Time        // the latest that the door log shows; codes up to then may have been used
	Software string           // name and version, for the Boot entry
}

// Hardware is what the panel has to know of a door's wires.
type Hardware struct {
	FailSafe bool // energised is locked; otherwise energised is unlocked
	Contact  bool // a contact is wired
}

const (
	defaultStrike   = 5 * time.Second // where no policy names the door, for the way out
	defaultHeldOpen = 30 * time.Second
	// PinPatience is how long a PIN is waited for.
	PinPatience = 15 * time.Second
	never       = time.Duration(1<<63 - 1)
)

// Panel is the machine. It has one owner.
type Panel struct {
	cfg      Config
	doors    []*panelDoor // by name
	byName   map[string]*panelDoor
	own      [inputs]line // the gateway's own
	basis    *access.Basis
	trust    access.Trust
	presence *access.Presence
	codes    *access.Codes
	seq      uint64
	fire     bool
	opening  map[uint64]opening // decisions that wait to be durable
	second   int64              // Unix seconds that schedules and lockdowns were last looked at
	stopped  bool
	follows  bool          // a Replay: people are remembered by what stands in the log, not by what is made again
	spending ledger.PassID // a Replay: the log has spent an entry for the decision that is made again

	usedFunc func(ledger.PassID) uint32 // used, made once

	// Of the step that is being taken.
	drives []Action
	told   []Action
}

type panelDoor struct {
	name     string
	hw       Hardware
	policy   *policy.Door // nil if no policy gives it to this gateway
	cfg      door.Config
	state    door.State
	partners []*panelDoor
	lines    [inputs]line

	pin        *waiting // somebody whose PIN is waited for
	company    *waiting // somebody who waits for a second person or an escort
	pair       pair     // who has just completed company
	escort     pair     // who may escort and was let in last
	lockedDown bool
	warns      bool             // it is left open
	shown      [2]policy.Signal // again and again, on the way in and out
	scheduled  bool             // held by its schedule
	fired      bool             // held by fire
}

type line struct {
	settle door.Settle
	known  bool // its level has been told
	faulty bool // it has been told that something is wrong
}

// waiting is a presentation that lacks something.
type waiting struct {
	Presented
	until time.Duration
}

type pair struct {
	passport passport.ID
	at       time.Duration
	ok       bool
}

// opening is a grant that waits for its record.
type opening struct {
	door       *panelDoor
	grant      door.Grant
	who        passport.ID
	decision   *ledger.Decision
	generation uint64
	code       passport.Window // or the zero Window
}

// New makes a panel. Nothing moves before Started.
func New(cfg Config) *Panel {
	p := &Panel{
		cfg: cfg, byName: map[string]*panelDoor{}, basis: &access.Basis{}, presence: cfg.Presence,
		codes: access.NewCodes(cfg.Reached), opening: map[uint64]opening{},
	}
	if p.presence == nil {
		p.presence = access.NewPresence()
	}
	p.usedFunc = p.used
	for _, name := range slices.Sorted(maps.Keys(cfg.Doors)) {
		d := &panelDoor{name: name, hw: cfg.Doors[name]}
		p.doors = append(p.doors, d)
		p.byName[name] = d
	}
	return p
}

// Step takes an event. The actions are valid until the next Step.
func (p *Panel) Step(m Moment, e Event) []Action {
	clear(p.drives)
	clear(p.told)
	p.drives, p.told = p.drives[:0], p.told[:0]
	if p.stopped {
		return nil
	}
	p.step(m, e)
	p.settleSignals()
	p.drives = append(p.drives, p.told...)
	return p.drives
}

func (p *Panel) step(m Moment, e Event) {
	if e, ok := e.(Started); ok {
		p.start(m, e.Basis)
		return
	}
	if e, ok := e.(ClockSet); ok { // before all that happens by the new time
		p.record(m, &ledger.ClockStep{From: e.From, To: e.To})
	}
	before := m
	before.Clock.Trust = p.trust // what was due before a Changed goes by what the log says of the clock until then
	p.tick(before)
	switch e := e.(type) {
	case Changed:
		p.change(m, e.Basis)
	case Presented:
		p.presented(m, &e)
	case Typed:
		p.typed(m, e)
	case Moved:
		p.moved(m, e)
	case Recorded:
		p.recorded(m, e)
	case Stopped:
		p.stop(m)
	}
}

func (p *Panel) start(m Moment, b *access.Basis) {
	for _, d := range p.doors {
		p.drive(d, Lock, false)
		p.drive(d, Operator, false)
		p.drive(d, Sounder, false)
	}
	boot := &ledger.Boot{Software: p.cfg.Software, Kinds: ledger.KnownKinds(), Clock: m.Clock.Trust.String()}
	if b.Policy != nil {
		boot.Policy = b.Policy.Version
	}
	p.record(m, boot)
	p.change(m, b)
}

// change takes new rules. Who waits for a PIN or for company presents again:
// their key may have been revoked.
func (p *Panel) change(m Moment, b *access.Basis) {
	again := b.Generation != p.basis.Generation
	p.basis, p.trust = b, m.Clock.Trust
	p.record(m, basisBody(b, m.Clock.Trust))
	for _, d := range p.doors {
		d.policy = p.policyDoor(d.name)
		d.configure()
		d.partners = d.partners[:0]
		if d.policy != nil {
			for _, name := range d.policy.Partners {
				if partner := p.byName[name]; partner != nil {
					d.partners = append(d.partners, partner)
				}
			}
		}
		if again {
			p.sendAway(m, d)
		}
	}
	p.second = m.Clock.Now.Unix()
	p.look(m)
	p.fires(m)
}

// sendAway ends what is waited for at a door.
func (p *Panel) sendAway(m Moment, d *panelDoor) {
	d.escort, d.pair = pair{}, pair{}
	if d.company != nil { // it is recorded as waiting
		p.show(d, d.company.Exit, policy.SignalDenied)
		d.company = nil
	}
	if w := d.pin; w != nil {
		d.pin = nil
		w.Refused = access.Again
		p.decided(m, d, &w.Presented, access.Verdict{Reason: access.Again})
	}
}

func basisBody(b *access.Basis, t access.Trust) *ledger.Basis {
	body := &ledger.Basis{Clock: t.String(), Sources: b.Sources[:min(len(b.Sources), ledger.MaxSources)]}
	if b.Policy != nil {
		hash := b.Policy.Hash()
		body.Policy, body.Hash = b.Policy.Version, hash[:]
	}
	return body
}

// policyDoor is the door in the policy, or nil if the policy does not give it to
// this gateway.
func (p *Panel) policyDoor(name string) *policy.Door {
	if p.basis.Policy == nil {
		return nil
	}
	d := p.basis.Policy.Doors[name]
	if d == nil || d.Gateway != p.cfg.Gateway {
		return nil
	}
	return d
}

// blind: the contact's line is cut or shorted, so that nobody can tell whether the
// door is open.
func (d *panelDoor) blind() bool {
	contact := d.lines[Contact].settle.Line()
	return contact == door.LineCut || contact == door.LineShorted
}

// configure tells the door's machine what holds now. A contact that cannot tell is
// none: a grant is then taken for an entry, or anti-passback would end with a wire.
func (d *panelDoor) configure() {
	d.cfg = configOf(d.policy, Hardware{FailSafe: d.hw.FailSafe, Contact: d.hw.Contact && !d.blind()})
}

func configOf(d *policy.Door, hw Hardware) door.Config {
	if d == nil {
		return door.Config{
			Strike: defaultStrike, ExtendedStrike: defaultStrike,
			HeldOpen: defaultHeldOpen, ExtendedHeldOpen: defaultHeldOpen, HasContact: hw.Contact,
		}
	}
	return door.Config{
		Strike: d.Strike, ExtendedStrike: d.ExtendedStrike, HeldOpen: d.HeldOpen, ExtendedHeldOpen: d.ExtendedHeldOpen,
		PreAlarm: d.PreAlarm, Relock: relocks[d.Relock], Operator: operators[d.Operator], HasContact: hw.Contact,
	}
}

var (
	relocks = [...]door.Relock{
		policy.RelockTimer: door.RelockTimer, policy.RelockOpen: door.RelockOpen, policy.RelockClose: door.RelockClose,
	}
	operators = [...]door.Operator{
		policy.OperatorAll: door.OperatorAll, policy.OperatorExtended: door.OperatorExtended, policy.OperatorNever: door.OperatorNever,
	}
)

func (p *Panel) stop(m Moment) {
	for _, d := range p.doors {
		p.door(m, d, door.Event{Kind: door.Stopped}, nil)
	}
	p.stopped = true
}

// Wake is when Ticked is owed; ok is false if no time matters but the second.
func (p *Panel) Wake() (at time.Duration, ok bool) {
	at = never
	for _, d := range p.doors {
		if t, owed := d.state.Wake(); owed {
			at = min(at, t)
		}
		for _, w := range [...]*waiting{d.pin, d.company} {
			if w != nil {
				at = min(at, w.until)
			}
		}
		for i := range d.lines {
			if t, owed := d.lines[i].settle.Wake(); owed {
				at = min(at, t)
			}
		}
	}
	for i := range p.own {
		if t, owed := p.own[i].settle.Wake(); owed {
			at = min(at, t)
		}
	}
	return at, at != never
}

// tick does what has come due, whatever the event.
func (p *Panel) tick(m Moment) {
	for _, d := range p.doors {
		for i := range d.lines {
			p.rest(m, d, Input(i), &d.lines[i])
		}
		if at, owed := d.state.Wake(); owed && m.Up >= at {
			p.door(m, d, door.Event{Kind: door.Tick}, nil)
		}
	}
	for _, d := range p.doors { // once no lock is open that should be shut by now
		if w := d.pin; w != nil && m.Up >= w.until {
			p.typed(m, Typed{Door: d.name, Exit: w.Exit, Pin: access.PinTooLate})
		}
		if w := d.company; w != nil && m.Up >= w.until {
			d.company = nil
			p.show(d, w.Exit, policy.SignalDenied)
		}
	}
	for i := range p.own {
		p.rest(m, nil, Input(i), &p.own[i])
	}
	if now := m.Clock.Now.Unix(); now != p.second {
		p.second = now
		p.look(m)
	}
}

// look holds schedules and lockdowns against the time.
func (p *Panel) look(m Moment) {
	for _, d := range p.doors {
		down := p.basis.LockedDown(d.name, m.Clock)
		begins := down && !d.lockedDown
		if down != d.lockedDown {
			d.lockedDown = down
			state := "lockdown"
			if !down {
				state = "lockdown-over"
			}
			p.record(m, &ledger.DoorState{Door: d.name, State: state})
		}
		if want := p.isFree(m, d); want != d.scheduled {
			d.scheduled = want
			p.door(m, d, holding(door.HoldSchedule, want), nil)
		}
		if begins {
			// Whatever an entry was granted before. What exits and homes have runs on,
			// and so does what the lockdown itself lets through from now on.
			p.door(m, d, door.Event{Kind: door.Cancelled}, nil)
		}
	}
}

// isFree reports whether a door's schedule holds it unlocked.
func (p *Panel) isFree(m Moment, d *panelDoor) bool {
	if d.policy == nil || d.lockedDown || d.policy.Unlock.Never() || !m.Clock.Trust.Meets(d.policy.Clock) {
		return false
	}
	open, _ := d.policy.Unlock.At(m.Clock.Now)
	if !open || !d.policy.FirstIn {
		return open
	}
	begin, _, ok := d.policy.Unlock.Period(m.Clock.Now)
	at := p.presence.EnteredAt(d.name)
	return ok && at > 0 && at >= begin.UnixMilli() // hours without a beginning wait for somebody, too
}

func holding(h door.Holding, on bool) door.Event {
	if on {
		return door.Event{Kind: door.Hold, Hold: h}
	}
	return door.Event{Kind: door.Unhold, Hold: h}
}

// fires releases what the policy names, as long as there is fire.
func (p *Panel) fires(m Moment) {
	for _, d := range p.doors {
		if want := p.fire && d.policy != nil && d.policy.FireRelease; want != d.fired {
			d.fired = want
			p.door(m, d, holding(door.HoldFire, want), nil)
			if !want && d.lockedDown { // an open door is given no time to be closed in
				p.door(m, d, door.Event{Kind: door.Cancelled}, nil)
			}
		}
	}
}

// door feeds a door's machine and says what it does; first stands in the log
// before what is told of it.
func (p *Panel) door(m Moment, d *panelDoor, e door.Event, first ledger.Body) {
	e.At = m.Up
	var actions []door.Action
	d.state, actions = door.Step(d.cfg, d.state, e)
	if first != nil {
		p.record(m, first)
	}
	cameIn := false
	for _, a := range actions {
		switch a.Do {
		case door.Unlock, door.Lock:
			p.drive(d, Lock, a.Do == door.Unlock)
		case door.OperatorOn, door.OperatorOff:
			p.drive(d, Operator, a.Do == door.OperatorOn)
		case door.SounderOn, door.SounderOff:
			p.drive(d, Sounder, a.Do == door.SounderOn)
		case door.Enter, door.Lapse:
			p.record(m, &ledger.Passage{Seq: a.Grant.Seq, Door: d.name, Exit: a.Grant.Exit, Entered: a.Do == door.Enter})
			cameIn = cameIn || a.Do == door.Enter && !a.Grant.Exit
		case door.Change:
			p.record(m, &ledger.DoorState{Door: d.name, State: a.Name.String()})
		case door.Warn, door.Calm:
			d.warns = a.Do == door.Warn
		}
	}
	if cameIn && d.policy != nil && d.policy.FirstIn {
		p.look(m)
	}
}

func (p *Panel) drive(d *panelDoor, o Output, on bool) {
	if o == Lock {
		on = on != d.hw.FailSafe
	}
	p.drives = append(p.drives, Action{Do: Drive, Door: d.name, Output: o, Energised: on})
}

// show shows a signal at a reader, once.
func (p *Panel) show(d *panelDoor, exit bool, s policy.Signal) {
	p.told = append(p.told, Action{Do: Show, Door: d.name, Exit: exit, Signal: s})
}

// settleSignals shows what readers show while nothing happens.
func (p *Panel) settleSignals() {
	for _, d := range p.doors {
		for side, exit := range [...]bool{false, true} {
			if s := d.idle(exit); s != d.shown[side] {
				d.shown[side] = s
				p.told = append(p.told, Action{Do: Show, Door: d.name, Exit: exit, Signal: s, Loop: true})
			}
		}
	}
}

func (d *panelDoor) idle(exit bool) policy.Signal {
	for _, w := range [...]*waiting{d.pin, d.company} {
		if w != nil && w.Exit == exit {
			return policy.SignalWait
		}
	}
	if d.warns {
		return policy.SignalLeftOpen
	}
	return policy.SignalNone
}

// record appends to the door log; people are remembered by what stands there.
func (p *Panel) record(m Moment, b ledger.Body) {
	p.remember(m, b)
	p.told = append(p.told, Action{Do: Record, Body: b})
}

func (p *Panel) remember(m Moment, b ledger.Body) {
	if !p.follows {
		p.presence.Apply(m.MS(), b)
	}
}

// Door is what can be seen of a door.
type Door struct {
	State      door.State
	LockedDown bool
	AwaitsPin  passport.ID // whose PIN is waited for, or 0
	PinExit    bool        // on which side
}

// Door shows a door; ok is false if the panel has none of that name.
func (p *Panel) Door(name string) (_ Door, ok bool) {
	d := p.byName[name]
	if d == nil {
		return Door{}, false
	}
	out := Door{State: d.state, LockedDown: d.lockedDown}
	if d.pin != nil {
		out.AwaitsPin, out.PinExit = d.pin.Holder.Delegation.Passport, d.pin.Exit
	}
	return out, true
}

// Basis is what decisions are made on now.
func (p *Panel) Basis() *access.Basis { return p.basis }
