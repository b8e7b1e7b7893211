package pin

import (
	"bytes"
	"crypto/ecdh"
	"testing"

	"golang.org/x/crypto/argon2"

	"tombolo/passport"
	"tombolo/passport/vectortest"
)

const vectors = "pin.txt"

// box is what a vector says beside its hashes.
type box struct {
	key    *ecdh.PrivateKey
	c      Context
	sealed []byte
	secret []byte
}

func boxOf(t testing.TB, v *vectortest.Case) box {
	t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(v.Hex(t, "sealing"))
	if err != nil {
		t.Fatal(err)
	}
	c := Context{
		Community: passport.CommunityID(v.Hex(t, "community")), Node: passport.NodeID(v.Hex(t, "node")),
		Gateway: [32]byte(v.Hex(t, "gateway")), Passport: passport.ID(v.Uint(t, "passport")),
	}
	if info := v.Hex(t, "info"); !bytes.Equal(c.info(), info) {
		t.Errorf("%s: info %x, want %x", v.Name, c.info(), info)
	}
	return box{key, c, v.Hex(t, "box"), v.Hex(t, "secret")}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	all := vectortest.Load(t, vectors, 4)
	ref := all[0]
	memory, passes := uint32(ref.Uint(t, "memory_kib")), uint32(ref.Uint(t, "passes"))
	if got, want := argon2.IDKey(ref.Hex(t, "password"), ref.Hex(t, "salt"), passes, memory, 1, 32), ref.Hex(t, "hash"); !bytes.Equal(got, want) {
		t.Errorf("argon2id of the reference is %x, want %x", got, want)
	}
	ref.Done(t)
	for _, v := range all[1:] {
		right, duress := v.Text(t, "pin"), ""
		if v.Has("duress") {
			duress = v.Text(t, "duress")
		}
		cost := Cost{Memory: uint32(v.Uint(t, "memory_kib")), Passes: uint8(v.Uint(t, "passes"))}
		s, err := Hash(right, duress, cost, Random{[16]byte(v.Hex(t, "salt")), [32]byte(v.Hex(t, "none"))})
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		b := boxOf(t, v)
		if got := s.marshal(); !bytes.Equal(got, b.secret) {
			t.Errorf("%s: %x, want %x", v.Name, got, b.secret)
		}
		opened, err := Open(b.key, b.sealed, b.c)
		if err != nil || opened != s {
			t.Errorf("%s: the box does not hold that secret: %v", v.Name, err)
		}
		if got := opened.Check(right); got != Right {
			t.Errorf("%s: the PIN is %v", v.Name, got)
		}
		if got := opened.Check(duress); duress != "" && got != Duress {
			t.Errorf("%s: the duress PIN is %v", v.Name, got)
		}
		v.Done(t)
	}
}
