package door_test

import (
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/door"
)

// model knows of a door what can be said without the machine: what was asked
// of it, and what it did. Check re-derives the door's promises from that.
type model struct {
	c     door.Config
	state door.State
	now   time.Duration

	unlocked, operator, sounder, warned bool
	name                                door.Name
	open, stopped                       bool
	holds                               map[door.Holding]bool
	settled                             map[uint64]int
	seq                                 uint64

	// The latest instants until which it may be unlocked, for an entry and for
	// what is kept; and the least that the second may be.
	entryMay, keptMay, keptMust time.Duration
	entryAgain, keptAgain       time.Duration // granted while the door stood open
	shunt                       time.Duration
	shut                        time.Duration // when the lock was to go shut last
	timedOut                    bool          // by the time, and before the step's event
	served                      time.Duration // the last grant that the operator serves
	cause                       bool          // the last opening had one
	counted                     time.Duration // the last opening or end of a hold
}

func newModel(c door.Config) *model {
	return &model{c: c, holds: map[door.Holding]bool{}, settled: map[uint64]int{}, served: -time.Hour, shut: -time.Hour}
}

func (m *model) held() bool { return len(m.holds) > 0 }

// longest is the longest that one cause may keep an open door unlocked.
func (m *model) longest() time.Duration {
	return max(m.c.HeldOpen, m.c.ExtendedHeldOpen)
}

// expect notes what an event asks for, before the machine sees it.
func (m *model) expect(e door.Event) {
	m.now = e.At
	deadline, timed := m.state.Deadline()
	if m.timedOut = timed && deadline <= e.At; m.timedOut {
		m.shut = deadline
	}
	if m.stopped {
		return
	}
	switch e.Kind {
	case door.Granted:
		strike := m.c.Strike
		if e.Grant.Extended {
			strike = max(strike, m.c.ExtendedStrike)
		}
		may := e.At + strike
		if m.open && m.c.Relock == door.RelockClose {
			may = max(may, e.At+m.longest()) // it lasts until the door closes
		}
		if e.Grant.Exit || e.Grant.Kept {
			m.keptMay, m.keptMust = max(m.keptMay, may), max(m.keptMust, e.At+strike)
			m.keptAgain = max(m.keptAgain, e.At+strike)
		} else {
			m.entryMay, m.entryAgain = max(m.entryMay, may), max(m.entryAgain, e.At+strike)
		}
		if m.c.Operator == door.OperatorAll || m.c.Operator == door.OperatorExtended && e.Grant.Extended {
			m.served = e.At
		}
	case door.Shunt:
		m.shunt = max(m.shunt, e.At+m.c.Strike)
	case door.Opened:
		m.opening(false)
	case door.Closed:
		m.closing()
	case door.AtStart:
		if e.Open {
			m.opening(true)
		} else {
			m.closing()
		}
	case door.Cancelled:
		m.entryMay, m.entryAgain = 0, 0
	case door.Stopped:
		m.stopped, m.entryMay, m.keptMay, m.keptMust = true, 0, 0, 0
		clear(m.holds)
	case door.Hold:
		m.holds[e.Hold], m.cause = true, true
	case door.Unhold:
		held := m.held()
		delete(m.holds, e.Hold)
		if held && !m.held() && m.open {
			m.counted = e.At
			if m.c.Relock == door.RelockClose {
				m.entryMay = max(m.entryMay, e.At+m.longest())
			}
		}
	}
}

func (m *model) opening(excused bool) {
	if m.open || !m.c.HasContact {
		return
	}
	deadline, timed := m.state.Deadline()
	m.open, m.counted, m.entryAgain, m.keptAgain = true, m.now, 0, 0
	m.cause = excused || m.held() || m.now < m.shunt || timed && m.now < deadline || m.toldLate()
	m.shunt = 0
	switch {
	case m.c.Relock == door.RelockOpen:
		m.keptMust = min(m.keptMust, m.now+door.RelockDelay)
		m.entryMay, m.keptMay = min(m.entryMay, m.now+door.RelockDelay), min(m.keptMay, m.now+door.RelockDelay)
	case m.c.Relock == door.RelockClose:
		if m.now < m.keptMust {
			m.keptMust = m.now + m.c.HeldOpen
		}
		if m.now < m.entryMay {
			m.entryMay = m.now + m.longest()
		}
		if m.now < m.keptMay {
			m.keptMay = m.now + m.longest()
		}
	}
}

// toldLate: an opening that is told now began before the lock went shut.
func (m *model) toldLate() bool { return m.now < m.shut+door.SettleTime }

func (m *model) closing() {
	if m.open && m.c.Relock == door.RelockClose {
		m.entryMay, m.keptMay, m.keptMust = m.entryAgain, m.keptAgain, m.keptAgain
	}
	m.open = false
}

// step feeds the machine and checks what it did.
func (m *model) step(t *rapid.T, e door.Event) {
	m.expect(e)
	before := m.state
	next, actions := door.Step(m.c, before, e)
	if again, _ := door.Step(m.c, before, e); again != next {
		t.Fatal("the same step twice gave two states")
	}
	m.state = next
	m.do(t, e, actions)
	m.check(t)
}

// do does the actions and checks their order and that they alternate.
func (m *model) do(t *rapid.T, e door.Event, actions []door.Action) {
	stage := 0
	for _, a := range actions {
		at := 2
		switch a.Do {
		case door.Unlock, door.Lock:
			at = 0
			alternate(t, a, &m.unlocked, door.Unlock)
			if a.Do == door.Lock && !m.timedOut {
				m.shut = e.At
			}
		case door.OperatorOn, door.OperatorOff:
			at = 1
			alternate(t, a, &m.operator, door.OperatorOn)
		case door.SounderOn, door.SounderOff:
			at = 1
			alternate(t, a, &m.sounder, door.SounderOn)
		case door.Warn, door.Calm:
			alternate(t, a, &m.warned, door.Warn)
		case door.Enter:
			m.settled[a.Grant.Seq]++
			opening := e.Kind == door.Opened || e.Kind == door.AtStart && e.Open
			if assumed := e.Kind == door.Granted && a.Grant == e.Grant && (m.open || !m.c.HasContact); !opening && !assumed {
				t.Fatalf("%v at %v", a, e.Kind)
			}
		case door.Lapse:
			m.settled[a.Grant.Seq]++
			if !m.c.HasContact && !m.stopped {
				t.Fatalf("%v without a contact", a)
			}
			if m.toldLate() && !m.stopped && !m.state.Unlocked() && e.Kind != door.Unhold { // it may have lapsed under the hold
				t.Fatalf("%v %v after the lock went shut", a, m.now-m.shut)
			}
		case door.Change:
			if a.Name == m.name {
				t.Fatalf("became %v twice", a.Name)
			}
			m.name = a.Name
		default:
			t.Fatalf("action %d", a.Do)
		}
		if at < stage {
			t.Fatalf("%v came late: %s", a, words(actions))
		}
		stage = at
	}
}

func alternate(t *rapid.T, a door.Action, is *bool, on door.Do) {
	if *is == (a.Do == on) {
		t.Fatalf("%v twice", a)
	}
	*is = a.Do == on
}

// check holds after every step.
func (m *model) check(t *rapid.T) {
	s := m.state
	if s.Unlocked() != m.unlocked || s.Name != m.name || s.IsOpen() != m.open {
		t.Fatalf("the state says %v, %v, open %v; told was %v, %v, and the contact says %v",
			s.Unlocked(), s.Name, s.IsOpen(), m.unlocked, m.name, m.open)
	}
	deadline, timed := s.Deadline()
	wake, owed := s.Wake()
	switch {
	case m.held() && (!m.unlocked || timed):
		t.Fatalf("held, and unlocked %v, deadline %v", m.unlocked, timed)
	case !m.held() && timed != m.unlocked:
		t.Fatalf("unlocked %v, deadline %v", m.unlocked, timed)
	case timed && (deadline <= m.now || !owed || wake > deadline):
		t.Fatalf("unlocked until %v, woken at %v (%v), and it is %v", deadline, wake, owed, m.now)
	case timed && deadline > max(m.entryMay, m.keptMay):
		t.Fatalf("unlocked until %v, and only %v and %v are granted", deadline, m.entryMay, m.keptMay)
	case m.now < m.keptMust && !m.unlocked:
		t.Fatalf("locked before %v, which an exit or a home was given", m.keptMust)
	case owed && wake <= m.now:
		t.Fatalf("a tick is owed at %v, and it is %v", wake, m.now)
	}
	switch {
	case m.operator && (!m.unlocked || m.c.Operator == door.OperatorNever):
		t.Fatal("the operator swings at a locked door, or one without it")
	case m.operator && m.now < m.served+door.OperatorDelay && m.served == m.now:
		// A swing for an earlier grant is under way.
	case m.operator && m.now >= m.served+door.OperatorDelay+door.OperatorPulse:
		t.Fatalf("the operator is on, %v after the last grant that it serves", m.now-m.served)
	}
	m.checkName(t)
}

func (m *model) checkName(t *rapid.T) {
	n := m.name
	switch {
	case m.stopped:
		if m.unlocked || m.operator || m.sounder || m.warned || n == door.Free || n == door.Released {
			t.Fatalf("stopped, and unlocked %v, operator %v, sounder %v, warned %v, %v", m.unlocked, m.operator, m.sounder, m.warned, n)
		}
		return
	case (n == door.Released) != m.holds[door.HoldFire]:
		t.Fatalf("%v, holds %v", n, m.holds)
	case (n == door.Free) != (m.holds[door.HoldSchedule] && !m.holds[door.HoldFire]):
		t.Fatalf("%v, holds %v", n, m.holds)
	case m.held() && (m.sounder || m.warned):
		t.Fatalf("an alarm at a door that is held")
	case !m.held() && (n == door.Locked || n == door.Unlocked) == m.open:
		t.Fatalf("%v, and open %v", n, m.open)
	case n == door.Unlocked && !m.unlocked || n == door.Locked && m.unlocked:
		t.Fatalf("%v, and unlocked %v", n, m.unlocked)
	case n == door.ForcedOpen && m.cause:
		t.Fatal("forced, and the opening had a cause")
	case n == door.Open && !m.cause:
		t.Fatal("open without a cause, and not forced")
	case (n == door.ForcedOpen || n == door.HeldOpen) && !m.sounder:
		t.Fatalf("%v in silence", n)
	case m.warned && n != door.Open && n != door.HeldOpen || n == door.HeldOpen && !m.warned:
		t.Fatalf("%v, warned %v", n, m.warned)
	case m.sounder != (m.warned || n == door.ForcedOpen):
		t.Fatalf("%v, sounder %v, warned %v", n, m.sounder, m.warned)
	case n == door.HeldOpen && m.now < m.counted+min(m.c.HeldOpen, m.c.ExtendedHeldOpen):
		t.Fatalf("held open %v after it counted", m.now-m.counted)
	}
}
