package cbor

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	upstream "github.com/fxamacker/cbor/v2"
)

type inner struct {
	_    struct{} `cbor:",toarray"`
	Flag bool
	Key  [4]byte
}

type outer struct {
	_     struct{} `cbor:",toarray"`
	Small uint8
	Time  int64
	Text  string
	Bytes []byte
	Some  []inner
	Maybe *inner
}

var codec = New(16)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// What stands before the fields' CBOR says what they are.
func TestEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   outer
		want string
	}{
		{outer{}, "86 00 00 60 40 80 f6"}, // no bytes and no elements are empty, not null
		{outer{Small: 23, Time: -1, Text: "é", Bytes: []byte{7}, Some: []inner{{Flag: true}}},
			"86 17 20 62c3a9 4107 81 82f54400000000 f6"},
		{outer{Small: 255, Time: math.MaxInt64, Bytes: make([]byte, 24), Maybe: &inner{Key: [4]byte{1, 2, 3, 4}}},
			"86 18ff 1b7fffffffffffffff 60 5818" + strings.Repeat("00", 24) + "80 82f44401020304"},
	} {
		got := codec.Encode(tt.in)
		if !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("%+v: %x", tt.in, got)
		}
		var again outer
		if err := codec.Decode(got, &again); err != nil || !bytes.Equal(codec.Encode(again), got) {
			t.Errorf("%x: %+v, %v", got, again, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	form := ErrForm.Error()
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":                     {"", "EOF"},
		"cut short":                   {"86 00 00 60 40 80", "unexpected EOF"},
		"a byte more":                 {"86 00 00 60 40 80 f6 00", "extraneous data"},
		"an element more":             {"87 00 00 60 40 80 f6 00", "cannot unmarshal"},
		"an element fewer":            {"85 00 00 60 40 80", "cannot unmarshal"},
		"a map":                       {"a1 00 00", "cannot unmarshal"},
		"a map of 17":                 {"b1" + strings.Repeat("00", 34), "exceeded max number of key-value pairs"},
		"a number in two bytes":       {"86 1800 00 60 40 80 f6", form},
		"a length in two bytes":       {"86 00 00 7800 40 80 f6", form},
		"an array's length in three":  {"990006 00 00 60 40 80 f6", form},
		"a fraction":                  {"86 f93c00 00 60 40 80 f6", "cannot unmarshal"},
		"a number that overflows":     {"86 190100 00 60 40 80 f6", "cannot unmarshal"},
		"a number below zero":         {"86 20 00 60 40 80 f6", "cannot unmarshal"},
		"null for a number":           {"86 f6 00 60 40 80 f6", form},
		"null for bytes":              {"86 00 00 60 f6 80 f6", form},
		"null for elements":           {"86 00 00 60 40 f6 f6", form},
		"undefined for what may miss": {"86 00 00 60 40 80 f7", form},
		"text for bytes":              {"86 00 00 60 6161 80 f6", "cannot unmarshal"},
		"text that is no UTF-8":       {"86 00 00 61ff 40 80 f6", "invalid UTF-8"},
		"a tag":                       {"86 00 c100 60 40 80 f6", "tag"},
		"an array without a length":   {"9f 00 00 60 40 80 f6 ff", "indefinite-length"},
		"bytes without a length":      {"86 00 00 60 5f40ff 80 f6", "indefinite-length"},
		"a key of three bytes":        {"86 00 00 60 40 81 82f443010203 f6", form},
		"a key of five bytes":         {"86 00 00 60 40 81 82f4450102030405 f6", form},
		"17 elements":                 {"86 00 00 60 40 91" + strings.Repeat("82f44400000000", 17) + "f6", "exceeded max number of elements"},
		"2^63 elements":               {"86 00 00 60 40 9b8000000000000000", "too large"},
		"2^31 bytes that are not":     {"86 00 00 60 5a80000000", "unexpected EOF"},
		"arrays in arrays":            {strings.Repeat("81", 9) + "00", "exceeded max nested level"},
	} {
		var v outer
		if err := codec.Decode(unhex(t, tt.in), &v); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		} else if errors.Is(err, ErrForm) != (tt.want == form) {
			t.Errorf("%s: %v: is it ErrForm? %v", name, err, errors.Is(err, ErrForm))
		}
	}
}

// DecodeLoose differs in nothing but the last check.
func TestDecodeLoose(t *testing.T) {
	t.Parallel()
	var v outer
	if err := codec.DecodeLoose(unhex(t, "86 1807 00 60 40 80 f6"), &v); err != nil || v.Small != 7 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, ok := errors.AsType[*upstream.ExtraneousDataError](codec.DecodeLoose(unhex(t, "86 07 00 60 40 80 f6 00"), &v)); !ok {
		t.Error("it took a byte more")
	}
}

func TestEncodePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if s, _ := recover().(string); !strings.HasPrefix(s, "cbor: encode chan int: ") {
			t.Errorf("panicked with %q", s)
		}
	}()
	codec.Encode(make(chan int))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(codec.Encode(outer{}))
	f.Add(codec.Encode(outer{Small: 200, Time: -1 << 40, Text: "text", Bytes: make([]byte, 300), Some: make([]inner, 16), Maybe: &inner{}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v outer
		if codec.Decode(b, &v) == nil && !bytes.Equal(codec.Encode(v), b) {
			t.Errorf("%x was read as %+v", b, v)
		}
	})
}
