package osdp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
)

// session is a Secure Channel, OSDP 2.2 Annex D, from its CHLNG on.
type session struct {
	enc, mac1, mac2 cipher.Block // S-ENC, S-MAC1, S-MAC2
	// chain is the last MAC of each side, whole: a message's MAC and IV begin
	// with the other side's last one (Annex D.5).
	command, reply [16]byte

	rndA, rndB       [8]byte
	serverCryptogram [16]byte
}

// newSession derives the session's keys from the base key and the panel's
// challenge RND.A, Annex D.3.2.
func newSession(scbk Key, rndA [8]byte) *session {
	base := block(scbk)
	derive := func(second byte) cipher.Block {
		b := [16]byte{0x01, second}
		copy(b[2:8], rndA[:6])
		base.Encrypt(b[:], b[:])
		return block(b)
	}
	return &session{enc: derive(0x82), mac1: derive(0x01), mac2: derive(0x02), rndA: rndA}
}

func block(key [16]byte) cipher.Block {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	return b
}

// prove checks the reader's cryptogram and computes ours, Annex D.3.3 and
// D.3.4; false: the reader does not hold the base key.
func (s *session) prove(r replyCCrypt) bool {
	s.rndB = r.random
	var client [16]byte
	copy(client[:8], s.rndA[:])
	copy(client[8:], s.rndB[:])
	s.enc.Encrypt(client[:], client[:])
	copy(s.serverCryptogram[:8], s.rndB[:])
	copy(s.serverCryptogram[8:], s.rndA[:])
	s.enc.Encrypt(s.serverCryptogram[:], s.serverCryptogram[:])
	return subtle.ConstantTimeCompare(client[:], r.cryptogram[:]) == 1
}

// begin checks the initial R-MAC, Annex D.3.5, with which the chain begins.
func (s *session) begin(r replyRMacI) bool {
	s.mac1.Encrypt(s.reply[:], s.serverCryptogram[:])
	s.mac2.Encrypt(s.reply[:], s.reply[:])
	return subtle.ConstantTimeCompare(s.reply[:], r.rmac[:]) == 1
}

// cbcMAC is the MAC of a message, Annex D.5.1: CBC under S-MAC1, the last block
// under S-MAC2, padded with 80 00… only where it is short.
func (s *session) cbcMAC(iv [16]byte, message []byte) [16]byte {
	for len(message) > 16 {
		subtle.XORBytes(iv[:], iv[:], message[:16])
		s.mac1.Encrypt(iv[:], iv[:])
		message = message[16:]
	}
	var last [16]byte
	if n := copy(last[:], message); n < len(last) {
		last[n] = 0x80
	}
	subtle.XORBytes(iv[:], iv[:], last[:])
	s.mac2.Encrypt(iv[:], iv[:])
	return iv
}

// complement is the IV of a message's data, Annex D.4.
func complement(mac [16]byte) [16]byte {
	for i := range mac {
		mac[i] = ^mac[i]
	}
	return mac
}

// seal encodes a command inside the channel; the chain moves on: the same
// command is repeated as the same bytes, and never sealed again.
func (s *session) seal(dst []byte, f frame, data []byte) ([]byte, error) {
	f.security, f.data = scs15, nil
	if len(data) > 0 {
		f.security, f.data = scs17, pad(data)
		if f.size() > maxFrame {
			return dst, fmt.Errorf("%w: %d bytes of data", ErrTooLong, len(data))
		}
		iv := complement(s.reply)
		cipher.NewCBCEncrypter(s.enc, iv[:]).CryptBlocks(f.data, f.data)
	}
	start := len(dst)
	dst, err := f.append(dst)
	if err != nil {
		return dst, err
	}
	s.command = s.cbcMAC(s.reply, f.covered(dst[start:]))
	end := start + f.prefix() + len(f.data)
	copy(dst[end:], s.command[:macSize])
	return appendCheck(dst[:end+macSize], start, f.checksum), nil
}

// open checks a reply's MAC and gives its data in clear. The chain moves on
// only if the reply is good; ErrTampered if not.
func (s *session) open(f frame, encoded []byte) ([]byte, error) {
	mac := s.cbcMAC(s.command, f.covered(encoded))
	if subtle.ConstantTimeCompare(mac[:macSize], f.mac[:]) != 1 {
		return nil, fmt.Errorf("%w: wrong MAC", ErrTampered)
	}
	if !f.encrypted() || len(f.data) == 0 {
		s.reply = mac
		return f.data, nil
	}
	if len(f.data)%16 != 0 {
		return nil, fmt.Errorf("%w: %d bytes of encrypted data", ErrTampered, len(f.data))
	}
	data := make([]byte, len(f.data))
	iv := complement(s.command)
	cipher.NewCBCDecrypter(s.enc, iv[:]).CryptBlocks(data, f.data)
	data, err := unpad(data)
	if err != nil {
		return nil, err
	}
	s.reply = mac
	return data, nil
}

// pad appends 80 and zeros up to the next block, at least the 80, Annex D.4.5.
func pad(data []byte) []byte {
	b := make([]byte, (len(data)/16+1)*16)
	b[copy(b, data)] = 0x80
	return b
}

func unpad(b []byte) ([]byte, error) {
	for i := len(b) - 1; i >= 0 && i >= len(b)-16; i-- {
		switch b[i] {
		case 0:
			continue
		case 0x80:
			return b[:i], nil
		}
		break
	}
	return nil, fmt.Errorf("%w: wrong padding", ErrTampered)
}
