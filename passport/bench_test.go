package passport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

// BenchmarkVerify: a kept Verifier and a Key used once, of each kind, beside the
// bare primitive of its curve.
func BenchmarkVerify(b *testing.B) {
	c := sha256.Sum256([]byte("challenge"))
	for _, kind := range kinds {
		key := softKey(b, kind, 1)
		sig, err := key.Sign(c)
		if err != nil {
			b.Fatal(err)
		}
		v, k := verifier(b, key.Key()), key.Key()
		digest := passport.SignedDigest(kind, c)
		b.Run(kind.String()+"/verifier", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Verify(c, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind.String()+"/key", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := k.Verify(c, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind.String()+"/primitive", func(b *testing.B) {
			b.ReportAllocs()
			if kind.Curve() == passport.Secp256k1 {
				for b.Loop() {
					if !crypto.VerifySignature(k.Point[:], digest[:], sig[:]) {
						b.Fatal("does not verify")
					}
				}
				return
			}
			x, y := elliptic.UnmarshalCompressed(elliptic.P256(), k.Point[:])
			pub, der := ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}, sig.AppendDER(nil)
			for b.Loop() {
				if !ecdsa.VerifyASN1(&pub, digest[:], der) {
					b.Fatal("does not verify")
				}
			}
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	d, _ := delegation(b, passport.KindPhone)
	b.ReportAllocs()
	for b.Loop() {
		d.Digest(testDomain)
	}
}

// BenchmarkSignedDelegation: parse and verify, as when an entry is projected.
func BenchmarkSignedDelegation(b *testing.B) {
	for _, kind := range kinds {
		s, _ := signed(b, kind)
		raw, _ := s.MarshalBinary()
		b.Run(kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := passport.ParseSignedDelegation(raw)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Verify([]passport.Domain{testDomain}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWindow: parse and verify one code.
func BenchmarkWindow(b *testing.B) {
	for _, kind := range windowKinds {
		w, key := window(b, kind)
		raw, _ := w.MarshalBinary()
		v, s := verifier(b, key.Key()), statement()
		b.Run(kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w, err := passport.ParseWindow(raw)
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Verify(v, s.Community, s.Target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
