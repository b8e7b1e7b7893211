package card_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// entropy is a random source that a test repeats from its seed.
func entropy(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func cardKey(t testing.TB, kind passport.KeyKind, seed byte) *passport.SoftKey {
	t.Helper()
	k, err := passport.GenerateSoftKey(kind, entropy(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sample is a card of each sort, and how many commands a tap takes where phones
// are not asked.
type sample struct {
	name string
	key  passport.Key
	make func() card.Transceiver
	apdu int
}

var testMaker = soft.NewMaker(entropy(100))

func testRoots() card.Roots {
	return card.Roots{Halo: [][33]byte{testMaker.Root()}, Keycard: [][33]byte{testMaker.Root()}}
}

func samples(t testing.TB) []sample {
	t.Helper()
	halo := func(name string, apdu int, change func(*soft.HaloConfig)) sample {
		cfg := soft.HaloConfig{Key: cardKey(t, passport.KindHalo, 1), Maker: testMaker}
		change(&cfg)
		return sample{name, cfg.Key.Key(), func() card.Transceiver {
			cfg.Rand = entropy(2)
			return soft.NewHalo(cfg)
		}, apdu}
	}
	keycard := func(name string, apdu int, change func(*soft.KeycardConfig)) sample {
		cfg := soft.KeycardConfig{Key: cardKey(t, passport.KindKeycard, 3), Maker: testMaker}
		change(&cfg)
		return sample{name, cfg.Key.Key(), func() card.Transceiver { return soft.NewKeycard(cfg) }, apdu}
	}
	return []sample{
		halo("halo", 2, func(*soft.HaloConfig) {}),
		halo("halo with high s", 2, func(c *soft.HaloConfig) { c.HighS = true }),
		halo("older halo", 5, func(c *soft.HaloConfig) { c.Old = true }),
		keycard("keycard", 3, func(*soft.KeycardConfig) {}),
		keycard("keycard with high s", 3, func(c *soft.KeycardConfig) { c.HighS = true }),
		keycard("keycard that gives r, s and v", 3, func(c *soft.KeycardConfig) { c.Raw = true }),
		keycard("cash alone", 4, func(c *soft.KeycardConfig) { c.Cash = true }),
		keycard("cash beside a keycard without a path", 5, func(c *soft.KeycardConfig) { c.Cash, c.NoPinless = true, true }),
	}
}

// testAsker is a gateway at a door; its challenges are appended to asked.
func testAsker(asked *[]passport.Challenge) card.Asker {
	a := card.Asker{Gateway: [32]byte{7}, Door: passport.DoorTarget(passport.NodeID{8}, "front"), Rand: entropy(4)}
	a.Challenge = func(nonce [32]byte) passport.Challenge {
		ch := passport.Challenge{Community: passport.CommunityID{9}, Place: passport.TapPlace(a.Gateway, a.Door), Time: 1700000000, Nonce: nonce}
		*asked = append(*asked, ch)
		return ch
	}
	return a
}

// via stands between us and a card: what it returns is what we get.
type via func(command []byte) ([]byte, error)

func (v via) Transmit(command []byte) ([]byte, error) {
	if len(command) < 4 || len(command) > card.MaxCommand {
		return nil, fmt.Errorf("a command of %d bytes was sent", len(command))
	}
	return v(command)
}

// counted counts the commands to a card.
func counted(t card.Transceiver, n *int) card.Transceiver {
	return via(func(command []byte) ([]byte, error) {
		*n++
		return t.Transmit(command)
	})
}

// torn lets n commands through and then the card is gone for good.
func torn(t card.Transceiver, n int) card.Transceiver {
	return via(func(command []byte) ([]byte, error) {
		if n == 0 {
			return nil, fmt.Errorf("reader: %w", card.ErrGone)
		}
		n--
		return t.Transmit(command)
	})
}

// chained gives answers in parts of at most size bytes, as a T=0 card or a
// reader without long frames does.
func chained(t card.Transceiver, size int) card.Transceiver {
	var rest []byte // with its status word
	return via(func(command []byte) ([]byte, error) {
		if command[1] != 0xc0 || command[0] != 0 {
			rest, _ = t.Transmit(command)
		}
		if len(rest)-2 <= size {
			return rest, nil
		}
		part := slices.Clone(rest[:size])
		rest = rest[size:]
		return append(part, 0x61, byte(min(len(rest)-2, size))), nil
	})
}

// exact answers 6Cxx to whoever does not ask for just as much as there is.
func exact(t card.Transceiver) card.Transceiver {
	return via(func(command []byte) ([]byte, error) {
		c, err := card.ParseCommand(command)
		if err != nil {
			return nil, err
		}
		resp, err := t.Transmit(command)
		if n := len(resp) - 2; err == nil && n > 0 && c.Le != n {
			return []byte{0x6c, byte(n)}, nil
		}
		return resp, err
	})
}

func TestTap(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		for _, way := range []struct {
			name string
			over func(card.Transceiver) card.Transceiver
		}{
			{"", func(c card.Transceiver) card.Transceiver { return c }},
			{" in parts", func(c card.Transceiver) card.Transceiver { return chained(c, 80) }},
			{" asked again", exact},
		} {
			t.Run(s.name+way.name, func(t *testing.T) {
				t.Parallel()
				var asked []passport.Challenge
				n := 0
				answer, err := card.Tap(way.over(counted(s.make(), &n)), testAsker(&asked))
				if err != nil {
					t.Fatal(err)
				}
				if way.name == "" && n != s.apdu {
					t.Errorf("%d commands instead of %d", n, s.apdu)
				}
				if answer.Key != s.key || answer.Challenge != asked[len(asked)-1] {
					t.Errorf("answer %+v", answer)
				}
				verify(t, answer)
			})
		}
	}
}

// verify checks an answer as the controller does.
func verify(t testing.TB, a card.Answer) {
	t.Helper()
	tap, err := passport.NewTap(a.Challenge, a.Key, a.Signature)
	if err != nil {
		t.Fatal(err)
	}
	v, err := passport.NewVerifier(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := tap.Verify(v, a.Challenge.Community, a.Challenge.Place); err != nil {
		t.Error(err)
	}
}

// TestTapOrder: the applets in their order, phones only by a gateway
// that can prove itself.
func TestTapOrder(t *testing.T) {
	t.Parallel()
	halo, phone, keycard := "a0000009490148614c6f", "f0544f4d424f4c4f01", "a00000080400010101"
	cash, old := "a00000080400010301", "481199130e9f01"
	for _, tt := range []struct {
		identity *card.Identity
		want     []string
	}{
		{nil, []string{halo, keycard, cash, old}},
		{&card.Identity{}, []string{halo, phone, keycard, cash, old}},
	} {
		for _, sw := range []string{"6a82", "6d00", "6e00", "6985", "6f00", "6999", "6a86"} {
			var aids []string
			empty := via(func(command []byte) ([]byte, error) {
				c, err := card.ParseCommand(command)
				if err != nil || c.INS != 0xa4 {
					return nil, fmt.Errorf("command %x, %v", command, err)
				}
				aids = append(aids, fmt.Sprintf("%x", c.Data))
				return decode(sw), nil
			})
			a := testAsker(new([]passport.Challenge))
			a.Identity = tt.identity
			if _, err := card.Tap(empty, a); !errors.Is(err, card.ErrUnknown) {
				t.Errorf("%s: %v", sw, err)
			}
			if !slices.Equal(aids, tt.want) {
				t.Errorf("%s: selected %s", sw, aids)
			}
		}
	}
}

func decode(s string) (b []byte) {
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil {
		panic(err)
	}
	return b
}

// TestHaloSlots: whatever is done with a HaLo chip, only slot 2 signs, and never
// a raw digest.
func TestHaloSlots(t *testing.T) {
	t.Parallel()
	s := samples(t)[0]
	var codes []byte
	chip := s.make()
	watched := via(func(command []byte) ([]byte, error) {
		c, err := card.ParseCommand(command)
		if err == nil && c.CLA == 0xb0 {
			codes = append(codes, c.Data[0])
			if c.Data[0] == 0x01 || c.Data[0] == 0x06 || c.Data[0] >= 0xa0 || (c.Data[0] == 0x11 || c.Data[0] == 0x08) && c.Data[1] != 2 {
				t.Errorf("sent %x", command)
			}
		}
		return chip.Transmit(command)
	})
	if _, err := card.Tap(watched, testAsker(new([]passport.Challenge))); err != nil {
		t.Error(err)
	}
	if _, err := card.Identify(watched, testRoots(), entropy(5)); err != nil {
		t.Error(err)
	}
	if _, err := card.Possess(watched, s.key, [32]byte{1}); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(codes, []byte{0x11, 0x11, 0x02, 0x13, 0x13, 0x08, 0x11}) {
		t.Errorf("commands %x", codes)
	}
}

// TestTapRefused: a Keycard without a pinless path, and no cash applet, says
// what is missing; a blocked applet is named.
func TestTapRefused(t *testing.T) {
	t.Parallel()
	noPath := func() card.Transceiver {
		return soft.NewKeycard(soft.KeycardConfig{Key: cardKey(t, passport.KindKeycard, 3), NoPinless: true})
	}
	_, err := card.Tap(noPath(), testAsker(new([]passport.Challenge)))
	refused, ok := errors.AsType[*card.StatusError](err)
	if !ok || refused.SW != 0x6a88 {
		t.Errorf("tap: %v", err)
	}
	_, err = card.Identify(noPath(), testRoots(), entropy(5))
	if refused, ok = errors.AsType[*card.StatusError](err); !ok || refused.SW != 0x6a88 {
		t.Errorf("identify: %v", err)
	}
	blocked := via(func(command []byte) ([]byte, error) {
		if command[len(command)-2] == 0x6f { // the HaLo AID's last byte
			return decode("6283"), nil
		}
		return decode("6a82"), nil
	})
	_, err = card.Tap(blocked, testAsker(new([]passport.Challenge)))
	if refused, ok = errors.AsType[*card.StatusError](err); !ok || refused.SW != 0x6283 || !errors.Is(err, card.ErrUnknown) {
		t.Errorf("blocked: %v", err)
	}
}

// TestAskerMistakes: nothing is signed for another place or with a nonce that
// the challenge does not hold.
func TestAskerMistakes(t *testing.T) {
	t.Parallel()
	errRand := errors.New("no entropy")
	for _, tt := range []struct {
		name   string
		change func(*card.Asker)
		want   error
	}{
		{"another door", func(a *card.Asker) { a.Door[0]++ }, card.ErrAsker},
		{"another gateway", func(a *card.Asker) { a.Gateway[0]++ }, card.ErrAsker},
		{"another nonce", func(a *card.Asker) {
			right := a.Challenge
			a.Challenge = func(nonce [32]byte) passport.Challenge { nonce[0]++; return right(nonce) }
		}, card.ErrAsker},
		{"no entropy", func(a *card.Asker) { a.Rand = io.MultiReader(bytes.NewReader(make([]byte, 31)), failingRand{errRand}) }, errRand},
	} {
		for _, s := range samples(t) {
			if s.apdu > 4 { // a second applet would be asked
				continue
			}
			a := testAsker(new([]passport.Challenge))
			tt.change(&a)
			n := 0
			if _, err := card.Tap(counted(s.make(), &n), a); !errors.Is(err, tt.want) || n != s.apdu-1 {
				t.Errorf("%s, %s: %v after %d commands", tt.name, s.name, err, n)
			}
		}
	}
}

type failingRand struct{ err error }

func (f failingRand) Read([]byte) (int, error) { return 0, f.err }

// TestTear: whichever command the card leaves at, there is no answer.
func TestTear(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, do := range []struct {
				name string
				run  func(card.Transceiver) (empty bool, err error)
			}{
				{"tap", func(c card.Transceiver) (bool, error) {
					a, err := card.Tap(c, testAsker(new([]passport.Challenge)))
					return a == card.Answer{}, err
				}},
				{"identify", func(c card.Transceiver) (bool, error) {
					i, err := card.Identify(c, testRoots(), entropy(5))
					return i.Key == passport.Key{} && i.Version == "" && i.Genuine == nil && i.Details == nil, err
				}},
				{"possess", func(c card.Transceiver) (bool, error) {
					sig, err := card.Possess(c, s.key, [32]byte{1})
					return sig == passport.Signature{}, err
				}},
			} {
				whole := 0
				if empty, err := do.run(counted(chained(s.make(), 100), &whole)); err != nil || empty {
					t.Fatalf("%s: %v", do.name, err)
				}
				for n := range whole {
					if empty, err := do.run(torn(chained(s.make(), 100), n)); !errors.Is(err, card.ErrGone) || !empty {
						t.Errorf("%s torn away after %d of %d commands: %v, empty %v", do.name, n, whole, err, empty)
					}
				}
			}
		})
	}
}
