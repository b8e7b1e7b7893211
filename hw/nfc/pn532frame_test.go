package nfc

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestDecodeFrame(t *testing.T) {
	t.Parallel()
	long := encodeFrame(tfiChip, bytes.Repeat([]byte{0x41}, maxFrameData))
	for _, tt := range []struct {
		name       string
		b          []byte
		kind       frameKind
		data       []byte
		used, need int
		err        error
	}{
		// The manual's own examples, §6.2.1.3 to §6.2.1.6 and §7.2.9.
		{"an ACK", unhex532("0000ff00ff00"), kindACK, nil, 5, 0, nil},
		{"a NACK", unhex532("0000ffff0000"), kindNACK, nil, 5, 0, nil},
		{"an error", unhex532("0000ff01ff7f8100"), kindError, nil, 7, 0, nil},
		{"a firmware's version", unhex532("0000ff06fad50332010507e900"), kindData, unhex532("0332010507"), 12, 0, nil},
		{"one without preamble and postamble", unhex532("00ff06fad50332010507e9"), kindData, unhex532("0332010507"), 11, 0, nil},
		{"a long preamble", unhex532("55550000000000ff02fed5032800"), kindData, unhex532("03"), 13, 0, nil},
		{"the longest", long, kindData, bytes.Repeat([]byte{0x41}, maxFrameData), len(long) - 1, 0, nil},
		{"a short one in the extended form", unhex532("0000ffffff0002fed5032800"), kindData, unhex532("03"), 11, 0, nil},

		{"nothing", nil, 0, nil, 0, 0, errFrameShort},
		{"zeros", make([]byte, 6), 0, nil, 5, 0, errFrameShort},
		{"garbage", unhex532("d503320105"), 0, nil, 5, 0, errFrameShort},
		{"a start code", unhex532("0000ff"), 0, nil, 1, 8, errFrameShort},
		{"half an ACK", unhex532("0000ff00"), 0, nil, 1, 8, errFrameShort},
		{"a header", unhex532("0000ff06fad503"), 0, nil, 1, 11, errFrameShort},
		{"an extended header's half", unhex532("0000ffffff01"), 0, nil, 1, 10, errFrameShort},
		{"an extended header", unhex532("0000ffffff0109f6d541"), 0, nil, 1, 2 + 5 + 265 + 1, errFrameShort},
		{"a frame without its checksum", unhex532("0000ff06fad50332010507"), 0, nil, 1, 11, errFrameShort},

		{"a damaged length", unhex532("0000ff07fad50332010507e900"), 0, nil, 3, 0, errFrameLength},
		{"a damaged length's checksum", unhex532("0000ff06fbd50332010507e900"), 0, nil, 3, 0, errFrameLength},
		{"a damaged extended length", unhex532("0000ffffff0003fed5032800"), 0, nil, 3, 0, errFrameLength},
		{"an ACK with a wrong second byte", unhex532("0000ff00fe00"), 0, nil, 3, 0, errFrameLength},
		{"damaged data", unhex532("0000ff06fad50333010507e900"), 0, nil, 3, 0, errFrameSum},
		{"a damaged checksum", unhex532("0000ff06fad50332010507ea00"), 0, nil, 3, 0, errFrameSum},
		{"damaged data in the extended form", unhex532("0000ffffff0002fed5042800"), 0, nil, 3, 0, errFrameSum},
		{"a host's frame", unhex532("0000ff02fed4022a00"), 0, nil, 3, 0, errFrameTFI},
		{"an unknown direction", unhex532("0000ff02fe0003fd00"), 0, nil, 3, 0, errFrameTFI},
		{"an error with more", unhex532("0000ff02fe7f008100"), 0, nil, 3, 0, errFrameTFI},
		{"an empty frame", unhex532("0000ff000000"), 0, nil, 3, 0, errFrameEmpty},
		{"a frame of TFI alone", unhex532("0000ff01ffd52b00"), 0, nil, 3, 0, errFrameEmpty},
		{"an empty extended frame", unhex532("0000ffffff000000"), 0, nil, 3, 0, errFrameEmpty},
		{"one byte too long", unhex532("0000ffffff010af5d541"), 0, nil, 3, 0, errFrameTooLong},
		{"64 KiB", unhex532("0000ffffffffff02d541"), 0, nil, 3, 0, errFrameTooLong},
	} {
		f, used, need, err := decodeFrame(tt.b)
		if f.kind != tt.kind || !bytes.Equal(f.data, tt.data) || used != tt.used || need != tt.need || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, used %d, need %d, %v", tt.name, f, used, need, err)
		}
	}
}

func TestEncodeFrame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ data, want string }{
		{"02", "0000ff02fed4022a00"},                         // GetFirmwareVersion, §6.2.1.6
		{"4a0200", "0000ff04fcd44a0200e000"},                 // §7.3.5
		{"400100b0820010", "0000ff08f8d4400100b0820010a900"}, // §7.3.8
	} {
		if got := encodeFrame(tfiHost, unhex532(tt.data)); !bytes.Equal(got, unhex532(tt.want)) {
			t.Errorf("%s: %x instead of %s", tt.data, got, tt.want)
		}
	}
	for _, n := range []int{1, 254, 255, 256, maxFrameData} {
		data := bytes.Repeat([]byte{0xff, 0x00}, n)[:n]
		b := encodeFrame(tfiChip, data)
		if len(b) > maxFrame || (b[4] == 0xff) != (n > 254) {
			t.Errorf("%d bytes make %x", n, b)
		}
		if f, used, _, err := decodeFrame(b); err != nil || used != len(b)-1 || !bytes.Equal(f.data, data) {
			t.Errorf("%d bytes: %d used, %v", n, used, err)
		}
	}
}

// FuzzDecodeFrame: whatever comes, it ends, each frame that is found is what
// encodeFrame makes of its data or the longer form of it, and a frame that comes
// in pieces is the same frame.
func FuzzDecodeFrame(f *testing.F) {
	for _, s := range []string{
		"0000ff00ff00", "0000ffff0000", "0000ff01ff7f8100", "0000ff06fad50332010507e900",
		"0000ffffff0002fed5032800", "550000ff00ff000000ff06fad50332010507e900", "0000ffffffffff02d541", "ff00ff00ff",
	} {
		f.Add(unhex532(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		stream := func(piece int) (found []frame) {
			var buf []byte
			for in := b; ; {
				fr, used, need, err := decodeFrame(buf)
				if used < 0 || used > len(buf) || need > maxFrame {
					t.Fatalf("%x: %d used, %d needed", buf, used, need)
				}
				kept := buf[used:]
				switch {
				case errors.Is(err, errFrameShort):
					if need > 0 && need <= len(kept) {
						t.Fatalf("%x: %d bytes are needed", kept, need)
					}
					if len(in) == 0 {
						return found
					}
					n := min(piece, len(in))
					kept, in = append(slices.Clip(kept), in[:n]...), in[n:]
				case used == 0:
					t.Fatalf("%x: nothing used, %v", buf, err)
				case err == nil && fr.kind == kindData:
					if n := len(fr.data); n == 0 || n > maxFrameData {
						t.Fatalf("%x: %d bytes of data", buf, n)
					}
					again, _, _, err := decodeFrame(encodeFrame(tfiChip, fr.data))
					if err != nil || !bytes.Equal(again.data, fr.data) {
						t.Fatalf("%x: %v", fr.data, err)
					}
					if plain := encodeFrame(tfiChip, fr.data); len(fr.data) > 254 && !bytes.HasSuffix(buf[:used], plain[1:len(plain)-1]) {
						t.Fatalf("%x is not %x", buf[:used], plain)
					}
					fallthrough
				case err == nil:
					found = append(found, fr)
				}
				buf = kept
			}
		}
		whole, bytewise := stream(len(b)+1), stream(1)
		if !slices.EqualFunc(whole, bytewise, func(a, b frame) bool { return a.kind == b.kind && bytes.Equal(a.data, b.data) }) {
			t.Fatalf("%x: %v whole, %v in pieces", b, whole, bytewise)
		}
	})
}
