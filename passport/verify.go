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

// Verifier checks signatures of one key. [NewVerifier] makes one to keep, with
// what costs a square root done once; [Key.Once] makes one for a single check. It
// is not changed by use and may be shared between goroutines. The zero Verifier
// verifies nothing.
type Verifier struct {
	key  Key
	kept []byte           // the point uncompressed; nil if made by Once
	p256 *ecdsa.PublicKey // nil for secp256k1, and if made by Once
}

// NewVerifier returns [ErrKeyKind] or [ErrPoint] for a key that is not valid.
func NewVerifier(k Key) (Verifier, error) {
	point, err := uncompress(k.Kind, k.Point[:])
	if err != nil {
		return Verifier{}, err
	}
	v := Verifier{key: k, kept: point[:]}
	if k.Kind.Curve() == P256 {
		if v.p256, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), v.kept); err != nil {
			return Verifier{}, err
		}
	}
	return v, nil
}

// Once is a Verifier for one signature, for who knows too many keys to keep their
// Verifiers. Whether the key is valid shows when it verifies.
func (k Key) Once() Verifier { return Verifier{key: k} }

// Key is the key that the Verifier was made for.
func (v Verifier) Key() Key { return v.key }

// KeyID is the id of the Verifier's key.
func (v Verifier) KeyID() KeyID { return v.key.ID() }

// Verify checks that the key signed the challenge c in its own form:
//
//   - halo: ECDSA over SHA-256("\x19External chall pk2:\n" ‖ c);
//   - keycard, software: ECDSA over c itself;
//   - phone: ECDSA on P-256 over c. c is always the SHA-256 of a preimage that
//     this package gives (Preimage, PossessionPreimage), so the preimage is what
//     WebCrypto or a keystore signs with "ECDSA with SHA-256".
//
// A high s is accepted, as cards and phones emit it. It returns
// [ErrSignatureRange] or [ErrSignature]; a Verifier made by [Key.Once] for a key
// that is not valid returns [ErrKeyKind] or [ErrPoint].
func (v Verifier) Verify(c [32]byte, sig Signature) error {
	err := v.verify(c, sig)
	if err != nil && v.kept == nil {
		if invalid := v.key.Validate(); invalid != nil {
			return invalid
		}
	}
	return err
}

func (v *Verifier) verify(c [32]byte, sig Signature) error {
	curve := v.key.Kind.Curve()
	if curve == 0 {
		return ErrKeyKind
	}
	if err := sig.checkRange(curve); err != nil {
		return err
	}
	digest := signedDigest(v.key.Kind, c)
	ok := false
	if curve == P256 {
		ok = v.verifyP256(digest, sig)
	} else {
		ok = v.verifyK1(digest, sig)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

func (v *Verifier) verifyP256(digest [32]byte, sig Signature) bool {
	pub := v.p256
	if pub == nil {
		x, y := elliptic.UnmarshalCompressed(elliptic.P256(), v.key.Point[:])
		if x == nil {
			return false
		}
		pub = &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}
	}
	var der [72]byte
	return ecdsa.VerifyASN1(pub, digest[:], sig.AppendDER(der[:0]))
}

// verifyK1 lets libsecp256k1 uncompress the point: it is a tenth of its work.
func (v *Verifier) verifyK1(digest [32]byte, sig Signature) bool {
	// VerifySignature refuses a high s, cards emit both.
	sig = sig.NormalizeLowS(Secp256k1)
	point := v.kept
	if point == nil {
		point = v.key.Point[:]
	}
	return crypto.VerifySignature(point, digest[:], sig[:])
}

// Verify is [Verifier.Verify] for a key that is used once.
func (k Key) Verify(c [32]byte, sig Signature) error { return k.Once().Verify(c, sig) }

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
