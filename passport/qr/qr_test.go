package qr

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"tombolo/passport"
	"tombolo/passport/vectortest"
)

// MaxRaw is how many bytes a code may have before base45: more makes a symbol
// that a cheap scanner does not read from a phone.
const MaxRaw = 150

func TestSize(t *testing.T) {
	t.Parallel()
	text := Encode(window(t, "software, a door"))
	if passport.WindowSize != 118 || passport.WindowSize > MaxRaw {
		t.Errorf("%d bytes before base45", passport.WindowSize)
	}
	// ISO/IEC 18004 table 7: version 7 (45 modules) at level M holds 178
	// alphanumeric characters.
	if len(text) != TextSize || len(text) > 178 {
		t.Errorf("%d characters", len(text))
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }); i >= 0 {
		t.Errorf("character %d is not alphanumeric", i)
	}
}

func window(t testing.TB, name string) passport.Window {
	t.Helper()
	for _, c := range vectortest.Load(t, "window.txt", 2) {
		if c.Name == name {
			w, err := passport.ParseWindow(c.Hex(t, "bytes"))
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
	}
	t.Fatalf("no vector %s", name)
	return passport.Window{}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectortest.Load(t, "window.txt", 2) {
		text := strings.ReplaceAll(c.Text(t, "text"), "_", " ")
		w, err := Decode([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		raw, _ := w.MarshalBinary()
		if !bytes.Equal(raw, c.Hex(t, "bytes")) || Encode(w) != text {
			t.Errorf("%s: %x, %q", c.Name, raw, Encode(w))
		}
	}
}

// TestBase45RFC9285 has the examples of RFC 9285 §4.3 and §4.4.
func TestBase45RFC9285(t *testing.T) {
	t.Parallel()
	for raw, text := range map[string]string{
		"AB":           "BB8",
		"Hello!!":      "%69 VD92EX0",
		"base-45":      "UJCLQE7W581",
		"ietf!":        "QED8WEX0",
		"":             "",
		"\x00":         "00",
		"\x00\x00":     "000",
		"\xff":         "U5",
		"\xff\xff":     "FGW",
		"\xff\xff\x00": "FGW00",
	} {
		if got := appendBase45(nil, []byte(raw)); string(got) != text {
			t.Errorf("%q encodes to %q", raw, got)
		}
		if got, err := appendUnbase45(nil, []byte(text)); string(got) != raw || err != nil {
			t.Errorf("%q decodes to %q, %v", text, got, err)
		}
	}
	// §6: FGW is 65535, so GGW is one too many.
	for text, want := range map[string]error{
		"GGW": ErrOverflow, "FGX": ErrOverflow, ":::": ErrOverflow, "V5": ErrOverflow, "::": ErrOverflow,
		"0": ErrCut, "BB80": ErrCut, "bb8": ErrAlphabet, "BB\x00": ErrAlphabet, "BB,": ErrAlphabet, "\xc3\xa4B": ErrAlphabet,
	} {
		if got, err := appendUnbase45(nil, []byte(text)); !errors.Is(err, want) {
			t.Errorf("%q decodes to %q, %v", text, got, err)
		}
	}
}

func TestBase45Identity(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "raw")
		text := appendBase45(nil, raw)
		if got, err := appendUnbase45(nil, text); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%q decodes to %x, %v", text, got, err)
		}
	})
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	w := window(t, "software, a door")
	good := Encode(w)
	raw, _ := w.MarshalBinary()
	with := func(at int, v byte) string {
		b := bytes.Clone(raw)
		b[at] = v
		return prefix + string(appendBase45(nil, b))
	}
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", ErrPrefix},
		{"the prefix alone", "T", passport.ErrLength},
		{"4297 characters", strings.Repeat("0", MaxText+1), ErrTooLong},
		{"a megabyte", strings.Repeat("A", 1<<20), ErrTooLong},
		{"4296 characters", prefix + strings.Repeat("0", MaxText-1), passport.ErrLength},
		{"4294 characters", prefix + strings.Repeat("0", MaxText-3), passport.ErrLength},
		{"lower case", strings.ToLower(good), ErrPrefix},
		{"one lower case", good[:1] + "k" + good[2:], ErrAlphabet},
		{"line feed", good + "\n", ErrAlphabet},
		{"carriage return", good + "\r", ErrAlphabet},
		{"UTF-8", good[:len(good)-2] + "é", ErrAlphabet},
		{"a NUL", good[:1] + "\x00" + good[2:], ErrAlphabet},
		{"a link", "https://example.org/0", ErrPrefix},
		{"a space before", " " + good, ErrPrefix},
		{"the prefix lost", good[1:], ErrPrefix},
		{"cut by one", good[:len(good)-1], ErrOverflow},
		{"cut by two", good[:len(good)-2], ErrCut},
		{"cut by a group", good[:len(good)-3], passport.ErrLength},
		{"a group more", good + "000", passport.ErrLength},
		{"twice", good + good, ErrCut},
		{"three characters above 65535", "T:::" + good[4:], ErrOverflow},
		{"two characters above 255", good + "::", ErrOverflow},
		{"version 0", with(0, 0), passport.ErrVersion},
		{"version 2", with(0, 2), passport.ErrVersion},
		{"14 seconds", with(29, 14), passport.ErrWindowLength},
		{"31 seconds", with(29, 31), passport.ErrWindowLength},
		{"no passport", with(16, 0), passport.ErrPassport},
	} {
		if got, err := Decode([]byte(c.text)); !errors.Is(err, c.want) || got != (passport.Window{}) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	text := []byte(Encode(window(t, "phone, a node")))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Decode(text); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode: what is accepted is given back character for character.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"software, a door", "phone, a node"} {
		text := Encode(window(f, name))
		f.Add([]byte(text))
		f.Add([]byte(strings.ToLower(text)))
		f.Add([]byte(text[:len(text)-3]))
	}
	f.Add([]byte(":::"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := Decode(text)
		if err != nil {
			return
		}
		if again := Encode(w); again != string(text) {
			t.Fatalf("%q became %q", text, again)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := []byte(Encode(window(b, "software, a door")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
