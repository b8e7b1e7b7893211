package passport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
)

// Sentinels of signatures.
var (
	// ErrSignature is returned when a well-formed signature is not the key's
	// over what was to be signed.
	ErrSignature = errors.New("signature does not verify")
	// ErrSignatureLength is returned for a signature of the wrong size.
	ErrSignatureLength = errors.New("signature has the wrong length")
	// ErrSignatureRange is returned when r or s is zero or not below the
	// curve's order.
	ErrSignatureRange = errors.New("signature's r or s is out of range")
	// ErrHighS is returned where one signature must have one encoding, and s
	// is above half of the curve's order.
	ErrHighS = errors.New("signature's s is high: it must be stored in its low form")
	// ErrDERLength is returned when a DER length is missing, not minimal, or
	// disagrees with the bytes that are there.
	ErrDERLength = errors.New("DER signature: a length does not fit")
	// ErrDERTag is returned for anything but a SEQUENCE of two INTEGERs.
	ErrDERTag = errors.New("DER signature: not a sequence of two integers")
	// ErrDERInteger is returned for an INTEGER that is empty, negative, not
	// minimal, or above 256 bits.
	ErrDERInteger = errors.New("DER signature: malformed integer")
)

// Signature is an ECDSA signature r ‖ s, 32 bytes each, on the curve of the key
// that made it. It is stored inside other forms and changes with them.
type Signature [64]byte

func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// order holds each curve's n and the floor of its half.
// SEC 2 §2.4.1 (secp256k1), FIPS 186-5 / SP 800-186 §3.2.1.3 (P-256).
var order = [...]struct{ n, half [32]byte }{
	Secp256k1: {
		unhex32("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
		unhex32("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"),
	},
	P256: {
		unhex32("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
		unhex32("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8"),
	},
}

func unhex32(s string) (v [32]byte) {
	if err := lowerHex(v[:], []byte(s)); err != nil {
		panic(err)
	}
	return v
}

// ParseDER reads a signature as cards and phones give it: strict DER, but r and
// s may come unreduced (HaLo's do) and s may be high. Both are reduced modulo
// the curve's order; s stays high if it was. It returns [ErrDERTag],
// [ErrDERLength], [ErrDERInteger], or [ErrSignatureRange] when r or s is a
// multiple of the order. curve must be one of the two.
func ParseDER(curve Curve, der []byte) (Signature, error) {
	// A signature of two 33-byte integers is 72 bytes: every length is one byte.
	if len(der) < 2 || len(der) > 72 {
		return Signature{}, fmt.Errorf("%w: %d bytes", ErrDERLength, len(der))
	}
	if der[0] != 0x30 {
		return Signature{}, fmt.Errorf("%w: starts with %02x", ErrDERTag, der[0])
	}
	if int(der[1]) != len(der)-2 {
		return Signature{}, fmt.Errorf("%w: sequence of %d in %d bytes", ErrDERLength, der[1], len(der))
	}
	r, rest, err := derInteger(der[2:])
	if err != nil {
		return Signature{}, fmt.Errorf("r: %w", err)
	}
	s, rest, err := derInteger(rest)
	if err != nil {
		return Signature{}, fmt.Errorf("s: %w", err)
	}
	if len(rest) != 0 {
		return Signature{}, fmt.Errorf("%w: %d bytes after s", ErrDERLength, len(rest))
	}
	var sig Signature
	r, s = reduce(curve, r), reduce(curve, s)
	copy(sig[:32], r[:])
	copy(sig[32:], s[:])
	return sig, sig.checkRange(curve)
}

// derInteger reads one positive INTEGER of at most 256 bits. X.690 §8.3
func derInteger(b []byte) (v [32]byte, rest []byte, err error) {
	if len(b) < 2 {
		return v, nil, fmt.Errorf("%w: integer cut off", ErrDERLength)
	}
	if b[0] != 0x02 {
		return v, nil, fmt.Errorf("%w: integer starts with %02x", ErrDERTag, b[0])
	}
	n := int(b[1])
	if n > len(b)-2 {
		return v, nil, fmt.Errorf("%w: integer of %d in %d bytes", ErrDERLength, n, len(b)-2)
	}
	c, rest := b[2:2+n], b[2+n:]
	switch {
	case n == 0:
		return v, nil, fmt.Errorf("%w: empty", ErrDERInteger)
	case c[0] >= 0x80:
		return v, nil, fmt.Errorf("%w: negative", ErrDERInteger)
	case n > 1 && c[0] == 0 && c[1] < 0x80:
		return v, nil, fmt.Errorf("%w: needless leading zero", ErrDERInteger) // X.690 §8.3.2
	case n > 1 && c[0] == 0:
		c = c[1:]
	}
	if len(c) > 32 {
		return v, nil, fmt.Errorf("%w: above 256 bits", ErrDERInteger)
	}
	copy(v[32-len(c):], c)
	return v, rest, nil
}

// AppendDER appends the DER form, the inverse of [ParseDER] for a reduced
// signature.
func (s Signature) AppendDER(b []byte) []byte {
	start := len(b)
	b = append(b, 0x30, 0)
	for _, v := range [2][]byte{s[:32], s[32:]} {
		v = bytes.TrimLeft(v, "\x00")
		if len(v) == 0 || v[0] >= 0x80 {
			b = append(b, 0x02, byte(len(v)+1), 0)
		} else {
			b = append(b, 0x02, byte(len(v)))
		}
		b = append(b, v...)
	}
	b[start+1] = byte(len(b) - start - 2)
	return b
}

// HighS tells whether s is above half of the curve's order.
func (s Signature) HighS(curve Curve) bool {
	return bytes.Compare(s[32:], order[curve].half[:]) > 0
}

// NormalizeLowS is the signature with s replaced by n − s if it was high: the
// other of the two encodings that everyone can make from either. s must be
// below n.
func (s Signature) NormalizeLowS(curve Curve) Signature {
	if s.HighS(curve) {
		low := subtract(order[curve].n, [32]byte(s[32:]))
		copy(s[32:], low[:])
	}
	return s
}

// checkRange returns ErrSignatureRange unless 0 < r < n and 0 < s < n.
func (s Signature) checkRange(curve Curve) error {
	for i, v := range [2][]byte{s[:32], s[32:]} {
		if bytes.Compare(v, order[curve].n[:]) >= 0 || bytes.Equal(v, zero32[:]) {
			return fmt.Errorf("%w (%c)", ErrSignatureRange, "rs"[i])
		}
	}
	return nil
}

// checkStored holds a signature to the one form in which it is stored: in
// range, and low for secp256k1. P-256 signers (WebCrypto, Android) know no low
// form, so there both are taken as they come.
func (s Signature) checkStored(curve Curve) error {
	if err := s.checkRange(curve); err != nil {
		return err
	}
	if curve == Secp256k1 && s.HighS(curve) {
		return ErrHighS
	}
	return nil
}

// stored is the signature in the form that checkStored accepts.
func (s Signature) stored(curve Curve) (Signature, error) {
	if err := s.checkRange(curve); err != nil {
		return Signature{}, err
	}
	if curve == Secp256k1 {
		s = s.NormalizeLowS(curve)
	}
	return s, nil
}

var zero32 [32]byte

// reduce is v mod n: n is above 2²⁵⁵ on both curves, so one subtraction does.
func reduce(curve Curve, v [32]byte) [32]byte {
	if n := order[curve].n; bytes.Compare(v[:], n[:]) >= 0 {
		return subtract(v, n)
	}
	return v
}

// subtract is a − b for a ≥ b. Signatures are public: no need for constant time.
func subtract(a, b [32]byte) (d [32]byte) {
	borrow := 0
	for i := 31; i >= 0; i-- {
		v := int(a[i]) - int(b[i]) - borrow
		borrow = v >> 8 & 1
		d[i] = byte(v)
	}
	return d
}
