package card_test

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// strangers are readers that a resident's phone does not believe, and phones
// that a town's gateway does not know, as changes of a tap that would open.
var strangers = []struct {
	name   string
	change func(w *town, phone *soft.PhoneConfig)
	send   func(c []byte) []byte // the command, on its way
	back   func(r []byte) []byte // the answer to SELECT, on its way
}{
	{name: "a phone of another community", change: func(_ *town, p *soft.PhoneConfig) { p.Community[0] ^= 1 }},
	{name: "a phone that knows no issuer", change: func(_ *town, p *soft.PhoneConfig) { p.Issuers = nil }},
	{name: "a phone that knows other issuers", change: func(_ *town, p *soft.PhoneConfig) { p.Issuers = [][32]byte{{1}, {2}} }},
	{name: "a reader of another community", change: func(w *town, _ *soft.PhoneConfig) { w.credential.Community[0] ^= 1; w.sign() }},
	{name: "a forged first link", change: func(w *town, _ *soft.PhoneConfig) { w.credential.NodeSig[5] ^= 1 }},
	{name: "a forged second link", change: func(w *town, _ *soft.PhoneConfig) { w.credential.GatewaySig[5] ^= 1 }},
	{name: "no credential", change: func(w *town, _ *soft.PhoneConfig) {
		w.credential.NodeSig, w.credential.GatewaySig = [64]byte{}, [64]byte{}
	}},
	{name: "an issuer of its own", change: func(w *town, _ *soft.PhoneConfig) {
		w.issuer = ed("a stranger")
		w.credential.Issuer = edPublic(w.issuer)
		w.sign()
	}},
	{name: "a steward of its own", change: func(w *town, _ *soft.PhoneConfig) {
		link := w.credential.NodeSig
		w.steward = ed("a stranger")
		w.credential.Steward = edPublic(w.steward)
		w.sign()
		w.credential.NodeSig = link
	}},
	{name: "another reader key's signature", send: func(c []byte) []byte { return flip(c, prove, -66) }},
	{name: "another gateway", send: func(c []byte) []byte { return flip(c, prove, 0) }},
	{name: "another reader key", send: func(c []byte) []byte { return flip(c, prove, 32) }},
	{name: "another door", send: func(c []byte) []byte { return flip(c, prove, 130) }},
	{name: "another time", send: func(c []byte) []byte { return flip(c, prove, 168) }},
	{name: "no reader key", send: func(c []byte) []byte { return zero(c, prove, 32, 65) }},
	{name: "no signature", send: func(c []byte) []byte { return zero(c, prove, 169, 233) }},
	{name: "a phone whose key fails", change: func(_ *town, p *soft.PhoneConfig) { p.Key = new(passport.SoftKey) }},
	{name: "a reader key off the curve", send: func(c []byte) []byte { return offCurve(c, prove, 32) }},
	{name: "an ephemeral key off the curve", send: func(c []byte) []byte { return offCurve(c, hello, 0) }},
	{name: "an ephemeral key in another form", send: func(c []byte) []byte {
		if ins(c) == hello {
			c[5] = 4
		}
		return c
	}},
	{name: "the other s of the reader key's signature", send: func(c []byte) []byte {
		if ins(c) == prove {
			s := c[5+201 : 5+233]
			new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s)).FillBytes(s)
		}
		return c
	}},
	{name: "no ephemeral key", send: func(c []byte) []byte { return zero(c, hello, 0, 33) }},
	{name: "another ephemeral key", send: func(c []byte) []byte { return flip(c, hello, 0) }},
	{name: "another community on the way", send: func(c []byte) []byte { return flip(c, hello, 33) }},
	{name: "another issuer on the way", send: func(c []byte) []byte { return flip(c, hello, 65) }},
	{name: "another node on the way", send: func(c []byte) []byte { return flip(c, hello, 97) }},
	{name: "all zeros", send: func(c []byte) []byte { return zero(zero(c, hello, 0, 225), prove, 0, 233) }},
	{name: "another key of the phone's", back: func(r []byte) []byte { r[1] ^= 1; return r }},
	{name: "a version that it does not speak", back: func(r []byte) []byte { r[0]++; return r }},
}

// flip changes a byte of a command's data; from the end if at is negative.
func flip(c []byte, of byte, at int) []byte {
	if ins(c) == of {
		if at < 0 {
			at += len(c) - 5
		}
		c[5+at] ^= 1
	}
	return c
}

// offCurve puts a point there whose x is below the field's prime, and of no point.
func offCurve(c []byte, of byte, at int) []byte {
	c = zero(c, of, at, at+33)
	if ins(c) == of {
		c[5+at], c[5+at+32] = 2, 1
	}
	return c
}

func zero(c []byte, of byte, from, to int) []byte {
	if ins(c) == of {
		clear(c[5+from : 5+to])
	}
	return c
}

// TestPhoneStrangers: whatever a phone thinks of a reader, it answers in the
// same shape; the gateway learns no more than that this is no passport of ours.
func TestPhoneStrangers(t *testing.T) {
	t.Parallel()
	known := shape(t, newTown(t, "isla", "gw1"), nil, nil)
	for _, c := range strangers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "isla", "gw1")
			over := &wire{}
			cfg := soft.PhoneConfig{Key: doorKey(t), Community: w.credential.Community, Issuers: [][32]byte{w.credential.Issuer}, Rand: seeded(t)}
			if c.change != nil {
				c.change(w, &cfg)
			}
			if c.send != nil {
				over.command = func(_ int, b []byte) []byte { return c.send(b) }
			}
			if c.back != nil {
				over.response = func(_ int, b, r []byte) []byte {
					if len(b) > 1 && b[1] == 0xa4 && len(r) == 36 {
						return c.back(r)
					}
					return r
				}
			}
			over.Transceiver = soft.NewPhone(cfg)
			if got := shape(t, w, over, card.ErrStranger); got != known {
				t.Errorf("it answers as\n%s\nand to its own gateway as\n%s", got, known)
			}
			last := over.said[len(over.said)-1][1]
			again := &wire{Transceiver: over.Transceiver, command: over.command, response: over.response}
			shape(t, w, again, card.ErrStranger)
			if bytes.Equal(last, again.said[len(again.said)-1][1]) {
				t.Error("it answers the same bytes again")
			}
		})
	}
}

// shape is what a tap looks like from outside: the lengths and status words of
// all answers.
func shape(t *testing.T, w *town, over *wire, want error) string {
	t.Helper()
	if over == nil {
		over = &wire{Transceiver: w.resident(t)}
	}
	if _, err := w.tap(t, over); !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("got %v, want %v", err, want)
	} else if err != nil && !errors.Is(err, card.ErrUnknown) {
		t.Errorf("%v is no ErrUnknown", err)
	}
	var b strings.Builder
	for _, x := range over.said {
		fmt.Fprintf(&b, "%x: %d bytes, %x\n", x[0][:2], len(x[1]), x[1][len(x[1])-2:])
	}
	return b.String()
}

// TestPhoneReplay: a recorded session is a stranger's, whole or in part.
func TestPhoneReplay(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	phone := w.resident(t)
	recorded := &wire{Transceiver: phone}
	if _, err := w.tap(t, recorded); err != nil {
		t.Fatal(err)
	}
	over := &wire{Transceiver: phone}
	for _, x := range recorded.said[1:] {
		if _, err := over.Transmit(x[0]); err != nil {
			t.Fatal(err)
		}
	}
	for i, x := range over.said {
		old := recorded.said[i+1][1]
		if len(x[1]) != len(old) || !bytes.Equal(x[1][len(x[1])-2:], old[len(old)-2:]) {
			t.Errorf("the answer to %x has another shape: %x", x[0], x[1])
		}
		if len(old) > 2 && bytes.Equal(x[1], old) {
			t.Errorf("the answer to %x is the same: %x", x[0], x[1])
		}
	}
	// PROVE of the recorded session after a HELLO of this one.
	swapped := &wire{Transceiver: phone, command: func(_ int, c []byte) []byte {
		if ins(c) == prove {
			return bytes.Clone(recorded.said[3][0])
		}
		return c
	}}
	if _, err := w.tap(t, swapped); !errors.Is(err, card.ErrStranger) {
		t.Errorf("a recorded PROVE: %v", err)
	}
	// The recorded answer to this session's PROVE.
	answered := &wire{Transceiver: phone, response: func(_ int, c, r []byte) []byte {
		if ins(c) == prove {
			return bytes.Clone(recorded.said[3][1])
		}
		return r
	}}
	if _, err := w.tap(t, answered); !errors.Is(err, card.ErrStranger) {
		t.Errorf("a recorded answer: %v", err)
	}
}
