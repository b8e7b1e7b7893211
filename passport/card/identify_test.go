package card_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, way := range []func(card.Transceiver) card.Transceiver{
				func(c card.Transceiver) card.Transceiver { return c },
				func(c card.Transceiver) card.Transceiver { return chained(c, 80) },
				exact,
			} {
				info, err := card.Identify(way(s.make()), testRoots(), entropy(5))
				if err != nil || info.Genuine != nil || info.Key != s.key {
					t.Errorf("%+v, %v", info, err)
				}
				if old := s.name == "older halo"; (info.Version == "") != old || len(info.Details) == 0 && s.key.Kind == passport.KindHalo {
					t.Errorf("%+v", info)
				}
			}
			info, err := card.Identify(s.make(), card.MakersRoots(), entropy(5))
			if err != nil || !errors.Is(info.Genuine, card.ErrNotGenuine) || !errors.Is(info.Genuine, card.ErrRoot) {
				t.Errorf("to the real makers' roots: %v, %v", info.Genuine, err)
			}
		})
	}
}

func TestIdentifyDetails(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		errRand := errors.New("no entropy")
		if _, err := card.Identify(s.make(), testRoots(), failingRand{errRand}); !errors.Is(err, errRand) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	chip := samples(t)[0].make()
	for _, counter := range []string{"1", "2"} {
		info, err := card.Identify(chip, testRoots(), entropy(5))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, d := range info.Details {
			got[d.Name] = d.Value
		}
		if len(got["slot 1 key"]) != 130 || got["slot 1 attested"] != "by slot 2" || got["counter"] != counter || info.Version != "01.C6.000081.00000000" {
			t.Errorf("version %q, %v", info.Version, got)
		}
	}
}

// answering replaces the answers of a card to commands that begin so.
func answering(c card.Transceiver, change map[string]func(resp []byte) []byte) card.Transceiver {
	return via(func(command []byte) ([]byte, error) {
		resp, err := c.Transmit(command)
		for prefix, f := range change {
			if bytes.HasPrefix(command, decode(prefix)) {
				resp = f(slices.Clone(resp))
			}
		}
		return resp, err
	})
}

func always(hexadecimal string) func([]byte) []byte {
	return func([]byte) []byte { return decode(hexadecimal) }
}

// TestForgedHalo: every link that an imitation can break is named.
func TestForgedHalo(t *testing.T) {
	t.Parallel()
	real := func(seed byte, maker *soft.Maker) card.Transceiver {
		return soft.NewHalo(soft.HaloConfig{Key: cardKey(t, passport.KindHalo, seed), Maker: maker, Rand: entropy(2)})
	}
	const sign, keys, info1, info2, random = "b05100002211", "b05100000102", "b0510000021301", "b0510000021302", "b05100000208"
	// replayed is what another, genuine chip once answered.
	replayed := func(command string) []byte {
		other := real(50, testMaker)
		for _, c := range []string{"00a404000aa0000009490148614c6f00", command} {
			resp, err := other.Transmit(decode(c))
			if err != nil {
				t.Fatal(err)
			}
			if c == command {
				return resp
			}
		}
		return nil
	}
	challenge := "b0510000221102" + "00000000000000000000000000000000000000000000000000000000000000aa" + "00"
	for _, tt := range []struct {
		name string
		chip card.Transceiver
		want error
	}{
		{"no attestation", real(1, nil), card.ErrUnsigned},
		{"another maker's", real(1, soft.NewMaker(entropy(101))), card.ErrRoot},
		{"a genuine chip's answer of yesterday", answering(real(1, testMaker), map[string]func([]byte) []byte{
			sign: func([]byte) []byte { return replayed(challenge) }}), card.ErrFresh},
		{"a genuine chip's key and attestation under its own signature", answering(real(1, nil), map[string]func([]byte) []byte{
			sign: func(own []byte) []byte {
				other := replayed(challenge)
				return slices.Concat(own[:2+own[1]], other[2+other[1]:])
			}}), card.ErrFresh},
		{"a genuine chip's attestation on its own key", answering(real(1, nil), map[string]func([]byte) []byte{
			sign: func(own []byte) []byte {
				other := replayed(challenge)
				return slices.Concat(own[:2+int(own[1])+65], other[2+int(other[1])+65:])
			}}), card.ErrRoot},
		{"attestation in another form", answering(real(1, testMaker), map[string]func([]byte) []byte{
			sign: func(own []byte) []byte { own[2+int(own[1])+65] = 0x03; return own }}), card.ErrProofForm},
		{"lists another key", answering(real(1, testMaker), map[string]func([]byte) []byte{
			keys: func([]byte) []byte { return replayed("b0510000010200") }}), card.ErrTwoKeys},
		{"lists one key", answering(real(1, testMaker), map[string]func([]byte) []byte{
			keys: func(own []byte) []byte { return append(own[:66], 0x90, 0) }}), card.ErrTwoKeys},
		{"lists no key", answering(real(1, testMaker), map[string]func([]byte) []byte{keys: always("9000")}), card.ErrTwoKeys},
		{"tells of another key", answering(real(1, testMaker), map[string]func([]byte) []byte{
			info2: func([]byte) []byte { return replayed("b051000002130200") }}), card.ErrTwoKeys},
		{"imported key", answering(real(1, testMaker), map[string]func([]byte) []byte{
			info2: func(own []byte) []byte { own[1] |= 0x10; return own }}), card.ErrMoved},
		{"exported key", answering(real(1, testMaker), map[string]func([]byte) []byte{
			info2: func(own []byte) []byte { own[1] |= 0x20; return own }}), card.ErrMoved},
		{"another chip's counter", answering(real(1, testMaker), map[string]func([]byte) []byte{
			random: func([]byte) []byte { return replayed("b051000002080200") }}), card.ErrFresh},
		{"a counter turned back", answering(real(1, testMaker), map[string]func([]byte) []byte{
			random: func(own []byte) []byte { own[3] = 0; return own }}), card.ErrFresh},
	} {
		info, err := card.Identify(tt.chip, testRoots(), entropy(5))
		if err != nil || !errors.Is(info.Genuine, card.ErrNotGenuine) || !errors.Is(info.Genuine, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, info.Genuine, err)
		}
	}
	// What older firmware refuses, or newer says in a way not known here, is no blame.
	for _, answer := range []string{"6d00", "e1019000", "e1199000"} {
		info, err := card.Identify(answering(real(1, testMaker), map[string]func([]byte) []byte{
			"0051": always("6d00"), keys: always(answer), info1: always(answer), info2: always(answer), random: always(answer)}), testRoots(), entropy(5))
		if err != nil || info.Genuine != nil || len(info.Details) != 0 {
			t.Errorf("%s: %+v, %v", answer, info, err)
		}
	}
	info, err := card.Identify(answering(real(1, testMaker), map[string]func([]byte) []byte{
		keys: always("429000"), info2: always("009000"), random: always("ffff9000")}), testRoots(), entropy(5))
	if err != nil || info.Genuine != nil || len(info.Details) != 3 {
		t.Errorf("%+v, %v", info, err)
	}
	info, err = card.Identify(answering(real(1, testMaker), map[string]func([]byte) []byte{
		info1: func(own []byte) []byte { own[len(own)-3] ^= 1; return own },
		info2: func(own []byte) []byte { own[1] |= 1; return own }}), testRoots(), entropy(5))
	if err != nil || !slices.Contains(info.Details, card.Detail{Name: "slot 1 attested", Value: "no"}) ||
		!slices.ContainsFunc(info.Details, func(d card.Detail) bool { return d.Name == "slot 2 password" }) {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestForgedKeycard: likewise.
func TestForgedKeycard(t *testing.T) {
	t.Parallel()
	real := func(seed byte, maker *soft.Maker) card.Transceiver {
		return soft.NewKeycard(soft.KeycardConfig{Key: cardKey(t, passport.KindKeycard, seed), Maker: maker})
	}
	const identify, sign = "80140000", "80c00301"
	other := func(digest byte) func([]byte) []byte {
		return func([]byte) []byte {
			c := real(50, testMaker)
			for _, command := range [][]byte{decode("00a4040009a0000008040001010100"), append(append(decode(identify+"20"), make([]byte, 31)...), digest, 0)} {
				resp, _ := c.Transmit(command)
				if command[1] == 0x14 {
					return resp
				}
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name string
		card card.Transceiver
		want error
	}{
		{"no certificate", real(1, nil), card.ErrUnsigned},
		{"another maker's", real(1, soft.NewMaker(entropy(101))), card.ErrRoot},
		{"too old", answering(real(1, testMaker), map[string]func([]byte) []byte{identify: always("6d00")}), card.ErrTooOld},
		{"a genuine card's identity of yesterday", answering(real(1, testMaker), map[string]func([]byte) []byte{identify: other(1)}), card.ErrImpostor},
		{"its certificate under its own signature", answering(real(1, nil), map[string]func([]byte) []byte{identify: func([]byte) []byte {
			b := other(1)(nil)
			b[len(b)-3] ^= 1
			return b
		}}), card.ErrImpostor},
		{"certificate of another key", answering(real(1, testMaker), map[string]func([]byte) []byte{identify: func(b []byte) []byte {
			return append(append(slices.Clone(b[:5]), other(1)(nil)[5:38]...), b[38:]...)
		}}), card.ErrRoot},
		{"malformed", answering(real(1, testMaker), map[string]func([]byte) []byte{identify: always("a0009000")}), card.ErrProofForm},
		{"nothing", answering(real(1, testMaker), map[string]func([]byte) []byte{identify: always("9000")}), card.ErrProofForm},
		{"door key's signature of something else", answering(real(1, testMaker), map[string]func([]byte) []byte{sign: func(b []byte) []byte {
			b[len(b)-3] ^= 1
			return b
		}}), card.ErrFresh},
	} {
		info, err := card.Identify(tt.card, testRoots(), entropy(5))
		if err != nil || !errors.Is(info.Genuine, card.ErrNotGenuine) || !errors.Is(info.Genuine, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, info.Genuine, err)
		}
	}
	info, err := card.Identify(answering(real(1, testMaker), map[string]func([]byte) []byte{identify: always("6f00")}), testRoots(), entropy(5))
	if refused, ok := errors.AsType[*card.StatusError](info.Genuine); err != nil || !ok || refused.SW != 0x6f00 || !errors.Is(info.Genuine, card.ErrNotGenuine) {
		t.Errorf("an error inside: %v, %v", info.Genuine, err)
	}
}

func TestPossess(t *testing.T) {
	t.Parallel()
	digest := [32]byte{1, 2, 3}
	all := samples(t)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			sig, err := card.Possess(s.make(), s.key, digest)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.key.Verify(passport.PossessionChallenge(digest), sig); err != nil {
				t.Error(err)
			}
			for _, kind := range []passport.KeyKind{passport.KindHalo, passport.KindKeycard, passport.KindSoftware, 0} {
				if sig, err := card.Possess(s.make(), cardKey2(t, kind), digest); !errors.Is(err, card.ErrOtherCard) || sig != (passport.Signature{}) {
					t.Errorf("for a %s: %v", kind, err)
				}
			}
		})
	}
	// The same point under another kind is another key.
	wrong := all[0].key
	wrong.Kind = passport.KindKeycard
	if _, err := card.Possess(all[0].make(), wrong, digest); !errors.Is(err, card.ErrOtherCard) {
		t.Errorf("halo as keycard: %v", err)
	}
	// A card that names the right key and signs something else.
	for _, i := range []int{0, 3} {
		liar := answering(all[i].make(), map[string]func([]byte) []byte{
			"b051": func(b []byte) []byte { b[20] ^= 1; return b },
			"80c0": func(b []byte) []byte { b[len(b)-3] ^= 1; return b },
		})
		if sig, err := card.Possess(liar, all[i].key, digest); !errors.Is(err, card.ErrAnswer) || !errors.Is(err, passport.ErrSignature) || sig != (passport.Signature{}) {
			t.Errorf("%s: %v", all[i].name, err)
		}
	}
	noPath := soft.NewKeycard(soft.KeycardConfig{Key: cardKey(t, passport.KindKeycard, 3), NoPinless: true})
	_, err := card.Possess(noPath, all[3].key, digest)
	if refused, ok := errors.AsType[*card.StatusError](err); !ok || refused.SW != 0x6a88 {
		t.Errorf("without a path: %v", err)
	}
}

// cardKey2 is a key that none of the samples has.
func cardKey2(t testing.TB, kind passport.KeyKind) passport.Key {
	if kind == 0 {
		return passport.Key{}
	}
	return cardKey(t, kind, 77).Key()
}
