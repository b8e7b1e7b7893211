package pin

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"

	"tombolo/passport"
)

// A box is 134 bytes and never changes within its version:
//
//	1   version, 1
//	32  ephemeral X25519 key
//	85  sealed Secret:
//	      1   passes
//	      4   memory in KiB, big-endian
//	      16  salt
//	      32  argon2id of the PIN
//	      32  argon2id of the duress PIN, or a random value
//	16  tag
//
// Sealed is HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256 and ChaCha20-Poly1305, which needs no instructions that small
// boards lack. Who sealed it is not its affair: the ledger entry that carries it
// is a steward's.
const (
	version    = 1
	secretSize = 1 + 4 + 16 + 32 + 32

	// BoxSize is the size of a sealed Secret, in bytes.
	BoxSize = 1 + 32 + secretSize + 16
)

// Errors of boxes.
var (
	ErrSize    = fmt.Errorf("a sealed PIN has %d bytes", BoxSize)
	ErrVersion = errors.New("a sealed PIN of another version: update this gateway's software")
	ErrSealed  = errors.New("a PIN that was not sealed to this gateway for this passport, or was altered: set it again")
	ErrCost    = fmt.Errorf("a PIN's hash takes %d to %d KiB and 1 to %d passes", minMemory, MaxMemory, MaxPasses)
	ErrKey     = errors.New("not an X25519 key that anything can be sealed to")
)

// Context is whose PIN it is and where it counts: a box opens in no other one.
type Context struct {
	Community passport.CommunityID
	Node      passport.NodeID
	Gateway   [32]byte // its signing key
	Passport  passport.ID
}

// info is HPKE's: RFC 9180 §5.1.
func (c Context) info() []byte {
	b := append([]byte("tombolo/v1/pin\n"), version)
	b = append(b, c.Community[:]...)
	b = append(b, c.Node[:]...)
	b = append(b, c.Gateway[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(c.Passport))
}

// Seal makes the box for the gateway with that X25519 key. It returns [ErrKey],
// or [ErrCost] for the zero Secret.
func (s Secret) Seal(to [32]byte, c Context) ([]byte, error) {
	if err := s.cost.check(); err != nil {
		return nil, err
	}
	return seal(to, c, s.marshal())
}

func seal(to [32]byte, c Context, secret []byte) ([]byte, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(to[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	b, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), c.info(), secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err) // RFC 7748 §6.1: a key of small order
	}
	return append([]byte{version}, b...), nil
}

// Open opens a box with the gateway's sealing key. It returns [ErrSize],
// [ErrVersion], [ErrSealed], [ErrCost] or, for a key of another kind, [ErrKey].
func Open(key *ecdh.PrivateKey, box []byte, c Context) (Secret, error) {
	switch {
	case len(box) != BoxSize:
		return Secret{}, fmt.Errorf("%w, not %d", ErrSize, len(box))
	case box[0] != version:
		return Secret{}, fmt.Errorf("%w: %d", ErrVersion, box[0])
	case key.Curve() != ecdh.X25519():
		return Secret{}, ErrKey
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return Secret{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	b, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), c.info(), box[1:])
	if err != nil {
		return Secret{}, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return parse(b)
}

func (s Secret) marshal() []byte {
	b := append(make([]byte, 0, secretSize), s.cost.Passes)
	b = binary.BigEndian.AppendUint32(b, s.cost.Memory)
	b = append(b, s.salt[:]...)
	b = append(b, s.pin[:]...)
	return append(b, s.duress[:]...)
}

// parse reads what marshal wrote.
func parse(b []byte) (s Secret, err error) {
	if len(b) != secretSize {
		return Secret{}, ErrSize
	}
	s.cost = Cost{Passes: b[0], Memory: binary.BigEndian.Uint32(b[1:5])}
	copy(s.salt[:], b[5:21])
	copy(s.pin[:], b[21:53])
	copy(s.duress[:], b[53:])
	if err := s.cost.check(); err != nil {
		return Secret{}, err
	}
	return s, nil
}
