package card_test

import (
	"bytes"
	"errors"
	"testing"

	"tombolo/passport/card"
)

// FuzzPhoneCommand: whatever a reader sends, a phone answers in bounds and with
// a status word of phone.md, and to PROVE in one shape alone.
func FuzzPhoneCommand(f *testing.F) {
	w := newTown(f, "isla", "gw1")
	taken := &wire{Transceiver: w.resident(f)}
	if _, err := w.tap(&quiet{f}, taken); err != nil {
		f.Fatal(err)
	}
	var whole []byte
	for _, x := range taken.said[1:] {
		f.Add(append([]byte{byte(len(x[0]))}, x[0]...), true)
		whole = append(append(whole, byte(len(x[0]))), x[0]...)
	}
	f.Add(whole, false)
	f.Add(append(bytes.Clone(taken.said[1][0]), 5, 0x80, point, 0, 0, 0), true)
	known := map[uint16]bool{0x9000: true, 0x6700: true, 0x6a82: true, 0x6e00: true, 0x6d00: true, 0x6a86: true, 0x6985: true}
	f.Fuzz(func(t *testing.T, in []byte, enrolling bool) {
		phone := w.phone(t, enrolling)
		for len(in) > 0 { // commands, each after its length
			n := min(int(in[0]), len(in)-1)
			c := in[1 : 1+n]
			in = in[1+n:]
			r, err := phone.Transmit(c)
			if err != nil || len(r) < 2 || len(r) > card.MaxResponse {
				t.Fatalf("%x: %x, %v", c, r, err)
			}
			sw := uint16(r[len(r)-2])<<8 | uint16(r[len(r)-1])
			if !known[sw] || sw != 0x9000 && len(r) != 2 {
				t.Fatalf("%x: %x", c, r)
			}
			if sw != 0x9000 {
				continue
			}
			want := map[byte]int{0: 36, hello: 2, prove: 115, point: 36, consent: 66}[ins(c)]
			if len(r) != want || ins(c) >= point && !enrolling {
				t.Fatalf("%x: %x", c, r)
			}
		}
	})
}

// quiet logs no seed when a fuzzer's seed corpus is made.
type quiet struct{ testing.TB }

func (q *quiet) Cleanup(func()) {}

// FuzzPhoneAnswer: whatever a card answers in the phone's place, the gateway
// neither panics nor makes an answer of it that could not be one.
func FuzzPhoneAnswer(f *testing.F) {
	w := newTown(f, "isla", "gw1")
	taken := &wire{Transceiver: w.resident(f)}
	if _, err := w.tap(&quiet{f}, taken); err != nil {
		f.Fatal(err)
	}
	f.Add(taken.said[1][1], taken.said[2][1], taken.said[3][1])
	f.Add([]byte{0x6a, 0x82}, []byte{}, []byte{})
	f.Add(taken.said[1][1], []byte{0x61, 0x10}, bytes.Repeat([]byte{0x6c}, 2))
	f.Add(taken.said[1][1], []byte{0x90, 0x00}, append(make([]byte, 113), 0x90, 0x00))
	f.Fuzz(func(t *testing.T, sel, hi, pr []byte) {
		over := &wire{Transceiver: script{sel, hi, pr}}
		a, err := w.tap(t, over)
		if len(over.said) > mostTap {
			t.Errorf("%d commands", len(over.said))
		}
		if err == nil {
			t.Fatalf("an answer without a fresh agreement: %+v", a)
		}
		for _, kind := range []error{card.ErrAnswer, card.ErrUnknown} {
			if errors.Is(err, kind) {
				return
			}
		}
		if _, ok := errors.AsType[*card.StatusError](err); !ok {
			t.Errorf("an error of no kind: %v", err)
		}
		desk := &wire{Transceiver: script{sel, hi, pr}}
		if _, err := card.Possess(desk, doorKey(t).Key(), [32]byte{1}); err == nil {
			t.Error("a possession that nobody signed")
		}
	})
}

// script answers SELECT of the phone's applet, its first and its second command,
// and whatever asks for more of each.
type script [3][]byte

func (s script) Transmit(c []byte) ([]byte, error) {
	switch {
	case len(c) > 5 && c[1] == 0xa4 && c[5] == 0xf0:
		return s[0], nil
	case ins(c) == hello || ins(c) == point:
		return s[1], nil
	case ins(c) == prove || ins(c) == consent:
		return s[2], nil
	case len(c) > 1 && c[1] == 0xc0:
		return s[1], nil
	}
	return []byte{0x6a, 0x82}, nil
}
