package passport_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

func TestRevocation(t *testing.T) {
	t.Parallel()
	w := wallet(t, [32]byte{31: 7})
	key := softKey(t, passport.KindHalo, 1).Key()
	r := passport.Revocation{Passport: 17, Point: key.Point}
	sig, err := passport.SignRevocation(w, testDomain, r)
	if err != nil {
		t.Fatal(err)
	}
	owner := crypto.PubkeyToAddress(w.PublicKey)
	if signer, err := passport.RecoverRevocation(testDomain, r, sig); err != nil || signer != owner {
		t.Errorf("signer %x, %v", signer, err)
	}
	for name, c := range map[string]struct {
		dom passport.Domain
		r   passport.Revocation
	}{
		"another passport": {testDomain, passport.Revocation{Passport: 18, Point: key.Point}},
		"another key":      {testDomain, passport.Revocation{Passport: 17, Point: softKey(t, passport.KindHalo, 2).Key().Point}},
		"another chain":    {passport.Domain{ChainID: 1, Registry: testDomain.Registry}, r},
		"another registry": {passport.Domain{ChainID: 1337, Registry: [20]byte{3}}, r},
	} {
		if signer, err := passport.RecoverRevocation(c.dom, c.r, sig); err == nil && signer == owner {
			t.Errorf("%s: still the owner's word", name)
		}
	}
	// A delegation of the key is not a revocation of it.
	d, _ := delegation(t, passport.KindHalo)
	if sig, err = passport.SignDelegation(w, testDomain, d); err != nil {
		t.Fatal(err)
	}
	r = passport.Revocation{Passport: d.Passport, Point: d.Key.Point}
	if signer, err := passport.RecoverRevocation(testDomain, r, sig); err == nil && signer == owner {
		t.Error("a delegation revokes")
	}
	for name, c := range map[string]struct {
		dom  passport.Domain
		r    passport.Revocation
		want error
	}{
		"passport 0":         {testDomain, passport.Revocation{Point: key.Point}, passport.ErrPassport},
		"no key":             {testDomain, passport.Revocation{Passport: 1}, passport.ErrPoint},
		"uncompressed start": {testDomain, passport.Revocation{Passport: 1, Point: [33]byte{4}}, passport.ErrPoint},
		"no domain":          {passport.Domain{}, r, passport.ErrDomain},
	} {
		_, err1 := c.r.TypedData(c.dom)
		_, err2 := passport.SignRevocation(w, c.dom, c.r)
		_, err3 := passport.RecoverRevocation(c.dom, c.r, sig)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// signedRevocation gives a revocation with its wallet's signature.
func signedRevocation(t testing.TB) (passport.SignedRevocation, [20]byte) {
	t.Helper()
	w := wallet(t, [32]byte{31: 7})
	r := passport.Revocation{Passport: 17, Point: softKey(t, passport.KindHalo, 1).Key().Point}
	sig, err := passport.SignRevocation(w, testDomain, r)
	if err != nil {
		t.Fatal(err)
	}
	return passport.SignedRevocation{Domain: testDomain, Revocation: r, Wallet: sig}, crypto.PubkeyToAddress(w.PublicKey)
}

func TestSignedRevocation(t *testing.T) {
	t.Parallel()
	s, owner := signedRevocation(t)
	raw, _ := s.MarshalBinary()
	parsed, err := passport.ParseSignedRevocation(raw)
	if err != nil || parsed != s || len(raw) != 134 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if signer, err := parsed.Verify([]passport.Domain{{ChainID: 1, Registry: [20]byte{1}}, testDomain}); err != nil || signer != owner {
		t.Errorf("signer %x, %v", signer, err)
	}
	if _, err := parsed.Verify([]passport.Domain{{ChainID: 1, Registry: testDomain.Registry}}); !errors.Is(err, passport.ErrForeignRegistry) {
		t.Errorf("foreign: %v", err)
	}
	for i := range raw {
		b := bytes.Clone(raw)
		b[i] ^= 1
		changed, err := passport.ParseSignedRevocation(b)
		if err != nil {
			continue
		}
		if signer, err := changed.Verify([]passport.Domain{changed.Domain}); err == nil && signer == owner {
			t.Errorf("byte %d: still the owner's", i)
		}
	}
}

func TestParseSignedRevocationMalformed(t *testing.T) {
	t.Parallel()
	n := passport.Secp256k1.Order()
	half := unhex(t, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1")
	// Where the fields begin, as the type's comment has them.
	const chain, registry, number, point, r, s = 1, 9, 29, 37, 70, 102
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"nothing", func(b []byte) []byte { return nil }, passport.ErrLength},
		{"a byte less", func(b []byte) []byte { return b[:133] }, passport.ErrLength},
		{"a byte more", func(b []byte) []byte { return append(b, 0) }, passport.ErrLength},
		{"version 0", func(b []byte) []byte { b[0] = 0; return b }, passport.ErrVersion},
		{"version 2", func(b []byte) []byte { b[0] = 2; return b }, passport.ErrVersion},
		{"chain 0", func(b []byte) []byte { clear(b[chain:registry]); return b }, passport.ErrDomain},
		{"registry 0", func(b []byte) []byte { clear(b[registry:number]); return b }, passport.ErrDomain},
		{"passport 0", func(b []byte) []byte { clear(b[number:point]); return b }, passport.ErrPassport},
		{"no point", func(b []byte) []byte { clear(b[point:r]); return b }, passport.ErrPoint},
		{"prefix 4", func(b []byte) []byte { b[point] = 4; return b }, passport.ErrPoint},
		{"r zero", func(b []byte) []byte { clear(b[r:s]); return b }, passport.ErrSignatureRange},
		{"r of n", func(b []byte) []byte { copy(b[r:], n[:]); return b }, passport.ErrSignatureRange},
		{"s zero", func(b []byte) []byte { clear(b[s:]); return b }, passport.ErrSignatureRange},
		{"s high", func(b []byte) []byte { copy(b[s:], half); return b }, passport.ErrHighS},
	} {
		good, _ := signedRevocation(t)
		raw, _ := good.MarshalBinary()
		if _, err := passport.ParseSignedRevocation(c.change(raw)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzParseSignedRevocation: what is accepted is given back byte for byte.
func FuzzParseSignedRevocation(f *testing.F) {
	s, _ := signedRevocation(f)
	raw, _ := s.MarshalBinary()
	f.Add(raw)
	f.Add(raw[1:])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := passport.ParseSignedRevocation(b)
		if err != nil {
			return
		}
		if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
		_, _ = s.Verify([]passport.Domain{s.Domain})
	})
}
