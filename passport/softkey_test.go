package passport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"tombolo/passport"
)

func TestSoftKeyText(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		k := softKey(t, kind, 3)
		text, err := k.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range [][]byte{text, append(bytes.Clone(text), '\n')} {
			again, err := passport.ParseSoftKey(file)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := again.MarshalText(); err != nil || !bytes.Equal(back, text) || again.Key() != k.Key() {
				t.Errorf("%s: %s, %v", kind, again, err)
			}
		}
	}
}

func TestParseSoftKeyMalformed(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("11", 32)
	n := fmt.Sprintf("%x", passport.Secp256k1.Order())
	nP256 := fmt.Sprintf("%x", passport.P256.Order())
	const p = "tombolo-door-key-"
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", passport.ErrSoftKeyText},
		{"a line feed", "\n", passport.ErrSoftKeyText},
		{"another file", "-----BEGIN PRIVATE KEY-----", passport.ErrSoftKeyText},
		{"a space before", " " + p + "1:software:" + digits, passport.ErrSoftKeyText},
		{"no version", p + ":software:" + digits, passport.ErrSoftKeyVersion},
		{"version 2", p + "2:software:" + digits, passport.ErrSoftKeyVersion},
		{"version 01", p + "01:software:" + digits, passport.ErrSoftKeyVersion},
		{"cut after the version", p + "1", passport.ErrSoftKeyText},
		{"no digits", p + "1:software", passport.ErrSoftKeyText},
		{"unknown kind", p + "1:watch:" + digits, passport.ErrKeyKind},
		{"no kind", p + "1::" + digits, passport.ErrKeyKind},
		{"kind and digits exchanged", p + "1:" + digits + ":software", passport.ErrKeyKind},
		{"digits as the version", p + digits + ":software:1", passport.ErrSoftKeyVersion},
		{"a digit less", p + "1:software:" + digits[1:], passport.ErrSoftKeyText},
		{"a digit more", p + "1:software:" + digits + "1", passport.ErrSoftKeyText},
		{"upper case", p + "1:software:AA" + digits[2:], passport.ErrSoftKeyText},
		{"not hexadecimal", p + "1:software:zz" + digits[2:], passport.ErrSoftKeyText},
		{"carriage return", p + "1:software:" + digits + "\r\n", passport.ErrSoftKeyText},
		{"two line feeds", p + "1:software:" + digits + "\n\n", passport.ErrSoftKeyText},
		{"two keys", p + "1:software:" + digits + "\n" + p + "1:software:" + digits, passport.ErrSoftKeyText},
		{"endless", p + "1:software:" + strings.Repeat("1", 1<<16), passport.ErrSoftKeyText},
		{"zero", p + "1:software:" + strings.Repeat("0", 64), passport.ErrSoftKeyScalar},
		{"the order", p + "1:software:" + n, passport.ErrSoftKeyScalar},
		{"P-256 zero", p + "1:phone:" + strings.Repeat("0", 64), passport.ErrSoftKeyScalar},
		{"P-256 order", p + "1:phone:" + nP256, passport.ErrSoftKeyScalar},
	} {
		k, err := passport.ParseSoftKey([]byte(c.text))
		if !errors.Is(err, c.want) || k != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), digits[:8]) {
			t.Errorf("%s: the error quotes the key: %v", c.name, err)
		}
	}
}

// TestSoftKeyPrintsNoSecret, with whatever verb somebody logs it.
func TestSoftKeyPrintsNoSecret(t *testing.T) {
	t.Parallel()
	k := softKey(t, passport.KindSoftware, 5)
	text, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	secret := string(text[len(text)-64:])
	decimal := fmt.Sprint(unhex(t, secret)[:4])
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		for _, v := range []any{k, *k, struct{ K *passport.SoftKey }{k}, []passport.SoftKey{*k}} {
			got := strings.ToLower(fmt.Sprintf(verb, v))
			if strings.Contains(got, secret[:16]) || strings.Contains(got, strings.Trim(decimal, "[]")) {
				t.Errorf("%s prints the secret", verb)
			}
		}
	}
}

func TestGenerateSoftKey(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		if a, b := softKey(t, kind, 1), softKey(t, kind, 1); a.Key() != b.Key() {
			t.Errorf("%s: one source, two keys", kind)
		}
		if a, b := softKey(t, kind, 1), softKey(t, kind, 2); a.Key() == b.Key() {
			t.Errorf("%s: two sources, one key", kind)
		}
		if _, err := passport.GenerateSoftKey(kind, zeros{}); !errors.Is(err, passport.ErrSoftKeyScalar) {
			t.Errorf("%s from zeros: %v", kind, err)
		}
		if _, err := passport.GenerateSoftKey(kind, bytes.NewReader(make([]byte, 31))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s from 31 bytes: %v", kind, err)
		}
		// A first draw out of range is drawn again.
		order := kind.Curve().Order()
		if _, err := passport.GenerateSoftKey(kind, io.MultiReader(bytes.NewReader(order[:]), source(1))); err != nil {
			t.Errorf("%s from the order: %v", kind, err)
		}
	}
	if _, err := passport.GenerateSoftKey(0, source(1)); !errors.Is(err, passport.ErrKeyKind) {
		t.Errorf("kind 0: %v", err)
	}
	var zero passport.SoftKey
	if _, err := zero.Sign([32]byte{}); !errors.Is(err, passport.ErrSoftKeyScalar) {
		t.Errorf("zero key signs: %v", err)
	}
	if _, err := zero.MarshalText(); !errors.Is(err, passport.ErrSoftKeyScalar) {
		t.Errorf("zero key writes: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzParseSoftKey: what is accepted is given back, but for one line feed.
func FuzzParseSoftKey(f *testing.F) {
	for _, kind := range kinds {
		text, err := softKey(f, kind, 9).MarshalText()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(append(bytes.Clone(text), '\n'))
	}
	f.Add([]byte("tombolo-door-key-1:phone:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := passport.ParseSoftKey(b)
		if err != nil {
			return
		}
		text, err := k.MarshalText()
		if err != nil || !bytes.Equal(text, bytes.TrimSuffix(b, []byte("\n"))) {
			t.Fatalf("%q became %q, %v", b, text, err)
		}
	})
}
