package passport_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"pgregory.net/rapid"
	"tombolo/passport"
)

var testDomain = passport.Domain{ChainID: 1337, Registry: [20]byte{1, 19: 2}}

func delegation(t testing.TB, kind passport.KeyKind) (passport.Delegation, *passport.SoftKey) {
	key := softKey(t, kind, 11)
	return passport.Delegation{
		Passport: 17, Key: key.Key(), NotBefore: 1000, NotAfter: 2000, Mode: passport.ModeTap,
	}, key
}

func TestDelegationValidate(t *testing.T) {
	t.Parallel()
	type D = passport.Delegation
	for _, c := range []struct {
		name   string
		kind   passport.KeyKind
		change func(*D)
		want   error
	}{
		{"halo", passport.KindHalo, func(d *D) {}, nil},
		{"keycard", passport.KindKeycard, func(d *D) {}, nil},
		{"phone", passport.KindPhone, func(d *D) { d.Mode = passport.ModeTap | passport.ModeWindow }, nil},
		{"software", passport.KindSoftware, func(d *D) { d.Mode = passport.ModeWindow }, nil},
		{"one second", passport.KindHalo, func(d *D) { d.NotAfter = d.NotBefore + 1 }, nil},
		{"for ever", passport.KindHalo, func(d *D) { d.NotBefore, d.NotAfter = 0, 1<<64-1 }, nil},
		{"passport 0", passport.KindHalo, func(d *D) { d.Passport = 0 }, passport.ErrPassport},
		{"kind 0", passport.KindHalo, func(d *D) { d.Key.Kind = 0 }, passport.ErrKeyKind},
		{"kind 5", passport.KindHalo, func(d *D) { d.Key.Kind = 5 }, passport.ErrKeyKind},
		{"no point", passport.KindHalo, func(d *D) { d.Key.Point = [33]byte{} }, passport.ErrPoint},
		{"uncompressed point", passport.KindPhone, func(d *D) { d.Key.Point[0] = 4 }, passport.ErrPoint},
		{"no time", passport.KindHalo, func(d *D) { d.NotAfter = d.NotBefore }, passport.ErrValidity},
		{"ends before it begins", passport.KindHalo, func(d *D) { d.NotAfter = 1 }, passport.ErrValidity},
		{"no mode", passport.KindHalo, func(d *D) { d.Mode = 0 }, passport.ErrMode},
		{"mode 4", passport.KindSoftware, func(d *D) { d.Mode = 4 }, passport.ErrMode},
		{"mode 7", passport.KindSoftware, func(d *D) { d.Mode = 7 }, passport.ErrMode},
		{"halo for windows", passport.KindHalo, func(d *D) { d.Mode = passport.ModeWindow }, passport.ErrCardWindow},
		{"keycard for both", passport.KindKeycard, func(d *D) { d.Mode = 3 }, passport.ErrCardWindow},
	} {
		d, _ := delegation(t, c.kind)
		c.change(&d)
		if err := d.Validate(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		_, err := d.TypedData(testDomain)
		if !errors.Is(err, c.want) {
			t.Errorf("%s before a wallet: %v", c.name, err)
		}
		if _, err := passport.SignDelegation(wallet(t, [32]byte{1}), testDomain, d); !errors.Is(err, c.want) {
			t.Errorf("%s signed: %v", c.name, err)
		}
	}
	d, _ := delegation(t, passport.KindHalo)
	for _, dom := range []passport.Domain{{}, {ChainID: 1}, {Registry: [20]byte{1}}} {
		if _, err := d.TypedData(dom); !errors.Is(err, passport.ErrDomain) {
			t.Errorf("%v: %v", dom, err)
		}
		if _, err := passport.SignDelegation(wallet(t, [32]byte{1}), dom, d); !errors.Is(err, passport.ErrDomain) {
			t.Errorf("%v signed: %v", dom, err)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for m, name := range map[passport.Mode]string{1: "tap", 2: "window", 3: "tap+window", 0: "mode(0)", 4: "mode(4)"} {
		if m.String() != name {
			t.Errorf("%d: %s", m, m)
		}
		got, err := passport.ParseMode(name)
		if known := m >= 1 && m <= 3; known && (got != m || err != nil) || !known && !errors.Is(err, passport.ErrMode) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	for _, s := range []string{"", "Tap", "window+tap", "tap,window", "tap "} {
		if _, err := passport.ParseMode(s); !errors.Is(err, passport.ErrMode) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if both := passport.Mode(3); !both.Has(passport.ModeTap) || !both.Has(both) || passport.ModeTap.Has(both) {
		t.Error("Has is not containment")
	}
}

func TestDelegationCovers(t *testing.T) {
	t.Parallel()
	home, away := passport.NodeID{1}, passport.NodeID{2}
	for _, c := range []struct {
		name  string
		scope passport.Target
		node  passport.NodeID
		door  string
		want  bool
	}{
		{"community", passport.Target{}, away, "back", true},
		{"node", passport.NodeTarget(home), home, "back", true},
		{"another node", passport.NodeTarget(home), away, "back", false},
		{"door", passport.DoorTarget(home, "front"), home, "front", true},
		{"another door", passport.DoorTarget(home, "front"), home, "back", false},
		{"that door of another node", passport.DoorTarget(home, "front"), away, "front", false},
		{"a node by its bare id", passport.Target(home), home, "front", false},
		{"a door without a name is not its node", passport.DoorTarget(home, ""), home, "front", false},
	} {
		if got := (passport.Delegation{Scope: c.scope}).Covers(c.node, c.door); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestDigestIsApitypes: the digest written out by hand is what go-ethereum makes
// of the JSON that a wallet is given.
func TestDigestIsApitypes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dom := drawDomain(t)
		d, _ := drawDelegation(t)
		text, err := d.TypedData(dom)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.Digest(dom), apitypesDigest(t, text); got != want {
			t.Fatalf("digest %x, apitypes %x of\n%s", got, want, text)
		}
		r := passport.Revocation{Passport: d.Passport, Point: d.Key.Point}
		if text, err = r.TypedData(dom); err != nil {
			t.Fatal(err)
		}
		if got, want := r.Digest(dom), apitypesDigest(t, text); got != want {
			t.Fatalf("revocation %x, apitypes %x of\n%s", got, want, text)
		}
	})
}

func apitypesDigest(t *rapid.T, text []byte) [32]byte {
	var td apitypes.TypedData
	if err := json.Unmarshal(text, &td); err != nil {
		t.Fatal(err)
	}
	hash, _, err := apitypes.TypedDataAndHash(td)
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(hash)
}

// TestDigestBindsEveryField: changing any one changes the digest.
func TestDigestBindsEveryField(t *testing.T) {
	t.Parallel()
	type (
		D = *passport.Delegation
		M = *passport.Domain
	)
	seen := map[[32]byte]int{}
	for i, c := range []func(D, M){
		func(d D, m M) {},
		func(d D, m M) { m.ChainID++ },
		func(d D, m M) { m.Registry[19]++ },
		func(d D, m M) { d.Passport++ },
		func(d D, m M) { d.Key.Kind = passport.KindSoftware },
		func(d D, m M) { d.Key.Point[0] ^= 1 },
		func(d D, m M) { d.Key.Point[32] ^= 1 },
		func(d D, m M) { d.NotBefore++ },
		func(d D, m M) { d.NotAfter++ },
		func(d D, m M) { d.Scope[31]++ },
		func(d D, m M) { d.Mode = passport.ModeWindow },
	} {
		d, _ := delegation(t, passport.KindHalo)
		dom := testDomain
		c(&d, &dom)
		digest := d.Digest(dom)
		if j, ok := seen[digest]; ok {
			t.Errorf("changes %d and %d share a digest", i, j)
		}
		seen[digest] = i
	}
}

func TestDigestAllocations(t *testing.T) {
	d, _ := delegation(t, passport.KindHalo)
	if n := testing.AllocsPerRun(100, func() { d.Digest(testDomain) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

// TestTypedDataShowsWords: a wallet shows the kind and the mode as words, and
// numbers survive JavaScript.
func TestTypedDataShowsWords(t *testing.T) {
	t.Parallel()
	d, _ := delegation(t, passport.KindPhone)
	d.NotAfter = 1<<64 - 1
	d.Mode = 3
	text, err := d.TypedData(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"keyKind": "phone"`, `"mode": "tap+window"`, `"notAfter": "18446744073709551615"`, `"chainId": "1337"`, `"primaryType": "Delegation"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
