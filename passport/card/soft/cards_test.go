package soft_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

func cardKey(t testing.TB, kind passport.KeyKind) *passport.SoftKey {
	t.Helper()
	k, err := passport.GenerateSoftKey(kind, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testMaker() *soft.Maker { return soft.NewMaker(rand.NewChaCha8([32]byte{9})) }

func newHalo(t testing.TB, change func(*soft.HaloConfig)) *soft.Halo {
	cfg := soft.HaloConfig{Key: cardKey(t, passport.KindHalo), Maker: testMaker(), Rand: rand.NewChaCha8([32]byte{2})}
	change(&cfg)
	return soft.NewHalo(cfg)
}

func newKeycard(t testing.TB, change func(*soft.KeycardConfig)) *soft.Keycard {
	cfg := soft.KeycardConfig{Key: cardKey(t, passport.KindKeycard), Maker: testMaker()}
	change(&cfg)
	return soft.NewKeycard(cfg)
}

// exchange is a command and how its answer begins and ends.
type exchange struct{ name, command, begins, ends string }

func run(t *testing.T, c card.Transceiver, script []exchange) {
	t.Helper()
	for _, x := range script {
		command, err := hex.DecodeString(strings.ReplaceAll(x.command, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Transmit(command)
		if got := fmt.Sprintf("%x", resp); err != nil || !strings.HasPrefix(got, x.begins) || !strings.HasSuffix(got, x.ends) {
			t.Errorf("%s: %s, %v", x.name, got, err)
		}
	}
}

const (
	selectHalo    = "00a404000aa0000009490148614c6f00"
	selectOldHalo = "00a4040007481199130e9f0100"
	selectKeycard = "00a4040009a0000008040001010100"
	selectCash    = "00a4040009a0000008040001030100"
)

var d32 = strings.Repeat("5a", 32)

// TestHaloRefuses: as a real chip does.
func TestHaloRefuses(t *testing.T) {
	t.Parallel()
	run(t, newHalo(t, func(*soft.HaloConfig) {}), []exchange{
		{"before SELECT", "b0510000 01 02 00", "", "6d00"},
		{"no APDU", "b051", "", "6700"},
		{"another applet", selectKeycard, "", "6a82"},
		{"older applet", selectOldHalo, "", "6a82"},
		{"part of the name", "00a4040009a0000009490148614c00", "", "6a82"},
		{"select", selectHalo, "9000", "9000"},
		{"another applet once selected", selectKeycard, "", "6d00"},
		{"another instruction", "b0520000 01 02 00", "", "6d00"},
		{"another class", "80510000 01 02 00", "", "6e00"},
		{"parameters", "b0510100 01 02 00", "", "6b00"},
		{"no command", "b0510000 00", "", "6700"},
		{"wrong length", "b0510000 03 02 00", "", "6700"},
		{"unknown command", "b0510000 01 03 00", "", "e1019000"},
		{"sign raw, slot 2", "b0510000 22 01 02" + d32 + "00", "", "e1029000"},
		{"sign raw and fetch, slot 2", "b0510000 22 06 02" + d32 + "00", "", "e1029000"},
		{"sign challenge, slot 1", "b0510000 22 11 01" + d32 + "00", "", "e1029000"},
		{"sign challenge, slot 3", "b0510000 22 11 03" + d32 + "00", "", "e1029000"},
		{"sign challenge, short", "b0510000 21 11 02" + d32[2:] + "00", "", "e1039000"},
		{"sign challenge, long", "b0510000 23 11 02" + d32 + "00 00", "", "e1039000"},
		{"sign random, slot 1", "b0510000 02 08 01 00", "", "e1029000"},
		{"key info, slot 3", "b0510000 02 13 03 00", "", "e1029000"},
		{"key info, slot 0", "b0510000 02 13 00 00", "", "e1029000"},
		{"keys with an argument", "b0510000 02 02 01 00", "", "e1039000"},
		{"version", "00510000 01 07 00", "30312e43", "9000"},
		{"keys", "b0510000 01 02 00", "4104", "9000"},
		{"keys, too short an answer asked for", "b0510000 01 02 10", "", "6c84"},
		{"slot 1 never signed", "b0510000 02 13 01 00", "010a0004", "9000"},
		{"sign raw, slot 1", "b0510000 22 06 01" + d32 + "00", "304", "9000"},
		{"slot 1 signed", "b0510000 02 13 01 00", "01020004", "9000"},
		{"sign challenge", "b0510000 22 11 02" + d32 + "00", "304", "9000"},
		{"sign random", "b0510000 02 08 02 00", "00000001", "9000"},
		{"sign random again", "b0510000 02 08 02 00", "00000002", "9000"},
		{"select again", selectHalo, "9000", "9000"},
	})
	run(t, newHalo(t, func(c *soft.HaloConfig) { c.Old = true }), []exchange{
		{"newer name", selectHalo, "", "6a82"},
		{"select", selectOldHalo, "9000", "9000"},
		{"version", "00510000 01 07 00", "", "6e00"},
		{"key info", "b0510000 02 13 02 00", "", "e1019000"},
		{"sign random", "b0510000 02 08 02 00", "", "e1019000"},
		{"sign challenge", "b0510000 22 11 02" + d32 + "00", "304", "9000"},
	})
	run(t, newHalo(t, func(c *soft.HaloConfig) { c.Rand = nil }), []exchange{
		{"select", selectHalo, "9000", "9000"},
		{"sign random without entropy", "b0510000 02 08 02 00", "", "e1149000"},
	})
}

// TestKeycardRefuses: as a real card does.
func TestKeycardRefuses(t *testing.T) {
	t.Parallel()
	run(t, newKeycard(t, func(*soft.KeycardConfig) {}), []exchange{
		{"before SELECT", "80c00301 20" + d32 + "00", "", "6d00"},
		{"no APDU", "80c003", "", "6700"},
		{"another applet", selectHalo, "", "6a82"},
		{"cash", selectCash, "", "6a82"},
		{"select", selectKeycard, "a481818f10", "9000"},
		{"another applet once selected", selectHalo, "", "6d00"},
		{"unknown instruction", "80990000 00", "", "6d00"},
		{"announces more than it has", "80c00301 22" + d32 + "00", "", "6700"},
		{"sign with a PIN", "80c00001 20" + d32 + "00", "", "6985"},
		{"sign with a path", "80c00101 20" + d32 + "00", "", "6985"},
		{"sign otherwise", "80c00401 20" + d32 + "00", "", "6b00"},
		{"sign too little", "80c00301 1f" + d32[2:] + "00", "", "6a80"},
		{"sign too much", "80c00301 21" + d32 + "00 00", "", "6a80"},
		{"verify PIN", "80200000 06 313233343536", "", "6985"},
		{"set pinless path", "80c10000 04 80000000", "", "6985"},
		{"export key", "80c20001 00", "", "6985"},
		{"pair", "80120000 20" + d32 + "00", "", "6a84"},
		{"identify with too little", "80140000 1f" + d32[2:] + "00", "", "6a80"},
		{"identify", "80140000 20" + d32 + "00", "a081", "9000"},
		{"sign", "80c00301 20" + d32 + "00", "a081", "9000"},
		{"sign with P2 of older clients", "80c00300 20" + d32 + "00", "a081", "9000"},
		{"sign, too short an answer asked for", "80c00301 20" + d32 + "10", "6c", ""},
	})
	run(t, newKeycard(t, func(c *soft.KeycardConfig) { c.NoPinless, c.Maker = true, nil }), []exchange{
		{"select", selectKeycard, "a4", "9000"},
		{"sign without a path", "80c00301 20" + d32 + "00", "", "6a88"},
		{"sign too little without a path", "80c00301 1f" + d32[2:] + "00", "", "6a88"},
		{"identify without a certificate", "80140000 1f" + d32[2:] + "00", "", "6985"},
	})
	run(t, newKeycard(t, func(c *soft.KeycardConfig) { c.Cash = true }), []exchange{
		{"keycard", selectKeycard, "", "6a82"},
		{"select", selectCash, "a4498041", "020203018200" + "9000"},
		{"sign", "80c00001 20" + d32 + "00", "a081", "9000"},
		{"sign too little", "80c00001 1f" + d32[2:] + "00", "", "6700"},
		{"identify", "80140000 20" + d32 + "00", "a081", "9000"},
		{"pair", "80120000 20" + d32 + "00", "", "6d00"},
	})
	run(t, newKeycard(t, func(c *soft.KeycardConfig) { c.Cash, c.NoPinless = true, true }), []exchange{
		{"select", selectKeycard, "a4", "9000"},
		{"sign", "80c00301 20" + d32 + "00", "", "6a88"},
		{"select cash", selectCash, "a4498041", "9000"},
		{"sign", "80c00001 20" + d32 + "00", "a081", "9000"},
	})
	run(t, newKeycard(t, func(c *soft.KeycardConfig) { c.Raw = true }), []exchange{
		{"select", selectKeycard, "a4", "9000"},
		{"sign", "80c00301 20" + d32 + "00", "8041", "9000"},
	})
}

// TestSameCard: a card made twice is the same card, and says nothing of its
// secrets.
func TestSameCard(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]card.Transceiver{
		{newHalo(t, func(*soft.HaloConfig) {}), newHalo(t, func(*soft.HaloConfig) {})},
		{newKeycard(t, func(*soft.KeycardConfig) {}), newKeycard(t, func(*soft.KeycardConfig) {})},
	} {
		for _, s := range []string{selectHalo, selectKeycard, "b05100000102" + "00", "b0510000021301" + "00", "80140000 20" + d32 + "00", "80c00301 20" + d32 + "00"} {
			command, _ := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
			one, _ := pair[0].Transmit(command)
			two, _ := pair[1].Transmit(command)
			if !bytes.Equal(one, two) {
				t.Errorf("%s: %x and %x", s, one, two)
			}
		}
	}
	for _, mistaken := range []func(){
		func() { soft.NewHalo(soft.HaloConfig{Key: cardKey(t, passport.KindKeycard)}) },
		func() { soft.NewKeycard(soft.KeycardConfig{Key: cardKey(t, passport.KindHalo)}) },
		func() { soft.NewMaker(bytes.NewReader(nil)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a card of a wrong kind was made")
				}
			}()
			mistaken()
		}()
	}
	atr := newHalo(t, func(*soft.HaloConfig) {}).ATR()
	check := byte(0)
	for _, b := range atr[1:] { // ISO 7816-3 §8.2.5: all but TS, with TCK, xor to zero
		check ^= b
	}
	if check != 0 || !bytes.Equal(atr, newKeycard(t, func(*soft.KeycardConfig) {}).ATR()) {
		t.Errorf("ATR %x", atr)
	}
}

// FuzzCards: commands, cut at 0xff bytes, to each card: every answer is one.
func FuzzCards(f *testing.F) {
	for _, s := range []string{selectHalo + "ff" + "b05100000102" + "00", selectKeycard + "ff" + "80c0030120" + d32 + "00",
		selectCash + "ff" + "80c0000120" + d32 + "00", selectOldHalo + "ff" + "b0510000221102" + d32 + "00", "ff", "00a404"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		commands := bytes.Split(b, []byte{0xff})
		commands = commands[:min(len(commands), 20)]
		for _, c := range []card.Transceiver{
			newHalo(t, func(*soft.HaloConfig) {}), newHalo(t, func(c *soft.HaloConfig) { c.Old = true }),
			newKeycard(t, func(*soft.KeycardConfig) {}), newKeycard(t, func(c *soft.KeycardConfig) { c.Cash, c.NoPinless = true, true }),
		} {
			for _, command := range commands {
				resp, err := c.Transmit(command)
				if err != nil || len(resp) < 2 || len(resp) > card.MaxResponse {
					t.Fatalf("%x: %x, %v", command, resp, err)
				}
			}
		}
	})
}
