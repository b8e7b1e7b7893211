package ledger

import (
	"cmp"
	"fmt"
	"slices"
)

// Decision is what a gateway answered to a presentation. It is personal: door
// logs never leave their node.
type Decision struct {
	_            struct{} `cbor:",toarray"`
	Seq          uint64   // counts this boot's decisions from 1; Passage refers to it
	Door         string
	Exit         bool   // presented on the way out
	Mode         string // tap or window, with what was typed as in tap+pin; rex; or unread
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

// Passage is what became of a grant: somebody went through, or nobody did. At a
// door without a contact a grant counts as a passage, as nobody can know better.
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

// Input is a contact or a request to exit that changed. The first version wrote
// it; now Line is.
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

// MaxSources bounds the ledgers that a Basis names.
const MaxSources = 1000

// Basis says what a gateway decides on from here: how far each ledger is
// projected, which policy is in force and which clock it has. It follows every
// Boot, and comes again whenever any of it changes, so that whoever holds the
// ledgers can make the same decisions again.
type Basis struct {
	_       struct{} `cbor:",toarray"`
	Clock   string   // unknown, floor, rtc, ntp
	Policy  uint64   // version in force, 0 when there is none
	Hash    []byte   // the policy's, 32 bytes, or empty
	Sources []Source // ascending by origin
}

// Source is a ledger, and how many of its entries are projected.
type Source struct {
	_      struct{} `cbor:",toarray"`
	Origin string
	Size   int64
}

func (*Basis) Kind() Kind { return KindBasis }

func (b *Basis) check() error {
	if n := len(b.Hash); n != 0 && n != 32 || (n == 0) != (b.Policy == 0) {
		return fmt.Errorf("policy %d with a hash of %d bytes", b.Policy, n)
	}
	return cmp.Or(checkSources(b.Sources, CommunityLog, NodeLog), text("clock", b.Clock, 1, 16))
}

// checkSources checks a list of ledgers of some kinds.
func checkSources(all []Source, of ...LogKind) error {
	if len(all) > MaxSources {
		return fmt.Errorf("%d ledgers, at most %d", len(all), MaxSources)
	}
	last := ""
	for _, s := range all {
		o, err := ParseOrigin(s.Origin)
		switch {
		case err != nil:
			return err
		case !slices.Contains(of, o.Kind):
			return fmt.Errorf("nothing is decided on a %s ledger", o.Kind)
		case s.Size < 0:
			return fmt.Errorf("%d entries", s.Size)
		case s.Origin <= last:
			return fmt.Errorf("%s is out of order", s.Origin)
		}
		last = s.Origin
	}
	return nil
}

// PassUsed spends one use of a guest pass. It is durable before the door opens.
type PassUsed struct {
	_    struct{} `cbor:",toarray"`
	Pass PassID
	Seq  uint64 // the decision's, which follows
}

func (*PassUsed) Kind() Kind { return KindPassUsed }

func (b *PassUsed) check() error { return b.Pass.check() }

// Opening says that a decision that had to be durable first is, and that the
// door opens now.
type Opening struct {
	_    struct{} `cbor:",toarray"`
	Seq  uint64   // the decision's
	Door string
}

func (*Opening) Kind() Kind { return KindOpening }

func (b *Opening) check() error { return CheckSlug("door", b.Door) }

// Line is an input that changed, or that was found so at the start.
type Line struct {
	_     struct{} `cbor:",toarray"`
	Door  string   // empty for an input of the gateway as a whole
	Input string   // contact, rex, tamper; of the gateway fire, tamper, mains, battery
	State string   // normal, active, cut, shorted
}

func (*Line) Kind() Kind { return KindLine }

func (b *Line) check() error {
	if b.Door != "" {
		if err := CheckSlug("door", b.Door); err != nil {
			return err
		}
	}
	return cmp.Or(text("input", b.Input, 1, 40), text("state", b.State, 1, 16))
}

// Forgiven says that a Forgive was carried out: what the log says of the passport
// until here, up to a time, counts no more, and what follows does, whatever the
// clock shows.
type Forgiven struct {
	_        struct{} `cbor:",toarray"`
	Passport uint64   // 0 for everybody
	Before   int64    // the Forgive's time, Unix ms
}

func (*Forgiven) Kind() Kind { return KindForgiven }

func (b *Forgiven) check() error { return nil }
