package card_test

import (
	"bytes"
	"errors"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// TestPhoneAnswersMalformed: what a card in the phone's place may answer to the
// gateway and the desk.
func TestPhoneAnswersMalformed(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	good := doorKey(t).Key().Point
	off := append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...)
	sw := func(b ...byte) []byte { return b }
	data := func(parts ...[]byte) []byte { return append(bytes.Join(parts, nil), 0x90, 0x00) }
	var status *card.StatusError
	for _, c := range []struct {
		name string
		to   byte // the instruction; 0xa4 is SELECT
		r    []byte
		want error // nil: a *card.StatusError
	}{
		{"nothing at all", 0xa4, nil, card.ErrAnswer},
		{"half a status word", 0xa4, sw(0x90), card.ErrAnswer},
		{"beyond a short APDU", 0xa4, make([]byte, 259), card.ErrAnswer},
		{"no data", 0xa4, data(), card.ErrAnswer},
		{"a version alone", 0xa4, data(sw(1)), card.ErrAnswer},
		{"a byte short", 0xa4, data(sw(1), good[:32]), card.ErrAnswer},
		{"a byte more", 0xa4, data(sw(1), good[:], sw(0)), card.ErrAnswer},
		{"version 0", 0xa4, data(sw(0), good[:]), card.ErrAnswer},
		{"an uncompressed point", 0xa4, data(sw(1, 4), good[1:]), card.ErrAnswer},
		{"a hybrid point", 0xa4, data(sw(1, 6), good[1:]), card.ErrAnswer},
		{"infinity", 0xa4, data(sw(1), make([]byte, 33)), card.ErrAnswer},
		{"beyond the field", 0xa4, data(sw(1), off), card.ErrAnswer},
		{"off the curve", 0xa4, data(sw(1, 2), make([]byte, 31), sw(1)), card.ErrAnswer},
		{"an FCI", 0xa4, data(sw(0x6f, 0x20), make([]byte, 32)), card.ErrAnswer},
		{"it goes on for ever", 0xa4, sw(0x61, 0x22), card.ErrAnswer},
		{"not there", 0xa4, sw(0x6a, 0x82), card.ErrUnknown},
		{"deactivated", 0xa4, sw(0x62, 0x83), card.ErrUnknown},

		{"nothing at all", hello, nil, card.ErrAnswer},
		{"half a status word", hello, sw(0x90), card.ErrAnswer},
		{"beyond a short APDU", hello, make([]byte, 259), card.ErrAnswer},
		{"data", hello, data(sw(0)), card.ErrAnswer},
		{"SELECT's answer again", hello, data(sw(1), good[:]), card.ErrAnswer},
		{"the sealed answer already", hello, data(make([]byte, 113)), card.ErrAnswer},
		{"more for ever", hello, sw(0x61, 0x00), card.ErrAnswer},
		{"another length for ever", hello, sw(0x6c, 0x00), card.ErrAnswer},
		{"another length with data", hello, sw(0, 0x6c, 0x00), card.ErrAnswer},
		{"wrong length", hello, sw(0x67, 0x00), nil},
		{"out of order", hello, sw(0x69, 0x85), nil},
		{"unknown instruction", hello, sw(0x6d, 0x00), nil},
		{"a status word of its own", hello, sw(0x12, 0x34), nil},

		{"nothing at all", prove, nil, card.ErrAnswer},
		{"half a status word", prove, sw(0x90), card.ErrAnswer},
		{"no data", prove, data(), card.ErrAnswer},
		{"a byte short", prove, data(make([]byte, 112)), card.ErrAnswer},
		{"a byte more", prove, data(make([]byte, 114)), card.ErrAnswer},
		{"as much as can be", prove, data(make([]byte, 256)), card.ErrAnswer},
		{"beyond a short APDU", prove, make([]byte, 259), card.ErrAnswer},
		{"zeros", prove, data(make([]byte, 113)), card.ErrStranger},
		{"ones", prove, data(bytes.Repeat([]byte{0xff}, 113)), card.ErrStranger},
		{"in clear", prove, data(good[:], make([]byte, 80)), card.ErrStranger},
		{"more for ever", prove, sw(0x61, 0x71), card.ErrAnswer},
		{"a refusal with data", prove, append(make([]byte, 113), 0x69, 0x85), nil},
		{"out of order", prove, sw(0x69, 0x85), nil},
		{"an error inside", prove, sw(0x6f, 0x00), nil},

		{"nothing at all", point, nil, card.ErrAnswer},
		{"no data", point, data(), card.ErrAnswer},
		{"a byte short", point, data(sw(1), good[:32]), card.ErrAnswer},
		{"a byte more", point, data(sw(1), good[:], sw(0)), card.ErrAnswer},
		{"version 0", point, data(sw(0), good[:]), card.ErrAnswer},
		{"version 2", point, data(sw(2), good[:]), card.ErrAnswer},
		{"an uncompressed point", point, data(sw(1, 4), good[1:]), card.ErrAnswer},
		{"infinity", point, data(sw(1), make([]byte, 33)), card.ErrAnswer},
		{"off the curve", point, data(sw(1), off), card.ErrAnswer},
		{"another card's point", point, data(sw(1), w.credential.Reader[:]), card.ErrOtherCard},
		{"not enrolling", point, sw(0x69, 0x85), card.ErrNotEnrolling},
		{"unknown instruction", point, sw(0x6d, 0x00), nil},

		{"nothing at all", consent, nil, card.ErrAnswer},
		{"no data", consent, data(), card.ErrAnswer},
		{"a byte short", consent, data(make([]byte, 63)), card.ErrAnswer},
		{"a byte more", consent, data(make([]byte, 65)), card.ErrAnswer},
		{"DER", consent, data(sw(0x30, 0x44, 0x02, 0x20), make([]byte, 66)), card.ErrAnswer},
		{"zeros", consent, data(make([]byte, 64)), card.ErrAnswer},
		{"ones", consent, data(bytes.Repeat([]byte{0xff}, 64)), card.ErrAnswer},
		{"somebody's signature", consent, data(bytes.Repeat([]byte{1}, 64)), card.ErrAnswer},
		{"beyond a short APDU", consent, make([]byte, 259), card.ErrAnswer},
		{"not enrolling any more", consent, sw(0x69, 0x85), card.ErrNotEnrolling},
		{"wrong length", consent, sw(0x67, 0x00), nil},
	} {
		cfg := soft.PhoneConfig{Key: doorKey(t), Community: w.credential.Community, Issuers: [][32]byte{w.credential.Issuer}, Rand: seeded(t), Enrolling: func() bool { return true }}
		last := byte(0)
		over := &wire{Transceiver: soft.NewPhone(cfg), response: func(_ int, b, r []byte) []byte {
			if len(b) > 6 && b[1] == 0xa4 {
				last = 0
				if b[5] == 0xf0 {
					last = 0xa4
				}
			} else if i := ins(b); i != 0 {
				last = i
			} // GET RESPONSE goes on with the same
			if last == c.to {
				return c.r
			}
			return r
		}}
		var err error
		switch c.to {
		case point, consent:
			_, err = card.Possess(over, doorKey(t).Key(), [32]byte{1})
		default:
			_, err = w.tap(t, over)
		}
		if c.want == nil && !errors.As(err, &status) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%02x: %s: %v, want %v", c.to, c.name, err, c.want)
		}
		if len(over.said) > 16 {
			t.Errorf("%02x: %s: %d commands", c.to, c.name, len(over.said))
		}
	}
}

// TestPhoneSealedMalformed: who can speak the protocol can seal anything.
func TestPhoneSealedMalformed(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	point := doorKey(t).Key().Point
	n := []byte("\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51") // P-256's order
	one := append(make([]byte, 31), 1)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, c := range map[string]struct {
		plain []byte
		want  error
	}{
		"no point":                      {join(make([]byte, 33), one, one), passport.ErrPoint},
		"an uncompressed point":         {join([]byte{4}, point[1:], one, one), passport.ErrPoint},
		"a hybrid point":                {join([]byte{7}, point[1:], one, one), passport.ErrPoint},
		"off the curve":                 {join([]byte{2}, bytes.Repeat([]byte{0xff}, 32), one, one), passport.ErrPoint},
		"point and signature exchanged": {join(one, one, point[:]), passport.ErrPoint},
		"r is zero":                     {join(point[:], make([]byte, 32), one), passport.ErrSignatureRange},
		"s is zero":                     {join(point[:], one, make([]byte, 32)), passport.ErrSignatureRange},
		"r is the order":                {join(point[:], n, one), passport.ErrSignatureRange},
		"s is the order":                {join(point[:], one, n), passport.ErrSignatureRange},
		"r beyond the order":            {join(point[:], bytes.Repeat([]byte{0xff}, 32), one), passport.ErrSignatureRange},
		"all zeros":                     {make([]byte, 97), passport.ErrPoint},
	} {
		if _, err := w.tap(t, &sealer{t: t, version: 1, plain: c.plain}); !errors.Is(err, card.ErrAnswer) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, size := range []int{0, 1, 96, 98, 240} {
		if _, err := w.tap(t, &sealer{t: t, version: 1, plain: make([]byte, size)}); !errors.Is(err, card.ErrAnswer) {
			t.Errorf("%d bytes sealed: %v", size, err)
		}
	}
	// A well-formed signature of nothing is the controller's to refuse.
	a, err := w.tap(t, &sealer{t: t, version: 1, plain: join(point[:], one, one)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.accepts(a); !errors.Is(err, passport.ErrSignature) {
		t.Errorf("a signature of ones: %v", err)
	}
}

// TestPhoneCommandsMalformed: a phone refuses by what was sent alone, and the
// session is over.
func TestPhoneCommandsMalformed(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	taken := &wire{Transceiver: w.resident(t)}
	if _, err := w.tap(t, taken); err != nil {
		t.Fatal(err)
	}
	sel, hi, pr := taken.said[1][0], taken.said[2][0], taken.said[3][0]
	with := func(c []byte, at int, b ...byte) []byte {
		out := bytes.Clone(c)
		copy(out[at:], b)
		return out
	}
	cut := func(c []byte, n int) []byte { // a command with n bytes of its data fewer
		out := bytes.Clone(c[:len(c)-1-n])
		out[4] -= byte(n)
		return out
	}
	long := func(c []byte) []byte { // with one more
		out := append(bytes.Clone(c[:len(c)-1]), 0)
		out[4]++
		return out
	}
	small := func(ins byte, data ...byte) []byte {
		return append([]byte{0x80, ins, 0, 0, byte(len(data))}, data...)
	}
	consenting := append(small(consent, make([]byte, 32)...), 0)
	showing := []byte{0x80, point, 0, 0, 0}
	for _, c := range []struct {
		name   string
		before [][]byte
		c      []byte
		sw     uint16
	}{
		{"nothing", nil, nil, 0x6700},
		{"a header's half", nil, sel[:2], 0x6700},
		{"an extended length", nil, append([]byte{0, 0xa4, 4, 0, 0, 0, 9}, sel[5:14]...), 0x6700},
		{"without its name", nil, sel[:4], 0x6a82},
		{"a cut name", nil, sel[:12], 0x6700},
		{"a part of the name", nil, cut(sel, 1), 0x6a82},
		{"a longer name", nil, long(sel), 0x6a82},
		{"the next version", nil, with(sel, 13, 2), 0x6a82},
		{"another applet", nil, with(sel, 5, 0xa0), 0x6a82},
		{"by file", nil, with(sel, 2, 0), 0x6a82},
		{"the next occurrence", nil, with(sel, 3, 2), 0x6a82},
		{"beyond a short APDU", nil, make([]byte, 262), 0x6700},

		{"HELLO without SELECT", nil, hi, 0x6a82},
		{"HELLO after another applet's SELECT", [][]byte{sel, with(sel, 5, 0xa0)}, hi, 0x6a82},
		{"HELLO twice", [][]byte{sel, hi}, hi, 0x6985},
		{"HELLO after PROVE", [][]byte{sel, hi, pr}, hi, 0x6985},
		{"another class", [][]byte{sel}, with(hi, 0, 0x00), 0x6e00},
		{"a chained class", [][]byte{sel}, with(hi, 0, 0x90), 0x6e00},
		{"another instruction", [][]byte{sel}, with(hi, 1, 0x12), 0x6d00},
		{"P1", [][]byte{sel}, with(hi, 2, 1), 0x6a86},
		{"P2", [][]byte{sel}, with(hi, 3, 1), 0x6a86},
		{"HELLO without data", [][]byte{sel}, hi[:4], 0x6700},
		{"HELLO a byte short", [][]byte{sel}, cut(hi, 1), 0x6700},
		{"HELLO a byte more", [][]byte{sel}, long(hi), 0x6700},
		{"a wrong Lc", [][]byte{sel}, with(hi, 4, 224), 0x6700},
		{"Lc zero", [][]byte{sel}, with(hi, 4, 0), 0x6700},
		{"HELLO as long as can be", [][]byte{sel}, append([]byte{0x80, hello, 0, 0, 255}, make([]byte, 255)...), 0x6700},

		{"PROVE without SELECT", nil, pr, 0x6a82},
		{"PROVE without HELLO", [][]byte{sel}, pr, 0x6985},
		{"PROVE twice", [][]byte{sel, hi, pr}, pr, 0x6985},
		{"PROVE after a refusal", [][]byte{sel, hi, with(hi, 1, 0x12)}, pr, 0x6985},
		{"PROVE after HELLO twice", [][]byte{sel, hi, hi}, pr, 0x6985},
		{"PROVE after another SELECT", [][]byte{sel, hi, sel}, pr, 0x6985},
		{"PROVE of another class", [][]byte{sel, hi}, with(pr, 0, 0x84), 0x6e00},
		{"PROVE with P1", [][]byte{sel, hi}, with(pr, 2, 0x80), 0x6a86},
		{"PROVE with P2", [][]byte{sel, hi}, with(pr, 3, 0x80), 0x6a86},
		{"PROVE without data", [][]byte{sel, hi}, pr[:4], 0x6700},
		{"PROVE a byte short", [][]byte{sel, hi}, cut(pr, 1), 0x6700},
		{"PROVE a byte more", [][]byte{sel, hi}, long(pr), 0x6700},
		{"PROVE without its signature", [][]byte{sel, hi}, cut(pr, 64), 0x6700},
		{"HELLO's data in PROVE", [][]byte{sel, hi}, with(hi, 1, prove), 0x6700},

		{"POINT without SELECT", nil, showing, 0x6a82},
		{"POINT with data", [][]byte{sel}, small(point, 1), 0x6700},
		{"POINT with P1", [][]byte{sel}, with(showing, 2, 1), 0x6a86},
		{"POINT unasked", [][]byte{sel}, showing, 0x6985},
		{"CONSENT without SELECT", nil, consenting, 0x6a82},
		{"CONSENT without a digest", [][]byte{sel}, consenting[:4], 0x6700},
		{"CONSENT of a short digest", [][]byte{sel}, cut(consenting, 1), 0x6700},
		{"CONSENT of a long digest", [][]byte{sel}, long(consenting), 0x6700},
		{"CONSENT unasked", [][]byte{sel}, consenting, 0x6985},
		{"POINT unasked within a tap", [][]byte{sel, hi}, showing, 0x6985},
	} {
		for _, enrolling := range []bool{false, true} {
			phone := w.phone(t, enrolling)
			for _, b := range c.before {
				transmit(t, phone, b)
			}
			want := c.sw
			if asked := bytes.HasSuffix([]byte(c.name), []byte("unasked")) || c.name == "POINT unasked within a tap"; asked && enrolling {
				want = 0x9000
			}
			if got := transmit(t, phone, c.c); got != want {
				t.Errorf("%s (enrolling: %v): %04X, want %04X", c.name, enrolling, got, want)
			}
			if got := transmit(t, phone, pr); want != 0x9000 && got == 0x9000 {
				t.Errorf("%s: a PROVE after it is answered", c.name)
			}
		}
	}
}

func (w *town) phone(t testing.TB, enrolling bool) *soft.Phone {
	t.Helper()
	return soft.NewPhone(soft.PhoneConfig{Key: doorKey(t), Community: w.credential.Community, Issuers: [][32]byte{w.credential.Issuer},
		Rand: seeded(t), Enrolling: func() bool { return enrolling }})
}

// transmit gives the status word; a refusal has no data.
func transmit(t testing.TB, c card.Transceiver, b []byte) uint16 {
	t.Helper()
	r, err := c.Transmit(b)
	if err != nil || len(r) < 2 {
		t.Fatalf("%x, %v", r, err)
	}
	sw := uint16(r[len(r)-2])<<8 | uint16(r[len(r)-1])
	if sw != 0x9000 && len(r) != 2 {
		t.Errorf("%04X with data", sw)
	}
	return sw
}
