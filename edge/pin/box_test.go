package pin

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tombolo/passport"
	"tombolo/passport/vectortest"
)

// cheap makes tests quick; the vectors are hashed at the cost of real ones.
var cheap = Cost{Memory: 8, Passes: 1}

func newKey(t testing.TB) (*ecdh.PrivateKey, [32]byte) {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, [32]byte(key.PublicKey().Bytes())
}

var place = Context{Community: passport.CommunityID{1}, Node: passport.NodeID{2}, Gateway: [32]byte{3}, Passport: 4}

func TestCheck(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{4,12}`)
		right := digits.Filter(func(s string) bool { return CheckChoice(s, "") == nil }).Draw(t, "pin")
		duress := ""
		if other := digits.Draw(t, "duress"); CheckChoice(right, other) == nil {
			duress = other
		}
		var r Random
		copy(r.Salt[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
		s, err := Hash(right, duress, cheap, r)
		if err != nil {
			t.Fatal(err)
		}
		typed := rapid.OneOf(digits, rapid.String(), rapid.SampledFrom([]string{right, duress, right + "0", right[1:], "0" + right})).Draw(t, "typed")
		want := Wrong
		switch {
		case typed == right:
			want = Right
		case typed == duress && duress != "":
			want = Duress
		}
		if got := s.Check(typed); got != want {
			t.Errorf("%q is %v, want %v", typed, got, want)
		}
		if again, err := parse(s.marshal()); err != nil || again != s {
			t.Errorf("read back as %#v, %v", again, err)
		}
	})
}

func TestZeroSecretIsRightForNobody(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"", "0000", "8317"} {
		if got := (Secret{}).Check(typed); got != Wrong {
			t.Errorf("%q is %v", typed, got)
		}
	}
	if _, err := (Secret{}).Seal([32]byte{9}, place); !errors.Is(err, ErrCost) {
		t.Errorf("sealed: %v", err)
	}
}

func TestHashRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pin, duress string
		cost        Cost
		want        error
	}{
		{"83x7", "", cheap, ErrDigits},
		{"4444", "", cheap, ErrTrivial},
		{"8317", "8319", cheap, ErrSlip},
		{"8317", "83174", cheap, ErrLength},
		{"8317", "", Cost{}, ErrCost},
		{"8317", "", Cost{7, 1}, ErrCost},
		{"8317", "", Cost{MaxMemory + 1, 1}, ErrCost},
		{"8317", "", Cost{8, 0}, ErrCost},
		{"8317", "", Cost{8, MaxPasses + 1}, ErrCost},
	} {
		if s, err := Hash(tt.pin, tt.duress, tt.cost, Random{}); !errors.Is(err, tt.want) || s != (Secret{}) {
			t.Errorf("%s, %s, %v: %v", tt.pin, tt.duress, tt.cost, err)
		} else if strings.Contains(err.Error(), tt.pin) {
			t.Errorf("%v: quotes the PIN", err)
		}
	}
}

// TestBoxesLookAlike: neither its size nor what is in it tells whether a PIN has
// a duress PIN.
func TestBoxesLookAlike(t *testing.T) {
	t.Parallel()
	_, to := newKey(t)
	for _, duress := range []string{"", "4062"} {
		s, err := Hash("8317", duress, cheap, Random{None: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		if s.duress == [32]byte{} {
			t.Errorf("duress %q: an empty hash", duress)
		}
		if b, err := s.Seal(to, place); err != nil || len(b) != BoxSize {
			t.Errorf("duress %q: %d bytes, %v", duress, len(b), err)
		}
		for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s)} {
			if strings.ContainsAny(shown, "0123456789") {
				t.Errorf("shows %q", shown)
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	s, err := Hash("8317", "", cheap, Random{})
	if err != nil {
		t.Fatal(err)
	}
	one := [32]byte{1}
	// RFC 7748 §6.1: points of small order give a shared secret that everybody knows.
	for _, to := range [][32]byte{{}, one, littleEndian("39382357235489614581723060781553021112529911719440698176882885853963445705823")} {
		if _, err := s.Seal(to, place); !errors.Is(err, ErrKey) {
			t.Errorf("sealed to %x: %v", to, err)
		}
	}
}

func littleEndian(decimal string) (b [32]byte) {
	n, _ := new(big.Int).SetString(decimal, 10)
	for i := range b {
		b[i] = byte(new(big.Int).Rsh(n, uint(8*i)).Uint64())
	}
	return b
}

func TestOpenMalformed(t *testing.T) {
	t.Parallel()
	key, to := newKey(t)
	s, err := Hash("8317", "4062", cheap, Random{})
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.Seal(to, place)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(key, good, place); err != nil || got != s {
		t.Fatalf("its own box: %v", err)
	}
	flip := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	forge := func(passes byte, memory ...byte) []byte {
		b := s.marshal()
		b[0] = passes
		copy(b[1:5], memory)
		forged, err := seal(to, place, b)
		if err != nil {
			t.Fatal(err)
		}
		return forged
	}
	elsewhere := func(change func(*Context)) Context {
		c := place
		change(&c)
		return c
	}
	other, _ := newKey(t)
	curve, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		key  *ecdh.PrivateKey
		box  []byte
		c    Context
		want error
	}{
		{"empty", key, nil, place, ErrSize},
		{"short", key, good[:BoxSize-1], place, ErrSize},
		{"long", key, append(bytes.Clone(good), 0), place, ErrSize},
		{"of version 0", key, append([]byte{0}, good[1:]...), place, ErrVersion},
		{"of version 2", key, append([]byte{2}, good[1:]...), place, ErrVersion},
		{"ephemeral key altered", key, flip(1), place, ErrSealed},
		{"ephemeral key zero", key, append(append([]byte{1}, make([]byte, 32)...), good[33:]...), place, ErrSealed},
		{"secret altered", key, flip(40), place, ErrSealed},
		{"tag altered", key, flip(BoxSize - 1), place, ErrSealed},
		{"another key", other, good, place, ErrSealed},
		{"another community", key, good, elsewhere(func(c *Context) { c.Community[31]++ }), ErrSealed},
		{"another node", key, good, elsewhere(func(c *Context) { c.Node[0]++ }), ErrSealed},
		{"another gateway", key, good, elsewhere(func(c *Context) { c.Gateway[9]++ }), ErrSealed},
		{"another passport", key, good, elsewhere(func(c *Context) { c.Passport++ }), ErrSealed},
		{"no pass", key, forge(0, 0, 0, 0, 8), place, ErrCost},
		{"eleven passes", key, forge(11, 0, 0, 0, 8), place, ErrCost},
		{"no memory", key, forge(1, 0, 0, 0, 0), place, ErrCost},
		{"less memory than a lane takes", key, forge(1, 0, 0, 0, 7), place, ErrCost},
		{"64 MiB and one", key, forge(1, 0, 1, 0, 1), place, ErrCost},
		{"4 TiB", key, forge(1, 255, 255, 255, 255), place, ErrCost},
		{"a key of another kind", curve, good, place, ErrKey},
	} {
		if got, err := Open(tt.key, tt.box, tt.c); !errors.Is(err, tt.want) || got != (Secret{}) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	short, err := seal(to, place, s.marshal()[1:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(key, short, place); !errors.Is(err, ErrSize) {
		t.Errorf("a shorter secret: %v", err)
	}
	if _, err := parse(s.marshal()[1:]); !errors.Is(err, ErrSize) {
		t.Errorf("a shorter secret: %v", err)
	}
}

// FuzzOpen: whatever opens is the box that was sealed.
func FuzzOpen(f *testing.F) {
	b := boxOf(f, vectortest.Load(f, vectors, 4)[3])
	f.Add(b.sealed)
	f.Add([]byte{})
	f.Add(b.sealed[:BoxSize-1])
	f.Add(append([]byte{1}, make([]byte, BoxSize-1)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Open(b.key, data, b.c)
		if (err == nil) != bytes.Equal(data, b.sealed) {
			t.Errorf("%x: %v", data, err)
		}
		if err == nil && !bytes.Equal(s.marshal(), b.secret) {
			t.Errorf("%x", s.marshal())
		}
	})
}

// FuzzParse: what is read is written the same, and its cost is bounded.
func FuzzParse(f *testing.F) {
	for _, v := range vectortest.Load(f, vectors, 4)[1:] {
		f.Add(boxOf(f, v).secret)
	}
	f.Add(make([]byte, secretSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err != nil {
			if !errors.Is(err, ErrSize) && !errors.Is(err, ErrCost) || s != (Secret{}) {
				t.Errorf("%x: %v", data, err)
			}
			return
		}
		if !bytes.Equal(s.marshal(), data) || s.cost.Memory > MaxMemory || s.cost.Passes > MaxPasses {
			t.Errorf("%x became %x", data, s.marshal())
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s, err := Hash("8317", "", DefaultCost, Random{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s.Check("8318") != Wrong {
			b.Fatal("right")
		}
	}
}
