package passport

import (
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
)

// Sentinels of wallets' signatures.
var (
	// ErrParity is returned for a recovery byte other than 0, 1, 27 and 28.
	ErrParity = errors.New("wallet signature's last byte is not 0, 1, 27 or 28")
	// ErrRecover is returned when no public key can be recovered.
	ErrRecover = errors.New("no wallet can have made this signature")
)

// CompactSignature brings what a wallet returned into the one form that is
// stored, EIP-2098: r ‖ (parity in the top bit, low s). It takes 64 bytes of
// EIP-2098 or 65 bytes r ‖ s ‖ v. A high s is flipped, and the parity with it.
// It returns [ErrSignatureLength], [ErrParity] or [ErrSignatureRange].
func CompactSignature(b []byte) ([64]byte, error) {
	var sig Signature
	var parity byte
	switch len(b) {
	case 64:
		sig, parity = splitCompact([64]byte(b))
	case 65:
		sig = Signature(b[:64])
		switch v := b[64]; v {
		case 0, 1:
			parity = v
		case 27, 28:
			parity = v - 27
		default:
			return [64]byte{}, fmt.Errorf("%w (%d)", ErrParity, v)
		}
	default:
		return [64]byte{}, fmt.Errorf("%w: a wallet's has 64 or 65 bytes, this one %d", ErrSignatureLength, len(b))
	}
	if err := sig.checkRange(Secp256k1); err != nil {
		return [64]byte{}, err
	}
	if sig.HighS(Secp256k1) {
		sig = sig.NormalizeLowS(Secp256k1)
		parity ^= 1
	}
	sig[32] |= parity << 7
	return sig, nil
}

// splitCompact undoes EIP-2098.
func splitCompact(c [64]byte) (sig Signature, parity byte) {
	sig, parity = c, c[32]>>7
	sig[32] &= 0x7f
	return sig, parity
}

// checkCompact holds a compact signature to the form that CompactSignature
// gives.
func checkCompact(c [64]byte) error {
	sig, _ := splitCompact(c)
	return sig.checkStored(Secp256k1)
}

// RecoverWallet gives the address of the wallet that signed the digest, from a
// signature in the form that [CompactSignature] gives. Every signature is
// somebody's: the address counts only if the registry has it as the passport's
// owner. It returns [ErrSignatureRange], [ErrHighS] or [ErrRecover].
func RecoverWallet(digest [32]byte, compact [64]byte) ([20]byte, error) {
	sig, parity := splitCompact(compact)
	if err := sig.checkStored(Secp256k1); err != nil { // Ecrecover takes a high s
		return [20]byte{}, err
	}
	var rsv [65]byte
	copy(rsv[:], sig[:])
	rsv[64] = parity
	pub, err := crypto.Ecrecover(digest[:], rsv[:])
	if err != nil {
		return [20]byte{}, fmt.Errorf("%w (%w)", ErrRecover, err)
	}
	return [20]byte(crypto.Keccak256(pub[1:])[12:]), nil
}

// signCompact signs a digest with a wallet's key.
func signCompact(wallet *ecdsa.PrivateKey, digest [32]byte) ([64]byte, error) {
	sig, err := crypto.Sign(digest[:], wallet)
	if err != nil {
		return [64]byte{}, fmt.Errorf("sign with wallet: %w", err)
	}
	return CompactSignature(sig)
}
