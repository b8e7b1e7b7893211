package panel_test

import (
	"fmt"
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/edge/schedule"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simModel knows of a gateway what can be said without its code: what happened,
// what its relays were told, and what its log says. After each step it derives
// again what has to hold.
type simModel struct {
	names  []string
	doors  map[string]*simDoor
	own    [6]simWire
	memory *simMemory
	basis  *access.Basis
	m      panel.Moment
	trust  access.Trust // in the clock, from the next Basis on
	panel  *panel.Panel
	fire   bool

	startReached time.Time
	used         map[[16]byte]struct{} // codes that opened in this run
	setBack      bool                  // the clock was, in this run
	stopped      bool

	grants   map[uint64]simGrant // that no Passage has ended
	awaiting map[uint64]*simOpening
	passUsed ledger.PassUsed
	waits    uint64 // PINs that were waited for

	// Over all runs.
	log       []panel.Logged
	ups       []time.Duration // when each was recorded
	index     int64
	spent     map[ledger.PassID]uint32 // entries that were opened for a pass
	codes     map[[16]byte]bool        // codes that opened
	wrongTime bool                     // a clock went back: codes may come twice
	others    map[*policy.Policy]*policy.Policy
	told      simTold                 // by the other gateway, in this run
	foretold  map[int64]access.Reason // what each decision would be under those; None for a toss-up
	stretches map[*schedule.Schedule]simStretch
	tally     *simTally

	// Of the step.
	event     panel.Event
	presented *panel.Presented // or typed for; nil once it was answered
	follow    *simWait         // who may have to be let in with the other
	lines     []ledger.Line
	faults    []string
	rexes     []string
}

type simGrant struct {
	door string
	exit bool
	at   time.Duration
}

type simFailure string

func (m *simModel) require(ok bool, format string, args ...any) {
	if !ok {
		panic(simFailure(fmt.Sprintf(format, args...)))
	}
}

func newSimModel() *simModel {
	return &simModel{
		memory: newSimMemory(), basis: &access.Basis{}, spent: map[ledger.PassID]uint32{}, codes: map[[16]byte]bool{},
		foretold: map[int64]access.Reason{}, stretches: map[*schedule.Schedule]simStretch{},
	}
}

// boot begins another run, with what the log says.
func (m *simModel) boot(names []string, hardware map[string]panel.Hardware, reached time.Time) {
	m.names, m.doors, m.startReached = names, map[string]*simDoor{}, reached
	for _, name := range names {
		m.doors[name] = &simDoor{name: name, hw: hardware[name], state: "locked", served: -time.Hour, shut: -time.Hour, shutAtLeast: -time.Hour, letIn: map[passport.ID]bool{}, flashes: map[simFlash]int{}}
	}
	m.own, m.fire, m.stopped, m.setBack = [6]simWire{}, false, false, false
	m.basis, m.used = &access.Basis{}, map[[16]byte]struct{}{}
	m.grants, m.awaiting = map[uint64]simGrant{}, map[uint64]*simOpening{}
	m.memory, m.passUsed, m.waits, m.told = newSimMemory(), ledger.PassUsed{}, 0, newSimTold()
	for _, e := range m.log {
		m.memory.apply(e.Time, e.Body)
	}
}

// reached is a time that has certainly come: what ends at it has ended.
func (m *simModel) reached() int64 {
	if m.m.Clock.Trust == access.TrustUnknown {
		return m.basis.Floor
	}
	return max(m.basis.Floor, m.m.Clock.Now.Unix())
}

func (m *simModel) awaitsRecord(d *simDoor) bool {
	for _, o := range m.awaiting {
		if o.d == d {
			return true
		}
	}
	return false
}

// before takes what is due at the time of an event, and the event.
func (m *simModel) before(at panel.Moment, e panel.Event) {
	m.m, m.event, m.presented, m.follow = at, e, nil, nil
	m.m.Clock.Trust, m.trust = m.trust, at.Clock.Trust // the new one counts with its Basis
	m.lines, m.faults, m.rexes = m.lines[:0], m.faults[:0], m.rexes[:0]
	if _, ok := e.(panel.Started); ok {
		m.m.Clock.Trust = m.trust
		return
	}
	for _, name := range m.names {
		d := m.doors[name]
		d.wasUnlocked = d.unlocked()
		clear(d.flashes)
		clear(d.letIn)
		for i := range d.wires {
			m.settle(d, panel.Input(i), &d.wires[i])
		}
		if d.pin != nil && at.Up >= d.pin.until {
			d.late, d.pin = d.pin, nil
		}
		if d.company != nil && at.Up >= d.company.until {
			d.expect(d.company.Exit, policy.SignalDenied)
			d.company = nil
		}
	}
	for i := range m.own {
		m.settle(nil, panel.Input(i), &m.own[i])
	}
	if _, sets := e.(panel.ClockSet); !sets { // otherwise nothing goes by the new time before its ClockStep
		m.hold()
	}
	for _, name := range m.names {
		m.doors[name].stood = m.doors[name].open
	}
	switch e := e.(type) {
	case panel.Told:
		m.told.tells(e)
	case panel.Reach:
		m.told.missing = e.Missing
	case panel.Moved:
		m.moved(e)
	case panel.Presented:
		if d := m.doors[e.Door]; d != nil {
			m.presented = &e
			if !e.Exit && d.pin != nil { // somebody else came before a PIN was typed
				d.late, d.pin = d.pin, nil
			}
		}
	case panel.Entered:
		if d := m.doors[e.Door]; d != nil && d.pin != nil && d.pin.number == e.Wait && !d.pin.checked {
			d.pin.checked, d.pin.until = true, at.Up+panel.PinPatience
		}
	case panel.Typed:
		if d := m.doors[e.Door]; d != nil && d.pin != nil && d.pin.number == e.Wait {
			typed := *d.pin.Presented
			typed.Pin = e.Pin
			m.presented, d.pin = &typed, nil
		}
	case panel.Recorded:
		if o := m.awaiting[e.Seq]; o != nil {
			o.answers++
			o.failed = o.failed || !e.OK
		}
	case panel.Stopped:
		m.stopped = true
	}
}

// settle: what an input has said for 20 ms, without interruption, counts.
func (m *simModel) settle(d *simDoor, i panel.Input, w *simWire) {
	if w.said != w.told && m.m.Up >= w.since+20*time.Millisecond {
		w.told = w.said
		m.counts(d, i, w)
	}
}

func (m *simModel) moved(e panel.Moved) {
	d, w := m.doors[e.Door], &m.own[e.Input]
	if d != nil {
		w = &d.wires[e.Input]
	}
	if e.Start {
		w.told, w.said = e.Line, e.Line
		m.counts(d, e.Input, w)
		m.hold()
	} else if e.Line != w.said {
		w.said, w.since = e.Line, m.m.Up
	}
}

// counts: an input says something else from now on.
func (m *simModel) counts(d *simDoor, i panel.Input, w *simWire) {
	found := !w.known
	w.known = true
	line, part := ledger.Line{Input: i.String(), State: w.told.String()}, i.String()
	if d != nil {
		line.Door = d.name
		part = "door/" + d.name + "/" + part
	}
	m.lines = append(m.lines, line)
	trouble := w.told == door.LineCut || w.told == door.LineShorted ||
		w.told == door.LineActive && (i == panel.Tamper || i == panel.Mains || i == panel.Battery)
	if trouble || w.faulty {
		m.faults = append(m.faults, fmt.Sprint(part, !trouble))
	}
	w.faulty = trouble
	switch {
	case d == nil && i == panel.Fire:
		m.fire = w.told != door.LineNormal
	case i == panel.Contact && w.told == door.LineActive:
		d.opening(m.m.Up, found)
		d.caused = d.caused || slices.Contains(m.rexes, d.name) // pressed in this step, and the lock is about to open
	case i == panel.Contact && w.told == door.LineNormal:
		d.closing(m.m.Up)
	case i == panel.Rex && w.told == door.LineActive && !found:
		if d.policy != nil && d.policy.Rex == policy.RexShunt {
			d.shunt = max(d.shunt, m.m.Up+d.strike(false))
		} else {
			m.rexes = append(m.rexes, d.name)
		}
	}
}

// hold derives what holds each door, and whether it is under lockdown.
func (m *simModel) hold() {
	for _, name := range m.names {
		d := m.doors[name]
		locked := d.isDown(m)
		d.released = m.fire && (d.released || d.policy != nil && d.policy.FireRelease)
		held := !m.stopped && (m.isFree(d, locked) || d.released)
		if d.held && !held {
			d.unheld(m.m.Up)
		}
		if held {
			d.excused, d.caused = true, true
		}
		if locked && (!d.locked || d.held && !held) { // it begins, or fire has ended in it
			d.entry = simStrike{}
		}
		d.held, d.locked = held, locked
	}
}

// isFree: its schedule holds the door unlocked.
func (m *simModel) isFree(d *simDoor, locked bool) bool {
	p := d.policy
	if p == nil || locked || !clockIs(m.m.Clock.Trust, p.Clock) || p.Unlock.Never() || !m.holds(p.Unlock) {
		return false
	}
	if !p.FirstIn {
		return true
	}
	begin, _, _ := p.Unlock.Period(m.m.Clock.Now)
	came := m.memory.came[d.name]
	return came != nil && came.at > 0 && came.at >= begin.UnixMilli()
}

// after takes what the panel said to an event, and checks it.
func (m *simModel) after(actions []panel.Action) {
	told := false
	for _, a := range actions {
		if a.Do == panel.Drive {
			m.require(!told, "%s is driven after something was shown or recorded", a.Door)
			m.drive(a)
			continue
		}
		told = true
		switch a.Do {
		case panel.Show:
			m.show(a)
		case panel.Record, panel.RecordFirst:
			m.record(a)
		default:
			m.require(false, "action %d", a.Do)
		}
	}
	m.check()
}

func (m *simModel) drive(a panel.Action) {
	d := m.doors[a.Door]
	if !d.begun[a.Output] {
		locked := a.Output == panel.Lock && d.hw.FailSafe
		_, ok := m.event.(panel.Started)
		m.require(ok && a.Energised == locked, "%s begins with its %v the wrong way", a.Door, a.Output)
	} else {
		m.require(d.driven[a.Output] != a.Energised, "%s: %v driven twice to the same", a.Door, a.Output)
	}
	d.begun[a.Output], d.driven[a.Output] = true, a.Energised
}

func (m *simModel) show(a panel.Action) {
	d, side := m.doors[a.Door], 0
	if a.Exit {
		side = 1
	}
	if a.Loop {
		m.require(d.shown[side] != a.Signal, "%s shows %v again", a.Door, a.Signal)
		d.shown[side] = a.Signal
		return
	}
	d.flashes[simFlash{a.Exit, a.Signal}]++
}

func (m *simModel) check() {
	m.require(len(m.lines) == 0, "the log lacks %+v", m.lines)
	m.require(len(m.faults) == 0, "the log lacks the faults %v", m.faults)
	m.require(len(m.rexes) == 0, "nobody is let out at %v", m.rexes)
	m.forgives()
	m.together()
	m.answered()
	for seq, o := range m.awaiting {
		m.require(m.stopped || o.answers < len(o.people), "%d is durable, or will never be, and nothing follows", seq)
	}
	m.hold()
	for _, name := range m.names {
		d := m.doors[name]
		m.require(d.late == nil, "%s: no PIN was typed in time, and nothing follows", name)
		m.require(d.lost == nil, "%s: whoever was to type a PIN waits on", name)
		m.require(d.begun == [3]bool{true, true, true}, "%s: not every output was driven at the start", name)
		d.check(m)
		m.checkWaiting(d)
		for f, n := range d.flashes {
			m.require(n == 0, "%s: the reader (exit %v) shows %v too often by %d", name, f.exit, f.signal, n)
		}
	}
	for seq, g := range m.grants {
		d := m.doors[g.door]
		switch {
		case m.awaiting[seq] != nil:
		case m.stopped, !d.sees(), d.open, !d.unlocked() && m.m.Up >= d.shut+door.SettleTime:
			m.require(false, "grant %d at %s has no end", seq, g.door)
		}
	}
	m.checkWake()
}

// checkWaiting: a reader shows that it waits, exactly while it does.
func (m *simModel) checkWaiting(d *simDoor) {
	for side, exit := range []bool{false, true} {
		waits := d.pin != nil && d.pin.Exit == exit || d.company != nil && d.company.Exit == exit
		m.require(m.stopped || waits == (d.shown[side] == policy.SignalWait), "%s: waiting is %v, and the reader shows %v", d.name, waits, d.shown[side])
	}
	seen, ok := m.panel.Door(d.name)
	want := passport.ID(0)
	if d.pin != nil {
		want = d.pin.who()
	}
	m.require(ok && (m.stopped || seen.AwaitsPin == want), "%s awaits the PIN of %d, not of %d", d.name, seen.AwaitsPin, want)
}

// checkWake: what is due is never in the past, and whoever ticks then is in time
// for every deadline.
func (m *simModel) checkWake() {
	if m.stopped {
		return
	}
	at, ok := m.panel.Wake()
	m.require(!ok || at > m.m.Up, "what was due at %v still is", at)
	in := func(t time.Duration, what, door string) {
		m.require(ok && at <= t, "%s: a tick is owed at %v for %s, and Wake is %v %v", door, t, what, at, ok)
	}
	for i := range m.own {
		if w := m.own[i]; w.said != w.told {
			in(w.since+20*time.Millisecond, "an input", "the gateway")
		}
	}
	for _, name := range m.names {
		d := m.doors[name]
		if d.unlocked() && !d.held {
			in(d.may(), "the lock", name)
		}
		if d.pin != nil {
			in(d.pin.until, "a PIN", name)
		}
		if d.company != nil {
			in(d.company.until, "company", name)
		}
		for i := range d.wires {
			if w := d.wires[i]; w.said != w.told {
				in(w.since+20*time.Millisecond, "an input", name)
			}
		}
		if d.open && !d.held && d.state == "open" && !d.changed {
			in(d.counted+d.longest(), "held open", name)
		}
	}
}
