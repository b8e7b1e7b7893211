package osdp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
	"tombolo/passport/card"
)

// Each way of answering wrongly, while a key is pressed: the panel gets the
// press exactly once, or, where the reader's Secure Channel is rightly given
// up, not at all; and it goes on afterwards.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name  string
		fault osdptest.Fault
		lost  bool  // the Secure Channel has to be given up, and the press with it
		says  error // then
	}{
		{name: "not heard", fault: osdptest.Fault{Kind: osdptest.Silent}},
		{name: "not heard, three times", fault: osdptest.Fault{Kind: osdptest.Silent, Times: 3}},
		{name: "reply lost", fault: osdptest.Fault{Kind: osdptest.Mute}},
		{name: "reply lost, twice", fault: osdptest.Fault{Kind: osdptest.Mute, Times: 2}},
		{name: "busy", fault: osdptest.Fault{Kind: osdptest.BusyNow, Times: 5}},
		{name: "sequence", fault: osdptest.Fault{Kind: osdptest.WrongSequence}},
		{name: "CRC", fault: osdptest.Fault{Kind: osdptest.BadCheck}},
		{name: "checksum for CRC", fault: osdptest.Fault{Kind: osdptest.NoCRC, Times: 3}},
		{name: "late", fault: osdptest.Fault{Kind: osdptest.Late, By: 230 * time.Millisecond}},
		{name: "very late", fault: osdptest.Fault{Kind: osdptest.Late, By: 700 * time.Millisecond}},
		{name: "twice", fault: osdptest.Fault{Kind: osdptest.Twice, Times: 10}},
		{name: "noise before it", fault: osdptest.Fault{Kind: osdptest.Garbage, Times: 10}},
		{name: "cut", fault: osdptest.Fault{Kind: osdptest.Truncated}},
		{name: "too long", fault: osdptest.Fault{Kind: osdptest.Oversized}},
		{name: "another address", fault: osdptest.Fault{Kind: osdptest.OtherAddress}},
		{name: "looks like a command", fault: osdptest.Fault{Kind: osdptest.AsCommand}},
		{name: "the one before", fault: osdptest.Fault{Kind: osdptest.Replayed}},
		{name: "NAK 01 in clear", fault: osdptest.Fault{Kind: osdptest.Forged, Code: osdptest.NAK, Data: []byte{1}}},
		{name: "MAC", fault: osdptest.Fault{Kind: osdptest.BadMAC, Times: 3}, lost: true, says: osdp.ErrTampered},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, deviceConfig(), secured)
			r.online(t)
			v.fault.On = osdptest.Poll
			r.Misbehave(v.fault)
			r.Press("4")
			eventually(t, "the fault shows", func() bool { return !r.Misbehaving() })
			if v.lost {
				eventually(t, "the reader is reported", func() bool { return r.ear.said(v.says) })
				eventually(t, "it is back", func() bool { return r.ear.up() && r.State().Secure })
			} else {
				eventually(t, "the key press", func() bool { return r.ear.pressed() == "4" })
			}
			// What comes late or twice has come by now.
			time.Sleep(v.fault.By)
			had := r.ear.pressed()
			r.Press("56")
			eventually(t, "the next ones", func() bool { return strings.HasSuffix(r.ear.pressed(), "56") })
			if got := r.ear.pressed(); got != had+"56" || len(had) > 1 || !v.lost && had != "4" {
				t.Errorf("pressed 4, 5, 6, heard %q", got)
			}
			if n := r.ear.downs(); !v.lost && n != 0 {
				t.Errorf("lost %d times: %v", n, r.ear.all())
			}
			if s := r.State(); s.Odd != 0 || !v.lost && len(s.Naks) != 0 {
				t.Errorf("the panel broke the rules: %d odd repetitions, NAKs %v", s.Odd, s.Naks)
			}
		})
	}
}

// The same while a card talks: each APDU is run once, and its response is the
// card's.
func TestWrongAnswersWithCard(t *testing.T) {
	t.Parallel()
	kinds := []osdptest.Kind{osdptest.Silent, osdptest.Mute, osdptest.BusyNow, osdptest.WrongSequence,
		osdptest.BadCheck, osdptest.NoCRC, osdptest.Late, osdptest.Twice, osdptest.Garbage, osdptest.Truncated,
		osdptest.Oversized, osdptest.OtherAddress, osdptest.AsCommand, osdptest.Replayed}
	for _, polled := range []bool{false, true} {
		for _, on := range []byte{osdptest.XWrite, osdptest.Poll} {
			t.Run(fmt.Sprintf("polled=%v/%02X", polled, on), func(t *testing.T) {
				t.Parallel()
				cfg := deviceConfig()
				cfg.Polled = polled
				r := newRig(t, cfg, secured)
				kind, errs := make(chan osdptest.Kind, 1), make(chan error, 1)
				const apdus = 4
				r.ear.note(func() {
					r.ear.onCard = func(_ context.Context, tr card.Transceiver) {
						r.Misbehave(osdptest.Fault{Kind: <-kind, On: on, Times: 2, By: 220 * time.Millisecond})
						defer r.Behave()
						for n := range byte(apdus) {
							want := []byte{n, 2, 3, 4, 0x90, 0x00}
							if got, err := tr.Transmit(want[:4]); err != nil || !bytes.Equal(got, want) {
								errs <- fmt.Errorf("APDU %d: % X, %w", n, got, err)
								return
							}
						}
						errs <- nil
					}
				})
				r.online(t)
				for i, k := range kinds {
					kind <- k
					r.Present(echo{})
					if err := <-errs; err != nil {
						t.Errorf("kind %d: %v", k, err)
					}
					if s := r.State(); s.APDUs != (i+1)*apdus || s.Odd != 0 || len(s.Naks) != 0 {
						t.Fatalf("kind %d: %d APDUs were run, %d odd repetitions, NAKs %v", k, s.APDUs-i*apdus, s.Odd, s.Naks)
					}
					eventually(t, "the card is done with", func() bool { return r.ear.calls.Load() == 0 })
					r.Remove()
					eventually(t, "the panel knows that it left", r.Idle)
				}
			})
		}
	}
}

// A reader that answers BUSY for a second while its card thinks is waited for.
func TestBusyWithCard(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), secured)
	r.online(t)
	r.Misbehave(osdptest.Fault{Kind: osdptest.BusyNow, On: osdptest.XWrite, Times: 8})
	r.Misbehave(osdptest.Fault{Kind: osdptest.Mute, On: osdptest.XWrite})
	exchange(t, r)
	if s := r.State(); s.Odd != 0 || r.ear.downs() != 0 {
		t.Errorf("%d odd repetitions, lost %d times", s.Odd, r.ear.downs())
	}
}

// A power cut at the reader: reported, and back by itself.
func TestReboot(t *testing.T) {
	t.Parallel()
	for _, how := range []struct {
		name string
		how  func(*osdp.ReaderConfig)
	}{{"secure", secured}, {"insecure", insecure}} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, deviceConfig(), how.how)
			r.online(t)
			for n := range 3 {
				resets, start := r.State().Resets, time.Now()
				r.Reboot()
				eventually(t, "it is taken up again", func() bool { return r.State().Resets > resets })
				want := strings.Repeat("8", n+1)
				eventually(t, "a key press", func() bool {
					if r.ear.up() && len(r.ear.pressed()) == n {
						r.Press("8")
					}
					return strings.HasPrefix(r.ear.pressed(), want)
				})
				t.Logf("restart %d: back after %v", n+1, time.Since(start).Round(time.Millisecond))
				eventually(t, "no more key presses", func() bool { return r.ear.up() })
				r.ear.note(func() { r.ear.keys = r.ear.keys[:n+1] })
			}
		})
	}
}

// A reader that dies is missed after 8 s (OSDP 2.2 §5.7), not before, and
// found again.
func TestDead(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), secured)
	r.online(t)
	r.Misbehave(osdptest.Fault{Kind: osdptest.Silent, Times: -1})
	start := time.Now()
	eventually(t, "it is missed", func() bool { return !r.ear.up() })
	if took := time.Since(start); took < 7*time.Second || took > 9500*time.Millisecond || !r.ear.said(osdp.ErrSilent) {
		t.Errorf("missed after %v: %v", took, r.ear.all())
	}
	r.Behave()
	start = time.Now()
	r.online(t)
	t.Logf("found again after %v", time.Since(start).Round(time.Millisecond))
	r.Press("3")
	eventually(t, "a key press", func() bool { return r.ear.pressed() == "3" })
}

// Replies of a reader that the panel did not ask, and what nobody asked for.
func TestUnasked(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), insecure)
	r.online(t)
	stop := time.Now().Add(700 * time.Millisecond)
	for n := byte(0); time.Now().Before(stop); n++ {
		f := osdptest.Frame{Address: address, Reply: true, Sequence: n % 4, CRC: true, Code: osdptest.Keypad, Data: []byte{0, 1, '9'}}
		if n%2 == 0 {
			f.Address = 77
		}
		r.line.Noise(f.Encode(nil))
		time.Sleep(20 * time.Millisecond)
	}
	if r.ear.downs() > 0 {
		t.Errorf("lost: %v", r.ear.all())
	}
	r.Press("1")
	eventually(t, "a key press", func() bool { return strings.HasSuffix(r.ear.pressed(), "1") })
	t.Logf("of %d frames that nobody asked for, without Secure Channel, %d passed for replies", 30, len(r.ear.pressed())-1)
}

// A flood: the panel is alive after it.
func TestFlood(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), secured)
	r.online(t)
	flood := filled(3000, 0x53)
	for range 3 {
		r.line.Noise(flood)
	}
	r.Press("1")
	eventually(t, "a key press", func() bool { return r.ear.up() && r.ear.pressed() == "1" || r.ear.downs() > 0 })
	r.online(t)
}

// The adapter is pulled out and put back.
func TestUnplugged(t *testing.T) {
	t.Parallel()
	pd, e := osdptest.New(deviceConfig()), &ear{}
	var line atomic.Pointer[osdptest.Line]
	line.Store(newLine(t, osdptest.LineConfig{}, pd))
	var states atomic.Int32 // of the bus: up adds 1, down adds 100
	run(t, osdp.Config{
		Open: func() (io.ReadWriteCloser, error) {
			l := line.Load()
			if l == nil {
				return nil, os.ErrNotExist
			}
			return l.Open()
		},
		Baud: 115200,
		State: func(up bool, err error) {
			if up {
				states.Add(1)
			} else if states.Add(100); !errors.Is(err, osdp.ErrPort) {
				t.Errorf("the bus is lost with %v", err)
			}
		},
		Readers: []osdp.ReaderConfig{{Address: address, Keys: []osdp.Key{scbk}, Handler: e}},
	})
	eventually(t, "online", e.up)
	line.Swap(nil).Close()
	eventually(t, "the bus and its reader are missed", func() bool { return states.Load() == 101 && !e.up() })
	if !e.said(osdp.ErrPort) {
		t.Errorf("the reader is lost with %v", e.all())
	}
	second, err := osdptest.NewLine(osdptest.LineConfig{}, pd)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	line.Store(second)
	eventually(t, "online again", e.up)
	if got := states.Load(); got != 102 {
		t.Errorf("states %d", got)
	}
}

// A reader that is lost while a card talks: the card is gone, at once.
func TestLostWithCard(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), secured)
	errs := make(chan error, 1)
	r.ear.note(func() {
		r.ear.onCard = func(ctx context.Context, tr card.Transceiver) {
			for {
				if _, err := tr.Transmit([]byte{0, 1, 2, 3}); err != nil {
					errs <- err
					return
				}
			}
		}
	})
	r.online(t)
	r.Present(echo{})
	eventually(t, "APDUs", func() bool { return r.State().APDUs > 3 })
	start := time.Now()
	r.Reboot()
	select {
	case err := <-errs:
		if !errors.Is(err, card.ErrGone) {
			t.Errorf("%v, want ErrGone", err)
		}
		t.Logf("after %v", time.Since(start).Round(time.Millisecond))
	case <-time.After(soon):
		t.Fatal("the card goes on for ever")
	}
}
