package enroll

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// specimens has a message of each kind, as large as it gets, or with what is
// particular to it.
func specimens() []message {
	full := [32]byte(bytes.Repeat([]byte{0xff}, 32))
	return []message{
		&hello{Way: wayCode, Community: full, Node: full}, &proof{MAC: full}, &request{Request: noise(MaxRequest)},
		&commit{Commitment: full}, &nonce{Nonce: full}, &agreed{}, &approval{Size: MaxApproval}, &chunk{Data: noise(chunkSize)},
		&taken{}, &refusal{Code: 255, Why: strings.Repeat("🔑", maxWhy)},
	}
}

// TestFrames: each kind is read back as it was, and its bound is what it needs.
func TestFrames(t *testing.T) {
	t.Parallel()
	all := specimens()
	if len(all) != len(frames) {
		t.Fatalf("%d specimens of %d kinds", len(all), len(frames))
	}
	for _, m := range all {
		b := frame(m)
		got, err := readFrame(bytes.NewReader(b))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%T: %v", m, err)
		}
		if n := len(b) - headerSize; n != frames[m.kind()].most {
			t.Errorf("%T: the largest has %d bytes, allowed are %d", m, n, frames[m.kind()].most)
		}
	}
}

// TestFrameBytes locks in the form on the wire.
func TestFrameBytes(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]message{
		// length of the body, version, kind, CBOR
		"00000001" + "01" + "06" + "80":                     &agreed{},                     // array of 0
		"00000004" + "01" + "07" + "81" + "1903e8":          &approval{Size: 1000},         // array of 1, u16
		"00000004" + "01" + "08" + "81" + "420102":          &chunk{Data: []byte{1, 2}},    // array of 1, 2 bytes
		"00000006" + "01" + "0a" + "82" + "02" + "636e6f74": &refusal{Code: 2, Why: "not"}, // array of 2, number, text of 3
	} {
		raw, err := hex.DecodeString(want)
		must(t, err)
		got, err := readFrame(bytes.NewReader(raw))
		if err != nil || !reflect.DeepEqual(got, m) || !bytes.Equal(frame(m), raw) {
			t.Errorf("%s: %#v, %v, written %x", want, got, err, frame(m))
		}
	}
}

func TestFrameMalformed(t *testing.T) {
	t.Parallel()
	k := func(k kind) byte { return byte(k) }
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"nothing":           {nil, io.EOF},
		"cut header":        {[]byte{0, 0, 0, 1, version}, io.ErrUnexpectedEOF},
		"cut body":          {rawFrame(3, version, k(kindChunk), "\x81"), io.ErrUnexpectedEOF},
		"no body":           {rawFrame(1, version, k(kindAgreed), ""), io.ErrUnexpectedEOF},
		"version 0":         {rawFrame(1, 0, k(kindAgreed), "\x80"), ErrVersion},
		"version 2":         {rawFrame(1, 2, k(kindAgreed), "\x80"), ErrVersion},
		"kind 0":            {rawFrame(1, version, 0, "\x80"), errKind},
		"kind 11":           {rawFrame(1, version, 11, "\x80"), errKind},
		"empty":             {rawFrame(0, version, k(kindAgreed), ""), errLength},
		"too long for it":   {rawFrame(2, version, k(kindAgreed), "\x80\x80"), errLength},
		"4 GB":              {rawFrame(1<<32-1, version, k(kindChunk), "\x80"), errLength},
		"not an array":      {rawFrame(1, version, k(kindAgreed), "\xa0"), errBody},
		"array too long":    {rawFrame(3, version, k(kindApproval), "\x82\x01\x01"), errBody},
		"array too short":   {rawFrame(1, version, k(kindApproval), "\x80"), errBody},
		"trailing bytes":    {rawFrame(3, version, k(kindApproval), "\x81\x01\x00"), errBody},
		"indefinite array":  {rawFrame(3, version, k(kindApproval), "\x9f\x01\xff"), errBody},
		"long form":         {rawFrame(3, version, k(kindApproval), "\x81\x18\x01"), errBody},
		"tag":               {rawFrame(3, version, k(kindApproval), "\x81\xc0\x01"), errBody},
		"text for a number": {rawFrame(3, version, k(kindApproval), "\x81\x61a"), errBody},
		"float":             {rawFrame(4, version, k(kindApproval), "\x81\xf9\x3c\x00"), errBody},
		"null":              {rawFrame(2, version, k(kindApproval), "\x81\xf6"), errBody},
		"negative":          {rawFrame(2, version, k(kindApproval), "\x81\x20"), errBody},
		"short nonce":       {rawFrame(33, version, k(kindNonce), "\x81\x58\x1e"+strings.Repeat("a", 30)), errBody},
		"empty chunk":       {rawFrame(2, version, k(kindChunk), "\x81\x40"), errBody},
		"invalid text":      {rawFrame(4, version, k(kindRefusal), "\x82\x01\x61\xff"), errBody},
		"control in text":   {rawFrame(4, version, k(kindRefusal), "\x82\x01\x61\n"), errBody},
		"turned text":       {rawFrame(6, version, k(kindRefusal), "\x82\x01\x63\u202e"), errBody},
		"long text":         {frame(&refusal{Code: 1, Why: strings.Repeat("a", maxWhy+1)}), errBody},
		"large request":     {frame(&request{Request: noise(MaxRequest + 1)}), errLength},
	} {
		m, err := readFrame(bytes.NewReader(tt.in))
		if !errors.Is(err, tt.want) || m != nil {
			t.Errorf("%s: %#v, %v, want %v", name, m, err, tt.want)
		}
		if errors.Is(tt.want, ErrFrame) != errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v wraps ErrFrame or does not", name, err)
		}
	}
}

// TestRefusalOfAnyVersion: two versions can tell each other that they differ.
func TestRefusalOfAnyVersion(t *testing.T) {
	t.Parallel()
	b := frame(&refusal{Code: 10})
	b[4] = 7
	if m, err := readFrame(bytes.NewReader(b)); err != nil || m.(*refusal).Code != 10 {
		t.Errorf("%#v, %v", m, err)
	}
}

// TestTold: what one side refuses for, the other one learns, and nothing else.
func TestTold(t *testing.T) {
	t.Parallel()
	for code, reason := range reasons {
		if m := told(reason); m == nil || m.Code != code || m.check() != nil {
			t.Errorf("%v is told as %+v, want %d", reason, m, code)
		}
	}
	for _, err := range []error{nil, ErrLost, ErrUnknown, ErrKey, errors.New("/home/steward/keys: permission denied")} {
		if m := told(err); m != nil {
			t.Errorf("%v is told as %+v", err, m)
		}
	}
	if m := told(&declined{errors.New("/home/steward")}); m.Why != "" {
		t.Errorf("the gateway is told %q", m.Why)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := clean(rapid.String().Draw(t, "s") + string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		if clean(s) != s || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxWhy || strings.ContainsAny(s, "\n\r\x1b\u202e\u200b") {
			t.Fatalf("%q", s)
		}
	})
}

// FuzzFrame: what is read is written the same, but for a refusal's version.
func FuzzFrame(f *testing.F) {
	for _, m := range specimens() {
		f.Add(frame(m))
	}
	f.Add(rawFrame(3, version, byte(kindApproval), "\x81\x18\x01"))
	f.Add(rawFrame(1<<32-1, version, byte(kindChunk), "\x81"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		m, err := readFrame(r)
		if err != nil {
			return
		}
		read := data[:len(data)-r.Len()]
		if m.kind() == kindRefusal {
			read = append(append(bytes.Clone(read[:4]), version), read[5:]...)
		}
		if got := frame(m); !bytes.Equal(got, read) {
			t.Errorf("%x was written as %x", read, got)
		}
	})
}
