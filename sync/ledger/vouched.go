package ledger

import "errors"

// What lets a phone tell the node's gateways from a stranger's reader: the two
// links of a gateway's credential (package passport/card). They are signatures
// under separators of their own and not only entries, because a phone has no
// ledgers. Whoever does not know these kinds opens doors as before.

// NodeVouched is the issuer's word that a steward speaks for a node: its author
// key's signature over card.NodeLinkPreimage.
type NodeVouched struct {
	_         struct{} `cbor:",toarray"`
	Node      CharterID
	Steward   [32]byte // the author key of a node ledger
	Signature [64]byte
}

func (*NodeVouched) Kind() Kind { return KindNodeVouched }

func (b *NodeVouched) check() error {
	switch {
	case b.Node.IsZero():
		return errors.New("no node is named")
	case b.Steward == [32]byte{}:
		return errors.New("no steward is named")
	case b.Signature == [64]byte{}:
		return errors.New("nothing is signed")
	}
	return nil
}

// GatewayVouched is a steward's word for the key that a gateway proves itself to
// phones with: its author key's signature over card.GatewayLinkPreimage. Phones
// know no node's ledger: neither the gateway's removal nor the steward's
// retirement reaches them, only the issuer's (package passport/card, phone.md §8).
type GatewayVouched struct {
	_         struct{} `cbor:",toarray"`
	Gateway   [32]byte // its signing key
	Reader    [33]byte // a point of P-256, compressed: SEC 1 §2.3.3
	Signature [64]byte
}

func (*GatewayVouched) Kind() Kind { return KindGatewayVouched }

func (b *GatewayVouched) check() error {
	switch {
	case b.Gateway == [32]byte{}:
		return errors.New("no gateway is named")
	case b.Reader[0] != 2 && b.Reader[0] != 3:
		return errors.New("the reader's key is not a compressed point")
	case b.Signature == [64]byte{}:
		return errors.New("nothing is signed")
	}
	return nil
}
