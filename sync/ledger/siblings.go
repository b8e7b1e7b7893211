package ledger

import (
	"cmp"
	"errors"
	"fmt"
)

// What a gateway's log says of what reached it from others: siblings' logs,
// orders, policies, and what it let go of its own earlier logs.

// Siblings says what the gateway knew of its siblings when it decided what
// follows, until the next such entry.
type Siblings struct {
	_       struct{} `cbor:",toarray"`
	Heard   []Source // siblings' door logs and how far they were folded; ascending by origin
	Missing []string // active gateways of the node that could not be reached; ascending
}

func (*Siblings) Kind() Kind { return KindSiblings }

func (b *Siblings) check() error {
	return cmp.Or(checkSources(b.Heard, DoorLog), checkSlugs("gateway", b.Missing))
}

// Ordered says which [Open] a decision answers. It is durable with the decision,
// before the door opens: so an order is carried out once.
type Ordered struct {
	_      struct{} `cbor:",toarray"`
	Origin string   // of the node ledger
	Index  int64    // of the Open
	Seq    uint64   // the decision's
	Door   string
}

func (*Ordered) Kind() Kind { return KindOrdered }

func (b *Ordered) check() error {
	o, err := ParseOrigin(b.Origin)
	switch {
	case err != nil:
		return err
	case o.Kind != NodeLog:
		return fmt.Errorf("nobody orders in a %s ledger", o.Kind)
	case b.Index < 1:
		return fmt.Errorf("entry %d is no order", b.Index)
	}
	return CheckSlug("door", b.Door)
}

// PolicyTried is what became of a policy that the gateway tried: it stays in
// force, or the one before it is again.
type PolicyTried struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Hash    [32]byte
	OK      bool
	Why     string
}

func (*PolicyTried) Kind() Kind { return KindPolicyTried }

func (b *PolicyTried) check() error {
	if b.Version == 0 {
		return errors.New("version 0")
	}
	return text("why", b.Why, 0, 400)
}

// Expired says that the bodies below Before of an earlier incarnation of this
// log, all but its Begin, were let go: their time was over.
type Expired struct {
	_           struct{} `cbor:",toarray"`
	Incarnation Incarnation
	Before      int64
	Why         string
}

func (*Expired) Kind() Kind { return KindExpired }

func (b *Expired) check() error {
	if b.Before < 2 {
		return fmt.Errorf("nothing stands between Begin and entry %d", b.Before)
	}
	return text("why", b.Why, 1, 200)
}
