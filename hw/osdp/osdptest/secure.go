package osdptest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"io"
	"slices"
)

// Security blocks, OSDP 2.2 annex D.
const (
	scs11 = 0x11 // panel: challenge
	scs12 = 0x12 // device: client's cryptogram
	scs13 = 0x13 // panel: server's cryptogram
	scs14 = 0x14 // device: first R-MAC
	scs15 = 0x15 // panel: with MAC, no data
	scs16 = 0x16 // device: with MAC, no data
	scs17 = 0x17 // panel: with MAC, data encrypted
	scs18 = 0x18 // device: with MAC, data encrypted
)

// DefaultKey is SCBK-D, the key that everybody knows, OSDP 2.2 annex D.
var DefaultKey = [16]byte{0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F}

var errPadding = errors.New("encrypted data without its padding")

// session is one Secure Channel as the device sees it.
type session struct {
	enc, mac1, mac2  cipher.Block
	rndA, rndB       [8]byte
	cmac, rmac       [16]byte
	isDefault, isSet bool // of SCBK-D; the panel's cryptogram was right
}

// newSession derives the session keys from the base key and the first six
// bytes of the panel's random number, OSDP 2.2 annex D.
func newSession(key [16]byte, rndA, rndB [8]byte) *session {
	base := block(key)
	derive := func(b0, b1 byte) cipher.Block {
		in := [16]byte{0: b0, 1: b1}
		copy(in[2:8], rndA[:6])
		base.Encrypt(in[:], in[:])
		return block(in)
	}
	return &session{enc: derive(0x01, 0x82), mac1: derive(0x01, 0x01), mac2: derive(0x01, 0x02), rndA: rndA, rndB: rndB}
}

func block(key [16]byte) cipher.Block {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	return b
}

// clientCryptogram is what the device proves itself with, OSDP 2.2 annex D.
func (s *session) clientCryptogram() (c [16]byte) {
	copy(c[:8], s.rndA[:])
	copy(c[8:], s.rndB[:])
	s.enc.Encrypt(c[:], c[:])
	return c
}

// serverCryptogram is what the panel proves itself with, OSDP 2.2 annex D.
func (s *session) serverCryptogram() (c [16]byte) {
	copy(c[:8], s.rndB[:])
	copy(c[8:], s.rndA[:])
	s.enc.Encrypt(c[:], c[:])
	return c
}

// open begins the chain of MACs, OSDP 2.2 annex D, if the panel's cryptogram is
// right.
func (s *session) open(cryptogram []byte) bool {
	want := s.serverCryptogram()
	if subtle.ConstantTimeCompare(want[:], cryptogram) != 1 {
		return false
	}
	s.mac1.Encrypt(s.rmac[:], want[:])
	s.mac2.Encrypt(s.rmac[:], s.rmac[:])
	s.isSet = true
	return true
}

// mac is OSDP 2.2 annex D's: CBC with S-MAC1, the last block with S-MAC2; a last
// block that is not whole is filled with 80 00….
func (s *session) mac(iv [16]byte, message []byte) [16]byte {
	for {
		var in [16]byte
		n := copy(in[:], message)
		message = message[n:]
		if n < len(in) {
			in[n] = 0x80
		}
		subtle.XORBytes(iv[:], iv[:], in[:])
		if len(message) == 0 {
			s.mac2.Encrypt(iv[:], iv[:])
			return iv
		}
		s.mac1.Encrypt(iv[:], iv[:])
	}
}

// verify checks a command's MAC and takes its place in the chain.
func (s *session) verify(message, mac []byte) bool {
	want := s.mac(s.rmac, message)
	if subtle.ConstantTimeCompare(want[:4], mac) != 1 {
		return false
	}
	s.cmac = want
	return true
}

// sign makes a reply's MAC and takes its place in the chain.
func (s *session) sign(message []byte) []byte {
	s.rmac = s.mac(s.cmac, message)
	return s.rmac[:4]
}

// decrypt opens a command's data: CBC with S-ENC, the vector being the last
// reply's MAC with every bit turned, OSDP 2.2 annex D.
func (s *session) decrypt(data []byte) ([]byte, error) {
	if len(data) == 0 || len(data)%16 != 0 {
		return nil, errPadding
	}
	iv, out := inverse(s.rmac), make([]byte, len(data))
	cipher.NewCBCDecrypter(s.enc, iv[:]).CryptBlocks(out, data)
	for n := len(out) - 1; n >= len(out)-16; n-- {
		if out[n] == 0x80 {
			return out[:n], nil
		}
		if out[n] != 0 {
			break
		}
	}
	return nil, errPadding
}

// encrypt closes a reply's data, the vector being the command's MAC.
func (s *session) encrypt(data []byte) []byte {
	out := make([]byte, len(data)/16*16+16)
	copy(out, data)
	out[len(data)] = 0x80
	iv := inverse(s.cmac)
	cipher.NewCBCEncrypter(s.enc, iv[:]).CryptBlocks(out, out)
	return out
}

func inverse(b [16]byte) [16]byte {
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}

// challenge answers CHLNG.
func (p *PD) challenge(f Frame) reply {
	if p.cfg.Insecure {
		return nakFor(NakBlock)
	}
	p.session = nil
	if len(f.Data) != 8 || len(f.Block) != 2 {
		return nakFor(NakLength)
	}
	byDefault := f.Block[1] == 0 || p.cfg.Willing && !p.state.Installed
	key := p.state.Key
	if byDefault {
		key = DefaultKey
	}
	if byDefault && p.state.Installed && !p.cfg.AlwaysDefault || !byDefault && !p.state.Installed {
		return nakFor(NakBlock)
	}
	var rndB [8]byte
	if _, err := io.ReadFull(p.cfg.Rand, rndB[:]); err != nil {
		return nakFor(NakRecord)
	}
	p.session = newSession(key, [8]byte(f.Data), rndB)
	p.session.isDefault = byDefault
	c := p.session.clientCryptogram()
	return reply{CCrypt, slices.Concat(p.cfg.UID[:], rndB[:], c[:])}
}

// scrypt answers SCRYPT, which opens the channel.
func (p *PD) scrypt(f Frame) reply {
	if p.session == nil || p.session.isSet {
		return nakFor(NakEncryption)
	}
	if len(f.Data) != 16 {
		p.session = nil
		return nakFor(NakLength)
	}
	if !p.session.open(f.Data) {
		p.session = nil
		return reply{RMacI, make([]byte, 16)}
	}
	p.state.Sessions++
	return reply{RMacI, bytes.Clone(p.session.rmac[:])}
}
