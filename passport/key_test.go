package passport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

func TestKeyKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  passport.KeyKind
		name  string
		curve passport.Curve
		card  bool
	}{
		{1, "halo", passport.Secp256k1, true},
		{2, "keycard", passport.Secp256k1, true},
		{3, "phone", passport.P256, false},
		{4, "software", passport.Secp256k1, false},
	} {
		if c.kind.String() != c.name || c.kind.Curve() != c.curve || c.kind.Card() != c.card {
			t.Errorf("%d: %s, curve %d, card %v", c.kind, c.kind, c.kind.Curve(), c.kind.Card())
		}
		if k, err := passport.ParseKeyKind(c.name); k != c.kind || err != nil {
			t.Errorf("%s: %d, %v", c.name, k, err)
		}
	}
	for _, s := range []string{"", "Halo", "halo ", "kind(5)", "card"} {
		if _, err := passport.ParseKeyKind(s); !errors.Is(err, passport.ErrKeyKind) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, k := range []passport.KeyKind{0, 5, 255} {
		if k.Curve() != 0 || k.Card() || !strings.HasPrefix(k.String(), "kind(") {
			t.Errorf("kind %d is known", k)
		}
	}
}

func TestParseKeyMalformed(t *testing.T) {
	t.Parallel()
	k1, r1 := softKey(t, passport.KindSoftware, 1).Key(), softKey(t, passport.KindPhone, 1).Key()
	raw := func(kind byte, point []byte) []byte { return append([]byte{kind}, point...) }
	changed := func(p [33]byte, i int, v byte) []byte { p[i] = v; return p[:] }
	over := unhex(t, "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30") // p + 1 on secp256k1
	overP256 := unhex(t, "02ffffffff00000001000000000000000000000000ffffffffffffffffffffffff")
	off := unhex(t, "020000000000000000000000000000000000000000000000000000000000000005") // no such x on either
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, passport.ErrKeyLength},
		{"kind alone", []byte{4}, passport.ErrKeyLength},
		{"one byte less", raw(4, k1.Point[:32]), passport.ErrKeyLength},
		{"one byte more", raw(4, append(k1.Point[:], 0)), passport.ErrKeyLength},
		{"kind 0", raw(0, k1.Point[:]), passport.ErrKeyKind},
		{"kind 5", raw(5, k1.Point[:]), passport.ErrKeyKind},
		{"point at infinity", raw(4, make([]byte, 33)), passport.ErrPoint},
		{"uncompressed prefix", raw(4, changed(k1.Point, 0, 4)), passport.ErrPoint},
		{"hybrid prefix", raw(4, changed(k1.Point, 0, 6)), passport.ErrPoint},
		{"x above p, secp256k1", raw(4, over), passport.ErrPoint},
		{"x of p, P-256", raw(3, overP256), passport.ErrPoint},
		{"x off secp256k1", raw(1, off), passport.ErrPoint},
		{"P-256 prefix", raw(3, changed(r1.Point, 0, 5)), passport.ErrPoint},
	} {
		if _, err := passport.ParseKey(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, n := range []int{0, 32, 34, 64, 66} {
		if _, err := passport.NewKey(passport.KindPhone, make([]byte, n)); !errors.Is(err, passport.ErrKeyLength) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestKeyFromUncompressed: cards reply with 65 bytes; both forms are one key,
// and 65 bytes off the curve or hybrid are none.
func TestKeyFromUncompressed(t *testing.T) {
	t.Parallel()
	secp, err := crypto.ToECDSA(unhex(t, strings.Repeat("11", 32)))
	if err != nil {
		t.Fatal(err)
	}
	r1, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), unhex(t, strings.Repeat("11", 32)))
	if err != nil {
		t.Fatal(err)
	}
	r1bytes, err := r1.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for kind, long := range map[passport.KeyKind][]byte{
		passport.KindHalo:  crypto.FromECDSAPub(&secp.PublicKey),
		passport.KindPhone: r1bytes,
	} {
		k, err := passport.NewKey(kind, long)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := passport.NewKey(kind, k.Point[:]); err != nil || again != k {
			t.Errorf("%s: compressed %v, %v", kind, again, err)
		}
		if kind == passport.KindHalo && [33]byte(crypto.CompressPubkey(&secp.PublicKey)) != k.Point {
			t.Errorf("compressed as %x", k.Point)
		}
		long[64] ^= 1
		if _, err := passport.NewKey(kind, long); !errors.Is(err, passport.ErrPoint) {
			t.Errorf("%s, y changed: %v", kind, err)
		}
		long[64] ^= 1
		long[0] = 6 | long[64]&1
		if _, err := passport.NewKey(kind, long); !errors.Is(err, passport.ErrPoint) {
			t.Errorf("%s, hybrid: %v", kind, err)
		}
	}
}

func TestKeyForms(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		k := softKey(t, kind, 7).Key()
		b, _ := k.MarshalBinary()
		var fromBinary, fromText passport.Key
		if err := fromBinary.UnmarshalBinary(b); err != nil || fromBinary != k || len(b) != passport.KeySize {
			t.Errorf("%s: binary %x, %v", kind, b, err)
		}
		text, err := k.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := fromText.UnmarshalText(text); err != nil || fromText != k {
			t.Errorf("%s: text %s, %v", kind, text, err)
		}
	}
	if _, err := (passport.Key{}).MarshalText(); !errors.Is(err, passport.ErrKeyKind) {
		t.Errorf("zero key: %v", err)
	}
}

func TestKeyTextMalformed(t *testing.T) {
	t.Parallel()
	point := softKey(t, passport.KindHalo, 1).Key().Point
	digits := hex.EncodeToString(point[:])
	for _, c := range []struct {
		text string
		want error
	}{
		{"", passport.ErrKeyText},
		{digits, passport.ErrKeyText},
		{"halo", passport.ErrKeyText},
		{":" + digits, passport.ErrKeyKind},
		{"HALO:" + digits, passport.ErrKeyKind},
		{"card:" + digits, passport.ErrKeyKind},
		{"halo:", passport.ErrKeyText},
		{"halo:" + digits[2:], passport.ErrKeyText},
		{"halo:" + digits + "00", passport.ErrKeyText},
		{"halo:" + digits + "\n", passport.ErrKeyText},
		{"halo:" + strings.ToUpper(digits), passport.ErrKeyText},
		{"halo:0x" + digits[2:], passport.ErrKeyText},
		{"halo:zz" + digits[2:], passport.ErrKeyText},
		{"halo:05" + digits[2:], passport.ErrPoint},
	} {
		k := passport.Key{Kind: 9}
		if err := k.UnmarshalText([]byte(c.text)); !errors.Is(err, c.want) || k.Kind != 9 {
			t.Errorf("%q: %v, %v", c.text, err, k)
		}
	}
}

func TestIDText(t *testing.T) {
	t.Parallel()
	type all struct {
		C passport.CommunityID
		N passport.NodeID
		T passport.Target
		K passport.KeyID
	}
	v := all{passport.CommunityID{1, 31: 2}, passport.NodeID{3}, passport.Target{4}, passport.KeyID{5}}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var again all
	if err := json.Unmarshal(b, &again); err != nil || again != v {
		t.Errorf("%s: %v", b, err)
	}
	if v.C.Short() != [8]byte{1} || v.T.Short() != [8]byte{4} || v.K.Short() != [8]byte{5} {
		t.Error("short ids are not the first 8 bytes")
	}
	good := v.C.String()
	for _, s := range []string{"", good[1:], good + "0", "0x" + good[2:], "g" + good[1:], strings.Replace(good, "0", "A", 1), good[:63] + " "} {
		var c passport.CommunityID
		if err := c.UnmarshalText([]byte(s)); !errors.Is(err, passport.ErrID) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestKeyIDKindless: one key, one claim, whatever kind it is said to be.
func TestKeyIDKindless(t *testing.T) {
	t.Parallel()
	k := softKey(t, passport.KindHalo, 1).Key()
	other := k
	other.Kind = passport.KindSoftware
	if k.ID() != other.ID() {
		t.Error("the kind changes the id")
	}
}
