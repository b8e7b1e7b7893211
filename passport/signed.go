package passport

import (
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Sentinels of signed delegations.
var (
	// ErrLength is returned for a binary form of the wrong size.
	ErrLength = errors.New("wrong length")
	// ErrVersion is returned for a version byte that this code does not know.
	ErrVersion = errors.New("unknown version: update this program")
	// ErrForeignRegistry is returned for a delegation under a registry that
	// the community's charters never named.
	ErrForeignRegistry = errors.New("delegation is for another community's registry: delegate again under this one")
	// ErrPossession is returned when the door key did not sign the delegation.
	ErrPossession = errors.New("door key did not consent to this delegation: sign it with the key itself")
)

// SignedDelegation is a delegation with the wallet's signature and the door
// key's proof of possession. Its binary form is stored in ledgers and sent:
//
//	  1  version 0x01
//	  8  chain id
//	 20  registry
//	  8  passport
//	  1  kind         ┐ Key
//	 33  point        ┘
//	  8  notBefore
//	  8  notAfter
//	 32  scope
//	  1  mode
//	 64  wallet's signature, EIP-2098, low s
//	 64  possession, r ‖ s, low s on secp256k1
//	---
//	248
//
// A value has one encoding. Yet whoever holds one may replace a P-256 proof by
// its other form, so a delegation is known by its Digest and never by its bytes.
// Another layout, kind of wallet signature or longer key is another version
// byte; version 1 stays readable for as long as ledgers hold it.
type SignedDelegation struct {
	Domain     Domain
	Delegation Delegation
	Wallet     [64]byte  // EIP-2098 over Digest
	Possession Signature // the door key's, over PossessionChallenge(Digest)
}

// SignedDelegationSize is the size of a SignedDelegation's binary form.
const SignedDelegationSize = 1 + 8 + 20 + 8 + KeySize + 8 + 8 + 32 + 1 + 64 + 64

// SignDelegation signs a delegation with the passport's wallet, as from a
// keystore. It refuses what Validate refuses of the domain and the delegation.
func SignDelegation(wallet *ecdsa.PrivateKey, dom Domain, d Delegation) ([64]byte, error) {
	if err := dom.Validate(); err != nil {
		return [64]byte{}, err
	}
	if err := d.Validate(); err != nil {
		return [64]byte{}, err
	}
	return signCompact(wallet, d.Digest(dom))
}

// NewSignedDelegation joins a delegation with what the wallet returned (64 or 65
// bytes, see [CompactSignature]) and what the door key returned, and brings both
// into their stored form. It verifies the possession, and says nothing about
// whose wallet it was. Errors are those of Validate, CompactSignature and Verify.
func NewSignedDelegation(dom Domain, d Delegation, wallet []byte, possession Signature) (SignedDelegation, error) {
	compact, err := CompactSignature(wallet)
	if err != nil {
		return SignedDelegation{}, err
	}
	if d.Key.Kind.Curve() == 0 {
		return SignedDelegation{}, ErrKeyKind
	}
	if possession, err = possession.stored(d.Key.Kind.Curve()); err != nil {
		return SignedDelegation{}, fmt.Errorf("possession: %w", err)
	}
	s := SignedDelegation{dom, d, compact, possession}
	if _, err := s.Verify([]Domain{dom}); err != nil {
		return SignedDelegation{}, err
	}
	return s, nil
}

// Digest is the EIP-712 digest that names the delegation.
func (s SignedDelegation) Digest() [32]byte { return s.Delegation.Digest(s.Domain) }

// Verify checks the delegation against the registries that the community's
// charters have named, now or earlier, and gives the address of the wallet that
// signed. The caller compares it with the passport's owner, and the times with
// its clock. It returns [ErrForeignRegistry], [ErrDomain], what
// [Delegation.Validate] returns, [ErrPossession] or what [RecoverWallet]
// returns.
func (s SignedDelegation) Verify(registries []Domain) (signer [20]byte, err error) {
	if !slices.Contains(registries, s.Domain) {
		return signer, fmt.Errorf("%w (chain %d, registry %s)", ErrForeignRegistry, s.Domain.ChainID, hex0x(s.Domain.Registry[:]))
	}
	if err := s.check(); err != nil {
		return signer, err
	}
	digest := s.Digest()
	if err := s.Delegation.Key.Verify(PossessionChallenge(digest), s.Possession); err != nil {
		return signer, fmt.Errorf("%w (%w)", ErrPossession, err)
	}
	return RecoverWallet(digest, s.Wallet)
}

// check is everything that needs no hash: parsing and verifying share it.
func (s SignedDelegation) check() error {
	if err := s.Domain.Validate(); err != nil {
		return err
	}
	if err := s.Delegation.Validate(); err != nil {
		return err
	}
	if err := checkCompact(s.Wallet); err != nil {
		return fmt.Errorf("wallet: %w", err)
	}
	if err := s.Possession.checkStored(s.Delegation.Key.Kind.Curve()); err != nil {
		return fmt.Errorf("possession: %w", err)
	}
	return nil
}

// AppendBinary appends the binary form; it returns no error.
func (s SignedDelegation) AppendBinary(b []byte) ([]byte, error) {
	be := binary.BigEndian
	b = append(b, 1)
	b = be.AppendUint64(b, s.Domain.ChainID)
	b = append(b, s.Domain.Registry[:]...)
	b = be.AppendUint64(b, uint64(s.Delegation.Passport))
	b = s.Delegation.Key.appendTo(b)
	b = be.AppendUint64(b, s.Delegation.NotBefore)
	b = be.AppendUint64(b, s.Delegation.NotAfter)
	b = append(b, s.Delegation.Scope[:]...)
	b = append(b, byte(s.Delegation.Mode))
	b = append(b, s.Wallet[:]...)
	return append(b, s.Possession[:]...), nil
}

// MarshalBinary gives the binary form; it returns no error.
func (s SignedDelegation) MarshalBinary() ([]byte, error) {
	return s.AppendBinary(make([]byte, 0, SignedDelegationSize))
}

// UnmarshalBinary is [ParseSignedDelegation].
func (s *SignedDelegation) UnmarshalBinary(b []byte) error {
	v, err := ParseSignedDelegation(b)
	if err == nil {
		*s = v
	}
	return err
}

// ParseSignedDelegation reads the binary form: whole, and only what Validate
// and the stored form of signatures allow, so that marshalling gives the same
// bytes. It verifies no signature. It returns [ErrLength], [ErrVersion],
// [ErrDomain], what [Delegation.Validate] returns, [ErrSignatureRange] or
// [ErrHighS].
func ParseSignedDelegation(b []byte) (SignedDelegation, error) {
	f, err := newFields("signed delegation", b, SignedDelegationSize)
	if err != nil {
		return SignedDelegation{}, err
	}
	var s SignedDelegation
	s.Domain.ChainID = f.uint64()
	f.copy(s.Domain.Registry[:])
	s.Delegation.Passport = ID(f.uint64())
	s.Delegation.Key.Kind = KeyKind(f.byte())
	f.copy(s.Delegation.Key.Point[:])
	s.Delegation.NotBefore = f.uint64()
	s.Delegation.NotAfter = f.uint64()
	f.copy(s.Delegation.Scope[:])
	s.Delegation.Mode = Mode(f.byte())
	f.copy(s.Wallet[:])
	f.copy(s.Possession[:])
	if err := s.check(); err != nil {
		return SignedDelegation{}, fmt.Errorf("signed delegation: %w", err)
	}
	return s, nil
}
