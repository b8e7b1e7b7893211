package panel

import (
	"fmt"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Moment is when something happens. Both times are whole milliseconds, and
// between two ClockSteps they run alike.
type Moment struct {
	Up    time.Duration // since the start, by a clock that nobody sets
	Clock access.Clock
	Age   time.Duration // of the roster, see access.Basis.Age; not looked at without a clock
}

// MS is the time of an entry that is made now, Unix milliseconds.
func (m Moment) MS() int64 { return m.Clock.Now.UnixMilli() }

// Event is one thing that happened: one of the types below.
type Event interface{ event() }

// Started comes first, and once.
type Started struct{ Basis *access.Basis }

// Changed says that the ledgers, or the trust in the clock, have changed.
type Changed struct {
	Basis   *access.Basis
	Holders map[passport.KeyID]access.Holder // under the new Basis, those of Waiting
}

// Presented is somebody at a reader.
type Presented struct {
	Door    string
	Mode    string        // tap, window or unread
	Refused access.Reason // why it was refused before it came here, or None
	Holder  access.Holder
	access.Presentation
	Raw []byte // the signed presentation, if its signature holds: then Holder is known
}

func (p *Presented) who() passport.ID { return p.Holder.Delegation.Passport }

// Entered says that a PIN was typed in time, and that Typed follows once it has
// been checked, which may take as long again.
type Entered struct {
	Door string
	Wait uint64 // see Door
}

// Typed is what came of a PIN that AwaitsPin asked for.
type Typed struct {
	Door string
	Wait uint64 // see Door: who has presented since is not answered by it
	Pin  access.Pin
}

// Moved is an input's level. It may bounce; start is true for the level that was
// found when the input was opened.
type Moved struct {
	Door  string // "" for the gateway's own
	Input Input
	Line  door.Line
	Start bool
}

// Recorded answers RecordFirst.
type Recorded struct {
	Seq uint64
	OK  bool
}

// ClockSet says that the clock was set: from Moments of the one time to Moments
// of the other, Unix milliseconds.
type ClockSet struct{ From, To int64 }

// Told is what stands in a sibling's door log: entries From to Size-1, of which
// Entries are those with bodies whose kinds access.Heard names; others may be
// among them. The first Told of a log says where its story begins here. What was
// told before is passed over, and so is what does not follow on it.
type Told struct {
	Log        ledger.Origin
	From, Size int64
	Entries    []Logged // ascending
}

// Reach says which of the node's gateways cannot be reached, ascending by name.
type Reach struct{ Missing []string }

// Ticked says that time has passed.
type Ticked struct{}

// Stopped locks every door for good, but those that fire has released: they are
// left to their wires.
type Stopped struct{}

func (Started) event()   {}
func (Changed) event()   {}
func (Presented) event() {}
func (Entered) event()   {}
func (Typed) event()     {}
func (Moved) event()     {}
func (Recorded) event()  {}
func (ClockSet) event()  {}
func (Told) event()      {}
func (Reach) event()     {}
func (Ticked) event()    {}
func (Stopped) event()   {}

// Input says what a line is there for.
type Input uint8

// Inputs: a door's, then the gateway's own.
const (
	Contact Input = iota // active: the door is open
	Rex                  // active: somebody asks to leave
	Tamper               // active: a case was opened; a door's reader's, or the gateway's own
	Fire                 // active: release what the policy names
	Mains                // active: mains power has failed
	Battery              // active: the battery is low

	inputs = iota
)

var inputNames = [...]string{"contact", "rex", "tamper", "fire", "mains", "battery"}

func (i Input) String() string {
	if int(i) < len(inputNames) {
		return inputNames[i]
	}
	return fmt.Sprintf("input-%d", uint8(i))
}

// ParseInput reads what String writes.
func ParseInput(s string) (Input, bool) {
	for i, name := range inputNames {
		if name == s {
			return Input(i), true
		}
	}
	return 0, false
}

// Do says what an action does.
type Do uint8

// The kinds of action.
const (
	Drive       Do = iota + 1 // set Output of Door to Energised
	Show                      // show Signal at Door's reader on the side Exit; Loop until the next
	Record                    // append Body to the door log
	RecordFirst               // append Body and answer with Recorded once it is durable, or cannot be
)

// Output is one of a door's relays.
type Output uint8

// The outputs.
const (
	Lock Output = iota
	Operator
	Sounder
)

var outputNames = [...]string{"lock", "operator", "sounder"}

func (o Output) String() string { return outputNames[o] }

// Action is one thing to do. Actions come in the order in which they are to be
// done: first all that drives a relay, so that nothing that may wait stands
// between a decision and the lock, then what is shown and recorded, causes
// before effects. What has to be durable first comes without its effects: the lock
// moves once Recorded has answered for all who go in together.
type Action struct {
	Do        Do
	Door      string
	Output    Output
	Energised bool
	Exit      bool
	Signal    policy.Signal
	Loop      bool
	Body      ledger.Body
	Seq       uint64 // of RecordFirst
}
