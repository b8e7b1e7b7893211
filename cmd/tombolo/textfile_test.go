package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
)

// sample is a delegation by the wallet 1 for a fixed door key, as its text.
func sample(t testing.TB) (passport.SignedDelegation, []byte) {
	t.Helper()
	key, err := passport.ParseSoftKey([]byte("tombolo-door-key-1:software:" + strings.Repeat("00", 31) + "05\n"))
	if err != nil {
		t.Fatal(err)
	}
	wallet, err := walletKey(append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	dom := passport.Domain{ChainID: 100, Registry: [20]byte{1}}
	d := passport.Delegation{Passport: 7, Key: key.Key(), NotBefore: 1, NotAfter: 2, Mode: passport.ModeTap}
	sig, err := passport.SignDelegation(wallet, dom, d)
	if err != nil {
		t.Fatal(err)
	}
	possession, err := key.Sign(passport.PossessionChallenge(d.Digest(dom)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := passport.NewSignedDelegation(dom, d, sig[:], possession)
	if err != nil {
		t.Fatal(err)
	}
	text, err := marshalDelegation(s)
	if err != nil {
		t.Fatal(err)
	}
	return s, text
}

func sampleRevocation(t testing.TB) []byte {
	t.Helper()
	s, _ := sample(t)
	wallet, err := walletKey(append(make([]byte, 31), 1))
	if err != nil {
		t.Fatal(err)
	}
	r := passport.SignedRevocation{Domain: s.Domain, Revocation: passport.Revocation{Passport: 7, Point: s.Delegation.Key.Point}}
	if r.Wallet, err = passport.SignRevocation(wallet, r.Domain, r.Revocation); err != nil {
		t.Fatal(err)
	}
	text, err := marshalRevocation(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTextMalformed(t *testing.T) {
	t.Parallel()
	_, delegation := sample(t)
	revocation := sampleRevocation(t)
	for _, form := range []struct {
		name, prefix string
		text         []byte
		parse        func([]byte) error
	}{
		{"delegation", delegationPrefix, delegation, func(b []byte) error { _, err := parseDelegation(b); return err }},
		{"revocation", revocationPrefix, revocation, func(b []byte) error { _, err := parseRevocation(b); return err }},
	} {
		if err := form.parse(form.text); err != nil {
			t.Fatalf("%s: %v", form.name, err)
		}
		if err := form.parse(bytes.TrimSuffix(form.text, []byte("\n"))); err != nil {
			t.Errorf("%s without its line feed: %v", form.name, err)
		}
		n := len(form.prefix)
		with := func(at int, c byte) []byte {
			b := bytes.Clone(form.text)
			b[at] = c
			return b
		}
		for _, c := range []struct {
			name string
			text []byte
			want error
		}{
			{"nothing", nil, errText},
			{"the prefix alone", []byte(form.prefix), errText},
			{"another version", bytes.Replace(form.text, []byte("-1:"), []byte("-2:"), 1), errText},
			{"a space before", append([]byte(" "), form.text...), errText},
			{"a space after", append(bytes.Clone(form.text), ' '), errText},
			{"two line feeds", append(bytes.Clone(form.text), '\n'), errText},
			{"a carriage return", bytes.Replace(form.text, []byte("\n"), []byte("\r\n"), 1), errText},
			{"a digit short", append(bytes.Clone(form.text[:len(form.text)-2]), '\n'), errText},
			{"a digit long", append(bytes.Clone(form.text[:len(form.text)-1]), "00\n"...), errText},
			{"upper case", append([]byte(form.prefix), bytes.ToUpper(form.text[n:])...), errText},
			{"no digit", with(n+9, 'g'), errText},
			{"version byte 2", with(n+1, '2'), passport.ErrVersion},
			{"chain 0", append(append([]byte(form.prefix), "01"+strings.Repeat("0", 56)...), form.text[n+58:]...), passport.ErrDomain},
		} {
			if err := form.parse(c.text); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: got %v, want %v", form.name, c.name, err, c.want)
			}
		}
	}
}

func sampleDraft(t testing.TB) []byte {
	t.Helper()
	s, _ := sample(t)
	text, err := marshalDraft(drafted{s.Domain, s.Delegation, s.Possession})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDraftMalformed(t *testing.T) {
	t.Parallel()
	good := string(sampleDraft(t))
	s, _ := sample(t)
	d, err := parseDraft([]byte(good))
	if err != nil || d != (drafted{s.Domain, s.Delegation, s.Possession}) {
		t.Fatalf("%+v, %v", d, err)
	}
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", folder.ErrJSON},
		{"cut", good[:len(good)-3], folder.ErrJSON},
		{"more behind it", good + good, folder.ErrRewrote},
		{"other spacing", replace("  ", " "), folder.ErrRewrote},
		{"an unknown key", replace(`"chainId"`, `"chainID2": 1, "chainId"`), folder.ErrJSON},
		{"a doubled key", replace(`"chainId": 100`, `"chainId": 100, "chainId": 100`), folder.ErrRewrote},
		{"another format", replace("draft v2", "draft v1"), errDraft},
		{"chain 0", replace(`"chainId": 100`, `"chainId": 0`), passport.ErrDomain},
		{"a negative chain", replace(`"chainId": 100`, `"chainId": -1`), folder.ErrJSON},
		{"half a registry", replace(strings.Repeat("00", 10)+`"`, `"`), errAddress},
		{"passport 0", replace(`"passport": 7`, `"passport": 0`), passport.ErrPassport},
		{"no key", replace("software:0", "software:9"), passport.ErrPoint},
		{"another kind", replace("software:", "papyrus:"), passport.ErrKeyKind},
		{"never valid", replace(`"notAfter": 2`, `"notAfter": 1`), passport.ErrValidity},
		{"half a scope", replace(`"scope": "`+strings.Repeat("0", 32), `"scope": "`), passport.ErrID},
		{"another mode", replace(`"tap"`, `"wave"`), passport.ErrMode},
		{"half a possession", replace(s.Possession.String(), s.Possession.String()[:64]), errDraft},
		{"another's possession", replace(s.Possession.String()[:8], "00000000"), passport.ErrSignature},
		{"possession of another passport", replace(`"passport": 7`, `"passport": 8`), passport.ErrSignature},
	} {
		if _, err := parseDraft([]byte(c.text)); !errors.Is(err, c.want) || !errors.Is(err, errDraft) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzDelegation(f *testing.F) {
	_, text := sample(f)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseDelegation(text)
		if err != nil {
			return
		}
		again, err := marshalDelegation(s)
		if err != nil || !bytes.Equal(bytes.TrimSuffix(text, []byte("\n")), bytes.TrimSuffix(again, []byte("\n"))) {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	})
}

func FuzzRevocation(f *testing.F) {
	f.Add(sampleRevocation(f))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseRevocation(text)
		if err != nil {
			return
		}
		again, err := marshalRevocation(s)
		if err != nil || !bytes.Equal(bytes.TrimSuffix(text, []byte("\n")), bytes.TrimSuffix(again, []byte("\n"))) {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	})
}

func FuzzDraft(f *testing.F) {
	f.Add(sampleDraft(f))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parseDraft(text)
		if err != nil {
			return
		}
		if again, err := marshalDraft(d); err != nil || !bytes.Equal(text, again) {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	})
}
