package passport_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"
	"tombolo/passport"
)

// TestCompactSignature: all that a wallet may return for one signature becomes
// the same 64 bytes, which recover the wallet.
func TestCompactSignature(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed, digest := bytes32(t, "wallet"), bytes32(t, "digest")
		seed[0], seed[31] = seed[0]&0x7f, seed[31]|1
		w, err := crypto.ToECDSA(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		rsv, err := crypto.Sign(digest[:], w)
		if err != nil {
			t.Fatal(err)
		}
		want, err := passport.CompactSignature(rsv)
		if err != nil {
			t.Fatal(err)
		}
		high := highS(passport.Secp256k1, passport.Signature(rsv[:64]))
		for name, form := range map[string][]byte{
			"compact":          want[:],
			"v of 27 or 28":    append(bytes.Clone(rsv[:64]), rsv[64]+27),
			"high s":           append(bytes.Clone(high[:]), rsv[64]^1),
			"high s, 27 or 28": append(bytes.Clone(high[:]), rsv[64]^1+27),
		} {
			if got, err := passport.CompactSignature(form); err != nil || got != want {
				t.Fatalf("%s: %x, %v", name, got, err)
			}
		}
		signer, err := passport.RecoverWallet(digest, want)
		if err != nil || signer != crypto.PubkeyToAddress(w.PublicKey) {
			t.Fatalf("signer %x, %v", signer, err)
		}
		want[32] ^= 0x80
		if signer, err := passport.RecoverWallet(digest, want); err == nil && signer == crypto.PubkeyToAddress(w.PublicKey) {
			t.Fatal("the parity does not matter")
		}
	})
}

func TestCompactSignatureMalformed(t *testing.T) {
	t.Parallel()
	n := passport.Secp256k1.Order()
	good := append(bytes.Repeat([]byte{1}, 64), 27)
	with := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	var zero [32]byte
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, passport.ErrSignatureLength},
		{"63 bytes", good[:63], passport.ErrSignatureLength},
		{"66 bytes", append(bytes.Clone(good), 0), passport.ErrSignatureLength},
		{"DER", unhex(t, "3006020101020101"), passport.ErrSignatureLength},
		{"v of 2", with(64, 2), passport.ErrParity},
		{"v of 26", with(64, 26), passport.ErrParity},
		{"v of 29", with(64, 29), passport.ErrParity},
		{"v of EIP-155", with(64, 37), passport.ErrParity},
		{"r zero", with(0, zero[:]...), passport.ErrSignatureRange},
		{"r of n", with(0, n[:]...), passport.ErrSignatureRange},
		{"s zero", with(32, zero[:]...), passport.ErrSignatureRange},
		{"s of n", with(32, n[:]...), passport.ErrSignatureRange},
		{"compact, s zero with parity", with(32, append([]byte{0x80}, zero[1:]...)...)[:64], passport.ErrSignatureRange},
		{"compact, r of n", with(0, n[:]...)[:64], passport.ErrSignatureRange},
	} {
		if _, err := passport.CompactSignature(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := passport.CompactSignature(good); err != nil {
		t.Errorf("the case that the others change: %v", err)
	}
}

// TestCompactSignatureFlips the one compact form that can be high: s between
// n/2 and 2²⁵⁵.
func TestCompactSignatureFlips(t *testing.T) {
	t.Parallel()
	high := append(bytes.Repeat([]byte{1}, 32), unhex(t, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1")...)
	low := append(bytes.Repeat([]byte{1}, 32), unhex(t, "ffffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")...)
	got, err := passport.CompactSignature(high)
	if err != nil || !bytes.Equal(got[:], low) {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := passport.RecoverWallet([32]byte{}, [64]byte(high)); !errors.Is(err, passport.ErrHighS) {
		t.Errorf("recovered from a high s: %v", err)
	}
}

// TestRecoverNobody: an r that is no point's x.
func TestRecoverNobody(t *testing.T) {
	t.Parallel()
	if _, err := passport.RecoverWallet([32]byte{1}, [64]byte{31: 5, 63: 1}); !errors.Is(err, passport.ErrRecover) {
		t.Errorf("%v", err)
	}
}
