// Package door is the state machine of one door: a lock, and perhaps a contact
// (door position switch) and a request-to-exit input (REX).
//
// It is pure. The owner of a door keeps a [State], feeds it [Event]s in the
// order of their times with [Step], and does the [Action]s that come back, in
// their order. Times are monotonic durations since the controller started, so
// that no clock that is set can lengthen a strike. Whether a grant is due is
// not asked here: see package edge/access.
//
// Exit never waits for anything: a REX that unlocks is a grant like any other,
// made by the owner without asking.
package door

import "time"

// Config is what the policy says of the door.
type Config struct {
	Strike     time.Duration // unlocked for, after a grant
	HeldOpen   time.Duration // open for longer is reported
	HasContact bool          // without one nobody knows whether a grant became a passage
}

// Name is the state that a person would name.
type Name uint8

// The states of a door.
const (
	Locked     Name = iota // locked and, as far as one can tell, closed
	Unlocked               // unlocked for a time, and still closed
	Open                   // open after a grant, or since the start
	HeldOpen               // open for longer than the policy allows
	ForcedOpen             // opened without a grant
)

var names = [...]string{"locked", "unlocked", "open", "held-open", "forced-open"}

func (n Name) String() string { return names[n] }

// State is a door between two events. The zero value is a locked, closed door.
type State struct {
	Name     Name
	unlocked bool          // the lock is told to be open
	until    time.Duration // relock then, while unlocked
	shunt    time.Duration // an opening before this is not forced
	held     time.Duration // report held open then, while Open
	open     bool          // by the contact
	pending  []Grant       // granted, and nobody has passed yet
}

// Unlocked reports whether the lock is told to be open.
func (s State) Unlocked() bool { return s.unlocked }

// Kind says what happened.
type Kind uint8

// The kinds of event.
const (
	Granted   Kind = iota + 1 // Grant: somebody may pass
	Shunt                     // a REX that need not unlock: an opening within the strike time is expected
	Opened                    // the contact opened
	Closed                    // the contact closed
	Tick                      // time passed; owed at State.Wake
	AtStart                   // the contact's level when the controller started; Open says which
	Cancelled                 // no grant is due any more: lock at once
)

// Grant is one granted decision.
type Grant struct {
	Seq  uint64 // the decision's number
	Exit bool
}

// Event is one thing that happened, and when.
type Event struct {
	At    time.Duration
	Kind  Kind
	Grant Grant // of Granted
	Open  bool  // of AtStart
}

// Do says what an action does.
type Do uint8

// The kinds of action.
const (
	Unlock Do = iota + 1 // drive the lock open
	Lock                 // drive the lock shut
	Enter                // tell of a passage: the door opened after Grant
	Lapse                // tell that Grant was not used
	Change               // tell that the door became Name
)

// Action is one thing to do. Actions come in the order in which they are to be
// done: the lock first, so that nothing that may fail or wait stands between a
// decision and the relay.
type Action struct {
	Do    Do
	Grant Grant // of Enter and Lapse
	Name  Name  // of Change
}

// Wake is when a Tick is owed; ok is false if no time matters now.
func (s State) Wake() (at time.Duration, ok bool) {
	if s.unlocked {
		at, ok = s.until, true
	}
	if s.Name == Open && (!ok || s.held < at) {
		at, ok = s.held, true
	}
	return at, ok
}

// Step takes an event. It does not change s.
func Step(c Config, s State, e Event) (State, []Action) {
	m := machine{c: c, s: s, now: e.At}
	m.s.pending = append([]Grant(nil), s.pending...)
	m.tick()
	switch e.Kind {
	case Granted:
		m.grant(e.Grant)
	case Shunt:
		m.s.shunt = max(m.s.shunt, e.At+c.Strike)
	case Opened:
		m.opened()
	case Closed:
		m.closed()
	case AtStart:
		if e.Open {
			// Nobody saw it open: it is open, and will be held open, but nobody is accused.
			m.s.open = true
			m.become(Open)
		}
	case Cancelled:
		m.relock()
	}
	return m.s, append(m.lock, m.tell...)
}

type machine struct {
	c    Config
	s    State
	now  time.Duration
	lock []Action
	tell []Action
}

func (m *machine) become(n Name) {
	if n == m.s.Name {
		return
	}
	if n == Open {
		m.s.held = m.now + m.c.HeldOpen
	}
	m.s.Name = n
	m.tell = append(m.tell, Action{Do: Change, Name: n})
}

// tick does what has come due, whatever the event: a late timer may not keep a
// door unlocked, nor let an opening after the deadline pass as a grant's.
func (m *machine) tick() {
	if m.s.unlocked && m.now >= m.s.until {
		m.relock()
	}
	if m.s.Name == Open && m.now >= m.s.held {
		m.become(HeldOpen)
	}
}

func (m *machine) relock() {
	if m.s.unlocked {
		m.s.unlocked = false
		m.lock = append(m.lock, Action{Do: Lock})
	}
	for _, g := range m.s.pending {
		m.tell = append(m.tell, Action{Do: Lapse, Grant: g})
	}
	m.s.pending = nil
	if m.s.Name == Unlocked {
		m.become(Locked)
	}
}

func (m *machine) grant(g Grant) {
	m.s.until = max(m.s.until, m.now+m.c.Strike)
	if !m.s.unlocked {
		m.s.unlocked, m.s.until = true, m.now+m.c.Strike
		m.lock = append(m.lock, Action{Do: Unlock})
	}
	switch {
	case m.s.open:
		// The door stands open: nothing will tell this passage apart.
		m.tell = append(m.tell, Action{Do: Enter, Grant: g})
		if m.s.Name == ForcedOpen || m.s.Name == HeldOpen {
			return // a grant does not excuse what came before
		}
	default:
		if m.c.HasContact {
			m.s.pending = append(m.s.pending, g)
		}
		m.become(Unlocked)
	}
}

func (m *machine) opened() {
	if m.s.open {
		return
	}
	m.s.open = true
	if !m.s.unlocked && m.now >= m.s.shunt {
		m.become(ForcedOpen)
		return
	}
	for _, g := range m.s.pending {
		m.tell = append(m.tell, Action{Do: Enter, Grant: g})
	}
	m.s.pending = nil
	m.become(Open)
}

func (m *machine) closed() {
	m.s.open = false
	if m.s.unlocked {
		m.become(Unlocked)
	} else {
		m.become(Locked)
	}
}
