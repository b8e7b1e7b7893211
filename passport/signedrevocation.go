package passport

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// SignedRevocationSize is the length of an encoded [SignedRevocation] in bytes.
const SignedRevocationSize = 1 + 8 + 20 + 8 + 33 + 64

// SignedRevocation is a wallet's own word that a door key of its passport is
// lost, as ledgers keep it:
//
//	version 0x01 ‖ chainId u64 ‖ registry[20] ‖ passport u64 ‖ point[33] ‖ wallet EIP-2098[64]
//
// Another field is another version.
type SignedRevocation struct {
	Domain     Domain
	Revocation Revocation
	Wallet     [64]byte // EIP-2098, low s
}

// Verify checks the signature under one of the community's registries and
// returns the wallet's address. Errors: ErrForeignRegistry and those of
// [RecoverRevocation].
func (s SignedRevocation) Verify(registries []Domain) (signer [20]byte, err error) {
	if !slices.Contains(registries, s.Domain) {
		return signer, fmt.Errorf("%w (chain %d, registry %s)", ErrForeignRegistry, s.Domain.ChainID, hex0x(s.Domain.Registry[:]))
	}
	return RecoverRevocation(s.Domain, s.Revocation, s.Wallet)
}

// AppendBinary appends the binary form; it returns no error.
func (s SignedRevocation) AppendBinary(b []byte) ([]byte, error) {
	be := binary.BigEndian
	b = append(b, 1)
	b = be.AppendUint64(b, s.Domain.ChainID)
	b = append(b, s.Domain.Registry[:]...)
	b = be.AppendUint64(b, uint64(s.Revocation.Passport))
	b = append(b, s.Revocation.Point[:]...)
	return append(b, s.Wallet[:]...), nil
}

// MarshalBinary gives the binary form; it returns no error.
func (s SignedRevocation) MarshalBinary() ([]byte, error) {
	return s.AppendBinary(make([]byte, 0, SignedRevocationSize))
}

// ParseSignedRevocation reads the binary form, whole; it verifies no
// signature. It returns [ErrLength], [ErrVersion], [ErrDomain], what
// [Revocation.Validate] returns, or [ErrHighS].
func ParseSignedRevocation(b []byte) (s SignedRevocation, err error) {
	f, err := newFields("signed revocation", b, SignedRevocationSize)
	if err != nil {
		return s, err
	}
	s.Domain.ChainID = f.uint64()
	f.copy(s.Domain.Registry[:])
	s.Revocation.Passport = ID(f.uint64())
	f.copy(s.Revocation.Point[:])
	f.copy(s.Wallet[:])
	if err := s.Domain.Validate(); err != nil {
		return s, fmt.Errorf("signed revocation: %w", err)
	}
	if err := s.Revocation.Validate(); err != nil {
		return s, fmt.Errorf("signed revocation: %w", err)
	}
	if err := checkCompact(s.Wallet); err != nil {
		return s, fmt.Errorf("signed revocation: wallet: %w", err)
	}
	return s, nil
}
