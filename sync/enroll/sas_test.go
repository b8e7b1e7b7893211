package enroll

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

// vectors reads testdata/enrolment.txt.
func vectors(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/enrolment.txt")
	must(t, err)
	all := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if all[name] = []byte(strings.Trim(value, `"`)); value[0] != '"' {
			all[name], err = hex.DecodeString(value)
			must(t, err)
		}
	}
	if len(all) != 15 {
		t.Fatalf("%d vectors, want 15", len(all))
	}
	return all
}

// TestVectors: what another program made of the same values.
func TestVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t)
	m, err := readFrame(bytes.NewReader(append([]byte{0, 0, 0, byte(len(v["hello"])), version, byte(kindHello)}, v["hello"]...)))
	must(t, err)
	is := func(name string, got []byte) {
		t.Helper()
		if !bytes.Equal(got, v[name]) {
			t.Errorf("%s: %x, want %x", name, got, v[name])
		}
	}
	tr := bind(v["exported"], [32]byte(v["gateway"]), v["certificate"], m.(*hello))
	is("channel", tr[:])
	secret := [16]byte(v["secret"])
	mac := tr.prove(deskMACLabel, secret)
	is("proof-d", mac[:])
	tr = tr.with(v["request"])
	is("transcript", tr[:])
	mac = tr.prove(gatewayMACLabel, secret)
	is("proof-g", mac[:])
	c := tr.commit([32]byte(v["nonce-g"]))
	is("commitment", c[:])
	a, b := tr.digits(c, [32]byte(v["nonce-g"]), [32]byte(v["nonce-d"]))
	for name, got := range map[string]string{"code-a": a, "code-b": b} {
		if want := hex.EncodeToString(v[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestAllIsBound: there is nothing in an enrolment that one side could see
// otherwise than the other, and the digits and proofs still agree.
func TestAllIsBound(t *testing.T) {
	t.Parallel()
	type facts struct {
		exported, certificate, request []byte
		gateway                        [32]byte
		hello                          hello
		nonceG, nonceD                 [32]byte
		secret                         [16]byte
	}
	make := func() facts {
		return facts{noise(32), noise(400), noise(300), [32]byte{3}, hello{Way: wayShort, Community: ledger.CharterID{1}, Node: ledger.CharterID{2}},
			[32]byte{4}, [32]byte{5}, [16]byte{6}}
	}
	derive := func(f facts) (out [5]string) {
		t1 := bind(f.exported, f.gateway, f.certificate, &f.hello)
		t2 := t1.with(f.request)
		c := t2.commit(f.nonceG)
		d, g := t1.prove(deskMACLabel, f.secret), t2.prove(gatewayMACLabel, f.secret)
		a, b := t2.digits(c, f.nonceG, f.nonceD)
		return [5]string{a, b, string(c[:]), string(d[:]), string(g[:])}
	}
	base := derive(make())
	const short, commitment, proofD, proofG = 0, 2, 3, 4 // short: both codes
	for name, tt := range map[string]struct {
		change func(*facts)
		same   []int // what does not depend on it
	}{
		"channel":          {func(f *facts) { f.exported[31] ^= 1 }, nil},
		"gateway's key":    {func(f *facts) { f.gateway[31] ^= 1 }, nil},
		"desk":             {func(f *facts) { f.certificate[0] ^= 1 }, nil},
		"desk, longer":     {func(f *facts) { f.certificate = append(f.certificate, 0) }, nil},
		"community":        {func(f *facts) { f.hello.Community[31] ^= 1 }, nil},
		"node":             {func(f *facts) { f.hello.Node[0] ^= 1 }, nil},
		"way":              {func(f *facts) { f.hello.Way = wayCode }, nil},
		"request":          {func(f *facts) { f.request[9] ^= 1 }, []int{proofD}},
		"gateway's number": {func(f *facts) { f.nonceG[31] ^= 1 }, []int{proofD, proofG}},
		"desk's number":    {func(f *facts) { f.nonceD[0] ^= 1 }, []int{commitment, proofD, proofG}},
		"secret":           {func(f *facts) { f.secret[15] ^= 1 }, []int{short, 1, commitment}},
	} {
		f := make()
		tt.change(&f)
		for i, got := range derive(f) {
			same := false
			for _, s := range tt.same {
				same = same || s == i
			}
			if (got == base[i]) != same {
				t.Errorf("%s: value %d: the same %v, want %v", name, i, got == base[i], same)
			}
		}
	}
	if base[0] == base[1] {
		t.Error("both sides show the same digits")
	}
}

// TestSix: each number alike. 4,294,000,000 to 2³²−1 would favour the first
// 967,296.
func TestSix(t *testing.T) {
	t.Parallel()
	seed := func(words ...uint32) (s [32]byte) {
		for i := range 8 {
			binary.BigEndian.PutUint32(s[4*i:], words[min(i, len(words)-1)])
		}
		return s
	}
	all := seed(1<<32 - 1)
	next := sha256.Sum256(all[:])
	for want, s := range map[string][32]byte{
		"000000": seed(0), "000001": seed(1_000_001), "999999": seed(4_293_999_999),
		"000042": seed(4_294_000_000, 42), "967295": seed(1<<32-1, 1<<32-1, 967_295), six(next): all,
	} {
		if got := six(s); got != want {
			t.Errorf("%x: %s, want %s", s[:8], got, want)
		}
	}
	// 100 bins of 10,000 draws: χ² with 99 degrees of freedom is below 180 but
	// for one time in 10⁶, and these draws are always the same.
	var bins [100]float64
	for i := range 10_000 {
		d := six(digest("draw", binary.BigEndian.AppendUint32(nil, uint32(i))))
		bins[(d[0]-'0')*10+d[1]-'0']++
	}
	chi := 0.0
	for _, n := range bins {
		chi += (n - 100) * (n - 100) / 100
	}
	if chi > 180 || chi < 45 {
		t.Errorf("χ² is %.1f", chi)
	}
}

// TestDigest: no two lists of items are one.
func TestDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 3), 0, 4)
		a, b := items.Draw(t, "a"), items.Draw(t, "b")
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = bytes.Equal(a[i], b[i])
		}
		if (digest("x", a...) == digest("x", b...)) != same {
			t.Fatalf("%x and %x", a, b)
		}
	})
}

func TestTyped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"012345": true, " 012 345\r\n": true, "012-345": true, "01\t2345": true,
		"": false, "12345": false, "0012345": false, "012346": false, "012345x": false, "０12345": false, "012345\x00": false,
	} {
		if typed(text, "012345") != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
