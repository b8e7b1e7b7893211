package card_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

func TestPhoneTap(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	phone := w.resident(t)
	seen := map[[32]byte]bool{}
	for range 3 {
		over := &wire{Transceiver: phone}
		a, err := w.tap(t, over)
		if err != nil {
			t.Fatal(err)
		}
		w.opens(t, a)
		if seen[a.Challenge.Nonce] {
			t.Error("a nonce twice")
		}
		seen[a.Challenge.Nonce] = true
		if len(over.said) != 4 { // HaLo, then the phone's SELECT, HELLO, PROVE
			t.Fatalf("%d commands", len(over.said))
		}
		for i, want := range [][2]int{{15, 2}, {15, 36}, {5 + 225 + 1, 2}, {5 + 233 + 1, 115}} {
			if c, r := over.said[i][0], over.said[i][1]; i > 0 && (len(c) != want[0] || len(r) != want[1]) {
				t.Errorf("exchange %d: %d bytes, then %d; want %v", i, len(c), len(r), want)
			}
		}
		point := a.Key.Point[1:]
		for _, x := range over.said {
			if bytes.Contains(x[1], point) || bytes.Contains(x[1], a.Signature[:32]) || bytes.Contains(x[0], a.Challenge.Nonce[:]) {
				t.Errorf("who listens learns it: %x", x)
			}
		}
	}
}

// TestPhoneRelay: an enrolled gateway that has somebody's phone before its own
// reader gets nothing out of it that another gateway would take.
func TestPhoneRelay(t *testing.T) {
	t.Parallel()
	one, two := newTown(t, "isla", "gw1"), newTown(t, "isla", "gw2")
	phone := two.resident(t)
	a, err := two.tap(t, phone)
	if err != nil {
		t.Fatal(err)
	}
	two.opens(t, a)
	if err := one.accepts(a); err == nil {
		t.Error("gw1 takes what was said to gw2")
	}

	// It asks about the door of gw1, as itself.
	sly := newTown(t, "isla", "gw2")
	sly.door = passport.DoorTarget(one.credential.Node, "front")
	if a, err = sly.tap(t, phone); err != nil {
		t.Fatal(err)
	}
	if err := one.accepts(a); err == nil {
		t.Error("gw1 takes what was said to gw2 of its door")
	}

	// It hands gw1's own messages on, and puts itself between: with its own
	// HELLO, or as gw1 in its own PROVE.
	var own [][]byte
	recorded := &wire{Transceiver: phone}
	if _, err := two.tap(t, recorded); err != nil {
		t.Fatal(err)
	}
	for _, x := range recorded.said[1:] {
		own = append(own, x[0])
	}
	for name, command := range map[string]func(c []byte) []byte{
		"its own HELLO": func(c []byte) []byte {
			if ins(c) == hello {
				return bytes.Clone(own[1])
			}
			return c
		},
		"its own PROVE": func(c []byte) []byte {
			if ins(c) == prove {
				return bytes.Clone(own[2])
			}
			return c
		},
		"its own credential in PROVE": func(c []byte) []byte {
			if ins(c) == prove {
				copy(c[5:5+129], own[2][5:5+129])
			}
			return c
		},
	} {
		over := &wire{Transceiver: phone, command: func(_ int, c []byte) []byte { return command(c) }}
		if _, err := one.tap(t, over); !errors.Is(err, card.ErrStranger) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// It answers gw1's challenge itself, with what the phone signed for it.
	over := &wire{Transceiver: phone}
	first, err := two.tap(t, over)
	if err != nil {
		t.Fatal(err)
	}
	forger := &sealer{t: t, version: 1, plain: append(first.Key.Point[:], first.Signature[:]...)}
	if a, err = one.tap(t, forger); err != nil {
		t.Fatalf("whoever speaks the protocol is heard: %v", err)
	}
	if err := one.accepts(a); err == nil {
		t.Error("gw1 takes an answer that was given to gw2")
	}
}

// TestPhoneTear: a phone that leaves before any answer never answers.
func TestPhoneTear(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	for n := 1; n <= 4; n++ {
		over := &wire{Transceiver: w.resident(t), gone: n}
		if _, err := w.tap(t, over); !errors.Is(err, card.ErrGone) || !errors.Is(err, errTorn) {
			t.Errorf("before exchange %d: %v", n, err)
		}
		if len(over.said) != n-1 {
			t.Errorf("%d exchanges, want %d", len(over.said), n-1)
		}
	}
	cfg := soft.PhoneConfig{Key: doorKey(t), Rand: seeded(t), Enrolling: func() bool { return true }}
	for n := 1; n <= 3; n++ {
		over := &wire{Transceiver: soft.NewPhone(cfg), gone: n}
		if info, err := card.Identify(over, card.Roots{}, seeded(t)); !errors.Is(err, card.ErrGone) || info.Key != (passport.Key{}) {
			t.Errorf("Identify, before exchange %d: %v", n, err)
		}
		over = &wire{Transceiver: soft.NewPhone(cfg), gone: n}
		if _, err := card.Possess(over, doorKey(t).Key(), [32]byte{1}); !errors.Is(err, card.ErrGone) {
			t.Errorf("Possess, before exchange %d: %v", n, err)
		}
	}
}

// TestPhoneVersions: a phone that speaks a later version as well answers in
// this one, and whoever changes what it says of that is found out.
func TestPhoneVersions(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	for _, version := range []byte{1, 2, 255} {
		phone := &sealer{t: t, version: version, key: doorKey(t)}
		a, err := w.tap(t, phone)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		w.opens(t, a)
		for _, told := range []byte{1, 2, 3, 255} {
			over := &wire{Transceiver: &sealer{t: t, version: version, key: doorKey(t)}, response: func(_ int, c, r []byte) []byte {
				if len(r) == 36 {
					r[0] = told
				}
				return r
			}}
			if _, err := w.tap(t, over); (told == version) != (err == nil) || (err != nil && !errors.Is(err, card.ErrStranger)) {
				t.Errorf("version %d told as %d: %v", version, told, err)
			}
		}
	}
	over := &wire{Transceiver: w.resident(t), response: func(_ int, c, r []byte) []byte {
		if len(r) == 36 {
			r[0] = 2
		}
		return r
	}}
	if _, err := w.tap(t, over); !errors.Is(err, card.ErrStranger) {
		t.Errorf("a phone of version 1 told as 2: %v", err)
	}
}

// TestPhoneMistakes: what the program itself gets wrong is told before the
// gateway proves anything.
func TestPhoneMistakes(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	other := newTown(t, "isla", "gw2")
	broken := errors.New("no randomness")
	for name, c := range map[string]struct {
		change func(*card.Asker)
		want   error
		sent   int // commands of the applet, after its SELECT
	}{
		"another gateway":          {func(a *card.Asker) { a.Gateway = other.credential.Gateway }, card.ErrIdentity, 0},
		"another's identity":       {func(a *card.Asker) { a.Identity = &card.Identity{Credential: other.credential, Key: other.reader} }, card.ErrIdentity, 0},
		"another's key":            {func(a *card.Asker) { a.Identity = &card.Identity{Credential: w.credential, Key: other.reader} }, card.ErrIdentity, 0},
		"no key":                   {func(a *card.Asker) { a.Identity = &card.Identity{Credential: w.credential} }, card.ErrIdentity, 0},
		"another door":             {func(a *card.Asker) { a.Door[0] ^= 1 }, card.ErrAsker, 1},
		"a challenge of its own":   {changed(func(c *passport.Challenge) { c.Nonce[0] ^= 1 }), card.ErrAsker, 1},
		"another place":            {changed(func(c *passport.Challenge) { c.Place[0] ^= 1 }), card.ErrAsker, 1},
		"another community":        {changed(func(c *passport.Challenge) { c.Community[0] ^= 1 }), card.ErrAsker, 1},
		"the zero challenge":       {changed(func(c *passport.Challenge) { *c = passport.Challenge{} }), card.ErrAsker, 1},
		"no randomness":            {func(a *card.Asker) { a.Rand = failing{broken} }, broken, 0},
		"a random source of zeros": {func(a *card.Asker) { a.Rand = zeros{} }, nil, 0},
	} {
		over := &wire{Transceiver: w.resident(t)}
		asked := 0
		a := w.asker(seeded(t), &asked)
		c.change(&a)
		answer, err := card.Tap(over, a)
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) || answer != (card.Answer{}) || errors.Is(err, card.ErrUnknown) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		sent := 0
		for _, x := range over.said {
			if ins(x[0]) != 0 {
				sent++
			}
		}
		if sent != c.sent {
			t.Errorf("%s: %d commands were sent, want %d", name, sent, c.sent)
		}
	}
	// Without an identity the applet is not even selected.
	over := &wire{Transceiver: w.resident(t)}
	asked := 0
	a := w.asker(seeded(t), &asked)
	a.Identity = nil
	if _, err := card.Tap(over, a); !errors.Is(err, card.ErrUnknown) || !errors.Is(err, card.ErrUnasked) || errors.Is(err, card.ErrStranger) || asked != 0 {
		t.Errorf("without an identity: %v, %d challenges", err, asked)
	}
	if _, err := w.tap(t, via(func([]byte) ([]byte, error) { return []byte{0x6a, 0x82}, nil })); !errors.Is(err, card.ErrUnknown) || errors.Is(err, card.ErrUnasked) {
		t.Errorf("nothing there, with an identity: %v", err)
	}
	for _, x := range over.said {
		if bytes.Contains(x[0], []byte("TOMBOLO")) {
			t.Error("the applet was selected")
		}
	}
}

func changed(f func(*passport.Challenge)) func(*card.Asker) {
	return func(a *card.Asker) {
		give := a.Challenge
		a.Challenge = func(nonce [32]byte) passport.Challenge {
			c := give(nonce)
			f(&c)
			return c
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestPhoneClockUnknown: a gateway without a clock taps, as with cards.
func TestPhoneClockUnknown(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	over := &wire{Transceiver: w.resident(t)}
	asked := 0
	a := w.asker(seeded(t), &asked)
	changed(func(c *passport.Challenge) { c.Time = 0 })(&a)
	answer, err := card.Tap(over, a)
	if err != nil || answer.Challenge.Time != 0 || binary.BigEndian.Uint64(over.said[3][0][5+161:]) != 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
	w.opens(t, answer)
}

// TestPhoneEnrol: by its person's wish alone a phone shows its key and consents.
func TestPhoneEnrol(t *testing.T) {
	t.Parallel()
	enrolling := false
	key := doorKey(t).Key()
	phone := soft.NewPhone(soft.PhoneConfig{Key: doorKey(t), Rand: seeded(t), Enrolling: func() bool { return enrolling }})
	digest := sha256.Sum256([]byte("a delegation"))
	if _, err := card.Identify(phone, card.MakersRoots(), seeded(t)); !errors.Is(err, card.ErrNotEnrolling) {
		t.Errorf("unasked, it says who it is: %v", err)
	}
	if _, err := card.Possess(phone, key, digest); !errors.Is(err, card.ErrNotEnrolling) {
		t.Errorf("unasked, it consents: %v", err)
	}
	enrolling = true
	info, err := card.Identify(phone, card.MakersRoots(), seeded(t))
	if err != nil || info.Key != key || info.Version != "1" || !errors.Is(info.Genuine, card.ErrNoProof) {
		t.Fatalf("%+v, %v", info, err)
	}
	other, err := passport.GenerateSoftKey(passport.KindPhone, seeded(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.Possess(phone, other.Key(), digest); !errors.Is(err, card.ErrOtherCard) {
		t.Errorf("another phone: %v", err)
	}
	sig, err := card.Possess(phone, info.Key, digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(passport.PossessionChallenge(digest), sig); err != nil {
		t.Error(err)
	}
	for _, enrolling = range []bool{true, false} {
		if _, err := card.Possess(phone, key, digest); !errors.Is(err, card.ErrNotEnrolling) {
			t.Errorf("a second consent to one wish (still there: %v): %v", enrolling, err)
		}
		if _, err := card.Identify(phone, card.MakersRoots(), seeded(t)); !errors.Is(err, card.ErrNotEnrolling) {
			t.Errorf("it says who it is after it consented (wish still there: %v): %v", enrolling, err)
		}
	}
	enrolling = true
	if _, err := card.Possess(phone, key, digest); err != nil {
		t.Errorf("asked again: %v", err)
	}
}

// TestPhoneEnrolDuringTap: enrolment leaves a session as it is, and needs none.
func TestPhoneEnrolDuringTap(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	phone := w.phone(t, true)
	show := []byte{0x80, point, 0, 0, 0}
	over := &wire{Transceiver: phone}
	over.response = func(_ int, c, r []byte) []byte {
		if len(r) == 36 || ins(c) == hello {
			if sw := transmit(t, phone, show); sw != 0x9000 {
				t.Errorf("POINT after %x: %04X", c[:2], sw)
			}
		}
		return r
	}
	a, err := w.tap(t, over)
	if err != nil {
		t.Fatal(err)
	}
	w.opens(t, a)
	if sw := transmit(t, phone, []byte{0x80, 0x12, 0, 0}); sw != 0x6d00 {
		t.Errorf("%04X", sw)
	}
	if sw := transmit(t, phone, show); sw != 0x9000 {
		t.Errorf("POINT after a refusal: %04X", sw)
	}
}

// TestPhoneHome: at its home a phone believes the gateway that its person has
// marked, whoever vouches for it, and no other.
func TestPhoneHome(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	mark := soft.Home{Gateway: w.credential.Gateway, Reader: w.credential.Reader}
	marked := []soft.Home{{Gateway: [32]byte{1}, Reader: mark.Reader}, mark}
	anothersKey := func(w *town) {
		w.reader = p256(t, "a thief's")
		w.credential.Reader = readerPoint(t, w.reader)
		w.sign()
	}
	for _, c := range []struct {
		name   string
		homes  []soft.Home
		change func(w *town)
		send   func(c []byte) []byte
		opens  bool
	}{
		{name: "its issuer is retired", homes: marked, opens: true},
		{name: "nobody vouches for it", homes: marked, opens: true, change: func(w *town) {
			w.credential.Issuer, w.credential.Steward, w.credential.NodeSig, w.credential.GatewaySig = [32]byte{}, [32]byte{}, [64]byte{}, [64]byte{}
		}},
		{name: "without the mark"},
		{name: "another community", homes: marked, change: func(w *town) { w.credential.Community[0] ^= 1; w.sign() }},
		{name: "another gateway with its reader key", homes: marked, change: func(w *town) { w.credential.Gateway[0] ^= 1; w.sign() }},
		{name: "another reader key", homes: marked, change: anothersKey},
		{name: "another's signature for its reader key", homes: marked, change: anothersKey, send: func(c []byte) []byte {
			if ins(c) == prove {
				copy(c[5+32:], mark.Reader[:])
			}
			return c
		}},
	} {
		w := newTown(t, "isla", "gw1")
		cfg := soft.PhoneConfig{Key: doorKey(t), Community: w.credential.Community, Issuers: [][32]byte{{9}}, Homes: c.homes, Rand: seeded(t)}
		over := &wire{Transceiver: soft.NewPhone(cfg)}
		if c.change != nil {
			c.change(w)
		}
		if c.send != nil {
			over.command = func(_ int, b []byte) []byte { return c.send(b) }
		}
		switch a, err := w.tap(t, over); {
		case c.opens && err == nil:
			w.opens(t, a)
		case c.opens, !errors.Is(err, card.ErrStranger):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
