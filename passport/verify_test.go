package passport_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"pgregory.net/rapid"
	"tombolo/passport"
)

// TestSignVerify: every kind verifies its own form in both encodings of s, and
// nothing else: no other challenge, key, form or changed bit.
func TestSignVerify(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		key, err := passport.GenerateSoftKey(kind, source(rapid.Uint64().Draw(t, "seed")))
		if err != nil {
			t.Fatal(err)
		}
		v, err := passport.NewVerifier(key.Key())
		if err != nil {
			t.Fatal(err)
		}
		c := bytes32(t, "challenge")
		sig, err := key.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		curve := kind.Curve()
		if curve == passport.Secp256k1 && sig.HighS(curve) {
			t.Fatal("signed with a high s")
		}
		for _, s := range []passport.Signature{sig, highS(curve, sig)} {
			if err := v.Verify(c, s); err != nil {
				t.Fatal(err)
			}
			if err := key.Key().Verify(c, s); err != nil {
				t.Fatal(err)
			}
		}
		other := c
		other[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if err := v.Verify(other, sig); !errors.Is(err, passport.ErrSignature) {
			t.Fatalf("another challenge: %v", err)
		}
		changed := sig
		changed[rapid.IntRange(0, 63).Draw(t, "signature byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "signature bit")
		if err := v.Verify(c, changed); !errors.Is(err, passport.ErrSignature) && !errors.Is(err, passport.ErrSignatureRange) {
			t.Fatalf("changed signature: %v", err)
		}
		stranger, err := passport.GenerateSoftKey(kind, source(rapid.Uint64().Draw(t, "other seed")))
		if err != nil {
			t.Fatal(err)
		}
		if stranger.Key() == key.Key() {
			return
		}
		if err := stranger.Key().Verify(c, sig); !errors.Is(err, passport.ErrSignature) {
			t.Fatalf("another key: %v", err)
		}
	})
}

// TestHaloFormIsItsOwn: a HaLo's answer is never a signature of a bare digest,
// nor the reverse, and SHA-256 of prefix and challenge is all that parts them.
func TestHaloFormIsItsOwn(t *testing.T) {
	t.Parallel()
	halo := softKey(t, passport.KindHalo, 1)
	bare := halo.Key()
	bare.Kind = passport.KindKeycard
	c := [32]byte{1, 2, 3}
	sig, err := halo.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.Verify(c, sig); !errors.Is(err, passport.ErrSignature) {
		t.Errorf("a halo's answer as a bare digest's: %v", err)
	}
	if err := bare.Verify(sha256.Sum256(append([]byte("\x19External chall pk2:\n"), c[:]...)), sig); err != nil {
		t.Error(err)
	}
}

func TestVerifyMalformed(t *testing.T) {
	t.Parallel()
	c := [32]byte{1}
	for _, kind := range kinds {
		key := softKey(t, kind, 1)
		sig, err := key.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		n := kind.Curve().Order()
		for name, change := range map[string]func(*passport.Signature){
			"all zero": func(s *passport.Signature) { *s = passport.Signature{} },
			"r zero":   func(s *passport.Signature) { clear(s[:32]) },
			"s zero":   func(s *passport.Signature) { clear(s[32:]) },
			"r of n":   func(s *passport.Signature) { copy(s[:32], n[:]) },
			"s of n":   func(s *passport.Signature) { copy(s[32:], n[:]) },
			"s 2²⁵⁶−1": func(s *passport.Signature) {
				for i := range s[32:] {
					s[32+i] = 0xff
				}
			},
		} {
			bad := sig
			change(&bad)
			if err := key.Key().Verify(c, bad); !errors.Is(err, passport.ErrSignatureRange) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
	}
	if err := (passport.Verifier{}).Verify(c, passport.Signature{1}); !errors.Is(err, passport.ErrKeyKind) {
		t.Errorf("zero verifier: %v", err)
	}
	if err := (passport.Key{Kind: passport.KindHalo}).Verify(c, passport.Signature{1}); !errors.Is(err, passport.ErrPoint) {
		t.Errorf("zero point: %v", err)
	}
	if _, err := passport.NewVerifier(passport.Key{Kind: 7}); !errors.Is(err, passport.ErrKeyKind) {
		t.Errorf("kind 7: %v", err)
	}
}

// TestOnce: a Verifier for one signature says what a kept one does, and of a key
// that is no point that it is none.
func TestOnce(t *testing.T) {
	t.Parallel()
	c := sha256.Sum256([]byte("once"))
	for _, kind := range kinds {
		key := softKey(t, kind, 3)
		sig, err := key.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		once, kept := key.Key().Once(), verifier(t, key.Key())
		if once.Key() != kept.Key() || once.KeyID() != kept.KeyID() {
			t.Errorf("%s: %v and %v", kind, once.Key(), kept.Key())
		}
		for range 2 {
			if err := once.Verify(c, sig); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		bad := sig
		bad[40] ^= 1
		if one, two := once.Verify(c, bad), kept.Verify(c, bad); !errors.Is(one, passport.ErrSignature) || !errors.Is(two, passport.ErrSignature) {
			t.Errorf("%s: once %v, kept %v", kind, one, two)
		}
		for what, change := range map[string]func(*passport.Key){
			"hybrid":        func(k *passport.Key) { k.Point[0] = 6 },
			"no prefix":     func(k *passport.Key) { k.Point[0] = 0 },
			"x above p":     func(k *passport.Key) { copy(k.Point[1:], bytes.Repeat([]byte{0xff}, 32)) },
			"off the curve": offCurve,
		} {
			no := key.Key()
			change(&no)
			if err := no.Once().Verify(c, sig); !errors.Is(err, passport.ErrPoint) {
				t.Errorf("%s, %s: %v", kind, what, err)
			}
		}
		other := key.Key()
		other.Kind = 9
		if err := other.Once().Verify(c, sig); !errors.Is(err, passport.ErrKeyKind) {
			t.Errorf("kind 9: %v", err)
		}
	}
}

// offCurve takes the next x that no point has: every other one.
func offCurve(k *passport.Key) {
	for k.Validate() == nil {
		k.Point[32]++
	}
}

// TestSignDER: a simulated card replies in DER, and that reads as what it
// signed.
func TestSignDER(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		key, c := softKey(t, kind, 4), [32]byte{9}
		der, err := key.SignDER(c)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := passport.ParseDER(kind.Curve(), der)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Key().Verify(c, sig); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
