package passport_test

import (
	"crypto/ecdsa"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"
	"tombolo/passport"
)

var kinds = []passport.KeyKind{passport.KindHalo, passport.KindKeycard, passport.KindPhone, passport.KindSoftware}

// source is a random source that a test repeats from its seed.
func source(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], seed)
	return rand.NewChaCha8(s)
}

func softKey(t testing.TB, kind passport.KeyKind, seed uint64) *passport.SoftKey {
	t.Helper()
	k, err := passport.GenerateSoftKey(kind, source(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifier(t testing.TB, k passport.Key) passport.Verifier {
	t.Helper()
	v, err := passport.NewVerifier(k)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wallet(t testing.TB, d [32]byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(d[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// highS is the other encoding of a signature, by big.Int.
func highS(c passport.Curve, s passport.Signature) passport.Signature {
	n := c.Order()
	v := new(big.Int).Sub(new(big.Int).SetBytes(n[:]), new(big.Int).SetBytes(s[32:]))
	v.FillBytes(s[32:])
	return s
}

func bytes32(t *rapid.T, label string) (v [32]byte) {
	copy(v[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
	return v
}

func drawDomain(t *rapid.T) (d passport.Domain) {
	d.ChainID = rapid.Uint64Min(1).Draw(t, "chain")
	copy(d.Registry[:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "registry"))
	d.Registry[0] |= 1
	return d
}

// drawDelegation gives a valid delegation and its door key.
func drawDelegation(t *rapid.T) (passport.Delegation, *passport.SoftKey) {
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	key, err := passport.GenerateSoftKey(kind, source(rapid.Uint64().Draw(t, "key seed")))
	if err != nil {
		t.Fatal(err)
	}
	modes := []passport.Mode{passport.ModeTap, passport.ModeWindow, passport.ModeTap | passport.ModeWindow}
	if kind.Card() {
		modes = modes[:1]
	}
	d := passport.Delegation{
		Passport:  passport.ID(rapid.Uint64Min(1).Draw(t, "passport")),
		Key:       key.Key(),
		NotBefore: rapid.Uint64Max(1<<64-2).Draw(t, "not before"),
		Mode:      rapid.SampledFrom(modes).Draw(t, "mode"),
	}
	d.NotAfter = rapid.Uint64Min(d.NotBefore+1).Draw(t, "not after")
	if rapid.Bool().Draw(t, "scoped") {
		d.Scope = bytes32(t, "scope")
	}
	return d, key
}
