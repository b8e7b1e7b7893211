package passport

import (
	"crypto/ecdsa"
	"fmt"
)

// Revocation is the wallet's own word that a door key no longer speaks for the
// passport, as typed data under the same domain as a [Delegation]. It names the
// key's point and not its kind: it ends every claim to the key. It has no date:
// a key that was lost once is never delegated again.
//
// As with Delegation, another field is another type.
type Revocation struct {
	Passport ID
	Point    [33]byte // as in Key
}

// Validate returns [ErrPassport], or [ErrPoint] for what does not start as a
// compressed point. Which curve it is on is not known here, and need not be:
// the point is compared with those that were delegated.
func (r Revocation) Validate() error {
	if r.Passport == 0 {
		return ErrPassport
	}
	if r.Point[0] != 2 && r.Point[0] != 3 {
		return fmt.Errorf("%w (starts with %02x)", ErrPoint, r.Point[0])
	}
	return nil
}

// Digest is the EIP-712 digest that the passport's wallet signs.
func (r Revocation) Digest(dom Domain) [32]byte {
	h := newTypedHash()
	separator := h.separator(dom)
	h.word(&revocationTypeHash)
	h.uint64(uint64(r.Passport))
	h.bytes(&r.Point)
	hash := h.sum()
	return h.digest(&separator, &hash)
}

var revocationFields = []typedField{{"passport", "uint256"}, {"key", "bytes"}}

type revocationMessage struct {
	Passport string `json:"passport"`
	Key      string `json:"key"`
}

// TypedData is the JSON for eth_signTypedData_v4, see [Delegation.TypedData].
func (r Revocation) TypedData(dom Domain) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return marshalTyped(dom, "Revocation", revocationFields, revocationMessage{
		Passport: decimal(uint64(r.Passport)),
		Key:      hex0x(r.Point[:]),
	})
}

// SignRevocation signs a revocation with the passport's wallet.
func SignRevocation(wallet *ecdsa.PrivateKey, dom Domain, r Revocation) ([64]byte, error) {
	if err := dom.Validate(); err != nil {
		return [64]byte{}, err
	}
	if err := r.Validate(); err != nil {
		return [64]byte{}, err
	}
	return signCompact(wallet, r.Digest(dom))
}

// RecoverRevocation gives the address of the wallet that signed; the caller
// compares it with the passport's owner. compact is in the form that
// [CompactSignature] gives. It returns [ErrDomain], what Validate returns, or
// what [RecoverWallet] returns.
func RecoverRevocation(dom Domain, r Revocation, compact [64]byte) (signer [20]byte, err error) {
	if err := dom.Validate(); err != nil {
		return signer, err
	}
	if err := r.Validate(); err != nil {
		return signer, err
	}
	return RecoverWallet(r.Digest(dom), compact)
}
