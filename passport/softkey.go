package passport

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/crypto"
)

// Sentinels of software keys.
var (
	// ErrSoftKeyText is returned for a door key file that is not the one line
	// that MarshalText writes.
	ErrSoftKeyText = errors.New("not a door key file: it is one line, tombolo-door-key-1:kind:64 lower-case hexadecimal digits")
	// ErrSoftKeyVersion is returned for a door key file of another version.
	ErrSoftKeyVersion = errors.New("door key file of another version: use the program that wrote it")
	// ErrSoftKeyScalar is returned for a private key of zero or not below the
	// curve's order.
	ErrSoftKeyScalar = errors.New("door key file holds no private key of its curve: make a new one")
)

// SoftKey is the private half of a door key held in software. A resident's is
// of kind software or phone; the card kinds exist so that tests and simulators
// sign as cards do. The zero SoftKey is not valid.
//
// Its text form starts with a name that ends in the version; another form gets
// another version, and this one stays readable.
type SoftKey struct {
	key  Key
	d    [32]byte
	priv *ecdsa.PrivateKey
}

const softKeyPrefix = "tombolo-door-key-"

// GenerateSoftKey takes 32 bytes at a time from rand until they make a key: the
// first time, but with a probability below 2⁻³¹. It returns [ErrKeyKind], rand's
// own error, or [ErrSoftKeyScalar] when rand is no random source.
func GenerateSoftKey(kind KeyKind, rand io.Reader) (*SoftKey, error) {
	var err error
	for range 8 {
		var d [32]byte
		if _, err := io.ReadFull(rand, d[:]); err != nil {
			return nil, fmt.Errorf("door key: %w", err)
		}
		var k *SoftKey
		if k, err = newSoftKey(kind, d); !errors.Is(err, ErrSoftKeyScalar) {
			return k, err
		}
	}
	return nil, err
}

func newSoftKey(kind KeyKind, d [32]byte) (*SoftKey, error) {
	var priv *ecdsa.PrivateKey
	var err error
	switch kind.Curve() {
	case Secp256k1:
		priv, err = crypto.ToECDSA(d[:])
	case P256:
		priv, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	default:
		return nil, fmt.Errorf("%w (number %d)", ErrKeyKind, uint8(kind))
	}
	if err != nil {
		return nil, ErrSoftKeyScalar // the cause may quote the key
	}
	var point []byte
	if kind.Curve() == P256 {
		point, err = priv.PublicKey.Bytes()
	} else {
		point = crypto.FromECDSAPub(&priv.PublicKey)
	}
	if err != nil {
		return nil, ErrSoftKeyScalar
	}
	k := &SoftKey{d: d, priv: priv}
	k.key, err = NewKey(kind, point)
	return k, err
}

// ParseSoftKey reads what MarshalText wrote, with or without one line feed
// after it. It returns [ErrSoftKeyText], [ErrSoftKeyVersion], [ErrKeyKind] or
// [ErrSoftKeyScalar]. No error quotes the key.
func ParseSoftKey(text []byte) (*SoftKey, error) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	rest, ok := bytes.CutPrefix(text, []byte(softKeyPrefix))
	if !ok || len(text) > 128 {
		return nil, ErrSoftKeyText
	}
	version, rest, ok1 := bytes.Cut(rest, []byte(":"))
	name, digits, ok2 := bytes.Cut(rest, []byte(":"))
	if !ok1 || !ok2 {
		return nil, ErrSoftKeyText
	}
	if string(version) != "1" {
		return nil, ErrSoftKeyVersion
	}
	kind, err := ParseKeyKind(string(name))
	if err != nil {
		return nil, ErrKeyKind // ParseKeyKind quotes, and fields may be exchanged
	}
	var d [32]byte
	if lowerHex(d[:], digits) != nil {
		return nil, ErrSoftKeyText
	}
	return newSoftKey(kind, d)
}

// MarshalText writes the secret: into a file that only its owner may read.
func (k *SoftKey) MarshalText() ([]byte, error) {
	if k.priv == nil {
		return nil, ErrSoftKeyScalar
	}
	return []byte(softKeyPrefix + "1:" + k.key.Kind.String() + ":" + hex.EncodeToString(k.d[:])), nil
}

// String is the public key's text form: a SoftKey may be printed.
func (k SoftKey) String() string { return k.key.String() }

// Format prints what String gives, whatever the verb: %#v and %x keep the
// secret too.
func (k SoftKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.key.String()) }

// Key is the public half.
func (k *SoftKey) Key() Key { return k.key }

// Sign signs the challenge c in the form of the key's kind, see
// [Verifier.Verify]. It is deterministic, and low for secp256k1.
func (k *SoftKey) Sign(c [32]byte) (Signature, error) {
	if k.priv == nil {
		return Signature{}, ErrSoftKeyScalar
	}
	digest := signedDigest(k.key.Kind, c)
	if k.key.Kind.Curve() == P256 {
		// Without a random source the nonce is RFC 6979's.
		der, err := k.priv.Sign(nil, digest[:], stdcrypto.SHA256)
		if err != nil {
			return Signature{}, fmt.Errorf("sign with door key: %w", err)
		}
		return ParseDER(P256, der)
	}
	sig, err := crypto.Sign(digest[:], k.priv)
	if err != nil {
		return Signature{}, fmt.Errorf("sign with door key: %w", err)
	}
	return Signature(sig[:64]), nil
}

// SignDER is Sign in the form in which cards and phones reply.
func (k *SoftKey) SignDER(c [32]byte) ([]byte, error) {
	sig, err := k.Sign(c)
	if err != nil {
		return nil, err
	}
	return sig.AppendDER(nil), nil
}
