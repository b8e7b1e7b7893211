package card

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"fmt"

	"tombolo/passport"
)

// Sentinels of credentials.
var (
	// ErrIssuer is returned for a credential of an issuer that is none of those
	// that are known.
	ErrIssuer = errors.New("the credential is of an unknown issuer: the community's charter does not name it")
	// ErrNodeLink is returned when the issuer did not sign for node and steward.
	ErrNodeLink = errors.New("the issuer's word for the node and its steward does not verify")
	// ErrGatewayLink is returned when the steward did not sign for gateway and
	// reader key.
	ErrGatewayLink = errors.New("the steward's word for the gateway and its reader key does not verify")
	// ErrReaderKey is returned for a reader key that is no point of P-256.
	ErrReaderKey = errors.New("the reader key is no point of P-256")
)

// Credential is by whose word a gateway is one of the community's, in two
// links, each an Ed25519 signature by a key that writes a ledger: the issuer's
// word for the node's steward, and the steward's for the gateway. It has no
// end: to check it takes no clock, and it goes with the issuer alone, as a phone
// knows no node's charter.
//
// Its binary form is what phone.md calls by these names, in this order:
//
//	  1  version 0x01
//	 32  community    ┐
//	 32  issuer       │
//	 32  node         │ sent in HELLO
//	 32  steward      │
//	 64  NodeSig      ┘
//	 32  gateway      ┐
//	 33  reader       │ sent in PROVE
//	 64  GatewaySig   ┘
//	---
//	322
//
// What is signed never changes: another content is another separator, and
// another version byte.
type Credential struct {
	Community  passport.CommunityID
	Issuer     [32]byte // Ed25519, the author of a community ledger
	Node       passport.NodeID
	Steward    [32]byte // Ed25519, the author of a node ledger
	NodeSig    [64]byte // by Issuer, over NodeLinkPreimage
	Gateway    [32]byte // Ed25519, the gateway's signing key
	Reader     [33]byte // P-256, compressed (SEC 1 §2.3.3): the key that the gateway proves itself with
	GatewaySig [64]byte // by Steward, over GatewayLinkPreimage
}

// CredentialSize is the size of a Credential's binary form.
const CredentialSize = 1 + nodePart + gatewayPart

// The two parts of a credential as they are sent.
const (
	nodePart    = 4*32 + 64
	gatewayPart = 32 + 33 + 64
)

// NodeLinkPreimage is what an issuer signs:
// "tombolo/v1/credential/node\n" ‖ community[32] ‖ node[32] ‖ steward[32].
func NodeLinkPreimage(community passport.CommunityID, node passport.NodeID, steward [32]byte) []byte {
	b := append(make([]byte, 0, 123), "tombolo/v1/credential/node\n"...)
	b = append(append(b, community[:]...), node[:]...)
	return append(b, steward[:]...)
}

// GatewayLinkPreimage is what a steward signs:
// "tombolo/v1/credential/gateway\n" ‖ community[32] ‖ node[32] ‖ gateway[32] ‖ reader[33].
func GatewayLinkPreimage(community passport.CommunityID, node passport.NodeID, gateway [32]byte, reader [33]byte) []byte {
	b := append(make([]byte, 0, 159), "tombolo/v1/credential/gateway\n"...)
	b = append(append(b, community[:]...), node[:]...)
	return append(append(b, gateway[:]...), reader[:]...)
}

// Verify checks both links, and that the issuer is one of those that are known
// for the credential's community. It does the same work whatever it finds, so
// that the time it takes does not tell whom a phone knows. It returns
// [ErrIssuer], [ErrNodeLink] or [ErrGatewayLink].
func (c Credential) Verify(issuers [][32]byte) error {
	known := false
	for _, i := range issuers {
		known = i == c.Issuer || known
	}
	node := ed25519.Verify(c.Issuer[:], NodeLinkPreimage(c.Community, c.Node, c.Steward), c.NodeSig[:])
	gateway := ed25519.Verify(c.Steward[:], GatewayLinkPreimage(c.Community, c.Node, c.Gateway, c.Reader), c.GatewaySig[:])
	switch {
	case !known:
		return ErrIssuer
	case !node:
		return ErrNodeLink
	case !gateway:
		return ErrGatewayLink
	}
	return nil
}

// AppendBinary appends the binary form; it returns no error.
func (c Credential) AppendBinary(b []byte) ([]byte, error) {
	return c.appendGateway(c.appendNode(append(b, 1))), nil
}

// MarshalBinary gives the binary form; it returns no error.
func (c Credential) MarshalBinary() ([]byte, error) {
	return c.AppendBinary(make([]byte, 0, CredentialSize))
}

func (c Credential) appendNode(b []byte) []byte {
	b = append(append(b, c.Community[:]...), c.Issuer[:]...)
	b = append(append(b, c.Node[:]...), c.Steward[:]...)
	return append(b, c.NodeSig[:]...)
}

func (c Credential) appendGateway(b []byte) []byte {
	b = append(append(b, c.Gateway[:]...), c.Reader[:]...)
	return append(b, c.GatewaySig[:]...)
}

// ParseCredential reads the binary form. It verifies no signature. It returns
// [passport.ErrLength], [passport.ErrVersion] or [ErrReaderKey].
func ParseCredential(b []byte) (Credential, error) {
	if len(b) != CredentialSize {
		return Credential{}, fmt.Errorf("credential: %w: %d bytes instead of %d", passport.ErrLength, len(b), CredentialSize)
	}
	if b[0] != 1 {
		return Credential{}, fmt.Errorf("credential: %w (version %d)", passport.ErrVersion, b[0])
	}
	var c Credential
	b = b[1:]
	for _, field := range [][]byte{c.Community[:], c.Issuer[:], c.Node[:], c.Steward[:], c.NodeSig[:], c.Gateway[:], c.Reader[:], c.GatewaySig[:]} {
		b = b[copy(field, b):]
	}
	if _, err := parsePoint(c.Reader[:]); err != nil {
		return Credential{}, fmt.Errorf("credential: %w", ErrReaderKey)
	}
	return c, nil
}

// Identity is what a gateway proves itself with to a phone.
type Identity struct {
	Credential Credential
	Key        *ecdsa.PrivateKey // P-256, the private half of Credential.Reader
}
