package door

import (
	"slices"
	"time"
)

// Step takes an event and says what to do. Whatever the event is, first comes
// what was due before it: a late timer may not keep a door unlocked, nor let an
// opening after the deadline pass as a grant's.
func Step(c Config, s State, e Event) (State, []Action) {
	m := machine{c: c, s: s, now: e.At}
	m.settle(s.until())
	m.take(e)
	m.settle(m.now)
	return m.s, m.actions
}

type machine struct {
	c       Config
	s       State
	now     time.Duration
	actions []Action
	ends    [3]int // in actions, behind the lock, behind the relays, behind all
}

// act adds an action behind those that go before it; see [Action].
func (m *machine) act(a Action) {
	stage := 2
	switch {
	case a.Do <= Lock:
		stage = 0
	case a.Do <= SounderOff:
		stage = 1
	}
	if m.actions == nil {
		m.actions = make([]Action, 0, 4) // of most steps that do anything, all
	}
	m.actions = slices.Insert(m.actions, m.ends[stage], a)
	for i := range m.ends[stage:] {
		m.ends[stage+i]++
	}
}

func (m *machine) tell(do Do, g Grant) { m.act(Action{Do: do, Grant: g}) }

func (m *machine) take(e Event) {
	if m.s.stopped {
		if e.Kind == Granted {
			m.tell(Lapse, e.Grant)
		}
		return
	}
	switch e.Kind {
	case Granted:
		m.grant(e.Grant)
	case Shunt:
		m.s.shunt = max(m.s.shunt, m.now+m.c.Strike)
	case Opened:
		m.opened(m.s.unlocked || m.s.shunt > 0 || m.s.grace > 0)
	case Closed:
		m.closed()
	case AtStart:
		if e.Open {
			m.opened(true) // nobody saw it open: nobody is accused
		} else {
			m.closed()
		}
	case Cancelled:
		m.cancel()
	case Stopped:
		m.s.stopped = true
		m.s.holds, m.s.entry, m.s.kept = 0, strike{}, strike{}
	case Hold:
		m.hold(e.Hold)
	case Unhold:
		m.unhold(e.Hold)
	}
}

func (m *machine) grant(g Grant) {
	end := m.now + m.c.Strike
	if g.Extended {
		end = m.now + max(m.c.Strike, m.c.ExtendedStrike)
	}
	k := m.strikeOf(g)
	k.end = max(k.end, end)
	m.swing(g)
	switch {
	case m.s.open:
		m.tell(Enter, g) // nothing will tell this passage apart
		k.again = max(k.again, end)
		if g.Extended {
			m.s.long = true
			m.count()
		}
		if m.c.Relock == RelockClose {
			m.s.untilClosed = true
			k.end = max(k.end, m.s.held)
		}
	case !m.c.HasContact:
		m.tell(Enter, g) // assumed: nobody can know
	default:
		m.wait(g)
	}
}

func (m *machine) strikeOf(g Grant) *strike {
	if g.kept() {
		return &m.s.kept
	}
	return &m.s.entry
}

// wait adds to what waits for the opening. When there is no room the oldest is
// given up: so many came after it, and the door has not opened.
func (m *machine) wait(g Grant) {
	if m.s.waiting == maxPending {
		m.tell(Lapse, m.s.pending[0])
		copy(m.s.pending[:], m.s.pending[1:])
		m.s.waiting--
	}
	m.s.pending[m.s.waiting] = g
	m.s.waiting++
}

// swing lets the operator serve a grant. One that is under way serves this one too.
func (m *machine) swing(g Grant) {
	serves := m.c.Operator == OperatorAll || m.c.Operator == OperatorExtended && g.Extended
	if !serves {
		return
	}
	if !m.s.swing.due {
		on := m.now + OperatorDelay
		m.s.swing = swing{due: true, on: on, off: on + OperatorPulse}
	}
	m.s.swing.kept = m.s.swing.kept || g.kept()
}

func (m *machine) opened(expected bool) {
	if m.s.open || !m.c.HasContact {
		return
	}
	m.s.open, m.s.forced, m.s.shunt = true, !expected, 0
	for _, g := range m.s.pending[:m.s.waiting] {
		m.s.long = m.s.long || g.Extended
	}
	m.settlePending(Enter, func(Grant) bool { return true })
	m.count()
	for _, k := range m.strikes() {
		switch {
		case k.end == 0:
		case m.c.Relock == RelockOpen:
			k.end = min(k.end, m.now+RelockDelay)
		case m.c.Relock == RelockClose:
			m.s.untilClosed = true
			k.end = m.s.held
		}
	}
}

// count counts the open door's time from now; what was allowed before stands.
func (m *machine) count() {
	allowed := m.c.HeldOpen
	if m.s.long {
		allowed = max(allowed, m.c.ExtendedHeldOpen)
	}
	m.s.held = max(m.s.held, m.now+allowed)
	m.s.warn = m.s.held - m.c.PreAlarm
}

func (m *machine) closed() {
	if !m.s.open {
		return
	}
	m.s.open, m.s.forced, m.s.late, m.s.long = false, false, false, false
	m.s.warn, m.s.held = 0, 0
	for _, k := range m.strikes() {
		if m.s.untilClosed {
			k.end = k.again
		}
		k.again = 0
	}
	m.s.untilClosed = false
}

func (m *machine) cancel() {
	m.s.entry = strike{}
	if m.s.holds != 0 || m.s.kept.end > 0 {
		m.settlePending(Lapse, func(g Grant) bool { return !g.kept() })
	} // else the lock goes shut, and all wait for what its contact still has to tell
	if !m.s.swing.kept {
		m.s.swing = swing{}
	}
}

func (m *machine) hold(by Holding) {
	m.s.holds = m.s.holds.with(by)
	if m.s.holds != 0 {
		m.s.forced, m.s.late = false, false // it is told already, and excused
	}
}

func (m *machine) unhold(by Holding) {
	if !m.s.holds.has(by) {
		return
	}
	m.s.holds = m.s.holds.without(by)
	if m.s.holds != 0 || !m.s.open {
		return
	}
	m.s.held = 0
	m.count()
	if m.c.Relock == RelockClose {
		m.s.untilClosed = true
		m.s.entry.end = max(m.s.entry.end, m.s.held)
	}
}

func (m *machine) strikes() [2]*strike { return [...]*strike{&m.s.entry, &m.s.kept} }

// settle ends what is over, and drives and tells what differs from before. If
// that shuts the lock, shut is when it ought to have been shut.
func (m *machine) settle(shut time.Duration) {
	s := &m.s
	for _, k := range m.strikes() {
		if k.end <= m.now {
			*k = strike{}
		}
	}
	if s.shunt <= m.now {
		s.shunt = 0
	}
	running := s.until() > 0
	unlocked := s.holds != 0 || running
	if s.unlocked && !unlocked && !s.stopped {
		s.grace = shut + SettleTime
	}
	if s.stopped || s.grace <= m.now {
		s.grace = 0
	}
	switch {
	case !running && s.grace == 0:
		m.settlePending(Lapse, func(Grant) bool { return true })
	case !m.c.HasContact: // its line was cut since: assumed from now on
		m.settlePending(Enter, func(Grant) bool { return true })
	}
	if !unlocked || m.now >= s.swing.off {
		s.swing = swing{}
	}
	s.late = s.late || s.counting() && m.now >= s.held
	warning := !s.stopped && (s.late || s.counting() && m.now >= s.warn)
	m.drive(&s.unlocked, unlocked, Unlock, Lock)
	m.drive(&s.operator, s.swing.due && m.now >= s.swing.on, OperatorOn, OperatorOff)
	m.drive(&s.sounder, warning || s.forced && !s.stopped, SounderOn, SounderOff)
	if n := s.name(); n != s.Name {
		s.Name = n
		m.act(Action{Do: Change, Name: n})
	}
	m.drive(&s.warning, warning, Warn, Calm)
}

func (s *State) name() Name {
	switch {
	case s.holds.has(HoldFire):
		return Released
	case s.holds != 0:
		return Free
	case s.forced:
		return ForcedOpen
	case s.late:
		return HeldOpen
	case s.open:
		return Open
	case s.unlocked:
		return Unlocked
	default:
		return Locked
	}
}

// drive makes of what is what it has to be.
func (m *machine) drive(is *bool, to bool, on, off Do) {
	switch {
	case *is == to:
		return
	case to:
		m.act(Action{Do: on})
	default:
		m.act(Action{Do: off})
	}
	*is = to
}

// settlePending tells what became of those that wait and match.
func (m *machine) settlePending(do Do, match func(Grant) bool) {
	left := 0
	for _, g := range m.s.pending[:m.s.waiting] {
		if match(g) {
			m.tell(do, g)
		} else {
			m.s.pending[left] = g
			left++
		}
	}
	clear(m.s.pending[left:m.s.waiting]) // at rest a door is the zero value
	m.s.waiting = left
}
