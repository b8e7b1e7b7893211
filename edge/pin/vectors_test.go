package pin

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"tombolo/passport"
)

// vector is one case of testdata/vectors/pin.txt: a line "[name]", then lines
// "key value"; indented lines carry a value on, "#" starts a note. A value that
// no test asks for is a mistake.
type vector struct {
	name   string
	values map[string]string
}

func vectors(t testing.TB, want int) (all []*vector) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/pin.txt")
	if err != nil {
		t.Fatal(err)
	}
	key := ""
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case line[0] == '[':
			all = append(all, &vector{strings.Trim(strings.TrimSpace(line), "[]"), map[string]string{}})
			continue
		case line[0] != ' ':
			key, words = words[0], words[1:]
		}
		all[len(all)-1].values[key] += strings.Join(words, "")
	}
	if len(all) != want {
		t.Fatalf("%d cases instead of %d", len(all), want)
	}
	return all
}

func (v *vector) text(t testing.TB, key string) string {
	t.Helper()
	s, ok := v.values[key]
	if !ok {
		t.Fatalf("%s: no %s", v.name, key)
	}
	delete(v.values, key)
	return s
}

func (v *vector) hex(t testing.TB, key string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.text(t, key))
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return b
}

func (v *vector) uint(t testing.TB, key string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(v.text(t, key), 10, 64)
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return n
}

func (v *vector) done(t testing.TB) {
	t.Helper()
	for key := range v.values {
		t.Errorf("%s: %s was not checked", v.name, key)
	}
}

// box is what a vector says beside its hashes.
type box struct {
	key    *ecdh.PrivateKey
	c      Context
	sealed []byte
	secret []byte
}

func (v *vector) box(t testing.TB) box {
	t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(v.hex(t, "sealing"))
	if err != nil {
		t.Fatal(err)
	}
	c := Context{
		Community: passport.CommunityID(v.hex(t, "community")), Node: passport.NodeID(v.hex(t, "node")),
		Gateway: [32]byte(v.hex(t, "gateway")), Passport: passport.ID(v.uint(t, "passport")),
	}
	if info := v.hex(t, "info"); !bytes.Equal(c.info(), info) {
		t.Errorf("%s: info %x, want %x", v.name, c.info(), info)
	}
	return box{key, c, v.hex(t, "box"), v.hex(t, "secret")}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	all := vectors(t, 4)
	ref := all[0]
	memory, passes := uint32(ref.uint(t, "memory_kib")), uint32(ref.uint(t, "passes"))
	if got, want := argon2.IDKey(ref.hex(t, "password"), ref.hex(t, "salt"), passes, memory, 1, 32), ref.hex(t, "hash"); !bytes.Equal(got, want) {
		t.Errorf("argon2id of the reference is %x, want %x", got, want)
	}
	ref.done(t)
	for _, v := range all[1:] {
		right, duress := v.text(t, "pin"), ""
		if _, ok := v.values["duress"]; ok {
			duress = v.text(t, "duress")
		}
		cost := Cost{Memory: uint32(v.uint(t, "memory_kib")), Passes: uint8(v.uint(t, "passes"))}
		s, err := Hash(right, duress, cost, Random{[16]byte(v.hex(t, "salt")), [32]byte(v.hex(t, "none"))})
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		b := v.box(t)
		if got := s.marshal(); !bytes.Equal(got, b.secret) {
			t.Errorf("%s: %x, want %x", v.name, got, b.secret)
		}
		opened, err := Open(b.key, b.sealed, b.c)
		if err != nil || opened != s {
			t.Errorf("%s: the box does not hold that secret: %v", v.name, err)
		}
		if got := opened.Check(right); got != Right {
			t.Errorf("%s: the PIN is %v", v.name, got)
		}
		if got := opened.Check(duress); duress != "" && got != Duress {
			t.Errorf("%s: the duress PIN is %v", v.name, got)
		}
		v.done(t)
	}
}
