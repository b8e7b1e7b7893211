package ledger

import (
	"cmp"
	"errors"
)

// The directory is what other nodes and the hub may know of a node: who its
// gateways are, by their public keys, and nothing else.

// DirectoryKeys publishes a gateway's public keys. The last entry of a signing
// key counts.
type DirectoryKeys struct {
	_       struct{} `cbor:",toarray"`
	Gateway string   // slug
	Keys    GatewayKeys
}

func (*DirectoryKeys) Kind() Kind { return KindDirectoryKeys }

func (b *DirectoryKeys) check() error {
	return cmp.Or(CheckSlug("gateway", b.Gateway), b.Keys.check())
}

// DirectoryGone withdraws a gateway, by its signing key.
type DirectoryGone struct {
	_       struct{} `cbor:",toarray"`
	Gateway string
	Signing [32]byte
}

func (*DirectoryGone) Kind() Kind { return KindDirectoryGone }

func (b *DirectoryGone) check() error {
	if b.Signing == [32]byte{} {
		return errors.New("no key is named")
	}
	return CheckSlug("gateway", b.Gateway)
}
