package card_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
	"tombolo/passport"
	"tombolo/passport/card"
)

// What one call may send, whatever the card says: each of the five applets'
// SELECT and each command after it takes at most four.
const (
	mostTap      = 4 * (5 + 6)         // one command for each applet, two for a phone
	mostIdentify = 4 * (5 + 2*6 + 2*2) // a HaLo's six, a Keycard's two
	mostPossess  = mostTap
)

// every runs each call against a card that may do anything, and checks what
// must hold of it: no half answers, and an end.
func every(t interface {
	Fatalf(format string, args ...any)
}, mk func() card.Transceiver, key passport.Key) {
	n := 0
	a, err := card.Tap(counted(mk(), &n), testAsker(new([]passport.Challenge)))
	switch {
	case n > mostTap:
		t.Fatalf("%d commands for a tap", n)
	case err != nil && a != card.Answer{}:
		t.Fatalf("answer %+v beside %v", a, err)
	case err == nil && a.Key.Validate() != nil:
		t.Fatalf("answer with key %s", a.Key)
	case err == nil && a.Challenge.Time != 1700000000:
		t.Fatalf("answer to challenge %+v", a.Challenge)
	case err == nil:
		if _, err := passport.NewTap(a.Challenge, a.Key, a.Signature); err != nil {
			t.Fatalf("answer %+v: %v", a, err)
		}
	}
	n = 0
	info, err := card.Identify(counted(mk(), &n), testRoots(), entropy(5))
	switch {
	case n > mostIdentify:
		t.Fatalf("%d commands to identify", n)
	case err != nil && (info.Key != passport.Key{} || info.Details != nil):
		t.Fatalf("%+v beside %v", info, err)
	case err == nil && info.Key.Validate() != nil:
		t.Fatalf("key %s", info.Key)
	}
	for _, d := range info.Details {
		if slices.ContainsFunc([]rune(d.Name+d.Value+info.Version), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is shown", d)
		}
	}
	n = 0
	sig, err := card.Possess(counted(mk(), &n), key, [32]byte{1})
	switch {
	case n > mostPossess:
		t.Fatalf("%d commands to possess", n)
	case err != nil && sig != passport.Signature{}:
		t.Fatalf("signature beside %v", err)
	case err == nil && key.Verify(passport.PossessionChallenge([32]byte{1}), sig) != nil:
		t.Fatalf("signature of another key, or of something else")
	}
}

// TestNoise: a card that answers anything at all.
func TestNoise(t *testing.T) {
	t.Parallel()
	key := samples(t)[0].key
	rapid.Check(t, func(t *rapid.T) {
		answer := rapid.OneOf(
			rapid.Just([]byte{0x90, 0x00}),
			rapid.Just([]byte{0x6a, 0x82}),
			rapid.SliceOfN(rapid.Byte(), 0, 300),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 256), func(b []byte) []byte { return append(b, 0x90, 0x00) }),
			rapid.Map(rapid.Byte(), func(b byte) []byte { return []byte{0x61, b} }),
			rapid.Map(rapid.Byte(), func(b byte) []byte { return []byte{0x6c, b} }),
		)
		every(t, func() card.Transceiver {
			return via(func([]byte) ([]byte, error) { return answer.Draw(t, "answer"), nil })
		}, key)
	})
}

// TestBent: real answers with one thing bent, at one place or at each.
func TestBent(t *testing.T) {
	t.Parallel()
	all := samples(t)
	bend := map[string]func(t *rapid.T, b []byte) []byte{
		"byte": func(t *rapid.T, b []byte) []byte {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
			return b
		},
		"cut":    func(t *rapid.T, b []byte) []byte { return b[:rapid.IntRange(0, len(b)-1).Draw(t, "to")] },
		"shrink": func(t *rapid.T, b []byte) []byte { return b[rapid.IntRange(0, len(b)-1).Draw(t, "from"):] },
		"hole": func(t *rapid.T, b []byte) []byte {
			from := rapid.IntRange(0, len(b)-1).Draw(t, "from")
			return slices.Delete(b, from, rapid.IntRange(from, len(b)-1).Draw(t, "to"))
		},
		"insert": func(t *rapid.T, b []byte) []byte {
			return slices.Insert(b, rapid.IntRange(0, len(b)).Draw(t, "at"), rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "what")...)
		},
		"status": func(t *rapid.T, b []byte) []byte {
			sw := rapid.Uint16().Draw(t, "sw")
			return append(b[:len(b)-2], byte(sw>>8), byte(sw))
		},
	}
	ways := []string{"byte", "cut", "hole", "insert", "shrink", "status"}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(all).Draw(t, "card")
		at, on := rapid.IntRange(0, 12).Draw(t, "at"), rapid.Bool().Draw(t, "and on")
		way := rapid.SampledFrom(ways).Draw(t, "way")
		every(t, func() card.Transceiver {
			c, n := s.make(), 0
			return via(func(command []byte) ([]byte, error) {
				resp, err := c.Transmit(command)
				if n++; n == at+1 || on && n > at {
					resp = bend[way](t, slices.Clone(resp))
				}
				return resp, err
			})
		}, s.key)
	})
}

// TestGreedyPhone: a card that has every applet and whatever a phone says before
// PROVE, and gives nothing at once, takes the most commands that there can be.
func TestGreedyPhone(t *testing.T) {
	t.Parallel()
	w := newTown(t, "isla", "gw1")
	p := doorKey(t).Key().Point
	for _, more := range [][]byte{{0x61, 0x24}, {0x6c, 0x24}} {
		n := 0
		var command []byte
		a, err := w.tap(t, via(func(c []byte) ([]byte, error) {
			if n++; n%4 == 1 {
				command = slices.Clone(c)
			}
			switch {
			case n%4 != 0:
				return more, nil
			case command[1] == 0xa4 && command[5] == 0xf0:
				return append(append([]byte{1}, p[:]...), 0x90, 0x00), nil
			case command[1] == 0xa4 || ins(command) == hello:
				return []byte{0x90, 0x00}, nil
			}
			return []byte{0x69, 0x85}, nil
		}))
		if refused, ok := errors.AsType[*card.StatusError](err); !ok || refused.SW != 0x6985 || n != mostTap {
			t.Errorf("%x: %+v, %v after %d commands", more, a, err, n)
		}
	}
}

// TestGreedy: a card that has every applet, announces ever more and then refuses.
func TestGreedy(t *testing.T) {
	t.Parallel()
	key := samples(t)[0].key
	for _, more := range [][]byte{{0x61, 0x01}, {0x61, 0x00}, {0x6c, 0x01}, {0x6c, 0x00}} {
		n := 0
		greedy := via(func(command []byte) ([]byte, error) {
			if n++; n%4 != 0 {
				return more, nil
			}
			if n%8 == 0 {
				return []byte{0x69, 0x85}, nil
			}
			return []byte{0x90, 0x00}, nil
		})
		_, err := card.Tap(greedy, testAsker(new([]passport.Challenge)))
		if refused, ok := errors.AsType[*card.StatusError](err); !ok || refused.SW != 0x6985 || n != 32 {
			t.Errorf("%x: %v after %d commands", more, err, n)
		}
		every(t, func() card.Transceiver { n = 0; return greedy }, key)
		n = 0
		_, err = card.Tap(counted(via(func([]byte) ([]byte, error) { return more, nil }), &n), testAsker(new([]passport.Challenge)))
		if !errors.Is(err, card.ErrAnswer) || n != 4 {
			t.Errorf("%x for ever: %v after %d commands", more, err, n)
		}
	}
}
