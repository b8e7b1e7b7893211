package door

import (
	"fmt"
	"time"
)

// What the machine adds to the policy's times.
const (
	RelockDelay   = 200 * time.Millisecond // [RelockOpen] locks so long after the opening, when the bolt has left its strike
	OperatorDelay = 500 * time.Millisecond // from a grant to the operator's swing, while the bolt draws back
	OperatorPulse = time.Second            // what the operator's input is given; how it swings is its own affair

	maxPending = 16 // grants that wait for one opening
)

// Config is what the policy and the wiring say of the door. It may change
// between two steps: deadlines that are set stand, so that nothing stays
// unlocked for longer than the longer of the two configurations says.
type Config struct {
	Strike, ExtendedStrike     time.Duration // unlocked for, after a grant
	HeldOpen, ExtendedHeldOpen time.Duration // open for longer is reported
	PreAlarm                   time.Duration // the warning comes so long before; 0: with the report
	Relock                     Relock
	HasContact                 bool // without one Opened, Closed and AtStart are not heeded
	Operator                   Operator
}

// Relock says when a lock that a grant has opened goes shut. A door without a
// contact goes by the timer.
type Relock uint8

// The ways to relock.
const (
	RelockTimer Relock = iota // when the strike time is over
	RelockOpen                // RelockDelay after the door opened; the strike time if it does not open
	RelockClose               // when the door closes, or is held open; the strike time if it does not open
)

var relocks = [...]string{"timer", "open", "close"}

func (r Relock) String() string { return word(relocks[:], int(r)) }

// Operator says whose grants make an automatic door operator swing.
type Operator uint8

// Whom an operator serves.
const (
	OperatorNever Operator = iota
	OperatorAll
	OperatorExtended // grants with longer times
)

var operators = [...]string{"never", "all", "extended"}

func (o Operator) String() string { return word(operators[:], int(o)) }

// Name is the state that a person would name.
type Name uint8

// The states of a door.
const (
	Locked     Name = iota // locked and, as far as one can tell, closed
	Unlocked               // unlocked for a time, and still closed
	Open                   // open after a grant, a shunt or a hold, or since the start
	HeldOpen               // open for longer than the policy allows
	ForcedOpen             // opened without a cause
	Free                   // held unlocked by a schedule, closed or open
	Released               // held unlocked by fire, closed or open
)

var names = [...]string{"locked", "unlocked", "open", "held-open", "forced-open", "free", "released"}

func (n Name) String() string { return word(names[:], int(n)) }

// Holding is what keeps a door unlocked for as long as it holds. Fire goes
// before a schedule; the door locks when the last of them has ended.
type Holding uint8

// What holds.
const (
	HoldSchedule Holding = iota + 1
	HoldFire
)

var holdings = [...]string{"", "schedule", "fire"}

func (h Holding) String() string { return word(holdings[:], int(h)) }

// Kind says what happened.
type Kind uint8

// The kinds of event.
const (
	Granted   Kind = iota + 1 // Grant: somebody may pass
	Shunt                     // a REX that need not unlock: an opening within the strike time is expected
	Opened                    // the contact opened
	Closed                    // the contact closed
	Tick                      // time passed; owed at State.Wake
	AtStart                   // the contact's level when its input was opened; Open says which
	Cancelled                 // no entry is due any more: lock at once, but what exits and homes were given runs on
	Stopped                   // the controller ends: lock at once whatever holds; nothing moves any more
	Hold                      // Hold says by what: unlocked until it ends. Twice is once
	Unhold                    // Hold says what ended
)

var kinds = [...]string{"", "granted", "shunt", "opened", "closed", "tick", "at start", "cancelled", "stopped", "hold", "unhold"}

func (k Kind) String() string { return word(kinds[:], int(k)) }

// Grant is one granted decision.
type Grant struct {
	Seq      uint64 // the decision's number
	Exit     bool
	Kept     bool // Cancelled does not cut it short: a home's people. An exit always is
	Extended bool // with the longer times
}

func (g Grant) kept() bool { return g.Exit || g.Kept }

// Event is one thing that happened, and when.
type Event struct {
	At    time.Duration
	Kind  Kind
	Grant Grant   // of Granted
	Open  bool    // of AtStart
	Hold  Holding // of Hold and Unhold
}

// Do says what an action does.
type Do uint8

// The kinds of action. The first six drive relays.
const (
	Unlock      Do = iota + 1 // drive the lock open
	Lock                      // drive the lock shut
	OperatorOn                // the operator's input is pulsed
	OperatorOff               // the pulse ends
	SounderOn                 // the door's sounder sounds
	SounderOff                // it is silent
	Enter                     // tell of a passage: the door opened after Grant
	Lapse                     // tell that Grant was not used
	Change                    // tell that the door became Name
	Warn                      // the reader shows that the door is left open
	Calm                      // it shows it no longer
)

var dos = [...]string{"", "unlock", "lock", "operator on", "operator off", "sounder on", "sounder off", "enter", "lapse", "change", "warn", "calm"}

func (d Do) String() string { return word(dos[:], int(d)) }

// Action is one thing to do. Actions come in the order in which they are to be
// done: first the relays, and of them the lock, so that nothing that may fail or
// wait stands between a decision and the relay.
type Action struct {
	Do    Do
	Grant Grant // of Enter and Lapse
	Name  Name  // of Change
}

func (a Action) String() string {
	switch a.Do {
	case Enter, Lapse:
		return fmt.Sprintf("%v %d", a.Do, a.Grant.Seq)
	case Change:
		return a.Name.String()
	default:
		return a.Do.String()
	}
}

func word(words []string, i int) string {
	if i < len(words) && words[i] != "" {
		return words[i]
	}
	return fmt.Sprintf("unknown %d", i)
}
