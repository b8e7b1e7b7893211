package passport_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"
	"tombolo/passport"
)

var curves = []passport.Curve{passport.Secp256k1, passport.P256}

// der makes DER of two integers' content octets, without looking at them.
func der(r, s []byte) []byte {
	b := []byte{0x30, byte(4 + len(r) + len(s)), 0x02, byte(len(r))}
	b = append(b, r...)
	b = append(b, 0x02, byte(len(s)))
	return append(b, s...)
}

// integer is a value's content octets.
func integer(v *big.Int) []byte {
	b := v.Bytes()
	if len(b) == 0 || b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}

func TestParseDERMalformed(t *testing.T) {
	t.Parallel()
	one := []byte{1}
	n := passport.Secp256k1.Order()
	order := append([]byte{0}, n[:]...)
	long := append([]byte{1}, make([]byte, 32)...)
	for _, c := range []struct {
		name string
		der  []byte
		want error
	}{
		{"nothing", nil, passport.ErrDERLength},
		{"tag alone", []byte{0x30}, passport.ErrDERLength},
		{"73 bytes", make([]byte, 73), passport.ErrDERLength},
		{"set instead of sequence", append([]byte{0x31}, der(one, one)[1:]...), passport.ErrDERTag},
		{"sequence too short", append(der(one, one), 0), passport.ErrDERLength},
		{"sequence too long", der(one, one)[:7], passport.ErrDERLength},
		{"long form of length", []byte{0x30, 0x81, 0x06, 2, 1, 1, 2, 1, 1}, passport.ErrDERLength},
		{"indefinite length", []byte{0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0}, passport.ErrDERLength},
		{"empty sequence", []byte{0x30, 0}, passport.ErrDERLength},
		{"r is a bit string", []byte{0x30, 6, 3, 1, 1, 2, 1, 1}, passport.ErrDERTag},
		{"s is an octet string", []byte{0x30, 6, 2, 1, 1, 4, 1, 1}, passport.ErrDERTag},
		{"r longer than the rest", []byte{0x30, 6, 2, 5, 1, 2, 1, 1}, passport.ErrDERLength},
		{"s missing", []byte{0x30, 3, 2, 1, 1}, passport.ErrDERLength},
		{"s longer than the rest", []byte{0x30, 6, 2, 1, 1, 2, 2, 1}, passport.ErrDERLength},
		{"a third integer", []byte{0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1}, passport.ErrDERLength},
		{"r empty", der(nil, one), passport.ErrDERInteger},
		{"r negative", der([]byte{0x80}, one), passport.ErrDERInteger},
		{"s negative", der(one, []byte{0xff, 1}), passport.ErrDERInteger},
		{"r with a needless zero", der([]byte{0, 1}, one), passport.ErrDERInteger},
		{"s with two zeros", der(one, []byte{0, 0, 0x80}), passport.ErrDERInteger},
		{"r of 257 bits", der(long, one), passport.ErrDERInteger},
		{"r zero", der([]byte{0}, one), passport.ErrSignatureRange},
		{"s zero", der(one, []byte{0}), passport.ErrSignatureRange},
		{"r zero once reduced", der(order, one), passport.ErrSignatureRange},
		{"s zero once reduced", der(one, order), passport.ErrSignatureRange},
	} {
		if _, err := passport.ParseDER(passport.Secp256k1, c.der); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestParseDERReduces against big.Int, for any r and s of 256 bits.
func TestParseDERReduces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		curve := rapid.SampledFrom(curves).Draw(t, "curve")
		order := curve.Order()
		n := new(big.Int).SetBytes(order[:])
		draw := func(label string) *big.Int {
			b := bytes32(t, label)
			if rapid.Bool().Draw(t, label+" near the order") {
				v := new(big.Int).Add(n, big.NewInt(rapid.Int64Range(-2, 2).Draw(t, label+" offset")))
				v.FillBytes(b[:])
			}
			return new(big.Int).SetBytes(b[:])
		}
		r, s := draw("r"), draw("s")
		sig, err := passport.ParseDER(curve, der(integer(r), integer(s)))
		r.Mod(r, n)
		s.Mod(s, n)
		if r.Sign() == 0 || s.Sign() == 0 {
			if !errors.Is(err, passport.ErrSignatureRange) {
				t.Fatalf("zero: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if new(big.Int).SetBytes(sig[:32]).Cmp(r) != 0 || new(big.Int).SetBytes(sig[32:]).Cmp(s) != 0 {
			t.Fatalf("got %s", sig)
		}
		half := new(big.Int).Rsh(n, 1)
		if sig.HighS(curve) != (s.Cmp(half) > 0) {
			t.Fatalf("s %x: high %v", s, sig.HighS(curve))
		}
		low := sig.NormalizeLowS(curve)
		want := s
		if s.Cmp(half) > 0 {
			want = new(big.Int).Sub(n, s)
		}
		if new(big.Int).SetBytes(low[32:]).Cmp(want) != 0 || low.HighS(curve) || !bytes.Equal(low[:32], sig[:32]) {
			t.Fatalf("low %s", low)
		}
	})
}

// FuzzParseDER: what is accepted and was reduced is given back byte for byte;
// anything else accepted is still in range.
func FuzzParseDER(f *testing.F) {
	n := passport.Secp256k1.Order()
	f.Add(true, der([]byte{1}, []byte{1}))
	f.Add(false, der(append([]byte{0}, n[:]...), []byte{0x7f}))
	f.Add(true, der(append([]byte{0}, bytes.Repeat([]byte{0xff}, 32)...), append([]byte{0}, bytes.Repeat([]byte{0xff}, 32)...)))
	f.Fuzz(func(t *testing.T, p256 bool, b []byte) {
		curve := passport.Secp256k1
		if p256 {
			curve = passport.P256
		}
		sig, err := passport.ParseDER(curve, b)
		if err != nil {
			return
		}
		again := sig.AppendDER(nil)
		if second, err := passport.ParseDER(curve, again); err != nil || second != sig {
			t.Fatalf("%x is not what it encodes to: %v", b, err)
		}
		order := curve.Order()
		reduced := true
		for v, rest := derContent(b[2:]); v != nil; v, rest = derContent(rest) {
			reduced = reduced && new(big.Int).SetBytes(v).Cmp(new(big.Int).SetBytes(order[:])) < 0
		}
		if reduced != bytes.Equal(again, b) {
			t.Fatalf("%x encodes to %x, reduced %v", b, again, reduced)
		}
	})
}

func derContent(b []byte) (v, rest []byte) {
	if len(b) < 2 {
		return nil, nil
	}
	return b[2 : 2+b[1]], b[2+b[1]:]
}
