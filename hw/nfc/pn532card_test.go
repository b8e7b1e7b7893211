package nfc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestParseTargets(t *testing.T) {
	t.Parallel()
	const (
		classic = "0104000804922e5832"                           // UM0701-02 §7.3.5, first example
		card7   = "0100042007" + "04a1b2c3d4e5f6" + "0578807002" // Tg 1, SEL_RES 20, a UID of 7, an ATS of 5
		phone   = "0200042004" + "08d1e2f3" + "01"               // Tg 2, a random UID, an ATS of its length alone
	)
	for _, s := range []string{"00", "01" + classic, "01" + card7, "02" + card7 + phone, "02" + classic + phone, "01" + phone,
		"0101000420" + "04" + "08d1e2f3", // no ATS: RATS was not answered
	} {
		list, err := parseTargets(unhex532(s))
		if err != nil || !bytes.Equal(appendTargets(nil, list), unhex532(s)) {
			t.Errorf("%s: %+v, %v", s, list, err)
		}
	}
	list, err := parseTargets(unhex532("02" + card7 + phone))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := list[0], list[1]; !a.iso() || a.sak != 0x20 || len(a.uid) != 7 || len(a.ats) != 5 || b.number != 2 || b.uid[0] != 0x08 || len(b.ats) != 1 {
		t.Errorf("%+v", list)
	}

	for _, tt := range []struct{ b, says string }{
		{"", "no count"},
		{"03" + classic + classic + classic, "3 of at most 2"},
		{"ff", "255 of at most 2"},
		{"01", "cut off after 0 bytes"},
		{"0101040008", "cut off after 4 bytes"},
		{"02" + classic, "target 2 is cut off after 0 bytes"},
		{"0100040008" + "04" + "922e5832", "target number 0"},
		{"0103040008" + "04" + "922e5832", "target number 3"},
		{"02" + classic + classic, "target number 1 twice"},
		{"0101040008" + "00", "an NFCID1 of 0 bytes"},
		{"0101040008" + "05" + "922e583211", "an NFCID1 of 5 bytes"},
		{"0101040008" + "ff" + "922e583211", "an NFCID1 of 255 bytes"},
		{"0101040008" + "07" + "922e5832", "of 7 bytes is cut off after 4"},
		{"0101000420" + "04" + "08d1e2f3" + "00", "an ATS of 0 bytes"},
		{"0101000420" + "04" + "08d1e2f3" + "057880", "an ATS of 5 bytes in 3"},
		{"0101000420" + "04" + "08d1e2f3" + "0100", "1 bytes follow"},
		{"01" + classic + "00", "1 bytes follow"},
		{"0001", "1 bytes follow"},
	} {
		list, err := parseTargets(unhex532(tt.b))
		if list != nil || !errors.Is(err, errTarget) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, %v instead of %q", tt.b, list, err, tt.says)
		}
	}
}

// FuzzParseTargets: what is parsed is encoded to the same bytes.
func FuzzParseTargets(f *testing.F) {
	for _, s := range []string{
		"00", "010104000804922e5832", "01010004200704a1b2c3d4e5f60578807002",
		"02010004200704a1b2c3d4e5f6057880700202000420" + "0408d1e2f301", "0202040008" + "04922e5832" + "01040008" + "0411223344",
	} {
		f.Add(unhex532(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseTargets(b)
		if err != nil {
			if list != nil || !errors.Is(err, errTarget) {
				t.Fatalf("%+v, %v", list, err)
			}
			return
		}
		if got := appendTargets(nil, list); !bytes.Equal(got, b) {
			t.Fatalf("%x became %x", b, got)
		}
	})
}

func TestParsePN532Bus(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][2]string{
		"i2c:/dev/i2c-1":             {"i2c", "/dev/i2c-1"},
		"spi:/dev/spidev0.0":         {"spi", "/dev/spidev0.0"},
		"uart:/dev/ttyAMA0":          {"uart", "/dev/ttyAMA0"},
		"uart:/dev/serial/by-id/a:b": {"uart", "/dev/serial/by-id/a:b"},
	} {
		if kind, path, err := ParsePN532Bus(s); err != nil || kind != want[0] || path != want[1] {
			t.Errorf("%s: %s, %s, %v", s, kind, path, err)
		}
	}
	for _, tt := range []struct{ s, says string }{
		{"", "write it as"},
		{":", "write it as"},
		{"i2c", "write it as"},
		{"i2c:", "write it as"},
		{"/dev/i2c-1", "write it as"},
		{":/dev/i2c-1", `the kind "" is none of`},
		{"I2C:/dev/i2c-1", `the kind "I2C" is none of`},
		{"usb:/dev/ttyUSB0", `the kind "usb" is none of`},
		{" i2c:/dev/i2c-1", `the kind " i2c" is none of`},
		{"spi: /dev/spidev0.0", "has spaces"},
		{"spi:/dev/spidev0.0 ", "has spaces"},
		{"uart:/dev/tty\x00", "has spaces or control characters"},
		{"uart:/dev/tty\nAMA0", "has spaces or control characters"},
	} {
		kind, path, err := ParsePN532Bus(tt.s)
		if kind != "" || path != "" || !errors.Is(err, ErrBus) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %q, %q, %v instead of %q", tt.s, kind, path, err, tt.says)
		}
	}
	for _, tt := range []struct{ bus, says string }{
		{"i2c:/dev/i2c-4711", "switch the bus on"},
		{"i2c:no-such-bus", "is no I²C bus"},
		{"spi:/dev/spidev47.11", "dtparam=spi=on"},
		{"spi:no-such-port", "is no SPI device"},
		{"uart:/dev/no-such-tty", "enable_uart=1"},
		{"usb:/dev/x", "is none of"},
	} {
		if f, err := OpenPN532(t.Context(), PN532Config{Bus: tt.bus}); f != nil || err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v instead of %q", tt.bus, err, tt.says)
		}
	}
}
