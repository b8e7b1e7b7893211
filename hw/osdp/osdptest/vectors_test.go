package osdptest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "-", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The checks of the SIA specification's annex E, and messages that other
// panels and devices were recorded with.
func TestPublishedFrames(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, bytes string
		want        Frame
	}{
		{"annex E, CRC 1: COMSET to everybody, address 0, 9600", "53 7F 0D 00 04 6E 00 80 25 00 00 6E 38",
			Frame{Address: 0x7F, CRC: true, Code: ComSet, Data: []byte{0, 0x80, 0x25, 0, 0}}},
		{"annex E, CRC 2: ID", "53 00 09 00 04 61 00 C0 66", Frame{CRC: true, Code: ID, Data: []byte{0}}},
		{"annex E, checksum 1", "53 7F 0C 00 00 6E 00 80 25 00 00 0F",
			Frame{Address: 0x7F, Code: ComSet, Data: []byte{0, 0x80, 0x25, 0, 0}}},
		{"annex E, checksum 2", "53 00 08 00 00 61 00 44", Frame{Code: ID, Data: []byte{0}}},
		{"recorded: POLL, number 3", "53 00 08 00 07 60 B8 FF", Frame{Sequence: 3, CRC: true, Code: Poll}},
		{"recorded: ACK, number 2", "53 80 08 00 06 40 3B CA", Frame{Reply: true, Sequence: 2, CRC: true, Code: ACK}},
		{"recorded: BUZ", "53 00 0D 00 06 6A 00 02 02 02 01 59 92",
			Frame{Sequence: 2, CRC: true, Code: Buzzer, Data: []byte{0, 2, 2, 2, 1}}},
	} {
		b := unhex(t, v.bytes)
		got, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if got.Address != v.want.Address || got.Reply != v.want.Reply || got.Sequence != v.want.Sequence ||
			got.CRC != v.want.CRC || got.Code != v.want.Code || !bytes.Equal(got.Data, v.want.Data) {
			t.Errorf("%s: %+v, want %+v", v.name, got, v.want)
		}
		if again := v.want.Encode(nil); !bytes.Equal(again, b) {
			t.Errorf("%s: encoded % X, want % X", v.name, again, b)
		}
	}
}

// A recorded cycle of a device that reports its supply, and one that says who
// it is: the device here gives the same bytes.
func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	p := New(Config{Vendor: [3]byte{0x00, 0x0E, 0xE3}, Model: 0x10, Version: 0x10, Serial: 0x97740000,
		Firmware: [3]byte{0x23, 0x06, 0x06}})
	p.PowerFails(true)
	for _, x := range []struct{ command, reply string }{
		{"53 00 08 00 04 60 EB AA", "53 80 0A 00 04 48 00 01 0F A1"},
		{"53 00 08 00 05 60 DA 99", "53 80 08 00 05 40 68 9F"},
		{"53 00 09 00 06 61 00 A0 08", "53 80 14 00 06 45 00 0E E3 10 10 00 00 74 97 23 06 06 1B 88"},
		{"53 00 08 00 07 60 B8 FF", "53 80 08 00 07 40 0A F9"},
		{"53 00 08 00 05 60 DA 99", "53 80 08 00 05 40 68 9F"},
		{"53 00 08 00 06 60 89 CC", "53 80 08 00 06 40 3B CA"},
		{"53 00 08 00 06 60 89 CC", "53 80 08 00 06 40 3B CA"}, // again: the same reply
	} {
		got := p.Hear(unhex(t, x.command), time.Now())
		if len(got) != 1 || !bytes.Equal(got[0].Bytes, unhex(t, x.reply)) {
			t.Fatalf("%s was answered with % X, want %s", x.command, got, x.reply)
		}
	}
	if s := p.State(); s.Repeats != 1 || s.Odd != 0 || s.Resets != 1 {
		t.Errorf("repeats %d, odd %d, resets %d", s.Repeats, s.Odd, s.Resets)
	}
}

// annexE is the Secure Channel example of the SIA specification's annex E:
// SCBK-D, RND.A B0..B7 from the panel, RND.B A0..A7 from the device.
var annexE = struct{ rndA, rndB, mac1, mac2, enc, server, client, rmac string }{
	rndA:   "B0 B1 B2 B3 B4 B5 B6 B7",
	rndB:   "A0 A1 A2 A3 A4 A5 A6 A7",
	mac1:   "5E86C676603BDEE2D8BEAFE178637332",
	mac2:   "6FDA86E857777E81132035758239172E",
	enc:    "BF8DC2A8329ACB8C67C6D0CD9A451682",
	server: "26D3356E07762D262801FC8E6665A891",
	client: "FDE5D2F428EC16312471EA3C02BD7796",
	rmac:   "B2A30057EB98BA2229EC1F875662B524",
}

func TestSecureChannelOfAnnexE(t *testing.T) {
	t.Parallel()
	s := newSession(DefaultKey, [8]byte(unhex(t, annexE.rndA)), [8]byte(unhex(t, annexE.rndB)))
	for _, k := range []struct {
		name, want string
		encrypts   func(dst, src []byte)
	}{{"S-ENC", annexE.enc, s.enc.Encrypt}, {"S-MAC1", annexE.mac1, s.mac1.Encrypt}, {"S-MAC2", annexE.mac2, s.mac2.Encrypt}} {
		// The cipher does not show its key: it is right if it encrypts alike.
		got, want := make([]byte, 16), make([]byte, 16)
		k.encrypts(got, make([]byte, 16))
		block([16]byte(unhex(t, k.want))).Encrypt(want, make([]byte, 16))
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not %s", k.name, k.want)
		}
	}
	if c := s.clientCryptogram(); !bytes.Equal(c[:], unhex(t, annexE.client)) {
		t.Errorf("client cryptogram %X", c)
	}
	if c := s.serverCryptogram(); !bytes.Equal(c[:], unhex(t, annexE.server)) {
		t.Errorf("server cryptogram %X", c)
	}
	if !s.open(unhex(t, annexE.server)) || !bytes.Equal(s.rmac[:], unhex(t, annexE.rmac)) {
		t.Errorf("first R-MAC %X", s.rmac)
	}
}

// The same example through the device's own door.
func TestHandshakeOfAnnexE(t *testing.T) {
	t.Parallel()
	uid := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	p := New(Config{UID: uid, Rand: bytes.NewReader(unhex(t, annexE.rndB))})
	challenge := Frame{CRC: true, Block: []byte{scs11, 0}, Code: Challenge, Data: unhex(t, annexE.rndA)}
	f := hear(t, p, challenge.Encode(nil))
	if want := append(append(uid[:], unhex(t, annexE.rndB)...), unhex(t, annexE.client)...); f.Code != CCrypt ||
		!bytes.Equal(f.Data, want) || !bytes.Equal(f.Block, []byte{scs12, 0}) {
		t.Fatalf("CCRYPT %+v", f)
	}
	f = hear(t, p, Frame{Sequence: 1, CRC: true, Block: []byte{scs13, 0}, Code: SCrypt, Data: unhex(t, annexE.server)}.Encode(nil))
	if f.Code != RMacI || !bytes.Equal(f.Data, unhex(t, annexE.rmac)) || !bytes.Equal(f.Block, []byte{scs14, 1}) {
		t.Fatalf("RMAC_I %+v", f)
	}
	if s := p.State(); !s.Secure || !s.Default {
		t.Error("no Secure Channel")
	}
}

func hear(t *testing.T, p *PD, b []byte) Frame {
	t.Helper()
	a := p.Hear(b, time.Now())
	if len(a) != 1 {
		t.Fatalf("% X: %d answers", b, len(a))
	}
	f, err := Parse(a[0].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Commands as another panel's tests have them: all session keys and the last
// R-MAC zero, number 2.
func TestForeignSecuredCommands(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, bytes string
		code        byte
		data        string
	}{
		{"POLL", "53 00 0E 00 0E 02 15 60 4B 32 76 77 73 B6", Poll, ""},
		{"LSTAT", "53 00 0E 00 0E 02 15 64 6F 63 24 6F D0 50", LStat, ""},
		{"ID", "53 00 1E 00 0E 02 17 61 D1 4E B7 AD 98 2C C5 F9 AA 25 31 8A 7E AE D6 26 9A E9 95 73 19 83", ID, "00"},
		{"COMSET", "53 00 1E 00 0E 02 17 6E AC A3 C2 FF E4 D9 E5 99 CD 77 1B 8E F3 D1 3F 23 FA AB 63 4E 08 95", ComSet, "01 80 25 00 00"},
		{"KEYSET", "53 00 2E 00 0E 02 17 75 F0 DD EC 9A 0E D8 CE 4C 80 BA F5 D5 5C 18 43 6F 91 89 FD 66 C9 F2 23 DC 04 14 86 D8 33 57 DF 98 6C 1D 4B C2 B2 F2",
			KeySet, "01 10 00 01 02 03 04 05 06 07 00 01 02 03 04 05 06 07"},
	} {
		s := &session{enc: block([16]byte{}), mac1: block([16]byte{}), mac2: block([16]byte{}), isSet: true}
		b := unhex(t, v.bytes)
		f, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if f.Code != v.code || !s.verify(b[:len(b)-6], f.MAC) {
			t.Errorf("%s: wrong MAC or command %02X", v.name, f.Code)
		}
		data := f.Data
		if f.Block[0] == scs17 {
			if data, err = s.decrypt(f.Data); err != nil {
				t.Errorf("%s: %v", v.name, err)
			}
		}
		if !bytes.Equal(data, unhex(t, v.data)) {
			t.Errorf("%s: data % X, want %s", v.name, data, v.data)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, bytes string
		want        error
	}{
		{"nothing", "", ErrFrame},
		{"too short", "53 00 06 00 04 60", ErrFrame},
		{"does not begin with SOM", "52 00 08 00 04 60 EB AA", ErrFrame},
		{"says it is longer", "53 00 09 00 04 60 EB AA", ErrFrame},
		{"says it is shorter", "53 00 07 00 04 60 EB AA", ErrFrame},
		{"CRC", "53 00 08 00 04 60 EB AB", ErrCheck},
		{"checksum", "53 00 08 00 00 61 00 45", ErrCheck},
		{"block that ends beyond", hexOf(Frame{CRC: true, Block: []byte{0x11, 0}, Code: Poll}, func(b []byte) { b[5] = 9 }), ErrFrame},
		{"block of one byte", hexOf(Frame{CRC: true, Block: []byte{0x11, 0}, Code: Poll}, func(b []byte) { b[5] = 1 }), ErrFrame},
		{"empty block", hexOf(Frame{CRC: true, Block: []byte{0x11, 0}, Code: Poll}, func(b []byte) { b[5] = 0 }), ErrFrame},
		{"no room for a MAC", hexOf(Frame{CRC: true, Block: []byte{0x11, 0}, Code: Poll, Data: []byte{1, 2, 3}}, func(b []byte) { b[6] = scs15 }), ErrFrame},
	} {
		if _, err := Parse(unhex(t, v.bytes)); !errors.Is(err, v.want) {
			t.Errorf("%s: %v, want %v", v.name, err, v.want)
		}
	}
}

// hexOf encodes a frame, spoils it and puts a right check on it.
func hexOf(f Frame, spoil func(b []byte)) string {
	b := f.Encode(nil)
	spoil(b)
	b = b[:len(b)-2]
	crc := crc16(b)
	return hex.EncodeToString(append(b, byte(crc), byte(crc>>8)))
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, "53 00 08 00 04 60 EB AA"))
	f.Add(unhex(f, "53 00 0E 00 0E 02 15 60 4B 32 76 77 73 B6"))
	f.Add(unhex(f, "53 7F 0C 00 00 6E 00 80 25 00 00 0F"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := New(Config{Key: &[16]byte{1}, Inputs: 2, Outputs: 2})
		p.Hear(b, time.Unix(0, 0))
		frame, used := next(b)
		if used > len(b) || len(frame) > MaxFrame {
			t.Fatalf("%d used of %d, frame of %d", used, len(b), len(frame))
		}
		x, err := Parse(b)
		if err != nil {
			return
		}
		if b[4]&0xF0 == 0 && !bytes.Equal(x.Encode(nil), b) {
			t.Fatalf("% X was encoded as % X", b, x.Encode(nil))
		}
	})
}

// Whatever a panel sends, in clear or with any security block, is answered with
// one frame that parses, or not at all.
func FuzzCommand(f *testing.F) {
	f.Add(byte(LED), make([]byte, 14), []byte(nil))
	f.Add(byte(XWrite), []byte{1, 1, 0, 0, 0xA4, 4, 0}, []byte(nil))
	f.Add(byte(FileTransfer), []byte{1, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9}, []byte(nil))
	f.Add(byte(ComSet), []byte{3, 0, 0xC2, 1, 0}, []byte(nil))
	f.Add(byte(Challenge), make([]byte, 8), []byte{scs11, 1})
	f.Add(byte(SCrypt), make([]byte, 16), []byte{scs13, 1})
	f.Add(byte(Poll), []byte(nil), []byte{scs15})
	f.Fuzz(func(t *testing.T, code byte, data, block []byte) {
		if len(data) > 400 || len(block) > 20 || len(block) == 0 {
			block, data = nil, data[:min(len(data), 400)]
		}
		p := New(Config{Key: &[16]byte{1}, Inputs: 2, Outputs: 2})
		frame := Frame{CRC: true, Block: block, Code: code, Data: data, MAC: []byte{1, 2, 3, 4}}
		for n := range byte(3) {
			frame.Sequence = n
			for _, a := range p.Hear(frame.Encode(nil), time.Unix(int64(n), 0)) {
				if _, err := Parse(a.Bytes); err != nil {
					t.Fatalf("% X: %v", a.Bytes, err)
				}
			}
		}
	})
}
