package passport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
)

// Sentinels of door keys.
var (
	// ErrKeyKind is returned for a kind that this version does not know.
	ErrKeyKind = errors.New("unknown kind of door key: use halo, keycard, phone or software")
	// ErrKeyLength is returned for a key of the wrong number of bytes.
	ErrKeyLength = errors.New("door key has the wrong length")
	// ErrPoint is returned for a public key that is no point of its kind's curve.
	ErrPoint = errors.New("door key is not a point on its kind's curve: read it from the card or phone again")
	// ErrKeyText is returned for the text of a key that is not kind:hex.
	ErrKeyText = errors.New("a door key is written as kind:66 lower-case hexadecimal digits, as halo:02ab…")
)

// Curve is an elliptic curve that door keys live on.
type Curve uint8

// The curves. secp256k1 is what cards that hold an Ethereum key have, P-256
// what phones' secure hardware and browsers have.
const (
	Secp256k1 Curve = iota + 1
	P256
)

// KeyKind says what holds a door key, and by that its curve and the form in
// which it signs. It is the wallet's word: no signature here proves that a key
// sits in a card. The names are signed and the numbers stored: a kind keeps both
// for ever, and a new kind takes the next free number.
type KeyKind uint8

// The kinds of door keys.
const (
	// KindHalo is slot 2 of an Arx HaLo chip, which never signs a bare digest.
	KindHalo KeyKind = iota + 1
	// KindKeycard is a Status Keycard, or a like card, that signs bare digests.
	KindKeycard
	// KindPhone is a P-256 key that cannot leave a phone or a browser.
	KindPhone
	// KindSoftware is a secp256k1 key in software.
	KindSoftware
)

var kindNames = [...]string{KindHalo: "halo", KindKeycard: "keycard", KindPhone: "phone", KindSoftware: "software"}

// ParseKeyKind is the inverse of [KeyKind.String]; it returns [ErrKeyKind].
func ParseKeyKind(s string) (KeyKind, error) {
	for k := KindHalo; k.known(); k++ {
		if kindNames[k] == s {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%w (not %.20q)", ErrKeyKind, s)
}

func (k KeyKind) known() bool { return k >= KindHalo && k <= KindSoftware }

// String is the kind's name as a wallet shows it, or "kind(n)".
func (k KeyKind) String() string {
	if !k.known() {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Card tells whether the key sits in a card, which signs for whoever holds it
// for a second and therefore must never sign for the future.
func (k KeyKind) Card() bool { return k == KindHalo || k == KindKeycard }

// Curve is the curve of the kind's keys; 0 for an unknown kind.
func (k KeyKind) Curve() Curve {
	switch k {
	case KindHalo, KindKeycard, KindSoftware:
		return Secp256k1
	case KindPhone:
		return P256
	}
	return 0
}

// Key is a door key's public half. The zero Key is not valid; a Key from
// [NewKey] or [ParseKey] is.
//
// Its binary form (34 bytes, kind ‖ point) is stored inside other forms and has
// no version of its own: it changes with theirs, and a new kind may bring a
// longer key only under a new version of theirs.
type Key struct {
	Kind  KeyKind
	Point [33]byte // compressed, SEC 1 §2.3.3
}

// KeySize is the size of a Key's binary form.
const KeySize = 34

// NewKey takes the public key as compressed (33 bytes) or uncompressed (65
// bytes, as cards reply) SEC 1 point. It returns [ErrKeyKind], [ErrKeyLength]
// or [ErrPoint].
func NewKey(kind KeyKind, sec1 []byte) (Key, error) {
	p, err := uncompress(kind, sec1)
	if err != nil {
		return Key{}, err
	}
	k := Key{Kind: kind}
	k.Point[0] = 2 | p[64]&1
	copy(k.Point[1:], p[1:33])
	return k, nil
}

// ParseKey reads the binary form, kind ‖ point. It returns [ErrKeyLength],
// [ErrKeyKind] or [ErrPoint].
func ParseKey(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("%w: %d bytes instead of %d", ErrKeyLength, len(b), KeySize)
	}
	return NewKey(KeyKind(b[0]), b[1:])
}

// Validate returns [ErrKeyKind] or [ErrPoint]; nil for every Key from NewKey or
// ParseKey. It costs a square root.
func (k Key) Validate() error {
	_, err := uncompress(k.Kind, k.Point[:])
	return err
}

// AppendBinary appends the binary form; it returns no error.
func (k Key) AppendBinary(b []byte) ([]byte, error) { return k.appendTo(b), nil }

// MarshalBinary gives the binary form; it returns no error.
func (k Key) MarshalBinary() ([]byte, error) { return k.appendTo(nil), nil }

func (k Key) appendTo(b []byte) []byte {
	return append(append(b, byte(k.Kind)), k.Point[:]...)
}

// UnmarshalBinary is [ParseKey].
func (k *Key) UnmarshalBinary(b []byte) (err error) {
	v, err := ParseKey(b)
	if err == nil {
		*k = v
	}
	return err
}

// String is the text form, kind:hex.
func (k Key) String() string { return k.Kind.String() + ":" + hex.EncodeToString(k.Point[:]) }

// MarshalText gives the text form, kind:hex, or [ErrKeyKind].
func (k Key) MarshalText() ([]byte, error) {
	if !k.Kind.known() {
		return nil, ErrKeyKind
	}
	return []byte(k.String()), nil
}

// UnmarshalText is the inverse of MarshalText. It returns [ErrKeyText],
// [ErrKeyKind] or [ErrPoint].
func (k *Key) UnmarshalText(b []byte) error {
	name, digits, ok := bytes.Cut(b, []byte(":"))
	if !ok {
		return ErrKeyText
	}
	kind, err := ParseKeyKind(string(name))
	if err != nil {
		return err
	}
	var point [33]byte
	if err := lowerHex(point[:], digits); err != nil {
		return fmt.Errorf("%w (%w)", ErrKeyText, err)
	}
	v, err := NewKey(kind, point[:])
	if err == nil {
		*k = v
	}
	return err
}

// ID is SHA-256("tombolo/v1/doorkey\n" ‖ point). The kind is left out on
// purpose: one key, one claim, whatever its owner calls it.
func (k Key) ID() KeyID { return tagged("tombolo/v1/doorkey\n", k.Point[:]) }

// uncompress gives 04 ‖ X ‖ Y of a validated point. Hybrid forms (06, 07) and
// the point at infinity are refused.
func uncompress(kind KeyKind, sec1 []byte) (p [65]byte, err error) {
	curve := kind.Curve()
	if curve == 0 {
		return p, fmt.Errorf("%w (number %d)", ErrKeyKind, uint8(kind))
	}
	if len(sec1) != 33 && len(sec1) != 65 {
		return p, fmt.Errorf("%w: %d bytes instead of 33 or 65", ErrKeyLength, len(sec1))
	}
	ok := false
	switch {
	case curve == P256 && len(sec1) == 65:
		_, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), sec1)
		if ok = err == nil; ok {
			copy(p[:], sec1)
		}
	case curve == P256:
		x, y := elliptic.UnmarshalCompressed(elliptic.P256(), sec1)
		if ok = x != nil; ok {
			p[0] = 4
			x.FillBytes(p[1:33])
			y.FillBytes(p[33:])
		}
	case len(sec1) == 65:
		_, err := crypto.UnmarshalPubkey(sec1)
		if ok = err == nil; ok {
			copy(p[:], sec1)
		}
	default:
		pub, err := crypto.DecompressPubkey(sec1)
		if ok = err == nil; ok {
			copy(p[:], crypto.FromECDSAPub(pub))
		}
	}
	if !ok {
		return p, fmt.Errorf("%w (%s)", ErrPoint, kind)
	}
	return p, nil
}
