package ledger

import (
	"cmp"
	"fmt"
)

// Decision is what a gateway answered to a presentation. It is personal: door
// logs never leave their node.
type Decision struct {
	_            struct{} `cbor:",toarray"`
	Seq          uint64   // counts this boot's decisions from 1; Passage refers to it
	Door         string
	Exit         bool   // presented on the way out
	Mode         string // tap, window, rex, or unread
	Granted      bool
	Reason       string // stable code of package edge/access
	Passport     uint64 // 0 when nobody could be named
	Key          []byte // the door key's id, or empty
	Presentation []byte // the signed presentation as it was verified, or empty
	RosterAge    int64  // seconds; -1 when no issuer was ever heard
	Policy       uint64 // version in force
}

func (*Decision) Kind() Kind { return KindDecision }

func (b *Decision) check() error {
	if n := len(b.Key); n != 0 && n != 32 {
		return fmt.Errorf("a key id of %d bytes", n)
	}
	if n := len(b.Presentation); n > 512 {
		return fmt.Errorf("a presentation of %d bytes", n)
	}
	if b.RosterAge < -1 {
		return fmt.Errorf("roster age %d", b.RosterAge)
	}
	return cmp.Or(CheckSlug("door", b.Door), text("mode", b.Mode, 1, 16), text("reason", b.Reason, 1, 40))
}

// Passage is what became of a grant: somebody went through, or nobody did.
type Passage struct {
	_       struct{} `cbor:",toarray"`
	Seq     uint64   // the decision's
	Door    string
	Exit    bool
	Entered bool // false: granted, no passage
}

func (*Passage) Kind() Kind { return KindPassage }

func (b *Passage) check() error { return CheckSlug("door", b.Door) }

// DoorState is a door's change of state, by its name in package edge/door.
type DoorState struct {
	_     struct{} `cbor:",toarray"`
	Door  string
	State string
}

func (*DoorState) Kind() Kind { return KindDoorState }

func (b *DoorState) check() error {
	return cmp.Or(CheckSlug("door", b.Door), text("state", b.State, 1, 40))
}

// Input is a contact or a request to exit that changed.
type Input struct {
	_      struct{} `cbor:",toarray"`
	Door   string
	Input  string // contact, rex
	Active bool
}

func (*Input) Kind() Kind { return KindInput }

func (b *Input) check() error {
	return cmp.Or(CheckSlug("door", b.Door), text("input", b.Input, 1, 40))
}

// Boot is written at every start of the controller.
type Boot struct {
	_        struct{} `cbor:",toarray"`
	Software string
	Kinds    []Kind // what this version reads: nobody writes what it does not
	Policy   uint64 // version in force, 0 when there is none
	Clock    string // known, unknown
}

func (*Boot) Kind() Kind { return KindBoot }

func (b *Boot) check() error {
	if len(b.Kinds) > 1000 {
		return fmt.Errorf("%d kinds", len(b.Kinds))
	}
	return cmp.Or(text("software", b.Software, 1, 100), text("clock", b.Clock, 1, 16))
}

// ClockStep says that the clock moved by itself. Unix milliseconds.
type ClockStep struct {
	_    struct{} `cbor:",toarray"`
	From int64
	To   int64
}

func (*ClockStep) Kind() Kind { return KindClockStep }

func (b *ClockStep) check() error { return nil }

// Fault is a part that stopped working, or works again.
type Fault struct {
	_       struct{} `cbor:",toarray"`
	Part    string   // door/front/relay, journal, roster, …
	What    string
	Cleared bool
}

func (*Fault) Kind() Kind { return KindFault }

func (b *Fault) check() error {
	return cmp.Or(text("part", b.Part, 1, 100), text("what", b.What, 0, 400))
}

// ForkSeen keeps the proof that somebody signed two histories: a [Fork] as
// [Fork.Marshal] encodes it.
type ForkSeen struct {
	_        struct{} `cbor:",toarray"`
	Evidence []byte
}

func (*ForkSeen) Kind() Kind { return KindForkSeen }

func (b *ForkSeen) check() error {
	_, err := ParseFork(b.Evidence)
	return err
}
