package passport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"

	"github.com/ethereum/go-ethereum/crypto"
)

// haloChallenge is what a HaLo chip puts before a challenge given to slot 2, so
// that this slot can never be made to sign a transaction.
// arx-research/libhalo, SIGN CHALLENGE
const haloChallenge = "\x19External chall pk2:\n"

// signedDigest is what a key of the kind signs, in the end, when it is given
// the challenge c.
func signedDigest(kind KeyKind, c [32]byte) [32]byte {
	if kind == KindHalo {
		return tagged(haloChallenge, c[:])
	}
	return c
}

// Verifier checks signatures of one key. Making it costs a square root, so a
// gateway keeps one for each key that it expects. It is not changed by use and
// may be shared between goroutines. The zero Verifier verifies nothing.
type Verifier struct {
	key   Key
	id    KeyID
	point [65]byte
	p256  *ecdsa.PublicKey // nil for secp256k1
}

// NewVerifier returns [ErrKeyKind] or [ErrPoint] for a key that is not valid.
func NewVerifier(k Key) (Verifier, error) {
	v := Verifier{key: k, id: k.ID()}
	var err error
	if v.point, err = uncompress(k.Kind, k.Point[:]); err != nil {
		return Verifier{}, err
	}
	if k.Kind.Curve() == P256 {
		if v.p256, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), v.point[:]); err != nil {
			return Verifier{}, err
		}
	}
	return v, nil
}

// Key is the key that the Verifier was made for.
func (v Verifier) Key() Key { return v.key }

// KeyID is the id of the Verifier's key.
func (v Verifier) KeyID() KeyID { return v.id }

// Verify checks that the key signed the challenge c in its own form:
//
//   - halo: ECDSA over SHA-256("\x19External chall pk2:\n" ‖ c);
//   - keycard, software: ECDSA over c itself;
//   - phone: ECDSA on P-256 over c. c is always the SHA-256 of a preimage that
//     this package gives (Preimage, PossessionPreimage), so the preimage is what
//     WebCrypto or a keystore signs with "ECDSA with SHA-256".
//
// A high s is accepted, as cards and phones emit it. It returns
// [ErrSignatureRange] or [ErrSignature].
func (v Verifier) Verify(c [32]byte, sig Signature) error {
	curve := v.key.Kind.Curve()
	if curve == 0 {
		return ErrKeyKind
	}
	if err := sig.checkRange(curve); err != nil {
		return err
	}
	digest := signedDigest(v.key.Kind, c)
	var ok bool
	if curve == P256 {
		var buf [72]byte
		ok = ecdsa.VerifyASN1(v.p256, digest[:], sig.AppendDER(buf[:0]))
	} else {
		// VerifySignature refuses a high s, cards emit both.
		sig = sig.NormalizeLowS(curve)
		ok = crypto.VerifySignature(v.point[:], digest[:], sig[:])
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// Verify is [Verifier.Verify] for a key that is used once.
func (k Key) Verify(c [32]byte, sig Signature) error {
	v, err := NewVerifier(k)
	if err != nil {
		return err
	}
	return v.Verify(c, sig)
}

// PossessionPreimage is what a phone signs with "ECDSA with SHA-256" to prove
// that it holds the door key of the delegation with this EIP-712 digest.
func PossessionPreimage(digest [32]byte) []byte {
	return append([]byte("tombolo/v1/possession\n"), digest[:]...)
}

// PossessionChallenge is the SHA-256 of [PossessionPreimage]: the challenge that
// a door key signs, in its own form, to consent to a delegation.
func PossessionChallenge(digest [32]byte) [32]byte {
	return sha256.Sum256(PossessionPreimage(digest))
}
