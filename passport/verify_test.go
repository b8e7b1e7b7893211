package passport_test

import (
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
