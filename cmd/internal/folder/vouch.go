package folder

import (
	"crypto/ed25519"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/sync/ledger"
)

// VouchNode is what this folder's issuer has to write so that phones believe
// the gateways of a node: its word for each steward in force for whom it has not
// given it yet. Errors are those of Author.
func (f *Folder) VouchNode(node ledger.Charters) ([]ledger.Body, error) {
	community, err := f.CommunityID()
	if err != nil {
		return nil, err
	}
	key, err := f.Key(IssuerKey)
	if err != nil {
		return nil, err
	}
	issuer := [32]byte(key.Public().(ed25519.PublicKey))
	given := map[[32]byte]bool{}
	for r, err := range f.Counted(ledger.CommunityLog) {
		if err != nil {
			return nil, err
		}
		if b, ok := r.Body.(*ledger.NodeVouched); ok && b.Node == node.ID() && [32]byte(r.Ledger.Author) == issuer && signedLink(b, issuer, community, b.Node) {
			given[b.Steward] = true
		}
	}
	var out []ledger.Body
	for _, a := range node.Latest().Authors {
		if a.Role != ledger.Steward || a.Retired || given[a.Key] {
			continue
		}
		b := &ledger.NodeVouched{Node: node.ID(), Steward: a.Key}
		b.Signature = [64]byte(ed25519.Sign(key, linkPreimage(b, community, b.Node)))
		out = append(out, b)
	}
	return out, nil
}

// VouchGateway is what this folder's steward has to write so that phones believe
// a gateway, given its signing key and its reader key; nil if it is written
// already.
func (f *Folder) VouchGateway(signing [32]byte, reader [33]byte) (*ledger.GatewayVouched, error) {
	community, err := f.CommunityID()
	if err != nil {
		return nil, err
	}
	node, err := f.NodeID()
	if err != nil {
		return nil, err
	}
	key, err := f.Key(StewardKey)
	if err != nil {
		return nil, err
	}
	steward := [32]byte(key.Public().(ed25519.PublicKey))
	for r, err := range f.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		if b, ok := r.Body.(*ledger.GatewayVouched); ok && b.Gateway == signing && b.Reader == reader && [32]byte(r.Ledger.Author) == steward && signedLink(b, steward, community, node) {
			return nil, nil
		}
	}
	b := &ledger.GatewayVouched{Gateway: signing, Reader: reader}
	b.Signature = [64]byte(ed25519.Sign(key, linkPreimage(b, community, node)))
	return b, nil
}

// linkPreimage is what is signed of a NodeVouched, or of a GatewayVouched in a
// node's ledger.
func linkPreimage(b ledger.Body, community, node ledger.CharterID) []byte {
	switch b := b.(type) {
	case *ledger.NodeVouched:
		return card.NodeLinkPreimage(passport.CommunityID(community), passport.NodeID(b.Node), b.Steward)
	case *ledger.GatewayVouched:
		return card.GatewayLinkPreimage(passport.CommunityID(community), passport.NodeID(node), b.Gateway, b.Reader)
	}
	return nil
}

// signedLink tells whether the author of a link's ledger signed the link itself.
// The entry alone proves nothing to a phone.
func signedLink(b ledger.Body, author [32]byte, community, node ledger.CharterID) bool {
	switch l := b.(type) {
	case *ledger.NodeVouched:
		return ed25519.Verify(author[:], linkPreimage(b, community, node), l.Signature[:])
	case *ledger.GatewayVouched:
		return ed25519.Verify(author[:], linkPreimage(b, community, node), l.Signature[:])
	}
	return false
}
