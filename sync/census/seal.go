package census

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// Errors of sealed openings.
var (
	ErrSealed     = errors.New("not an opening that was sealed to this auditor for this draw and tag")
	ErrAuditorKey = errors.New("not an auditor's key: an X25519 key is wanted")
	ErrSealedSize = errors.New("the opening is too large to be sealed")
)

// Sealing says what an opening is sealed for; all of it is bound to the box.
type Sealing struct {
	Community ledger.CharterID
	Epoch     ledger.EpochID
	Draw      [32]byte // its seed
	Tag       Tag
	Auditor   [32]byte // X25519
}

// A box is, for version 1,
//
//	1   version, 1
//	32  ephemeral X25519 key
//	n   sealed: length u32 ‖ opening ‖ zeros
//	16  tag
//
// HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
// ChaCha20-Poly1305. Its size is the least of boxSizes that takes it, so that it
// tells neither how long a ledger is nor whether door and time are in it.
const (
	sealVersion = 1
	sealExtra   = 1 + 32 + 16
)

// An opening has 6 KiB in ledgers of a thousand million entries, and 9 with door
// and time disclosed, so that the first takes all there are.
var boxSizes = [...]int{10 << 10, 20 << 10, 40 << 10, ledger.MaxSealed}

// info is what the box is bound to. RFC 9180 §5.1
func (s Sealing) info() []byte {
	b := append([]byte("tombolo/v1/census/opening\n"), s.Community[:]...)
	b = append(b, s.Epoch[:]...)
	b = append(b, s.Draw[:]...)
	b = append(b, s.Tag[:]...)
	return append(b, s.Auditor[:]...)
}

// Seal closes an opening to s.Auditor. It draws one ephemeral key: crypto/hpke
// lets nobody bring it. Errors: ErrAuditorKey, ErrSealedSize.
func Seal(s Sealing, o Opening) ([]byte, error) { return s.seal(o.Marshal()) }

func (s Sealing) seal(text []byte) ([]byte, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(s.Auditor[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuditorKey, err)
	}
	for _, size := range boxSizes {
		if room := size - sealExtra; 4+len(text) <= room {
			padded := make([]byte, room)
			binary.BigEndian.PutUint32(padded, uint32(len(text)))
			copy(padded[4:], text)
			box, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), s.info(), padded)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrAuditorKey, err) // RFC 7748 §6.1: a key of small order
			}
			return append([]byte{sealVersion}, box...), nil
		}
	}
	return nil, fmt.Errorf("%w: %d bytes", ErrSealedSize, len(text))
}

// Unseal opens a box with the auditor's key, whose public half s.Auditor need not
// name: it is put there. It verifies nothing: see [Opening.Verify]. Errors:
// ErrAuditorKey, ErrSealed, ErrMalformed.
func Unseal(key *ecdh.PrivateKey, s Sealing, box []byte) (Opening, error) {
	if key == nil || key.Curve() != ecdh.X25519() {
		return Opening{}, ErrAuditorKey
	}
	if len(box) > ledger.MaxSealed || len(box) < sealExtra+4 || box[0] != sealVersion {
		return Opening{}, fmt.Errorf("%w: %d bytes", ErrSealed, len(box))
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return Opening{}, fmt.Errorf("%w: %w", ErrAuditorKey, err)
	}
	s.Auditor = [32]byte(key.PublicKey().Bytes())
	padded, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), s.info(), box[1:])
	if err != nil {
		return Opening{}, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	text, err := unpadded(padded)
	if err != nil {
		return Opening{}, err
	}
	return ParseOpening(text)
}

// unpadded takes the zeros away, and insists that they are.
func unpadded(b []byte) ([]byte, error) {
	n := binary.BigEndian.Uint32(b)
	if int64(n) > int64(len(b)-4) {
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrMalformed, n, len(b)-4)
	}
	for _, c := range b[4+n:] {
		if c != 0 {
			return nil, fmt.Errorf("%w: something stands behind the opening", ErrMalformed)
		}
	}
	return b[4 : 4+n], nil
}
