package osdp

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

func TestReplies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code byte
		data []byte
		want any
	}{
		{repACK, nil, replyACK{}},
		{repBusy, nil, replyBusy{}},
		{repNAK, []byte{3}, replyNAK{3}},
		{repNAK, []byte{9, 1, 2}, replyNAK{9}}, // with details
		{repPDID, []byte{0x5C, 0x26, 0x23, 1, 2, 0x78, 0x56, 0x34, 0x12, 3, 4, 5},
			replyID{[3]byte{0x5C, 0x26, 0x23}, 1, 2, 0x12345678, [3]byte{3, 4, 5}}},
		{repPDCap, []byte{9, 1, 1, 10, 0x40, 1, 200, 9, 9}, replyCap{Capabilities{9: {1, 1}, 10: {0x40, 1}}}},
		{repLStat, []byte{1, 0}, replyLocal{tamper: true}},
		{repLStat, []byte{0, 1}, replyLocal{power: true}},
		{repIStat, []byte{0, 1}, replyInput{[]bool{false, true}}},
		{repOStat, []byte{1}, replyOutput{[]bool{true}}},
		{repRStat, []byte{0, 2, 1}, replyReader{[]byte{0, 2, 1}}},
		{repRaw, []byte{0, 1, 26, 0, 1, 2, 3, 0x40}, replyRaw{26}},
		{repRaw, []byte{0, 0, 0, 0}, replyRaw{0}},
		{repKeypad, []byte{0, 4, '1', '9', 0x7F, 0x0D}, replyKeypad{[]byte("19*#")}},
		{repKeypad, []byte{0, 5, '1', 'A', '*', 'H', '#'}, replyKeypad{[]byte("1*#")}},
		{repFmt, []byte{0, 0, 2, '1', '2'}, replyRaw{}},
		{repCom, []byte{5, 0x00, 0xC2, 1, 0}, replyCom{5, 115200}},
		{repFTStat, []byte{5, 1, 2, 0xFD, 0xFF, 3, 4}, replyFile{true, true, 0x0201, -3, 0x0403}},
		{repMfg, []byte{1, 2, 3, 4}, replyMfg{[3]byte{1, 2, 3}, []byte{4}}},
		{repXRD, []byte{0, 0, 7}, xrdError{0, 7}},
		{repXRD, []byte{0, 1, 1, 0}, xrdMode{1}},
		{repXRD, []byte{0, 1, 1}, xrdMode{1}},
		{repXRD, []byte{0, 2, 0, 1, 4, 1, 1, 2, 3, 4, 9}, xrdInfo{1}},
		{repXRD, []byte{1, 0, 0x6A}, xrdError{1, 0x6A}},
		{repXRD, []byte{1, 1, 0}, xrdPresent{status: cardPresent}}, // the status is left out
		{repXRD, []byte{1, 1, 0, 0}, xrdPresent{status: cardAbsent}},
		{repXRD, []byte{1, 1, 0, 2}, xrdPresent{status: cardContactless}},
		{repXRD, []byte{1, 0, 0, 2}, xrdPresent{status: cardContactless, asError: true}},
		{repXRD, []byte{1, 2, 0, 0, 0x90, 0}, xrdAPDU{[]byte{0x90, 0}}},
		{repXRD, []byte{1, 2, 0, 1}, xrdAPDU{[]byte{}}},
		{repXRD, []byte{1, 3, 0, 1, 2}, xrdPIN{1, 2}},
		{0x57, []byte{1}, replyUnknown{0x57}},
	} {
		got, err := parseReply(c.code, c.data)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%02X % X: %#v (%v), want %#v", c.code, c.data, got, err, c.want)
		}
	}
}

func TestMalformedReplies(t *testing.T) {
	t.Parallel()
	bytesOf := func(n int, first ...byte) []byte { return append(first, make([]byte, n-len(first))...) }
	for what, c := range map[string]struct {
		code byte
		bad  [][]byte
	}{
		"ACK":  {repACK, lengths(0, 10)},
		"BUSY": {repBusy, lengths(0, 10)},
		"NAK":  {repNAK, [][]byte{nil}}, // all else is a code and details
		"PDID": {repPDID, lengths(12, 24)},
		"PDCAP": {repPDCap, [][]byte{nil, {9}, {9, 1}, {9, 1, 1, 10}, {9, 1, 1, 10, 1}, {9, 1, 1, 9, 1, 1}, {0, 0, 0, 0, 0, 0},
			{200, 1, 1, 200, 1, 1}, bytesOf(7, 1), bytesOf(256, 1), bytesOf(6, 1, 0, 0, 1)}},
		"LSTATR": {repLStat, append(lengths(2, 10), []byte{2, 0}, []byte{0, 2}, []byte{0xFF, 0}, []byte{1, 0x80})},
		"ISTATR": {repIStat, [][]byte{nil, {2}, {3}, {0xFF}, {0, 2}, {1, 1, 9}, {0x80}, {4, 0}, {0, 0, 0, 5}, {0, 0x10}, {1, 2, 1}}},
		"OSTATR": {repOStat, [][]byte{nil, {2}, {3}, {0xFF}, {0, 2}, {1, 1, 9}, {0x80}, {4, 0}, {0, 0, 0, 5}, {0, 0x10}, {1, 2, 1}}},
		"RSTATR": {repRStat, [][]byte{nil, {3}, {4}, {0xFF}, {0, 3}, {1, 1, 9}, {0x80}, {4, 0}, {0, 0, 0, 5}, {0, 0x10}, {1, 3, 1}}},
		"RAW": {repRaw, [][]byte{nil, {0}, {0, 0}, {0, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 0, 0}, {0, 0, 8, 0, 1, 2}, {0, 0, 9, 0, 1},
			{0, 0, 0xFF, 0xFF, 1}, {0, 0, 26, 0, 1, 2, 3}, {0, 0, 26, 0, 1, 2, 3, 4, 5}}},
		"KEYPAD": {repKeypad, [][]byte{nil, {0}, {0, 1}, {0, 0, '1'}, {0, 2, '1'}, {0, 1, '1', '2'}, {0, 0xFF, '1'}, {0, 1, '@'},
			{0, 1, 0}, {0, 1, 'I'}, {0, 1, '$'}, {0, 1, 0x80}, {0, 2, '1', ':'}}},
		"COM":    {repCom, append(lengths(5, 14), []byte{127, 0, 0, 0, 0}, []byte{255, 0, 0, 0, 0})},
		"CCRYPT": {repCCrypt, lengths(32, 44)},
		"RMAC_I": {repRMacI, lengths(16, 28)},
		"FTSTAT": {repFTStat, append(lengths(7, 14), bytesOf(7, 8), bytesOf(7, 0x80), bytesOf(7, 0xFF))},
		"MFGREP": {repMfg, lengths(3, 3)},
		"XRD": {repXRD, [][]byte{nil, {0}, {0, 0}, {0, 0, 1, 2}, {0, 1}, {0, 1, 1, 0, 0}, {1, 0, 0, 4}, {1, 0, 1, 2}, {1, 0, 0, 2, 0}, {0, 2, 0, 1, 0}, {0, 2, 0, 1, 4, 0, 1},
			{0, 2, 0, 1, 0xFF, 0xFF}, {0, 2, 0, 2, 0, 0}, {0, 3, 0}, {2, 1, 0, 2}, {1}, {1, 0}, {1, 1}, {1, 1, 0, 4}, {1, 1, 0, 1, 0},
			{1, 2}, {1, 2, 0}, {1, 2, 0, 0, 0x90}, bytesOf(2+2+259, 1, 2), {1, 3, 0, 0}, {1, 3, 0, 0, 0, 0}, {1, 4, 0}, {0xFF, 0xFF, 0xFF}}},
	} {
		for _, data := range c.bad {
			if got, err := parseReply(c.code, data); !errors.Is(err, ErrReply) {
				t.Errorf("%s of % X is taken for %#v (%v)", what, data, got, err)
			}
		}
	}
}

// lengths gives zeros of every length below most but the right one.
func lengths(right, most int) (all [][]byte) {
	for n := range most {
		if n != right {
			all = append(all, make([]byte, n))
		}
	}
	return all
}

func FuzzFrame(f *testing.F) {
	for _, file := range []string{"annex-e.txt", "commands.txt"} {
		for _, v := range vectors(f, file) {
			f.Add(v.bytes)
		}
	}
	f.Add([]byte{som, 0x85, 0xA0, 5, 4, som, 0x85, 8, 0, 4, repACK, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parseFrame(b); err == nil {
			again, err := got.append(nil)
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("% X encodes to % X (%v)", b, again, err)
			}
		}
		d := new(deframer)
		for rest := b; len(rest) > 0; {
			_, encoded, used := d.push(rest)
			if used == 0 && encoded == nil {
				t.Fatal("no progress")
			}
			rest = rest[used:]
			if encoded != nil && !bytes.Contains(b, encoded) {
				t.Fatalf("% X does not stand in % X", encoded, b)
			}
		}
		for {
			if _, encoded := d.expire(); encoded == nil {
				break
			}
		}
		if cap(d.buf) > maxFrame || d.started() {
			t.Fatalf("holds %d bytes of %d", len(d.buf), cap(d.buf))
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(byte(repXRD), []byte{0, 2, 0, 1, 4, 1, 1, 2, 3, 4, 9})
	f.Add(byte(repXRD), []byte{1, 2, 0, 0, 0x90, 0})
	f.Add(byte(repKeypad), []byte{0, 2, '1', 0x0D})
	f.Add(byte(repRaw), []byte{0, 1, 26, 0, 1, 2, 3, 0x40})
	f.Add(byte(repPDCap), []byte{9, 1, 1, 10, 0x40, 1})
	f.Add(byte(repFTStat), []byte{5, 1, 2, 0xFD, 0xFF, 3, 4})
	f.Fuzz(func(t *testing.T, code byte, data []byte) {
		kept := bytes.Clone(data)
		got, err := parseReply(code, data)
		if !bytes.Equal(kept, data) {
			t.Fatal("the parser writes into what it reads")
		}
		if err != nil {
			if !errors.Is(err, ErrReply) {
				t.Fatal(err)
			}
			return
		}
		switch x := got.(type) { // no more comes out than went in
		case replyKeypad:
			if len(x.keys) > len(data)-2 {
				t.Fatalf("%d keys of % X", len(x.keys), data)
			}
		case xrdAPDU:
			if !bytes.HasSuffix(data, x.response) || len(x.response) != len(data)-4 {
				t.Fatalf("% X of % X", x.response, data)
			}
		case replyInput:
			if len(x.active) != len(data) {
				t.Fatalf("%d inputs of % X", len(x.active), data)
			}
		case replyCap:
			for i := 0; i < len(data); i += 3 {
				if c := int(data[i]); c > 0 && c < functions && x.capabilities[c] != (Capability{data[i+1], data[i+2]}) {
					t.Fatalf("%v of % X", x.capabilities, data)
				}
			}
		}
	})
}

// FuzzSecure changes what a reader sends inside its Secure Channel: whatever is
// not byte for byte what the reader's session made is not opened.
func FuzzSecure(f *testing.F) {
	f.Add([]byte("1234"), 0, byte(1))
	f.Add([]byte{}, 7, byte(0x80))
	f.Add(bytes.Repeat([]byte{0x80}, 16), 30, byte(0xFF))
	f.Fuzz(func(t *testing.T, data []byte, at int, flip byte) {
		if len(data) > 1000 {
			return
		}
		panel, device := sessions()
		command, err := panel.seal(nil, frame{code: cmdPoll, sequence: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		encoded := device.reply(t, command, repKeypad, data)
		good := slices.Clone(encoded)
		if at >= 0 {
			encoded[at%len(encoded)] ^= flip
		}
		changed := !bytes.Equal(good, encoded)
		if changed {
			encoded = remade(encoded)
		}
		got, err := parseFrame(encoded)
		if err != nil || !got.sealed() {
			return // the frame, or the link, refuses it
		}
		before := panel.reply
		clear, err := panel.open(got, encoded)
		switch {
		case bytes.Equal(encoded, good):
			if err != nil || !bytes.Equal(clear, data) {
				t.Fatalf("% X opens to % X (%v)", data, clear, err)
			}
		case err == nil:
			t.Fatalf("% X is opened though % X was sent", encoded, good)
		case !errors.Is(err, ErrTampered) || panel.reply != before:
			t.Fatalf("%v, and the chain moved: %v", err, panel.reply != before)
		}
	})
}
