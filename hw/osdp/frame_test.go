package osdp

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawFrame draws a frame that append takes.
func drawFrame(t *rapid.T) frame {
	f := frame{
		address:  rapid.Byte().Draw(t, "address") &^ replyBit,
		reply:    rapid.Bool().Draw(t, "reply"),
		sequence: rapid.ByteRange(0, 3).Draw(t, "sequence"),
		checksum: rapid.Bool().Draw(t, "checksum"),
		code:     rapid.Byte().Draw(t, "code"),
		data:     rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
	}
	if block := rapid.ByteRange(0, 4).Draw(t, "block"); block > 0 {
		f.security = scs11 + 2*(block-1)
		if f.reply {
			f.security++
		}
		if f.sealed() {
			f.mac = [macSize]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "mac"))
		} else {
			f.key = rapid.Byte().Draw(t, "key")
		}
	}
	return f
}

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFrame(t)
		b, err := f.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.data, f.data) {
			t.Fatalf("data % X, want % X", got.data, f.data)
		}
		got.data, f.data = nil, nil
		if got.address != f.address || got.reply != f.reply || got.sequence != f.sequence || got.checksum != f.checksum ||
			got.security != f.security || got.key != f.key || got.code != f.code || got.mac != f.mac {
			t.Fatalf("%+v, want %+v", got, f)
		}
	})
}

// remade gives the bytes a right check after they were spoilt.
func remade(b []byte) []byte {
	sum := b[4]&controlCRC == 0
	end := len(b) - 2
	if sum {
		end = len(b) - 1
	}
	return appendCheck(bytes.Clone(b[:end]), 0, sum)
}

func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	ack, err := (&frame{address: 5, reply: true, code: repACK}).append(nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := (&frame{address: 5, reply: true, code: repACK, security: scs16}).append(nil)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(b []byte, at int, x byte) []byte {
		b = bytes.Clone(b)
		b[at] = x
		return remade(b)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		text  string
	}{
		{"nothing", nil, "no header"},
		{"half a header", ack[:4], "no header"},
		{"no SOM", spoil(ack, 0, 0x54), "begins with 54"},
		{"length 0", spoil(ack, 2, 0), "length 0"},
		{"length of a header", spoil(ack, 2, 5), "length 5"},
		{"length of a code without check", spoil(ack, 2, 7), "length 7"},
		{"length above the largest", spoil(ack, 3, 0xFF), "length 65288"},
		{"length of more than is there", spoil(ack, 2, 9), "its length says 9"},
		{"more than its length", append(bytes.Clone(ack), 0), "its length says 8"},
		{"wrong CRC", append(bytes.Clone(ack[:len(ack)-1]), ^ack[len(ack)-1]), "CRC"},
		{"wrong checksum", append(bytes.Clone(spoil(ack, 4, 0)[:6]), 0x11, 0x22), "checksum"},
		{"reserved control bits", spoil(ack, 4, 0x84), "reserved bits"},
		{"security block without room", spoil(ack, 4, controlCRC|controlSecurity), "no room for a security block"},
		{"security block of no type", spoil(sealed, 6, 0x19), "unknown security block 19"},
		{"security block of the other side", spoil(sealed, 6, scs13), "is the other side's"},
		{"a reply's security block in a command", spoil(sealed, 1, 5), "is the other side's"},
		{"security block of a wrong length", spoil(sealed, 5, 3), "security block 16 of 3 bytes"},
		{"handshake block of a wrong length", spoil(sealed, 6, scs12), "security block 12 of 2 bytes"},
	} {
		_, err := parseFrame(c.bytes)
		if !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
	short := []byte{som, 0x85, 11, 0, controlCRC | controlSecurity, 2, scs16, repACK, 1, 0, 0}
	if _, err := parseFrame(remade(short)); !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), "no room for a MAC") {
		t.Errorf("a MAC that is cut short: %v", err)
	}
	if _, err := (&frame{data: make([]byte, maxFrame)}).append(nil); !errors.Is(err, ErrFrame) {
		t.Errorf("more than the largest frame: %v", err)
	}
}

// deframed gives the codes of the frames in a stream that comes in pieces and then stops.
func deframed(d *deframer, pieces ...[]byte) (codes []byte) {
	for _, b := range pieces {
		for len(b) > 0 {
			f, encoded, used := d.push(b)
			if b = b[used:]; encoded != nil {
				codes = append(codes, f.code)
			}
		}
	}
	for {
		f, encoded := d.expire()
		if encoded == nil {
			return codes
		}
		codes = append(codes, f.code)
	}
}

func TestDeframer(t *testing.T) {
	t.Parallel()
	enc := func(code byte) []byte {
		b, err := (&frame{address: 5, reply: true, code: code, data: []byte{som, som, 1}}).append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := enc(0x41), enc(0x45)
	bad := bytes.Clone(a)
	bad[6]++
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, c := range []struct {
		name   string
		stream []byte
		want   string
	}{
		{"one", a, "A"},
		{"two", join(a, b), "AE"},
		{"marks between", join([]byte{mark}, a, []byte{mark, mark}, b), "AE"},
		{"garbage between", join([]byte{1, 2, 3}, a, []byte{0, 0xFF, 9}, b, []byte{7}), "AE"},
		{"false starts", join([]byte{som}, a, []byte{som, som, som}, b), "AE"},
		{"a false start that claims much", join([]byte{som, 0x85, 0xA0, 5, 4}, a, b), "AE"},
		{"a false start that claims too much", join([]byte{som, 0x85, 0xFF, 0xFF, 4}, a), "A"},
		{"a wrong CRC", join(bad, b), "E"},
		{"cut short", join(a[:7], b), "E"},
		{"cut short at the end", join(a, b[:7]), "A"},
		{"nothing but starts", bytes.Repeat([]byte{som}, 5000), ""},
	} {
		if got := string(deframed(new(deframer), c.stream)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		var pieces [][]byte
		for i := range c.stream {
			pieces = append(pieces, c.stream[i:i+1])
		}
		if got := string(deframed(new(deframer), pieces...)); got != c.want {
			t.Errorf("%s, byte by byte: %q, want %q", c.name, got, c.want)
		}
	}
}

// However a stream is cut, the deframer finds the same, holds no more than a
// frame, and ends.
func TestDeframerBounds(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	d := new(deframer)
	for range 200 {
		chunk := make([]byte, random.IntN(3000))
		for i := range chunk {
			chunk[i] = [...]byte{som, 0x85, byte(random.Uint32()), 0, 4}[random.IntN(5)]
		}
		for len(chunk) > 0 {
			_, _, used := d.push(chunk)
			chunk = chunk[used:]
			if len(d.buf) > maxFrame || cap(d.buf) > maxFrame {
				t.Fatalf("seed %d: holds %d bytes of %d", seed, len(d.buf), cap(d.buf))
			}
		}
	}
}

func TestCapabilitiesText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c, read Capabilities
		for i := 1; i < functions; i++ {
			c[i] = Capability{rapid.Byte().Draw(t, "level"), rapid.Byte().Draw(t, "items")}
		}
		text, err := c.MarshalText()
		if err == nil {
			err = read.UnmarshalText(text)
		}
		if err != nil || read != c {
			t.Fatalf("%s: %v, want %v (%v)", text, read, c, err)
		}
		if err := c.Covers(c); err != nil {
			t.Fatal(err)
		}
	})
	for _, text := range []string{"9", "9:1", "9:1/", "9:/1", ":1/1", "0:1/1", "17:1/1", "9:256/1", "9:1/1 9:1/1", "9:-1/1", "x", "9:1/1,"} {
		if err := new(Capabilities).UnmarshalText([]byte(text)); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
