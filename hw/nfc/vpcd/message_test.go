package vpcd

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"tombolo/passport/card"
)

func TestReadMessage(t *testing.T) {
	t.Parallel()
	longest := make([]byte, card.MaxCommand)
	for _, c := range []struct {
		name string
		wire []byte
		want Message
	}{
		{"power off", []byte{0, 1, 0}, Message{Control: PowerOff}},
		{"power on", []byte{0, 1, 1}, Message{Control: PowerOn}},
		{"reset", []byte{0, 1, 2}, Message{Control: Reset}},
		{"ATR", []byte{0, 1, 4}, Message{Control: ATR}},
		{"shortest command", []byte{0, 4, 0, 0xa4, 4, 0}, Message{Command: []byte{0, 0xa4, 4, 0}}},
		{"longest command", append([]byte{1, 5}, longest...), Message{Command: longest}},
		{"extended command", append([]byte{1, 6}, make([]byte, 262)...), Message{Long: true}},
		{"longest message", append([]byte{0xff, 0xff}, make([]byte, 65535)...), Message{Long: true}},
	} {
		for cut, r := range map[string]io.Reader{
			"whole": bytes.NewReader(c.wire), "by the byte": iotest.OneByteReader(bytes.NewReader(c.wire)),
		} {
			got, err := ReadMessage(r)
			if err != nil || got.Control != c.want.Control || got.Long != c.want.Long || !bytes.Equal(got.Command, c.want.Command) {
				t.Errorf("%s, %s: %v, %v", c.name, cut, got, err)
			}
			if _, err := ReadMessage(r); err != io.EOF {
				t.Errorf("%s, %s: then %v", c.name, cut, err)
			}
		}
	}
}

func TestReadMessageRefuses(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for _, c := range []struct {
		name string
		r    io.Reader
		want error
	}{
		{"nothing", bytes.NewReader(nil), io.EOF},
		{"half a length", bytes.NewReader([]byte{0}), ErrTruncated},
		{"length alone", bytes.NewReader([]byte{0, 4}), ErrTruncated},
		{"half a command", bytes.NewReader([]byte{0, 4, 0, 0xa4}), ErrTruncated},
		{"a byte is missing", bytes.NewReader([]byte{0, 5, 0, 0xa4, 4, 0}), ErrTruncated},
		{"little endian", bytes.NewReader([]byte{5, 0, 0, 0xa4, 4, 0, 0}), ErrTruncated},
		{"a long one is cut", bytes.NewReader(append([]byte{0xff, 0xff}, make([]byte, 65534)...)), ErrTruncated},
		{"a long one without a byte", bytes.NewReader([]byte{0xff, 0xff}), ErrTruncated},
		{"empty message", bytes.NewReader([]byte{0, 0}), ErrEmpty},
		{"control 3", bytes.NewReader([]byte{0, 1, 3}), ErrControl},
		{"control 5", bytes.NewReader([]byte{0, 1, 5}), ErrControl},
		{"control 255, which is PowerOff's value here", bytes.NewReader([]byte{0, 1, 0xff}), ErrControl},
		{"two bytes", bytes.NewReader([]byte{0, 2, 0x90, 0}), ErrShort},
		{"three bytes", bytes.NewReader([]byte{0, 3, 0, 0xa4, 4}), ErrShort},
		{"connection breaks before", iotest.ErrReader(broken), broken},
		{"connection breaks in a message", io.MultiReader(bytes.NewReader([]byte{0, 9, 1}), iotest.ErrReader(broken)), broken},
		{"connection breaks in a long one", io.MultiReader(bytes.NewReader([]byte{9, 9, 1}), iotest.ErrReader(broken)), broken},
	} {
		if m, err := ReadMessage(c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, m, err, c.want)
		}
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	b, err := AppendData([]byte{0xaa}, []byte{0x90, 0})
	if err != nil || !bytes.Equal(b, []byte{0xaa, 0, 2, 0x90, 0}) {
		t.Errorf("% x, %v", b, err)
	}
	if b, err := AppendData(nil, make([]byte, math.MaxUint16)); err != nil || len(b) != 65537 || b[0] != 0xff || b[1] != 0xff {
		t.Errorf("longest: %d bytes, %v", len(b), err)
	}
	for n, want := range map[int]error{0: ErrEmpty, math.MaxUint16 + 1: ErrTooLong} {
		if b, err := AppendData(nil, make([]byte, n)); !errors.Is(err, want) || b != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// FuzzMessage: what is read is bounded, and written again it is what was read;
// what is skipped or refused leaves nothing behind.
func FuzzMessage(f *testing.F) {
	f.Add([]byte{0, 1, 4})
	f.Add([]byte{0, 1, 0, 0, 1, 1, 0, 4, 0, 0xa4, 4, 0})
	f.Add([]byte{0, 0})
	f.Add([]byte{0xff, 0xff, 1})
	f.Add(append([]byte{1, 6}, make([]byte, 262)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		for {
			start := len(in) - r.Len()
			m, err := ReadMessage(r)
			wire := in[start : len(in)-r.Len()]
			if err != nil {
				return
			}
			var again []byte
			switch {
			case m.Control != 0:
				again = AppendControl(nil, m.Control)
			case m.Long:
				if len(wire) <= 2+card.MaxCommand || m.Command != nil {
					t.Fatalf("a message of %d bytes was skipped", len(wire))
				}
				continue
			default:
				if n := len(m.Command); n < 4 || n > card.MaxCommand {
					t.Fatalf("a command of %d bytes", n)
				}
				if again, err = AppendData(nil, m.Command); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(again, wire) {
				t.Fatalf("read % x, written % x", wire, again)
			}
		}
	})
}
