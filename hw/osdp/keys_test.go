package osdp_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
)

// A reader from its box gets its key in its installation mode, and from then
// on no other will do.
func TestInstall(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.Key = nil
	r := newRig(t, cfg, secured)
	eventually(t, "a reader without its key is reported", func() bool { return len(r.ear.all()) > 0 })
	if r.ear.up() {
		t.Fatal("online without its key")
	}
	never(t, "the default key was used without being asked for", 300*time.Millisecond, func() bool { return r.State().Sessions > 0 })
	id, err := r.bus.Install(t.Context(), address, scbk, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if id.UID != cfg.UID || id.Serial != cfg.Serial {
		t.Errorf("installed %+v", id)
	}
	r.online(t)
	s := r.State()
	if s.Key != [16]byte(scbk) || !s.Secure || s.Default {
		t.Errorf("key %X, secure %v, by the default key %v", s.Key, s.Secure, s.Default)
	}
	for _, x := range r.Seen() {
		if x.Code == osdptest.KeySet && x.Block != 0x17 {
			t.Errorf("KEYSET went under security block %02X", x.Block)
		}
	}
	if _, err := r.bus.Install(t.Context(), address, osdp.Key{1}, 5*time.Second); !errors.Is(err, osdp.ErrNotInInstallMode) {
		t.Errorf("a second installation: %v", err)
	}
	r.online(t)
}

// Somebody spoils what comes after KEYSET: that the reader was not in its
// installation mode is not what is told then, because it may have the key. The
// same key once more finds out.
func TestInstallSpoiled(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.Key = nil
	r := newRig(t, cfg, secured)
	r.Listen(func(s osdptest.Seen) {
		if s.Code == osdptest.KeySet {
			go r.Misbehave(osdptest.Fault{Kind: osdptest.BadCryptogram, On: osdptest.Challenge, Times: -1})
		}
	})
	if _, err := r.bus.Install(t.Context(), address, scbk, 1500*time.Millisecond); !errors.Is(err, osdp.ErrWindow) || errors.Is(err, osdp.ErrNotInInstallMode) {
		t.Errorf("%v", err)
	}
	if s := r.State(); s.Key != [16]byte(scbk) {
		t.Fatalf("the reader has %X", s.Key)
	}
	r.Listen(nil)
	r.Behave()
	if _, err := r.bus.Install(t.Context(), address, scbk, 10*time.Second); err != nil {
		t.Errorf("once more: %v", err)
	}
	r.online(t)
}

func TestInstallEnds(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.Key = nil
	r := newRig(t, cfg, secured)
	r.Misbehave(osdptest.Fault{Kind: osdptest.Silent, Times: -1})
	start := time.Now()
	if _, err := r.bus.Install(t.Context(), address, scbk, 400*time.Millisecond); !errors.Is(err, osdp.ErrWindow) {
		t.Errorf("%v, want ErrWindow", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a window of 400 ms took %v", took)
	}
	r.Behave()
	never(t, "a session after the window", 500*time.Millisecond, func() bool { return r.State().Sessions > 0 })
}

func TestRotate(t *testing.T) {
	t.Parallel()
	for _, forgetful := range []bool{false, true} {
		t.Run(fmt.Sprintf("forgetful=%v", forgetful), func(t *testing.T) {
			t.Parallel()
			cfg := deviceConfig()
			cfg.Forgetful = forgetful
			r := newRig(t, cfg, secured)
			r.online(t)
			fresh := osdp.Key{0xFE, 0xED}
			if err := r.bus.Rotate(t.Context(), address, fresh); err != nil {
				t.Fatal(err)
			}
			if got := r.State().Key; got != [16]byte(fresh) {
				t.Errorf("key %X", got)
			}
			before := r.State().Sessions
			r.Reboot()
			eventually(t, "a session with the new key", func() bool { s := r.State(); return s.Secure && s.Sessions > before })
			r.Press("7")
			eventually(t, "a key press", func() bool { return r.ear.pressed() == "7" })
		})
	}
}

// Keys are tried in order: a reader that missed a rotation is found with the
// key of before.
func TestKeysInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), func(c *osdp.ReaderConfig) { c.Keys = []osdp.Key{{1}, {2}, scbk} })
	r.online(t)
	if s := r.State(); !s.Secure || s.Default {
		t.Errorf("%+v", s)
	}
}

// COMSET: the reader answers as it was and is then found as it is.
func TestSetAddress(t *testing.T) {
	t.Parallel()
	cfg := deviceConfig()
	cfg.Baud = 38400
	pd := osdptest.New(cfg)
	line := newLine(t, osdptest.LineConfig{Baud: 38400}, pd)
	first := &ear{}
	b, stop := start(t, osdp.Config{Port: line.Path(), Baud: 38400,
		Readers: []osdp.ReaderConfig{{Address: address, Keys: []osdp.Key{scbk}, Handler: first}}})
	eventually(t, "online at 38,400", first.up)
	if got := line.PanelBaud(); got != 38400 {
		t.Errorf("the port runs at %d", got)
	}
	key := scbk
	to, baud, err := b.SetAddress(t.Context(), address, &key, 9, 115200)
	if err != nil || to != 9 || baud != 115200 {
		t.Fatalf("SetAddress: %d, %d, %v", to, baud, err)
	}
	stop()
	second := &ear{}
	run(t, osdp.Config{Port: line.Path(), Baud: 115200,
		Readers: []osdp.ReaderConfig{{Address: 9, Keys: []osdp.Key{scbk}, Handler: second}}})
	eventually(t, "online at 115,200 and its new address", second.up)
}
