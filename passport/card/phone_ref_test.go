package card_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"tombolo/passport"
)

// agree is Z of phone.md §5.
func agree(t testing.TB, private []byte, point []byte) []byte {
	t.Helper()
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), point)
	if x == nil {
		t.Fatalf("no point: %x", point)
	}
	long := append([]byte{4}, x.FillBytes(make([]byte, 32))...)
	peer, err := ecdh.P256().NewPublicKey(append(long, y.FillBytes(make([]byte, 32))...))
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdh.P256().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	z, err := own.ECDH(peer)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// derived is HKDF of phone.md §5 over a transcript.
func derived(t testing.TB, z, transcript []byte, info string) []byte {
	t.Helper()
	salt := sha256.Sum256(transcript)
	key, err := hkdf.Key(sha256.New, z, salt[:], info, 32)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func gcm(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sealer speaks the phone's side of phone.md §4 and §5 to whatever gateway,
// believing it everything, and seals what the test wants.
type sealer struct {
	t       testing.TB
	version byte
	key     *passport.SoftKey // signs the challenge, or:
	plain   []byte            // is sealed as it is

	own  *ecdh.PrivateKey
	said []byte
}

func (s *sealer) Transmit(c []byte) ([]byte, error) {
	ok := []byte{0x90, 0x00}
	switch {
	case len(c) == 15 && string(c[5:14]) == "\xf0TOMBOLO\x01":
		var err error
		if s.own, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
			s.t.Fatal(err)
		}
		p := s.own.PublicKey().Bytes()
		s.said = append([]byte{s.version, 2 | p[64]&1}, p[1:33]...)
		return append(append([]byte{}, s.said...), ok...), nil
	case ins(c) == hello:
		s.said = append(s.said, c[5:5+225]...)
		return ok, nil
	case ins(c) == prove:
		s.said = append(s.said, c[5:5+233]...)
		z := agree(s.t, s.own.Bytes(), s.said[34:34+33])
		plain := s.plain
		if plain == nil {
			point := s.key.Key().Point
			sig, err := s.key.Sign(s.challenge(z).Sum())
			if err != nil {
				s.t.Fatal(err)
			}
			plain = append(point[:], sig[:]...)
		}
		sealed := gcm(s.t, derived(s.t, z, s.said, "tombolo/v1/phone/session\n")).Seal(nil, make([]byte, 12), plain, nil)
		return append(sealed, ok...), nil
	}
	return []byte{0x6a, 0x82}, nil
}

// challenge is what HELLO and PROVE ask for, §5.2.
func (s *sealer) challenge(z []byte) passport.Challenge {
	return passport.Challenge{
		Community: passport.CommunityID(s.said[67:]),
		Place:     passport.TapPlace([32]byte(s.said[259:]), passport.Target(s.said[259+129:])),
		Time:      binary.BigEndian.Uint64(s.said[259+161:]),
		Nonce:     [32]byte(derived(s.t, z, s.said[:259], "tombolo/v1/phone/nonce\n")),
	}
}
