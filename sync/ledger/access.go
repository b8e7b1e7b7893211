package ledger

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
)

// What a steward orders at the doors of a node: who is kept out for a time, who
// is let in for a time.

// MaxDoors bounds the doors that one entry names.
const MaxDoors = 1000

// Lockdown shuts doors until Ends (Unix seconds): they open for homes, exits and
// the levels that the policy lets through, and nobody else. It never holds
// anybody in.
type Lockdown struct {
	_     struct{} `cbor:",toarray"`
	Doors []string // ascending; none for all of the node
	Ends  int64
	Why   string
}

func (*Lockdown) Kind() Kind { return KindLockdown }

func (b *Lockdown) check() error {
	if b.Ends < 1 {
		return fmt.Errorf("ends at %d", b.Ends)
	}
	return cmp.Or(checkSlugs("door", b.Doors), text("why", b.Why, 0, 200))
}

// LockdownLifted ends what was ordered of these doors before it, by whomever.
type LockdownLifted struct {
	_     struct{} `cbor:",toarray"`
	Doors []string // ascending; none for all of the node
	Why   string
}

func (*LockdownLifted) Kind() Kind { return KindLockdownLifted }

func (b *LockdownLifted) check() error {
	return cmp.Or(checkSlugs("door", b.Doors), text("why", b.Why, 0, 200))
}

func checkSlugs(what string, list []string) error {
	if len(list) > MaxDoors {
		return fmt.Errorf("%d %ss, at most %d", len(list), what, MaxDoors)
	}
	for i, s := range list {
		if err := CheckSlug(what, s); err != nil {
			return err
		}
		if i > 0 && s <= list[i-1] {
			return fmt.Errorf("%s %s is out of order", what, s)
		}
	}
	return nil
}

// Open opens a door once, as a steward orders from afar. A gateway that meets it
// more than half a minute after it was written, or without a clock that it
// believes, records that it ignored it.
type Open struct {
	_    struct{} `cbor:",toarray"`
	Door string
	Why  string
}

func (*Open) Kind() Kind { return KindOpen }

func (b *Open) check() error {
	return cmp.Or(CheckSlug("door", b.Door), text("why", b.Why, 0, 200))
}

// Bar keeps a passport out of the node until Ends (Unix seconds), but for its
// home and for the way out. The last Bar of a passport counts; one whose Ends is
// over lifts it.
type Bar struct {
	_        struct{} `cbor:",toarray"`
	Passport uint64
	Ends     int64
	Why      string
}

func (*Bar) Kind() Kind { return KindBar }

func (b *Bar) check() error {
	if b.Ends < 0 {
		return fmt.Errorf("ends at %d", b.Ends)
	}
	return cmp.Or(checkPassport(b.Passport), text("why", b.Why, 0, 200))
}

// PassID names a guest pass. It is drawn at random.
type PassID [16]byte

// ParsePassID reads what String writes.
func ParsePassID(s string) (id PassID, err error) {
	if b, err := hex.DecodeString(s); err == nil && len(b) == len(id) {
		id = PassID(b)
	}
	if id.String() != s {
		return PassID{}, errors.New("a guest pass is named by 32 hexadecimal digits, as `tombolo guest list` shows them")
	}
	return id, id.check()
}

// String is 32 lower-case hexadecimal digits.
func (id PassID) String() string { return hex.EncodeToString(id[:]) }

func (id PassID) check() error {
	if id == (PassID{}) {
		return errors.New("no pass is named")
	}
	return nil
}

// GuestPass lets a passport in by levels of the policy beside those that its
// class has, for a time and a number of entries.
type GuestPass struct {
	_         struct{} `cbor:",toarray"`
	Pass      PassID
	Passport  uint64
	Levels    []string // ascending
	NotBefore int64    // Unix seconds
	NotAfter  int64    // from then on it is over
	Uses      uint32   // entries; 0 for any number
	Why       string   // whose guest, what for
}

func (*GuestPass) Kind() Kind { return KindGuestPass }

func (b *GuestPass) check() error {
	switch {
	case len(b.Levels) == 0:
		return errors.New("no level is granted")
	case b.NotBefore < 0 || b.NotAfter <= b.NotBefore:
		return fmt.Errorf("from %d to %d", b.NotBefore, b.NotAfter)
	}
	return cmp.Or(b.Pass.check(), checkPassport(b.Passport), checkSlugs("level", b.Levels), text("why", b.Why, 0, 200))
}

// GuestEnded ends a guest pass at once.
type GuestEnded struct {
	_    struct{} `cbor:",toarray"`
	Pass PassID
	Why  string
}

func (*GuestEnded) Kind() Kind { return KindGuestEnded }

func (b *GuestEnded) check() error { return cmp.Or(b.Pass.check(), text("why", b.Why, 0, 200)) }

// Forgive forgets where a passport was until then, and the wrong PINs that were
// typed for it: somebody who left unseen can enter again.
type Forgive struct {
	_        struct{} `cbor:",toarray"`
	Passport uint64   // 0 for everybody, after an evacuation for one
	Why      string
}

func (*Forgive) Kind() Kind { return KindForgive }

func (b *Forgive) check() error { return text("why", b.Why, 0, 200) }

// MaxPinBox bounds one gateway's part of a PinSet, in bytes.
const MaxPinBox = 512

// PinSet gives a passport its PINs, as hashes that only the named gateways can
// read (package edge/pin). The last one of a passport counts; without boxes it has none.
type PinSet struct {
	_        struct{} `cbor:",toarray"`
	Passport uint64
	Boxes    []PinBox // ascending by gateway
}

// PinBox is what one gateway can read.
type PinBox struct {
	_       struct{} `cbor:",toarray"`
	Gateway [32]byte // signing key
	Sealed  []byte
}

func (*PinSet) Kind() Kind { return KindPinSet }

func (b *PinSet) check() error {
	if len(b.Boxes) > MaxDoors {
		return fmt.Errorf("%d gateways, at most %d", len(b.Boxes), MaxDoors)
	}
	for i, x := range b.Boxes {
		switch {
		case x.Gateway == [32]byte{}:
			return errors.New("no gateway is named")
		case i > 0 && string(x.Gateway[:]) <= string(b.Boxes[i-1].Gateway[:]):
			return errors.New("the gateways are out of order")
		case len(x.Sealed) == 0 || len(x.Sealed) > MaxPinBox:
			return fmt.Errorf("a sealed box of %d bytes, at most %d", len(x.Sealed), MaxPinBox)
		}
	}
	return checkPassport(b.Passport)
}
