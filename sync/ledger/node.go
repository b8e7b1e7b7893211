package ledger

import (
	"cmp"
	"errors"
	"fmt"
)

// MaxPolicy bounds a policy file, in bytes.
const MaxPolicy = MaxBody - 1024

// GatewayKeys are a gateway's public keys; one key has one role. Signing,
// Hold and Witness are Ed25519, Sealing is X25519, TLS is Ed25519.
type GatewayKeys struct {
	_       struct{} `cbor:",toarray"`
	Signing [32]byte // the author of the gateway's own ledgers
	Hold    [32]byte
	Witness [32]byte
	Sealing [32]byte
	TLS     [32]byte
}

func (k GatewayKeys) check() error {
	all := [][32]byte{k.Signing, k.Hold, k.Witness, k.Sealing, k.TLS}
	for i, a := range all {
		if a == [32]byte{} {
			return errors.New("a gateway's key is missing")
		}
		for _, b := range all[:i] {
			if a == b {
				return errors.New("a gateway's key has two roles")
			}
		}
	}
	return nil
}

// GatewayEnrolled gives a controller its name and its place in the node.
type GatewayEnrolled struct {
	_       struct{} `cbor:",toarray"`
	Gateway string   // slug
	Keys    GatewayKeys
}

func (*GatewayEnrolled) Kind() Kind { return KindGatewayEnrolled }

func (b *GatewayEnrolled) check() error {
	return cmp.Or(CheckSlug("gateway", b.Gateway), b.Keys.check())
}

// GatewayRemoved ends what GatewayEnrolled began, by the gateway's signing key.
type GatewayRemoved struct {
	_       struct{} `cbor:",toarray"`
	Gateway string
	Signing [32]byte
	Why     string
}

func (*GatewayRemoved) Kind() Kind { return KindGatewayRemoved }

func (b *GatewayRemoved) check() error {
	if b.Signing == [32]byte{} {
		return errors.New("no key is named")
	}
	return cmp.Or(CheckSlug("gateway", b.Gateway), text("why", b.Why, 0, 200))
}

// Policy is a node's whole policy file. The highest version wins, then the
// lowest hash of the file.
type Policy struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	File    []byte // TOML, see package edge/policy
}

func (*Policy) Kind() Kind { return KindPolicy }

func (b *Policy) check() error {
	if b.Version == 0 || len(b.File) == 0 || len(b.File) > MaxPolicy {
		return fmt.Errorf("version %d, %d bytes", b.Version, len(b.File))
	}
	return nil
}

// MaxNotice bounds the notice of a home, in seconds.
const MaxNotice = 400 * 24 * 3600

// Home says that a passport's holder lives behind a door. Owner is the wallet
// whose door keys open it: no issuer makes itself at home by naming another
// owner, nor shuts anybody out that way; who gets a new wallet gets another
// Home entry. Notice is agreed when the home is made: no HomeEnded takes effect
// earlier than so many seconds after it was written.
type Home struct {
	_        struct{} `cbor:",toarray"`
	Door     string
	Passport uint64
	Owner    [20]byte
	Notice   uint32
}

func (*Home) Kind() Kind { return KindHome }

func (b *Home) check() error {
	if b.Owner == [20]byte{} {
		return errors.New("no wallet is named")
	}
	if b.Notice > MaxNotice {
		return fmt.Errorf("a notice of %d s, at most %d", b.Notice, MaxNotice)
	}
	return cmp.Or(CheckSlug("door", b.Door), checkPassport(b.Passport))
}

// HomeEnded ends a home at Ends (Unix seconds), or when the notice has run
// from this entry's time, whichever is later.
type HomeEnded struct {
	_        struct{} `cbor:",toarray"`
	Door     string
	Passport uint64
	Ends     int64
	Why      string
}

func (*HomeEnded) Kind() Kind { return KindHomeEnded }

func (b *HomeEnded) check() error {
	if b.Ends < 0 {
		return fmt.Errorf("ends at %d", b.Ends)
	}
	return cmp.Or(CheckSlug("door", b.Door), checkPassport(b.Passport), text("why", b.Why, 0, 200))
}
