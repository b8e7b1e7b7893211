package card

import (
	stdcrypto "crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"tombolo/passport"
)

// Sizes in bytes, §4.
const (
	selectedSize = 1 + 33
	helloSize    = 33 + nodePart
	proveSize    = gatewayPart + 32 + 8 + 64
	plainSize    = 33 + 64
	sealedSize   = plainSize + 16
)

// Separators, §5.
const (
	gatewaySeparator = "tombolo/v1/phone/gateway\n"
	nonceInfo        = "tombolo/v1/phone/nonce\n"
	sessionInfo      = "tombolo/v1/phone/session\n"
)

// phoneSession is the gateway's end of one session with a phone. What was said
// is of fixed length, piece by piece, so that two sessions with the same bytes
// said the same.
type phoneSession struct {
	own    []byte // its ephemeral key's public half, compressed
	secret []byte // the agreed x coordinate
	said   []byte // the transcript: the data of every message so far, in order
}

// newPhoneSession takes the phone's answer to SELECT, and 32 bytes of rand.
func newPhoneSession(selected []byte, rand io.Reader) (*phoneSession, error) {
	peer, err := parseSelected(selected)
	if err != nil {
		return nil, err
	}
	own, err := ephemeral(rand)
	if err != nil {
		return nil, fmt.Errorf("session with a phone: %w", err)
	}
	secret, err := own.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("phone SELECT: %w: %w", ErrAnswer, err)
	}
	s := &phoneSession{own: compressed(own.PublicKey().Bytes()), secret: secret}
	s.hear(selected)
	return s, nil
}

// parseSelected reads a phone's answer to SELECT: version[1] ‖ E_p[33]. A phone
// that knows later versions as well says a higher one. §6
func parseSelected(b []byte) (*ecdh.PublicKey, error) {
	if len(b) != selectedSize {
		return nil, fmt.Errorf("phone SELECT: %w: %d bytes instead of %d", ErrAnswer, len(b), selectedSize)
	}
	if b[0] == 0 {
		return nil, fmt.Errorf("phone SELECT: %w: version 0", ErrAnswer)
	}
	peer, err := parsePoint(b[1:])
	if err != nil {
		return nil, fmt.Errorf("phone SELECT: %w: %w", ErrAnswer, err)
	}
	return peer, nil
}

func (s *phoneSession) hear(data []byte) { s.said = append(s.said, data...) }

// derive is HKDF-SHA-256 with the transcript's hash as salt, 32 bytes.
func (s *phoneSession) derive(info string) ([]byte, error) {
	salt := sha256.Sum256(s.said)
	return hkdf.Key(sha256.New, s.secret, salt[:], info, 32)
}

// nonce is the challenge's, once HELLO was said.
func (s *phoneSession) nonce() (nonce [32]byte, err error) {
	b, err := s.derive(nonceInfo)
	copy(nonce[:], b)
	return nonce, err
}

// sign is the reader key's signature r ‖ s over what was said.
func (s *phoneSession) sign(key *ecdsa.PrivateKey) (passport.Signature, error) {
	said := sha256.Sum256(s.said)
	digest := sha256.Sum256(append([]byte(gatewaySeparator), said[:]...))
	// Without a random source the nonce is RFC 6979's.
	der, err := key.Sign(nil, digest[:], stdcrypto.SHA256)
	if err != nil {
		return passport.Signature{}, fmt.Errorf("sign with the reader key: %w", err)
	}
	return passport.ParseDER(passport.P256, der)
}

// open opens the answer, once everything was said.
func (s *phoneSession) open(sealed []byte) (passport.Key, passport.Signature, error) {
	key, err := s.derive(sessionInfo)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	// A zero nonce: the key seals this one message.
	plain, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), sealed, nil)
	if err != nil || len(plain) != plainSize {
		return passport.Key{}, passport.Signature{}, ErrStranger
	}
	return passport.Key{Kind: passport.KindPhone, Point: [33]byte(plain)}, passport.Signature(plain[33:]), nil
}

var errNoPoint = errors.New("no compressed point of P-256")

// parsePoint reads a compressed point of P-256, SEC 1 §2.3.4.
func parsePoint(b []byte) (*ecdh.PublicKey, error) {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), b)
	if x == nil {
		return nil, errNoPoint
	}
	p := append(make([]byte, 0, 65), 4)
	p = append(p, make([]byte, 64)...)
	x.FillBytes(p[1:33])
	y.FillBytes(p[33:])
	return ecdh.P256().NewPublicKey(p)
}

// compressed is the short form of 04 ‖ X ‖ Y.
func compressed(p []byte) []byte {
	return append([]byte{2 | p[64]&1}, p[1:33]...)
}

// ephemeral takes 32 bytes at a time from rand until they make a key: the first
// time, but with a probability below 2⁻³¹.
func ephemeral(rand io.Reader) (key *ecdh.PrivateKey, err error) {
	for range 8 {
		var d [32]byte
		if _, err := io.ReadFull(rand, d[:]); err != nil {
			return nil, err
		}
		if key, err = ecdh.P256().NewPrivateKey(d[:]); err == nil {
			return key, nil
		}
	}
	return nil, err
}

// holdsKey tells whether the key is the credential's.
func (i *Identity) holdsKey() bool {
	if i.Key == nil {
		return false
	}
	p, err := i.Key.PublicKey.Bytes()
	return err == nil && len(p) == 65 && string(compressed(p)) == string(i.Credential.Reader[:])
}
