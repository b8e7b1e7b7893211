package passport_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"
	"tombolo/passport"
)

// signed gives a delegation with both signatures.
func signed(t testing.TB, kind passport.KeyKind) (passport.SignedDelegation, [20]byte) {
	t.Helper()
	d, key := delegation(t, kind)
	w := wallet(t, [32]byte{31: 7})
	compact, err := passport.SignDelegation(w, testDomain, d)
	if err != nil {
		t.Fatal(err)
	}
	possession, err := key.Sign(passport.PossessionChallenge(d.Digest(testDomain)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := passport.NewSignedDelegation(testDomain, d, compact[:], possession)
	if err != nil {
		t.Fatal(err)
	}
	return s, crypto.PubkeyToAddress(w.PublicKey)
}

func TestSignedDelegation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dom := drawDomain(t)
		d, key := drawDelegation(t)
		seed := bytes32(t, "wallet")
		seed[0], seed[31] = seed[0]&0x7f, seed[31]|1
		w, err := crypto.ToECDSA(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		compact, err := passport.SignDelegation(w, dom, d)
		if err != nil {
			t.Fatal(err)
		}
		possession, err := key.Sign(passport.PossessionChallenge(d.Digest(dom)))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "card gives a high s") {
			possession = highS(d.Key.Kind.Curve(), possession)
		}
		s, err := passport.NewSignedDelegation(dom, d, compact[:], possession)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := s.MarshalBinary()
		if len(raw) != 248 {
			t.Fatalf("%d bytes", len(raw))
		}
		var again passport.SignedDelegation
		if err := again.UnmarshalBinary(raw); err != nil || again != s {
			t.Fatalf("parsed %+v: %v", again, err)
		}
		signer, err := again.Verify([]passport.Domain{dom})
		if err != nil || signer != crypto.PubkeyToAddress(w.PublicKey) {
			t.Fatalf("signer %x, %v", signer, err)
		}
	})
}

func TestParseSignedDelegationMalformed(t *testing.T) {
	t.Parallel()
	n := passport.Secp256k1.Order()
	half := unhex(t, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1") // the first high s
	// Where the fields begin, as the type's comment has them.
	const chain, registry, number, kind, point, notBefore, notAfter, mode, wallet, possession = 1, 9, 29, 37, 38, 71, 79, 119, 120, 184
	for _, c := range []struct {
		name   string
		kind   passport.KeyKind
		change func([]byte) []byte
		want   error
	}{
		{"nothing", 1, func(b []byte) []byte { return nil }, passport.ErrLength},
		{"a byte less", 1, func(b []byte) []byte { return b[:247] }, passport.ErrLength},
		{"a byte more", 1, func(b []byte) []byte { return append(b, 0) }, passport.ErrLength},
		{"version 0", 1, func(b []byte) []byte { b[0] = 0; return b }, passport.ErrVersion},
		{"version 2", 1, func(b []byte) []byte { b[0] = 2; return b }, passport.ErrVersion},
		{"chain 0", 1, func(b []byte) []byte { clear(b[chain:registry]); return b }, passport.ErrDomain},
		{"registry 0", 1, func(b []byte) []byte { clear(b[registry:number]); return b }, passport.ErrDomain},
		{"passport 0", 1, func(b []byte) []byte { clear(b[number:kind]); return b }, passport.ErrPassport},
		{"kind 0", 1, func(b []byte) []byte { b[kind] = 0; return b }, passport.ErrKeyKind},
		{"kind 9", 1, func(b []byte) []byte { b[kind] = 9; return b }, passport.ErrKeyKind},
		{"infinity", 1, func(b []byte) []byte { clear(b[point:notBefore]); return b }, passport.ErrPoint},
		{"prefix 7", 3, func(b []byte) []byte { b[point] = 7; return b }, passport.ErrPoint},
		{"no time", 1, func(b []byte) []byte { copy(b[notBefore:notAfter], b[notAfter:]); return b }, passport.ErrValidity},
		{"mode 0", 1, func(b []byte) []byte { b[mode] = 0; return b }, passport.ErrMode},
		{"mode 4", 4, func(b []byte) []byte { b[mode] = 4; return b }, passport.ErrMode},
		{"card for windows", 2, func(b []byte) []byte { b[mode] = 2; return b }, passport.ErrCardWindow},
		{"wallet's r 0", 1, func(b []byte) []byte { clear(b[wallet : wallet+32]); return b }, passport.ErrSignatureRange},
		{"wallet's r of n", 1, func(b []byte) []byte { copy(b[wallet:], n[:]); return b }, passport.ErrSignatureRange},
		{"wallet's s 0 with parity", 1, func(b []byte) []byte { clear(b[wallet+32 : possession]); b[wallet+32] = 0x80; return b }, passport.ErrSignatureRange},
		{"wallet's s high", 1, func(b []byte) []byte { copy(b[wallet+32:], half); return b }, passport.ErrHighS},
		{"possession's r 0", 1, func(b []byte) []byte { clear(b[possession : possession+32]); return b }, passport.ErrSignatureRange},
		{"possession's s of n", 4, func(b []byte) []byte { copy(b[possession+32:], n[:]); return b }, passport.ErrSignatureRange},
		{"possession's s high", 1, func(b []byte) []byte { copy(b[possession+32:], half); return b }, passport.ErrHighS},
		{"P-256 possession's s 0", 3, func(b []byte) []byte { clear(b[possession+32:]); return b }, passport.ErrSignatureRange},
	} {
		s, _ := signed(t, c.kind)
		raw, _ := s.MarshalBinary()
		if _, err := passport.ParseSignedDelegation(c.change(raw)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSignedDelegationTampered: a bit flipped anywhere is refused, or makes
// somebody else the signer, or (the wallet's own signature aside) breaks the
// possession.
func TestSignedDelegationTampered(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		s, owner := signed(t, kind)
		raw, _ := s.MarshalBinary()
		for i := range raw {
			b := bytes.Clone(raw)
			b[i] ^= 1
			changed, err := passport.ParseSignedDelegation(b)
			if err != nil {
				continue
			}
			signer, err := changed.Verify([]passport.Domain{changed.Domain})
			switch {
			case err == nil && (i < 120 || i >= 184):
				t.Errorf("%s, byte %d: verifies", kind, i)
			case err == nil && signer == owner:
				t.Errorf("%s, byte %d: still the owner's", kind, i)
			case err != nil && !errors.Is(err, passport.ErrPossession) && !errors.Is(err, passport.ErrRecover):
				t.Errorf("%s, byte %d: %v", kind, i, err)
			}
		}
	}
}

func TestSignedDelegationRefused(t *testing.T) {
	t.Parallel()
	s, owner := signed(t, passport.KindHalo)
	elsewhere := []passport.Domain{{ChainID: 1, Registry: testDomain.Registry}, {ChainID: 1337, Registry: [20]byte{9}}}
	for _, registries := range [][]passport.Domain{nil, elsewhere} {
		if _, err := s.Verify(registries); !errors.Is(err, passport.ErrForeignRegistry) {
			t.Errorf("%v: %v", registries, err)
		}
	}
	if signer, err := s.Verify(append(elsewhere, testDomain)); err != nil || signer != owner {
		t.Errorf("an older registry: %x, %v", signer, err)
	}
	// Somebody else's key cannot consent, nor the right key in another form.
	d, _ := delegation(t, passport.KindHalo)
	challenge := passport.PossessionChallenge(d.Digest(testDomain))
	for name, sig := range map[string]func() (passport.Signature, error){
		"another key": func() (passport.Signature, error) { return softKey(t, passport.KindHalo, 12).Sign(challenge) },
		"bare digest": func() (passport.Signature, error) { return softKey(t, passport.KindKeycard, 11).Sign(challenge) },
		"digest itself": func() (passport.Signature, error) {
			return softKey(t, passport.KindHalo, 11).Sign(d.Digest(testDomain))
		},
		"nothing signed": func() (passport.Signature, error) { return passport.Signature{31: 1, 63: 1}, nil },
	} {
		possession, err := sig()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := passport.NewSignedDelegation(testDomain, d, s.Wallet[:], possession); !errors.Is(err, passport.ErrPossession) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := passport.NewSignedDelegation(testDomain, d, s.Wallet[:63], s.Possession); !errors.Is(err, passport.ErrSignatureLength) {
		t.Errorf("63 bytes of wallet: %v", err)
	}
	if _, err := passport.NewSignedDelegation(testDomain, d, s.Wallet[:], passport.Signature{}); !errors.Is(err, passport.ErrSignatureRange) {
		t.Errorf("no possession: %v", err)
	}
	d.Key.Kind = 0
	if _, err := passport.NewSignedDelegation(testDomain, d, s.Wallet[:], s.Possession); !errors.Is(err, passport.ErrKeyKind) {
		t.Errorf("kind 0: %v", err)
	}
}

// FuzzParseSignedDelegation: what is accepted is given back byte for byte, and
// verifying it never panics.
func FuzzParseSignedDelegation(f *testing.F) {
	for _, kind := range kinds {
		s, _ := signed(f, kind)
		raw, _ := s.MarshalBinary()
		f.Add(raw)
		f.Add(raw[:247])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := passport.ParseSignedDelegation(b)
		if err != nil {
			return
		}
		if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
		if _, err := s.Verify([]passport.Domain{s.Domain}); errors.Is(err, passport.ErrForeignRegistry) {
			t.Fatal(err)
		}
	})
}
