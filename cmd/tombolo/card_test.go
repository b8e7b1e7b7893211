//go:build pcsc

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"

	"tombolo/hw/nfc/pcsctest"
	"tombolo/hw/nfc/vpcd"
	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// cardDesk is a steward's desk with a PC/SC reader, and a maker of its own.
type cardDesk struct {
	*tapDesk
	pcsc  *pcsctest.Daemon
	maker *soft.Maker
	roots card.Roots
	in    *pcsctest.Inserted
}

func (d *cardDesk) env() (*env, *screen, *screen) {
	out, errs := new(screen), new(screen)
	return &env{Now: time.Now, Sleep: sleep, In: strings.NewReader(""), Out: out, Err: errs, Roots: &d.roots, Maker: d.maker}, out, errs
}

func (d *cardDesk) exits(want int, args ...string) (out, errs string) {
	d.t.Helper()
	e, o, x := d.env()
	if code := e.run(d.t.Context(), append([]string{"--dir", d.path("desk")}, args...)); code != want {
		d.t.Fatalf("%q: exit status %d, want %d: %s%s", args, code, want, o, x)
	}
	return o.String(), x.String()
}

// says runs a command and wants words on its stderr.
func (d *cardDesk) says(status int, words []string, args ...string) {
	d.t.Helper()
	_, errs := d.exits(status, args...)
	for _, w := range words {
		if !strings.Contains(errs, w) {
			d.t.Errorf("%q: %q does not say %q", args, errs, w)
		}
	}
}

// enroll are the arguments to enrol the card for a passport.
func (d *cardDesk) enroll(number string, more ...string) []string {
	return append([]string{"card", "enroll", "--passport", number, "--wallet", d.path("wallet" + number), "--password-file", d.path("password"),
		"--reader", "virtual pcd 00 00", "--out", d.path("card.delegation")}, more...)
}

// refuses wants that a command fails with these words, and that no delegation is
// left.
func (d *cardDesk) refuses(words []string, args ...string) {
	d.t.Helper()
	d.says(1, words, args...)
	for _, name := range []string{"card.delegation", "card.delegation.draft"} {
		if _, err := os.Stat(d.path(name)); err == nil {
			d.t.Errorf("%q left %s", args, name)
		}
	}
}

// took wants a delegation that an issuer takes.
func (d *cardDesk) took() {
	d.t.Helper()
	d.exits(0, "doorkey", "add", d.path("card.delegation"))
	if err := os.Remove(d.path("card.delegation")); err != nil {
		d.t.Fatal(err)
	}
}

// lay takes the card on the reader away and lays another there.
func (d *cardDesk) lay(c vpcd.Card) {
	d.t.Helper()
	d.clear()
	var err error
	if d.in, err = d.pcsc.Insert(c); err != nil {
		d.t.Fatal(err)
	}
}

func (d *cardDesk) clear() {
	d.t.Helper()
	if d.in != nil {
		if err := d.in.Remove(); err != nil {
			d.t.Fatal(err)
		}
	}
	d.in = nil
}

func (d *cardDesk) key(kind passport.KeyKind) *passport.SoftKey {
	d.t.Helper()
	key, err := passport.GenerateSoftKey(kind, rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	return key
}

func (d *cardDesk) halo(m *soft.Maker) *soft.Halo {
	return soft.NewHalo(soft.HaloConfig{Key: d.key(passport.KindHalo), Maker: m, Rand: rand.Reader})
}

func (d *cardDesk) keycard(m *soft.Maker) *soft.Keycard {
	return soft.NewKeycard(soft.KeycardConfig{Key: d.key(passport.KindKeycard), Maker: m})
}

// altered is a card whose answers to commands that begin so are changed, or with
// an error torn away.
type altered struct {
	vpcd.Card
	begins string
	change func(response []byte) ([]byte, error)
}

func (c altered) Transmit(command []byte) ([]byte, error) {
	response, err := c.Card.Transmit(command)
	if err == nil && strings.HasPrefix(string(command), c.begins) {
		return c.change(slices.Clone(response))
	}
	return response, err
}

// Commands of the cards, passport/card.
const (
	haloSignChallenge = "\xb0\x51\x00\x00\x22\x11\x02"
	keycardIdentify   = "\x80\x14"
	keycardSign       = "\x80\xc0"
	phonePossess      = "\x80\x21"
)

func flipEnd(b []byte) ([]byte, error) {
	b[len(b)-5] ^= 1 // before the status word
	return b, nil
}

var errLifted = errors.New("somebody lifted it")

// TestCardDesk: cards are read and enrolled over the real pcscd.
func TestCardDesk(t *testing.T) {
	t.Setenv("TOMBOLO_GUARD", t.TempDir())
	pcsc, err := pcsctest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pcsc.Close()
	maker := soft.NewMaker(rand.Reader)
	d := &cardDesk{tapDesk: &tapDesk{t, t.TempDir()}, pcsc: pcsc, maker: maker,
		roots: card.Roots{Halo: [][33]byte{maker.Root()}, Keycard: [][33]byte{maker.Root()}}}
	defer d.clear()
	d.exits(0, "community", "new", "isla", "--chain-id", "100", "--registry", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
	for number, owner := range map[string]string{"1": "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "2": "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"} {
		d.exits(0, "passport", "issue", "--owner", owner, "--class", "resident", "--number", number)
		wallet, err := newKeystore(number, "sesame")
		if err != nil {
			t.Fatal(err)
		}
		d.write("wallet"+number, string(wallet))
	}
	d.write("password", "sesame\n")
	for _, s := range []struct {
		name string
		test func(*cardDesk)
	}{
		{"an empty reader", emptyReader}, {"HaLo", genuineHalo}, {"Keycard", genuineKeycard}, {"not genuine", notGenuine},
		{"nothing of ours", nothingOfOurs}, {"torn away", tornAway}, {"phone", phoneAtDesk}, {"password", passwordAfterCard},
		{"simulate", simulatedCard}, {"list", listReaders},
		{"no reader", noReader}, // the last, which ends pcscd
	} {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			each := *d
			each.tapDesk = &tapDesk{t, d.dir}
			defer each.clear()
			s.test(&each)
			t.Logf("%v", time.Since(began).Round(time.Millisecond))
		})
	}
}

func emptyReader(d *cardDesk) {
	d.says(1, []string{"hold the card or phone to the reader\n", "no card was held to the reader", "--wait", "(it was 200ms)"}, "card", "read", "--reader", "00 00", "--wait", "200ms")
	d.refuses([]string{"no card was held"}, d.enroll("1", "--wait", "200ms")...)
	d.says(1, []string{"no such PC/SC reader", `"Virtual PCD 00 01"`}, "card", "read", "--reader", "acr")
	d.says(1, []string{"more than one PC/SC reader", "name one of them"}, "card", "read")
	d.says(2, []string{"name one"}, "card", "read", "--reader", "x", "--pn532", "i2c:/dev/i2c-1")
	d.says(2, []string{"i2c, spi and uart"}, "card", "read", "--pn532", "usb:/dev/x")
	d.says(2, []string{"want a duration"}, "card", "read", "--wait", "-1s")
	d.says(2, []string{"--passport is missing"}, "card", "enroll", "--wallet", "x")
	d.says(2, []string{"say how the wallet signs"}, "card", "enroll", "--passport", "1")
	d.says(2, []string{"--out is missing"}, "card", "enroll", "--passport", "1", "--typed-data")
	// What would fail after the card had signed fails before somebody fetches it.
	_, errs := d.exits(1, d.enroll("3")...)
	if !strings.Contains(errs, "wallet3") || strings.Contains(errs, "hold") {
		d.t.Errorf("without a keystore: %q", errs)
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	e, _, x := d.env()
	code := make(chan int, 1)
	go func() { code <- e.run(ctx, []string{"card", "read", "--reader", "00 00"}) }()
	x.after(d.t, "hold the card")
	cancel()
	if got := <-code; got != 1 || !strings.Contains(x.String(), "interrupted: nothing was done") {
		d.t.Errorf("interrupted: exit status %d, %s", got, x)
	}
}

// field is that of one line of JSON.
func field(t *testing.T, text, name string) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return v[name]
}

func genuineHalo(d *cardDesk) {
	d.lay(d.halo(d.maker))
	out, _ := d.exits(0, "card", "read", "--reader", "00 00")
	for _, want := range []string{"|card HaLo chip, applet 01.C6", "|key halo:0", "|genuine yes, by its maker's signatures|", "|slot 1 key 04", "|use nobody's door key here yet|"} {
		if !strings.Contains(squeeze(out), want) {
			d.t.Errorf("no %q in\n%s", want, out)
		}
	}
	jsonOut, _ := d.exits(0, "card", "read", "--reader", "00 00", "--json")
	if field(d.t, jsonOut, "kind") != "halo" || field(d.t, jsonOut, "genuine") != true || field(d.t, jsonOut, "use") != "nobody's door key here yet" {
		d.t.Errorf("JSON %s", jsonOut)
	}
	out, errs := d.exits(0, d.enroll("1", "--json")...)
	if field(d.t, out, "kind") != "halo" || field(d.t, out, "mode") != "tap" || field(d.t, out, "key") != field(d.t, jsonOut, "id") || !strings.Contains(squeeze(errs), "|genuine yes") {
		d.t.Errorf("enrolled: %s%s", out, errs)
	}
	d.took()
	// Whose it is now; and it is nobody else's.
	if out, _ = d.exits(0, "card", "read", "--reader", "00 00"); !strings.Contains(out, "door key of passport 1: valid") {
		d.t.Errorf("of whom: %s", out)
	}
	d.refuses([]string{"door key of passport 1: valid", "the key belongs to passport 1, which claimed it on 2", "another card for passport 2"}, d.enroll("2")...)
	d.refuses([]string{"the wallet that signed is 0x2B5A", "passport 1 belongs to 0x7E5F"}, d.enroll("1", "--wallet", d.path("wallet2"))...)
	d.exits(0, "doorkey", "revoke", "--passport", "1", "--key", field(d.t, jsonOut, "id").(string), "--why", "lost")
	d.refuses([]string{"the key was revoked on 2", "(lost), for good"}, d.enroll("1")...)
	d.refuses([]string{"the key belongs to passport 1"}, d.enroll("2")...)
	// A community that this folder does not know, and none.
	if out, errs := d.exits(0, "card", "read", "--reader", "00 00", "--dir", d.path("nowhere")); strings.Contains(out, "\nuse") || strings.Contains(errs, "warning") {
		d.t.Errorf("without a folder: %s%s", out, errs)
	}
	d.write("broken", "no folder")
	d.says(0, []string{"whose it is cannot be told"}, "card", "read", "--reader", "00 00", "--dir", d.path("broken"))
}

func genuineKeycard(d *cardDesk) {
	d.lay(d.keycard(d.maker))
	out, _ := d.exits(0, "card", "read", "--reader", "00 00")
	for _, want := range []string{"|card Status Keycard, applet 3.1|", "|genuine yes, by its maker's signatures|"} {
		if !strings.Contains(squeeze(out), want) {
			d.t.Errorf("no %q in\n%s", want, out)
		}
	}
	d.says(1, []string{"window"}, d.enroll("1", "--mode", "window")...) // cards have no clock
	d.says(2, []string{"--mode wave"}, d.enroll("1", "--mode", "wave")...)
	// The wallet is elsewhere, and so is the card when it answers.
	d.says(2, []string{"say how the wallet signs"}, d.enroll("1", "--typed-data")...)
	twoStep := []string{"card", "enroll", "--passport", "1", "--out", d.path("card.delegation"), "--reader", "00 00"}
	data, errs := d.exits(0, append(twoStep, "--typed-data")...)
	if !strings.Contains(errs, "the card has signed: it can be taken away") || strings.Contains(errs, "NO:") {
		d.t.Errorf("told: %s", errs)
	}
	d.clear()
	var sig bytes.Buffer
	if err := walletSigns("1", []byte(data), &sig); err != nil {
		d.t.Fatal(err)
	}
	d.says(1, []string{"card.delegation.draft is about the key", "passport 1"}, "card", "enroll", "--passport", "2", "--out", d.path("card.delegation"), "--signature", sig.String())
	if _, errs = d.exits(0, append(twoStep, "--signature", strings.TrimSpace(sig.String()))...); strings.Contains(errs, "hold") {
		d.t.Errorf("the card was asked for again: %s", errs)
	}
	if _, err := os.Stat(d.path("card.delegation.draft")); err == nil {
		d.t.Error("the draft stays")
	}
	d.took()
}

func notGenuine(d *cardDesk) {
	other := soft.NewMaker(rand.Reader)
	const unless = "do not enrol it, unless you made the card yourself"
	for _, c := range []struct {
		name string
		card vpcd.Card
		link string
	}{
		{"HaLo of another maker", d.halo(other), "not by a root key of its maker"},
		{"HaLo with a bit of its attestation flipped", altered{d.halo(d.maker), haloSignChallenge, flipEnd}, "not by a root key of its maker"},
		{"Keycard without a certificate", d.keycard(nil), "it holds no signature of its maker"},
		{"Keycard with a bit of its identity's signature flipped", altered{d.keycard(d.maker), keycardIdentify, flipEnd}, "it did not sign a fresh challenge with the key that its maker signed"},
	} {
		d.lay(c.card)
		d.refuses([]string{"genuine", "NO: not proved genuine", "this card is not enrolled", unless, c.link, "--unproved"}, d.enroll("1")...)
	}
	out, _ := d.exits(0, "card", "read", "--reader", "00 00", "--json")
	if field(d.t, out, "genuine") != false || !strings.Contains(field(d.t, out, "whyNot").(string), "fresh challenge") {
		d.t.Errorf("JSON %s", out)
	}
	d.says(0, []string{"NO: not proved genuine"}, d.enroll("1", "--unproved")...)
	d.took()
}

// mute is a card that has no applet.
type mute struct{}

func (mute) ATR() []byte                     { return new(soft.Halo).ATR() }
func (mute) Transmit([]byte) ([]byte, error) { return []byte{0x6a, 0x82}, nil }

func nothingOfOurs(d *cardDesk) {
	d.lay(mute{})
	d.says(1, []string{"the card holds no passport"}, "card", "read", "--reader", "00 00")
	d.refuses([]string{"the card holds no passport"}, d.enroll("1")...)
	d.lay(soft.NewKeycard(soft.KeycardConfig{Key: d.key(passport.KindKeycard), Maker: d.maker, NoPinless: true}))
	d.refuses([]string{"keycard-set-pinless-path"}, d.enroll("1")...)
}

// tornAway: a card that leaves in the middle is asked again when it is back.
func tornAway(d *cardDesk) {
	chip := d.keycard(d.maker)
	var signs atomic.Int32
	torn := altered{chip, keycardSign, func(b []byte) ([]byte, error) {
		if signs.Add(1) == 2 { // the first is Identify's, the second is Possess'
			return nil, errLifted
		}
		return b, nil
	}}
	d.lay(torn)
	e, out, errs := d.env()
	code := make(chan int, 1)
	go func() {
		code <- e.run(d.t.Context(), append([]string{"--dir", d.path("desk")}, d.enroll("1", "--json")...))
	}()
	errs.after(d.t, "taken away too soon: hold it there again")
	d.lay(torn)
	if got := <-code; got != 0 || field(d.t, out.String(), "id") != nil || field(d.t, out.String(), "key") != chip2id(d.t, errs.String()) {
		d.t.Fatalf("exit status %d: %s%s", got, out, errs)
	}
	if n := strings.Count(errs.String(), "genuine"); n != 2 {
		d.t.Errorf("it was shown %d times", n)
	}
	d.took()
}

// chip2id is the id that was shown.
func chip2id(t *testing.T, shown string) string {
	t.Helper()
	for line := range strings.Lines(shown) {
		if id, ok := strings.CutPrefix(line, "id "); ok {
			return strings.TrimSpace(id)
		}
	}
	t.Fatalf("no id in %s", shown)
	return ""
}

func phoneAtDesk(d *cardDesk) {
	var enrolling atomic.Bool
	e, _, _ := d.env()
	e.dir = d.path("desk")
	key := d.key(passport.KindPhone)
	phone, err := e.softCard(key, false)
	if err != nil {
		d.t.Fatal(err)
	}
	d.lay(phone)
	d.refuses([]string{"app", "enrol"}, d.enroll("2")...)
	willing, err := e.softCard(key, true)
	if err != nil {
		d.t.Fatal(err)
	}
	d.lay(altered{willing, phonePossess, func(b []byte) ([]byte, error) { enrolling.Store(true); return b, nil }})
	_, errs := d.exits(0, d.enroll("2")...) // without --unproved
	if !strings.Contains(errs, "phone with the app") || !strings.Contains(squeeze(errs), "|genuine not proved: ") || !enrolling.Load() {
		d.t.Errorf("told: %s", errs)
	}
	d.took()
}

// passwordAfterCard: nobody has to type while a card has to be held.
func passwordAfterCard(d *cardDesk) {
	d.lay(d.halo(d.maker))
	keyboard, terminal, err := pty.Open()
	if err != nil {
		d.t.Fatal(err)
	}
	defer keyboard.Close()
	defer terminal.Close()
	e, _, errs := d.env()
	e.In = terminal
	code := make(chan int, 1)
	args := slices.DeleteFunc(d.enroll("1"), func(a string) bool { return strings.Contains(a, "password") })
	go func() { code <- e.run(d.t.Context(), append([]string{"--dir", d.path("desk")}, args...)) }()
	errs.after(d.t, "Password of "+d.path("wallet1"))
	if signed, asked := strings.Index(errs.String(), "it can be taken away"), strings.Index(errs.String(), "Password"); signed < 0 || signed > asked {
		d.t.Errorf("told in another order:\n%s", errs)
	}
	d.clear() // the card goes before it is typed
	if _, err := keyboard.WriteString("sesame\n"); err != nil {
		d.t.Fatal(err)
	}
	if got := <-code; got != 0 {
		d.t.Fatalf("exit status %d: %s", got, errs)
	}
	d.took()
}

func simulatedCard(d *cardDesk) {
	d.exits(0, "doorkey", "new", "--kind", "keycard", "--simulated", "--out", d.path("sim.key"))
	ctx, cancel := context.WithCancel(d.t.Context())
	e, _, errs := d.env()
	code := make(chan int, 1)
	go func() { code <- e.run(ctx, []string{"card", "simulate", "--key", d.path("sim.key")}) }()
	errs.after(d.t, "Status Keycard with key")
	out, _ := d.exits(0, "card", "read", "--reader", "00 00")
	if !strings.Contains(out, "Status Keycard") || !strings.Contains(squeeze(out), "|genuine yes") {
		d.t.Errorf("read: %s", out)
	}
	d.exits(0, d.enroll("2")...)
	d.took()
	cancel()
	if got := <-code; got != 0 {
		d.t.Errorf("interrupted: exit status %d, %s", got, errs)
	}
	began := time.Now()
	d.says(0, []string{"lies on the virtual reader"}, "card", "simulate", "--key", d.path("sim.key"), "--for", "100ms")
	if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
		d.t.Errorf("--for 100ms took %v", took)
	}
	d.exits(0, "doorkey", "new", "--out", d.path("app.key"))
	d.says(1, []string{"no card or phone holds a key of kind software", "--simulated"}, "card", "simulate", "--key", d.path("app.key"))
	d.says(1, []string{"no virtual reader at 127.0.0.1:1", "vsmartcard-vpcd"}, "card", "simulate", "--key", d.path("sim.key"), "--vpcd", "127.0.0.1:1")
	d.says(1, []string{"absent.key"}, "card", "simulate", "--key", d.path("absent.key"))
	d.says(2, []string{"--key is missing"}, "card", "simulate")
}

func listReaders(d *cardDesk) {
	out, errs := d.exits(0, "hw", "list")
	if !strings.Contains(squeeze(out), `|pcsc Virtual PCD 00 00 PC/SC reader kind = "pcsc", name = "Virtual PCD 00 00"|`) || strings.Contains(errs, "pcsc") {
		d.t.Errorf("listed:\n%s%s", out, errs)
	}
	if out, _ = d.exits(0, "hw", "list", "--json"); !strings.Contains(out, `{"kind":"pcsc","name":"Virtual PCD 00 01","what":"PC/SC reader","wiring":"kind = \"pcsc\", name = \"Virtual PCD 00 01\""}`) {
		d.t.Errorf("JSON %s", out)
	}
}

func noReader(d *cardDesk) {
	if err := d.pcsc.RestartEmpty(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	d.refuses([]string{"no such PC/SC reader is attached: plug it in"}, d.enroll("1")...)
	if err := d.pcsc.Kill(); err != nil {
		d.t.Fatal(err)
	}
	d.says(1, []string{"install pcscd and start it"}, "card", "read")
	d.says(0, []string{"warning: pcsc: ", "install pcscd and start it"}, "hw", "list")
	if out, errs := d.exits(0, "hw", "list", "--json"); !strings.Contains(out, `{"kind":"pcsc","error":"nfc: the PC/SC service`) || errs != "" {
		d.t.Errorf("JSON %s%s", out, errs)
	}
}
