package ledger

import (
	"cmp"
	"errors"
	"fmt"
)

var errNoPassport = errors.New("passport 0 does not exist")

func checkPassport(n uint64) error {
	if n == 0 {
		return errNoPassport
	}
	return nil
}

// Admit makes a wallet the owner of a passport. Times are Unix seconds; the
// passport is valid from NotBefore until before NotAfter.
type Admit struct {
	_         struct{} `cbor:",toarray"`
	Passport  uint64
	Owner     [20]byte // the wallet's Ethereum address
	Class     string   // slug: resident, visitor, steward, …
	NotBefore int64
	NotAfter  int64
}

func (*Admit) Kind() Kind { return KindAdmit }

func (b *Admit) check() error {
	switch {
	case b.Owner == [20]byte{}:
		return errors.New("no owner")
	case b.NotBefore < 0 || b.NotAfter <= b.NotBefore:
		return fmt.Errorf("valid from %d until %d", b.NotBefore, b.NotAfter)
	}
	return cmp.Or(checkPassport(b.Passport), CheckSlug("class", b.Class))
}

// Suspend takes a passport's rights until the same issuer reinstates it.
type Suspend struct {
	_        struct{} `cbor:",toarray"`
	Passport uint64
	Why      string
}

func (*Suspend) Kind() Kind { return KindSuspend }

func (b *Suspend) check() error {
	return cmp.Or(checkPassport(b.Passport), text("why", b.Why, 0, 200))
}

// Reinstate ends this issuer's suspension.
type Reinstate Suspend

func (*Reinstate) Kind() Kind { return KindReinstate }

func (b *Reinstate) check() error { return (*Suspend)(b).check() }

// Expel ends a passport for good.
type Expel Suspend

func (*Expel) Kind() Kind { return KindExpel }

func (b *Expel) check() error { return (*Suspend)(b).check() }

// DoorKeyAdded carries a delegation as package passport encodes it, signed by
// the passport's wallet and by the door key itself.
type DoorKeyAdded struct {
	_          struct{} `cbor:",toarray"`
	Delegation []byte
}

func (*DoorKeyAdded) Kind() Kind { return KindDoorKeyAdded }

func (b *DoorKeyAdded) check() error {
	if n := len(b.Delegation); n == 0 || n > 1024 {
		return fmt.Errorf("a delegation of %d bytes", n)
	}
	return nil
}

// DoorKeyRevoked closes one door key for good. Wallet, when it is there, is
// the revocation that the passport's own wallet signed; without it a person's
// last key still opens that person's home.
type DoorKeyRevoked struct {
	_        struct{} `cbor:",toarray"`
	Passport uint64
	Key      [32]byte // the door key's id
	Why      string
	Wallet   []byte // empty, or a signed revocation as package passport encodes it
}

func (*DoorKeyRevoked) Kind() Kind { return KindDoorKeyRevoked }

func (b *DoorKeyRevoked) check() error {
	switch {
	case b.Key == [32]byte{}:
		return errors.New("no key is named")
	case len(b.Wallet) > 1024:
		return fmt.Errorf("a wallet's word of %d bytes", len(b.Wallet))
	}
	return cmp.Or(checkPassport(b.Passport), text("why", b.Why, 0, 200))
}

// NodeRegistered makes a node part of the community's archipelago. Floor is in
// square metres, 0 when it is not stated.
type NodeRegistered struct {
	_     struct{} `cbor:",toarray"`
	Node  CharterID
	Slug  string
	Doors uint32
	Floor uint32
}

func (*NodeRegistered) Kind() Kind { return KindNodeRegistered }

func (b *NodeRegistered) check() error {
	if b.Node.IsZero() {
		return errors.New("no node is named")
	}
	return CheckSlug("node", b.Slug)
}
