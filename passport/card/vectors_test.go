package card

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/passport/vectortest"
)

// TestPublishedReplies: what real cards said goes through the parsers whole, and
// the published chains hold.
func TestPublishedReplies(t *testing.T) {
	t.Parallel()
	cases := vectortest.Load(t, "card.txt", 3)
	c := cases[0]
	s := script{[][]byte{append(c.Hex(t, "reply"), 0x90, 0x00)}}.play()
	key, sig, r, err := haloSign(s, c.Hex32(t, "challenge"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.sent[0]; !bytes.Equal(got, c.Hex(t, "command")) {
		t.Errorf("command %x", got)
	}
	if !bytes.Equal(key.Point[:], c.Hex(t, "point")) || !bytes.Equal(sig[:], c.Hex(t, "signature")) {
		t.Errorf("key %s, signature %s", key, sig)
	}
	if err := key.Verify(c.Hex32(t, "challenge"), sig); err != nil {
		t.Error(err)
	}
	if err := haloAttested(r.pk, r.attestation, MakersRoots().Halo); c.Text(t, "attested") != "no" || !errors.Is(err, errRoot) {
		t.Errorf("attestation: %v", err)
	}
	c.Done(t)

	c = cases[1]
	roots := [][33]byte{[33]byte(c.Hex(t, "root"))}
	if !slices.Equal(roots, MakersRoots().Halo) {
		t.Error("the published root is not ours")
	}
	if err := haloAttested(c.Hex(t, "pk2"), c.Hex(t, "attestation"), roots); err != nil {
		t.Error(err)
	}
	c.Done(t)

	c = cases[2]
	roots = [][33]byte{[33]byte(c.Hex(t, "root"))}
	cert, _, err := parseIdentity(c.Hex(t, "reply"))
	if err != nil || !bytes.Equal(cert.key[:], c.Hex(t, "identity")) {
		t.Errorf("identity %x, %v", cert.key, err)
	}
	for _, tt := range []struct {
		name      string
		roots     [][33]byte
		challenge [32]byte
		want      error
	}{
		{"whole chain", roots, c.Hex32(t, "challenge"), nil},
		{"among others", append(MakersRoots().Keycard, roots...), c.Hex32(t, "challenge"), nil},
		{"another maker", MakersRoots().Keycard, c.Hex32(t, "challenge"), errRoot},
		{"another challenge", roots, [32]byte{}, errImpostor},
	} {
		if err := keycardGenuine(c.Hex(t, "reply"), nil, tt.roots, tt.challenge); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	c.Done(t)
}

// TestHaloVectors: the five signatures of real chips, through the code that
// reads them from a chip.
func TestHaloVectors(t *testing.T) {
	t.Parallel()
	cases := vectortest.Load(t, "halo.txt", 5)
	key := func(c *vectortest.Case) passport.Key {
		k, err := point(passport.KindHalo, c.Hex(t, "key"))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	answer := func(c *vectortest.Case, before []byte) *played {
		return script{[][]byte{slices.Concat(before, c.Hex(t, "der"), c.Hex(t, "key"), []byte{0x90, 0x00})}}.play()
	}

	c := cases[0] // sign challenge, slot 2
	got, sig, _, err := haloSign(answer(c, nil), c.Hex32(t, "payload"))
	if err != nil || got != key(c) {
		t.Fatalf("%s: %s, %v", c.Name, got, err)
	}
	if err := got.Verify(c.Hex32(t, "payload"), sig); err != nil {
		t.Errorf("%s: %v", c.Name, err)
	}

	c = cases[1] // sign random, slot 2
	chip := haloChip{t: answer(c, c.Hex(t, "payload")), info: Info{Key: key(c)}, pk2: c.Hex(t, "key")}
	if err := chip.counter(); err != nil || chip.info.Genuine != nil {
		t.Errorf("%s: %v, %v", c.Name, err, chip.info.Genuine)
	}
	if want := []Detail{{"counter", "3"}}; !slices.Equal(chip.info.Details, want) {
		t.Errorf("%s: %v", c.Name, chip.info.Details)
	}
	if string(c.Hex(t, "prefix")) != haloCounterPrefix {
		t.Errorf("%s: another prefix", c.Name)
	}

	c = cases[2] // sign digest, slot 1: never asked for, read all the same
	r, err := parseHaloAnswer(slices.Concat(c.Hex(t, "der"), c.Hex(t, "key")))
	if err != nil {
		t.Fatal(err)
	}
	if sig, err = signature(r.der); err != nil || !signedByOne([][33]byte{key(c).Point}, c.Hex32(t, "digest"), sig) {
		t.Errorf("%s: %v", c.Name, err)
	}

	c = cases[3] // attestation of pk2 by the root
	if string(c.Hex(t, "prefix")) != haloRootPrefix {
		t.Errorf("%s: another prefix", c.Name)
	}
	for _, form := range []string{"02a0", "02a1"} {
		if err := haloAttested(c.Hex(t, "payload"), append(unhex(form), c.Hex(t, "der")...), MakersRoots().Halo); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}

	c = cases[4] // attestation of slot 1's key by that pk2
	if string(c.Hex(t, "prefix")) != haloKeyPrefix || !bytes.Equal(c.Hex(t, "key"), cases[3].Hex(t, "payload")) {
		t.Errorf("%s: another prefix or key", c.Name)
	}
	pk1 := c.Hex(t, "payload")[1:]
	info := slices.Concat([]byte{1, haloFormat2, 0}, pk1, c.Hex(t, "der"), []byte{0x90, 0x00})
	chip = haloChip{t: script{[][]byte{info}}.play(), info: Info{Key: key(c)}, pk2: c.Hex(t, "key")}
	if err := chip.slot1(pk1); err != nil || !slices.Equal(chip.info.Details, []Detail{{"slot 1 attested", "by slot 2"}}) {
		t.Errorf("%s: %v, %v", c.Name, err, chip.info.Details)
	}
}

func TestHaloAttestedRefuses(t *testing.T) {
	t.Parallel()
	c := vectortest.Load(t, "card.txt", 3)[1]
	pk2, good, roots := c.Hex(t, "pk2"), c.Hex(t, "attestation"), MakersRoots().Halo
	for _, tt := range []struct {
		name string
		pk2  []byte
		b    []byte
		root [][33]byte
		want error
	}{
		{"none", pk2, nil, roots, errUnsigned},
		{"one byte", pk2, good[:1], roots, errProofForm},
		{"form alone", pk2, good[:2], roots, errProofForm},
		{"no form", pk2, good[2:], roots, errProofForm},
		{"form of another version", pk2, with(good, 0, "03"), roots, errProofForm},
		{"form of another batch", pk2, with(good, 1, "a2"), roots, errProofForm},
		{"cut off", pk2, good[:len(good)-1], roots, errProofForm},
		{"a byte more", pk2, append(slices.Clone(good), 0), roots, errProofForm},
		{"r negative", pk2, with(good, 6, "80"), roots, passport.ErrDERInteger},
		{"another r", pk2, with(good, 6, "61"), roots, errRoot},
		{"another chip's", haloReply(t)[71:136], good, roots, errRoot},
		{"another maker", pk2, good, MakersRoots().Keycard, errRoot},
		{"no root", pk2, good, nil, errRoot},
	} {
		if err := haloAttested(tt.pk2, tt.b, tt.root); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestKeycardInfo(t *testing.T) {
	t.Parallel()
	uid := strings.Repeat("ab", 16)
	for _, tt := range []struct {
		name, selected, version string
		details                 int
	}{
		{"set up", "a416 8f10" + uid + "0202 0301", "3.1", 1},
		{"cash", "a406 0202 0300 8200", "3.0", 0},
		{"never set up", "8002 0400", "", 0},
		{"nothing", "", "", 0},
		{"template cut off", "a417 8f10", "", 0},
		{"version of one byte", "a403 0201 03", "", 0},
		{"second number is not the version", "a408 0202 0301 0202 0505", "3.1", 0},
		{"element cut off after the version", "a406 0202 0301 8f10", "3.1", 0},
		{"instance of another size", "a404 8f02 abab", "", 0},
		{"tag of two bytes", "a404 9f10 abab", "", 0},
	} {
		info := parseKeycardInfo(unhex(tt.selected))
		if info.Version != tt.version || len(info.Details) != tt.details {
			t.Errorf("%s: %+v", tt.name, info)
		}
	}
	sum := sha256.Sum256(nil)
	if printable(sum[:]) != "" || printable([]byte("01.C6\x1b[2J")) != "" || printable([]byte("01.C6.000081.C6EC8952")) == "" {
		t.Error("printable lets a control character through, or nothing at all")
	}
}
