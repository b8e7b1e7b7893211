package osdp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// Every command and every reply, in the Secure Channel and without, with a
// reader that answers shortly and with one that says more than it has to.
func TestEveryCommandAndReply(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		for _, talkative := range []bool{false, true} {
			t.Run(fmt.Sprintf("secure=%v/talkative=%v", secure, talkative), func(t *testing.T) {
				t.Parallel()
				cfg := deviceConfig()
				cfg.Talkative, cfg.Polled, cfg.Required = talkative, talkative, secure
				cfg.CardTime, cfg.FileMax, cfg.FileIdle = 20*time.Millisecond, 128, 2
				how := secured
				if !secure {
					how = insecure
				}
				everyCommandAndReply(t, newRig(t, cfg, how), secure)
			})
		}
	}
}

func everyCommandAndReply(t *testing.T, r *rig, secure bool) {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	r.online(t)

	id := heard(r.ear, func(e *ear) osdp.Identity { return e.ids[len(e.ids)-1] })
	want := osdp.Identity{Vendor: [3]byte{0x5C, 0x26, 0x23}, Model: 2, Version: 7, Serial: 0xFEDC9876, Firmware: [3]byte{1, 2, 3}}
	if secure {
		want.UID = [8]byte{9, 8, 7, 6, 5, 4, 3, 2}
	}
	for _, c := range r.Capabilities() {
		want.Capabilities[c.Function] = osdp.Capability{Level: c.Compliance, Items: c.Number}
	}
	if id != want {
		t.Errorf("identity %+v\nwant %+v", id, want)
	}

	r.bus.Light(address, osdp.Green, true)
	eventually(t, "LED", func() bool { s := r.State(); return s.LEDs[0].OnColour == 2 && s.LEDs[0].On > 0 })
	r.bus.Light(address, osdp.Red, true)
	eventually(t, "another colour", func() bool { return r.State().LEDs[0].OnColour == 1 })
	r.bus.Light(address, osdp.Red, false)
	eventually(t, "the colour below it", func() bool { return r.State().LEDs[0].OnColour == 2 })
	r.bus.Light(address, osdp.Green, false)
	eventually(t, "LED off", func() bool { l := r.State().LEDs[0]; return l.OnColour == 0 || l.On == 0 })
	r.bus.Beep(address, true)
	eventually(t, "BUZ", func() bool { return r.State().Sound.Tone == 2 })
	r.bus.Beep(address, false)
	eventually(t, "BUZ off", func() bool { return r.State().Sound.Tone == 1 })
	r.bus.Text(address, "Come in")
	eventually(t, "TEXT", func() bool { return r.State().Display == "Come in" })
	r.bus.Text(address, "Not any longer than a line of the display has room")
	eventually(t, "a long TEXT", func() bool { return r.State().Display != "Come in" })
	r.bus.Output(address, 1, true)
	eventually(t, "OUT", func() bool { return r.State().Outputs[1] })

	s, err := r.bus.Status(ctx, address)
	if err != nil || s.Tamper || s.PowerFailed || !slices.Equal(s.Inputs, []bool{false, false}) ||
		!slices.Equal(s.Outputs, []bool{false, true}) || !bytes.Equal(s.Readers, []byte{0}) {
		t.Errorf("Status %+v, %v", s, err)
	}

	r.Press("0123456789*#")
	eventually(t, "KEYPAD", func() bool { return r.ear.pressed() == "0123456789*#" })
	last := func(b []bool) bool { return len(b) > 0 && b[len(b)-1] }
	r.Tamper(true)
	eventually(t, "tamper", func() bool { return heard(r.ear, func(e *ear) bool { return last(e.tamper) && !last(e.power) }) })
	r.PowerFails(true)
	eventually(t, "power", func() bool { return heard(r.ear, func(e *ear) bool { return last(e.tamper) && last(e.power) }) })
	r.Tamper(false)
	eventually(t, "tamper's end", func() bool { return heard(r.ear, func(e *ear) bool { return !last(e.tamper) && last(e.power) }) })
	r.Input(1, true)
	eventually(t, "input", func() bool { return heard(r.ear, func(e *ear) bool { return last(e.inputs[1]) && !last(e.inputs[0]) }) })
	r.Swipe([]byte{0x12, 0x34, 0x56, 0x40}, 26)
	eventually(t, "RAW", func() bool {
		return heard(r.ear, func(e *ear) bool {
			return slices.ContainsFunc(e.refused, func(err error) bool { return errors.Is(err, osdp.ErrRaw) })
		})
	})

	got, err := r.bus.Manufacturer(ctx, address, [3]byte{0x5C, 0x26, 0x23}, []byte("what only we know"))
	if err != nil || string(got) != "what only we know" {
		t.Errorf("MFG: %q, %v", got, err)
	}
	var nak *osdp.NAKError
	if _, err := r.bus.Manufacturer(ctx, address, [3]byte{1, 2, 3}, nil); !errors.As(err, &nak) || nak.Code != osdptest.NakRecord {
		t.Errorf("MFG of another maker: %v", err)
	}

	file := make([]byte, 1500)
	for i := range file {
		file[i] = byte(i * 7)
	}
	var sent uint32
	if err := r.bus.SendFile(ctx, address, 1, bytes.NewReader(file), uint32(len(file)), func(n uint32) { sent = n }); err != nil || sent != 1500 {
		t.Errorf("SendFile: %v after %d bytes", err, sent)
	}
	if !bytes.Equal(r.State().Files[1], file) {
		t.Error("another file arrived")
	}
	if err := r.bus.Abort(ctx, address); err != nil || r.State().Aborts != 1 {
		t.Errorf("Abort: %v, %d seen", err, r.State().Aborts)
	}
	exchange(t, r)

	state := r.State()
	if state.Odd != 0 || len(state.Naks) != 1 || state.Naks[osdptest.NakRecord] != 1 {
		t.Errorf("the panel broke the rules: %d odd repetitions, NAKs %v", state.Odd, state.Naks)
	}
	count := map[byte]int{}
	begun := false
	for _, s := range r.Seen() {
		count[s.Code]++
		begun = begun || s.Code == osdptest.SCrypt
		if secure && begun && s.Code != osdptest.SCrypt && s.Block != 0x15 && s.Block != 0x17 {
			t.Errorf("%02X went under security block %02X", s.Code, s.Block)
		}
	}
	used := []byte{osdptest.ID, osdptest.Cap, osdptest.LStat, osdptest.IStat, osdptest.OStat, osdptest.RStat, osdptest.Out,
		osdptest.LED, osdptest.Buzzer, osdptest.Text, osdptest.ACURxSize, osdptest.FileTransfer, osdptest.Mfg, osdptest.XWrite, osdptest.Abort}
	if secure {
		used = append(used, osdptest.Challenge, osdptest.SCrypt)
	}
	for _, c := range used {
		if count[c] == 0 {
			t.Errorf("command %02X was never sent", c)
		}
	}
	if r.ear.downs() != 0 {
		t.Errorf("the reader was lost in between: %v", r.ear.all())
	}
}

// exchange has the panel talk with a card, with short and with the longest
// APDUs, and then with one that leaves.
func exchange(t *testing.T, r *rig) {
	t.Helper()
	type result struct {
		response []byte
		err      error
	}
	results := make(chan result, 10)
	commands := [][]byte{{0x00, 0xA4, 0x04, 0x00}, filled(20, 1), filled(card.MaxCommand, 2)}
	r.ear.note(func() {
		r.ear.onCard = func(_ context.Context, tr card.Transceiver) {
			for _, c := range commands {
				b, err := tr.Transmit(c)
				results <- result{b, err}
			}
		}
	})
	next := func() result {
		t.Helper()
		select {
		case x := <-results:
			return x
		case <-time.After(soon):
			t.Fatal("no APDU")
			return result{}
		}
	}
	r.Present(echo{})
	for _, c := range commands {
		want, _ := echo{}.Transmit(c)
		if x := next(); x.err != nil || !bytes.Equal(x.response, want) {
			t.Errorf("APDU of %d bytes: % X, %v", len(c), x.response, x.err)
		}
	}
	r.Remove()
	r.Present(&torn{left: 1})
	if x := next(); x.err != nil {
		t.Errorf("before the card leaves: %v", x.err)
	}
	for range 2 {
		if x := next(); !errors.Is(x.err, card.ErrGone) {
			t.Errorf("after the card left: %v, want ErrGone", x.err)
		}
	}
	r.Remove()
}

// What the specification leaves open in a card's reply does not matter.
func TestCardStatusByte(t *testing.T) {
	t.Parallel()
	for _, status := range []byte{0, 1, 2} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			cfg := deviceConfig()
			cfg.CardStatus = status
			r := newRig(t, cfg, secured)
			r.online(t)
			exchange(t, r)
		})
	}
}

// A tap as the gateway does it, through the reader on the wall.
func TestTapThroughReader(t *testing.T) {
	t.Parallel()
	for _, kind := range []passport.KeyKind{passport.KindHalo, passport.KindKeycard} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			key, err := passport.GenerateSoftKey(kind, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			var c osdptest.Card
			if kind == passport.KindHalo {
				c = soft.NewHalo(soft.HaloConfig{Key: key, Rand: rand.Reader})
			} else {
				c = soft.NewKeycard(soft.KeycardConfig{Key: key})
			}
			asker := card.Asker{Gateway: [32]byte{1}, Door: passport.DoorTarget(passport.NodeID{2}, "front"), Rand: rand.Reader,
				Challenge: func(nonce [32]byte) passport.Challenge {
					return passport.Challenge{Place: passport.TapPlace([32]byte{1}, passport.DoorTarget(passport.NodeID{2}, "front")), Nonce: nonce}
				}}
			type result struct {
				card.Answer
				err  error
				took time.Duration
			}
			results := make(chan result, 1)
			r := newRig(t, deviceConfig(), secured)
			r.ear.note(func() {
				r.ear.onCard = func(_ context.Context, tr card.Transceiver) {
					start := time.Now()
					a, err := card.Tap(tr, asker)
					results <- result{a, err, time.Since(start)}
				}
			})
			r.online(t)
			r.Present(c)
			select {
			case x := <-results:
				if x.err != nil {
					t.Fatal(x.err)
				}
				if x.Key != key.Key() {
					t.Errorf("key %v, want %v", x.Key, key.Key())
				}
				v, err := passport.NewVerifier(x.Key)
				if err != nil {
					t.Fatal(err)
				}
				if err := v.Verify(x.Challenge.Sum(), x.Signature); err != nil {
					t.Error(err)
				}
				t.Logf("%v: %d APDUs in %v over 115,200 baud with 3 ms of turnaround", kind, r.State().APDUs, x.took.Round(100*time.Microsecond))
			case <-time.After(soon):
				t.Fatal("no tap")
			}
		})
	}
}

// What a reader was told while it was away it is told when it is back.
func TestToldWhenBack(t *testing.T) {
	t.Parallel()
	pd := osdptest.New(deviceConfig())
	pd.Misbehave(osdptest.Fault{Kind: osdptest.Silent, Times: -1})
	r := newRigWith(t, pd, secured)
	r.bus.Light(address, osdp.Red, true)
	r.bus.Light(address, osdp.Green, true)
	r.bus.Text(address, "old")
	r.bus.Text(address, "new")
	r.bus.Output(address, 0, true)
	time.Sleep(50 * time.Millisecond)
	r.Behave()
	r.online(t)
	told := func() bool {
		s := r.State()
		return s.LEDs[0].OnColour == 2 && s.Display == "new" && s.Outputs[0]
	}
	eventually(t, "the last of each kind", told)
	r.Reboot()
	eventually(t, "the same after a restart", told)
}

// A card that lies on the reader when the panel comes is noticed.
func TestCardBeforePanel(t *testing.T) {
	t.Parallel()
	pd := osdptest.New(deviceConfig())
	pd.Present(echo{})
	r := newRigWith(t, pd, secured)
	eventually(t, "the card", func() bool { return heard(r.ear, func(e *ear) bool { return e.cards == 1 }) })
}

// A reader without transparent mode is of no use, and says so.
func TestDumbReader(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.Dumb = true
	r := newRig(t, cfg, secured)
	r.online(t)
	r.Present(echo{})
	eventually(t, "a refusal", func() bool {
		return heard(r.ear, func(e *ear) bool {
			return slices.ContainsFunc(e.refused, func(err error) bool { return errors.Is(err, osdp.ErrRaw) })
		})
	})
	if n := heard(r.ear, func(e *ear) int { return e.cards }); n != 0 {
		t.Errorf("%d cards", n)
	}
}

// Longer than the reader can receive: refused, not cut.
func TestSmallReceiveBuffer(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.ReceiveBuffer = 128
	r := newRig(t, cfg, secured)
	errs := make(chan error, 2)
	r.ear.note(func() {
		r.ear.onCard = func(_ context.Context, tr card.Transceiver) {
			_, err := tr.Transmit(filled(60, 1))
			errs <- err
			_, err = tr.Transmit(filled(200, 1))
			errs <- err
		}
	})
	r.online(t)
	r.Present(echo{})
	if err := <-errs; err != nil {
		t.Errorf("60 bytes: %v", err)
	}
	if err := <-errs; !errors.Is(err, osdp.ErrTooLong) {
		t.Errorf("200 bytes: %v, want ErrTooLong", err)
	}
	if n := r.State().Naks[osdptest.NakLength]; n != 0 {
		t.Errorf("%d frames were too long for the reader", n)
	}
}

// A refused file says so, and the reader goes on.
func TestFileRefused(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.FileRefused = -2
	r := newRig(t, cfg, secured)
	r.online(t)
	if err := r.bus.SendFile(t.Context(), address, 1, bytes.NewReader(filled(300, 1)), 300, nil); !errors.Is(err, osdp.ErrFile) {
		t.Errorf("%v, want ErrFile", err)
	}
	r.Press("1")
	eventually(t, "a key press", func() bool { return r.ear.pressed() == "1" })
}
