package card

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// script is what a card answers, in order.
type script struct{ answers [][]byte }

func (s script) play() *played { return &played{answers: s.answers} }

// played answers a script and keeps what was sent; past its end the card is gone.
type played struct{ answers, sent [][]byte }

func (p *played) Transmit(command []byte) ([]byte, error) {
	if _, err := ParseCommand(command); err != nil {
		return nil, err
	}
	p.sent = append(p.sent, slices.Clone(command))
	if len(p.answers) == 0 {
		return nil, fmt.Errorf("reader: %w", ErrGone)
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return answer, nil
}

func TestTransmitFollows(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ab", 256)
	for _, tt := range []struct {
		name    string
		answers string // responses, in hexadecimal
		sent    string // commands after the first
		resp    string
		sw      uint16
		err     error
	}{
		{"whole", "aabb9000", "", "aabb", 0x9000, nil},
		{"refused", "6a82", "", "", 0x6a82, nil},
		{"as long as it may be", long + "9000", "", long, 0x9000, nil},
		{"more to fetch", "6102 aabb9000", "00c0000002", "aabb", 0x9000, nil},
		{"part and more to fetch", "aa6101 bb9000", "00c0000001", "aabb", 0x9000, nil},
		{"256 more to fetch", "6100 " + long + "9000", "00c0000000", long, 0x9000, nil},
		{"fetched less than announced", "6105 aabb9000", "00c0000005", "aabb", 0x9000, nil},
		{"refused on the way", "aa6101 6f00", "00c0000001", "aa", 0x6f00, nil},
		{"asked again", "6c02 aabb9000", "80ca000001cc02", "aabb", 0x9000, nil},
		{"asked again, then more", "6c01 aa6101 bb9000", "80ca000001cc01 00c0000001", "aabb", 0x9000, nil},
		{"more, then asked again", "aa6105 6c01 bb9000", "00c0000005 00c0000001", "aabb", 0x9000, nil},
		{"three times more", "6101 aa6101 bb6101 cc9000", "00c0000001 00c0000001 00c0000001", "aabbcc", 0x9000, nil},
		{"four times more", "6101 aa6101 bb6101 cc6101 9000", "00c0000001 00c0000001 00c0000001", "", 0, errChain},
		{"asked again for ever", "6c01 6c01 6c01 6c01 9000", "80ca000001cc01 80ca000001cc01 80ca000001cc01", "", 0, errChain},
		{"more than announced", "6101 aabb9000", "00c0000001", "", 0, errSize},
		{"more than asked for again", "6c01 aabb9000", "80ca000001cc01", "", 0, errSize},
		{"given and wanted again", "aa6c01", "", "", 0, errRetry},
		{"one byte", "90", "", "", 0, errSize},
		{"too long", long + "aa9000", "", "", 0, errSize},
		{"one byte on the way", "6101 90", "00c0000001", "", 0, errSize},
		{"gone on the way", "6101", "00c0000001", "", 0, ErrGone},
		{"gone at once", "", "", "", 0, ErrGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var answers [][]byte
			for f := range strings.FieldsSeq(tt.answers) {
				answers = append(answers, unhex(f))
			}
			p := script{answers}.play()
			resp, sw, err := transmit(p, "GET DATA", 0x80, 0xca, 0, 0, []byte{0xcc})
			if !errors.Is(err, tt.err) || sw != tt.sw || !bytes.Equal(resp, unhex(tt.resp)) {
				t.Errorf("%x %04X, %v", resp, sw, err)
			}
			var sent []string
			for _, c := range p.sent {
				sent = append(sent, fmt.Sprintf("%x", c))
			}
			if want := append([]string{"80ca000001cc00"}, strings.Fields(tt.sent)...); !slices.Equal(sent, want) {
				t.Errorf("sent %s, want %s", sent, want)
			}
		})
	}
}

// TestTransmitKeepsNothing: a driver may reuse its buffer.
func TestTransmitKeepsNothing(t *testing.T) {
	t.Parallel()
	one := unhex("aa6101")
	resp, _, err := transmit(script{[][]byte{one, unhex("bb9000")}}.play(), "x", 0, 0, 0, 0, nil)
	one[0] = 0
	if err != nil || !bytes.Equal(resp, unhex("aabb")) {
		t.Errorf("%x, %v", resp, err)
	}
}

func TestCommandCases(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte{1}, 255)
	for _, tt := range []struct {
		c    Command
		want string
	}{
		{Command{CLA: 1, INS: 2, P1: 3, P2: 4}, "01020304"},                                      // case 1
		{Command{CLA: 1, INS: 2, P1: 3, P2: 4, Le: 256}, "0102030400"},                           // case 2
		{Command{CLA: 1, INS: 2, P1: 3, P2: 4, Le: 255}, "01020304ff"},                           // case 2
		{Command{CLA: 1, INS: 2, P1: 3, P2: 4, Data: []byte{9}}, "010203040109"},                 // case 3
		{Command{CLA: 1, INS: 2, P1: 3, P2: 4, Data: []byte{9}, Le: 1}, "01020304010901"},        // case 4
		{Command{Data: data, Le: 256}, "00000000ff" + strings.Repeat("01", 255) + "00"},          // the longest
		{Command{INS: 0xa4, P1: 4, Data: haloAID, Le: 256}, "00a404000aa0000009490148614c6f00"},  // HaLo's SELECT
		{Command{INS: 0xa4, P1: 4, Data: oldHaloAID, Le: 256}, "00a4040007481199130e9f0100"},     // an older chip's
		{Command{INS: 0xa4, P1: 4, Data: keycardAID, Le: 256}, "00a4040009a0000008040001010100"}, // Keycard's
	} {
		if got := fmt.Sprintf("%x", tt.c.Bytes()); got != tt.want {
			t.Errorf("%+v is %s", tt.c, got)
		}
		back, err := ParseCommand(tt.c.Bytes())
		if err != nil || !bytes.Equal(back.Bytes(), tt.c.Bytes()) || back.Le != tt.c.Le {
			t.Errorf("%s comes back as %+v, %v", tt.want, back, err)
		}
	}
}

// TestStatusWords: every status word has something to say, and those that the
// cards document have something of their own.
func TestStatusWords(t *testing.T) {
	t.Parallel()
	general := (&StatusError{SW: 0x1234}).words()
	for sw := range 0x10000 {
		e := &StatusError{Command: "Keycard SIGN", SW: uint16(sw)}
		if e.words() == "" || !strings.HasPrefix(e.Error(), "Keycard SIGN: ") {
			t.Fatalf("%04X: %q", sw, e.Error())
		}
		if _, known := statusWords[e.SW]; known && e.words() == general {
			t.Errorf("%04X says nothing of its own", sw)
		}
	}
	for _, sw := range []uint16{0x6700, 0x6982, 0x6985, 0x6a82, 0x6a88, 0x6d00, 0x6e00, 0x6f00, 0xe102, 0xe111, 0xe118, 0xe119} {
		if _, known := statusWords[sw]; !known {
			t.Errorf("%04X has no words", sw)
		}
	}
}

// TestHaloErrors: an answer of E1 xx is a refusal, whatever its length would
// mean to a parser; E1 within a longer answer is none.
func TestHaloErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer string
		sw     uint16
		err    error
	}{
		{"e1029000", 0xe102, nil},
		{"e1199000", 0xe119, nil},
		{"e1ff9100", 0xe1ff, nil},
		{"6d00", 0x6d00, nil},
		{"9101", 0x9101, nil},
		{"e1029001", 0x9001, nil},
		{"e1e1029000", 0, errTag},
		{"e19000", 0, errCut},
		{"9000", 0, errCut},
		{"9100", 0, errCut},
	} {
		_, _, _, err := haloSign(script{[][]byte{unhex(tt.answer)}}.play(), [32]byte{})
		refused, ok := errors.AsType[*StatusError](err)
		if ok != (tt.sw != 0) || ok && refused.SW != tt.sw || !ok && !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", tt.answer, err)
		}
	}
}
