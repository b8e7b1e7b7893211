package card

import (
	"bytes"
	"slices"
	"testing"

	"tombolo/passport"
	"tombolo/passport/vectortest"
)

// FuzzCommand: what parses is sent again as it was.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"", "00a40400", "00a4040000", "00a4040001aa", "00a4040001aa00", "00a404000001", "b0510000010200"} {
		f.Add(unhex(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommand(b)
		if err == nil && !bytes.Equal(c.Bytes(), b) {
			t.Errorf("%x is sent as %x", b, c.Bytes())
		}
	})
}

// FuzzResponse: whatever a driver gives, in parts cut at b's 0xff bytes, an
// exchange ends after a few commands with no more than was sent.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{"", "9000", "aabb9000", "6102ffaabb9000", "6c02ff6c02ff6c02ff6c02", "aa6100ffbb6100ffcc6100ffdd9000", "6c"} {
		f.Add(unhex(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := script{bytes.Split(b, []byte{0xff})}.play()
		resp, sw, err := transmit(p, "x", 0x80, 0xc0, 3, 1, make([]byte, 32))
		if len(p.sent) > 1+maxFollow {
			t.Errorf("%d commands", len(p.sent))
		}
		if err != nil && (resp != nil || sw != 0) {
			t.Errorf("%x %04X beside %v", resp, sw, err)
		}
		if sw>>8 == 0x61 || sw>>8 == 0x6c || len(resp) > len(b) {
			t.Errorf("%x %04X of %x", resp, sw, b)
		}
		if len(p.sent) == 1 && err == nil && !bytes.HasPrefix(b, append(slices.Clone(resp), byte(sw>>8), byte(sw))) {
			t.Errorf("%x %04X of %x", resp, sw, b)
		}
	})
}

// FuzzHaloAnswer: the parts of what parses are the whole.
func FuzzHaloAnswer(f *testing.F) {
	reply := haloReply(f)
	f.Add(reply)
	f.Add(reply[:136])
	f.Add(append(make([]byte, 32), reply[:136]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseHaloAnswer(b); err == nil && !bytes.Equal(slices.Concat(r.der, r.pk, r.attestation), b) {
			t.Errorf("%x is %+v", b, r)
		}
		if payload, r, err := parseHaloRandom(b); err == nil && !bytes.Equal(slices.Concat(payload[:], r.der, r.pk), b) {
			t.Errorf("%x is %x %+v", b, payload, r)
		}
		if len(b) >= 136 {
			_ = haloAttested(b[:65], b[65:], MakersRoots().Halo) // no panic
		}
		key, sig, _, err := haloSign(script{[][]byte{append(slices.Clone(b), 0x90, 0)}}.play(), [32]byte{})
		checkAnswer(t, key, sig, err, passport.KindHalo)
	})
}

// checkAnswer: a key and a signature are of their curve, or are not there.
func checkAnswer(t *testing.T, key passport.Key, sig passport.Signature, err error, kind passport.KeyKind) {
	t.Helper()
	if err != nil {
		if key != (passport.Key{}) {
			t.Errorf("key %s beside %v", key, err)
		}
		return
	}
	if key.Kind != kind || key.Validate() != nil {
		t.Errorf("key %s", key)
	}
	if again, err := passport.ParseDER(passport.Secp256k1, sig.AppendDER(nil)); err != nil || again != sig {
		t.Errorf("signature %s: %v", sig, err)
	}
}

// FuzzHaloInfo: the parts of what parses are the whole.
func FuzzHaloInfo(f *testing.F) {
	_, pk := keyPair(f, 1)
	f.Add(slices.Concat([]byte{2, haloFormat2, 0}, pk, make([]byte, 74)))
	f.Add(slices.Concat([]byte{1, 0}, pk))
	f.Add(slices.Concat([]byte{65}, pk, []byte{65}, pk, []byte{0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if i, err := parseHaloKeyInfo(b); err == nil {
			head := []byte{i.first, i.flags}
			if i.flags&haloFormat2 != 0 {
				head = append(head, i.failed)
			}
			if !bytes.Equal(slices.Concat(head, i.pk, i.attestation), b) {
				t.Errorf("%x is %+v", b, i)
			}
		}
		keys, err := parseHaloKeys(b)
		if err != nil {
			return
		}
		var again []byte
		for _, k := range keys {
			again = append(append(again, 65), k...)
		}
		if !bytes.HasPrefix(b, again) || len(bytes.Trim(b[len(again):], "\x00")) != 0 {
			t.Errorf("%x is %x", b, keys)
		}
	})
}

// FuzzTLV: what parses is encoded again as it was.
func FuzzTLV(f *testing.F) {
	for _, s := range []string{"", "8000", "800100", "a08180", "a0817f", "9f0100", "a08200ff", "80ff"} {
		f.Add(unhex(s))
	}
	f.Add(keycardReply(f, [32]byte{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		tag, value, rest, err := readTLV(b)
		if err != nil {
			return
		}
		again := []byte{tag}
		if len(value) >= 0x80 {
			again = append(again, 0x81)
		}
		again = append(again, byte(len(value)))
		if !bytes.Equal(slices.Concat(again, value, rest), b) {
			t.Errorf("%x is %02x %x %x", b, tag, value, rest)
		}
	})
}

// FuzzKeycardSignature: a key that was recovered verifies what it was recovered
// from, and any other is at least a point.
func FuzzKeycardSignature(f *testing.F) {
	digest := [32]byte{1}
	f.Add(keycardReply(f, digest))
	f.Add(rawReply(f, digest))
	f.Add(unhex("8000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, sig, err := parseKeycardSignature(b, digest)
		checkAnswer(t, key, sig, err, passport.KindKeycard)
		if err == nil && b[0] == tagPoint && key.Verify(digest, sig) != nil {
			t.Errorf("%x recovers to %s, which did not sign", b, key)
		}
		_ = parseKeycardInfo(b) // no panic
	})
}

// FuzzCertificate: what parses is encoded again as it was.
func FuzzCertificate(f *testing.F) {
	reply := vectortest.Load(f, "card.txt", 3)[2].Hex(f, "reply")
	f.Add(reply[5:103])
	f.Add(reply)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseCertificate(b); err == nil && !bytes.Equal(slices.Concat(c.key[:], c.sig[:], []byte{c.v}), b) {
			t.Errorf("%x is %+v", b, c)
		}
		c, sig, err := parseIdentity(b)
		if err != nil {
			return
		}
		checkAnswer(t, passport.Key{Kind: passport.KindKeycard, Point: c.key}, sig, nil, passport.KindKeycard)
		if len(b) > 3+2+98+72 {
			t.Errorf("%d bytes are an identity", len(b))
		}
	})
}
