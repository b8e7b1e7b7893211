package osdp_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
)

// What keeps a reader from being used is reported with a reason, and it is
// taken into use once the reason is gone.
func TestRefusedReaders(t *testing.T) {
	t.Parallel()
	other := [16]byte{7}
	for _, v := range []struct {
		name   string
		config func(*osdptest.Config)
		fault  osdptest.Fault
		says   error
		right  func(*osdptest.PD)
	}{
		{name: "wrong key", config: func(c *osdptest.Config) { c.Key = &other }, says: osdp.ErrWrongKey,
			right: func(p *osdptest.PD) { p.SetKey([16]byte(scbk)) }},
		{name: "no key yet", config: func(c *osdptest.Config) { c.Key = nil },
			right: func(p *osdptest.PD) { p.SetKey([16]byte(scbk)) }},
		{name: "offers the default key", config: func(c *osdptest.Config) { c.Key, c.Willing = nil, true }, says: osdp.ErrDefaultKey,
			right: func(p *osdptest.PD) { p.SetKey([16]byte(scbk)) }},
		{name: "wrong cryptogram", fault: osdptest.Fault{Kind: osdptest.BadCryptogram, Times: -1}, says: osdp.ErrWrongKey},
		{name: "PDCAP without Secure Channel", fault: osdptest.Fault{Kind: osdptest.NoSecurity, Times: -1}, says: osdp.ErrNoSecureChannel},
		{name: "CHLNG gets NAK 05", fault: osdptest.Fault{Kind: osdptest.Forged, On: osdptest.Challenge, Times: -1,
			Code: osdptest.NAK, Data: []byte{osdptest.NakBlock}}, says: nil},
		{name: "CHLNG gets NAK 06", fault: osdptest.Fault{Kind: osdptest.Forged, On: osdptest.Challenge, Times: -1,
			Code: osdptest.NAK, Data: []byte{osdptest.NakEncryption}}, says: nil},
		{name: "SCRYPT gets ACK", fault: osdptest.Fault{Kind: osdptest.Forged, On: osdptest.SCrypt, Times: -1,
			Code: osdptest.ACK}, says: nil},
		{name: "cannot do Secure Channel", config: func(c *osdptest.Config) { c.Insecure = true }, says: osdp.ErrDowngrade},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			cfg := deviceConfig()
			if v.config != nil {
				v.config(&cfg)
			}
			pd := osdptest.New(cfg)
			if v.fault.Kind != 0 {
				pd.Misbehave(v.fault)
			}
			r := newRigWith(t, pd, secured)
			eventually(t, "the reason is reported", func() bool {
				return slices.ContainsFunc(r.ear.all(), func(x report) bool {
					return !x.up && x.err != nil && (v.says == nil || errors.Is(x.err, v.says))
				})
			})
			t.Logf("reported: %v", r.ear.all()[len(r.ear.all())-1].err)
			never(t, "the reader is in use", 200*time.Millisecond, func() bool { return r.ear.up() })
			if got := r.State(); got.Default {
				t.Error("the default key is in use")
			}
			if cfg.Insecure {
				return
			}
			if r.Behave(); v.right != nil {
				v.right(pd)
			}
			start := time.Now()
			r.online(t)
			t.Logf("in use %v after it was put right", time.Since(start).Round(time.Millisecond))
			r.Press("2")
			eventually(t, "a key press", func() bool { return r.ear.pressed() == "2" })
		})
	}
}

// Somebody on the wire answers every command in clear with what would be worth
// believing. Nothing of it is believed, before the Secure Channel and inside.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	forged := []osdptest.Fault{
		{Code: osdptest.Keypad, Data: []byte{0, 4, '1', '2', '3', '4'}},
		{Code: osdptest.XRead, Data: []byte{1, 1, 0, 2}},
		{Code: osdptest.XRead, Data: []byte{1, 2, 0, 0, 0x90, 0x00}},
		{Code: osdptest.Raw, Data: []byte{0, 0, 26, 0, 0x12, 0x34, 0x56, 0x40}},
		{Code: osdptest.LStatR, Data: []byte{1, 1}},
		{Code: osdptest.IStatR, Data: []byte{1, 1}},
		{Code: osdptest.ACK},
		{Code: osdptest.NAK, Data: []byte{osdptest.NakBlock}},
		{Code: osdptest.NAK, Data: []byte{osdptest.NakEncryption}},
		{Code: osdptest.PDID, Data: make([]byte, 12)},
		{Code: osdptest.PDCap, Data: []byte{osdptest.CapCard, 1, 0}},
	}
	for _, begun := range []bool{false, true} {
		t.Run(map[bool]string{false: "before", true: "inside"}[begun], func(t *testing.T) {
			t.Parallel()
			for _, f := range forged {
				f.Kind, f.Times = osdptest.Forged, -1
				t.Run(name(f), func(t *testing.T) {
					t.Parallel()
					pd := osdptest.New(deviceConfig())
					if !begun {
						pd.Misbehave(f)
					}
					r := newRigWith(t, pd, secured)
					if begun {
						r.online(t)
						pd.Misbehave(f)
						eventually(t, "the reader is lost", func() bool { return !r.ear.up() })
					}
					time.Sleep(300 * time.Millisecond)
					r.ear.note(func() {
						e := r.ear
						tampered := slices.Contains(e.tamper, true) || slices.Contains(e.power, true) || slices.Contains(e.inputs[0], true)
						if e.cards > 0 || len(e.keys) > 0 || len(e.refused) > 0 || tampered {
							t.Errorf("believed: %d cards, keys %q, refused %v, tamper or input %v", e.cards, e.keys, e.refused, tampered)
						}
					})
					if r.ear.up() {
						t.Error("the reader is in use")
					}
					for _, s := range r.Seen() {
						switch s.Code {
						case osdptest.ID, osdptest.Cap, osdptest.Challenge, osdptest.SCrypt:
						default:
							if s.Block == 0 {
								t.Errorf("the panel sent %02X in clear", s.Code)
							}
						}
					}
					r.Behave()
					r.online(t)
				})
			}
		})
	}
}

func name(f osdptest.Fault) string {
	s := []string{}
	for _, b := range append([]byte{f.Code}, f.Data...) {
		s = append(s, string("0123456789ABCDEF"[b>>4])+string("0123456789ABCDEF"[b&15]))
	}
	return strings.Join(s[:min(len(s), 4)], " ")
}

// The reader's own replies, but in clear: a reader that was swapped for one
// that goes on without Secure Channel.
func TestGoesOnInClear(t *testing.T) {
	t.Parallel()
	r := newRig(t, deviceConfig(), secured)
	r.online(t)
	r.Misbehave(osdptest.Fault{Kind: osdptest.InClear, Times: -1})
	r.Press("1234")
	r.Present(echo{})
	eventually(t, "the reader is lost", func() bool { return !r.ear.up() })
	r.ear.note(func() {
		if r.ear.cards > 0 || len(r.ear.keys) > 0 {
			t.Errorf("believed: %d cards, keys %q", r.ear.cards, r.ear.keys)
		}
	})
	r.Behave()
	r.online(t)
}

// Less than what was pinned when the reader was installed is refused.
func TestPinned(t *testing.T) {
	t.Parallel()
	var all osdp.Capabilities
	for _, c := range osdptest.New(deviceConfig()).Capabilities() {
		all[c.Function] = osdp.Capability{Level: c.Compliance, Items: c.Number}
	}
	pin := func(c *osdp.ReaderConfig) { c.Pinned = &all }
	same := newRig(t, deviceConfig(), pin)
	same.online(t)
	cfg := deviceConfig()
	cfg.Dumb = true
	less := newRig(t, cfg, pin)
	eventually(t, "less is reported", func() bool { return less.ear.said(osdp.ErrLess) })
	never(t, "less is in use", 200*time.Millisecond, less.ear.up)
}

// Some readers send status replies with a MAC but in clear, libosdp 3.2 even
// under the panel's own security block. They are of use; a digit or a card in
// clear is not believed, MAC or not.
func TestSignedOnly(t *testing.T) {
	t.Parallel()
	for _, block := range []byte{0x15, 0x16} {
		t.Run(fmt.Sprintf("%02X", block), func(t *testing.T) {
			t.Parallel()
			pd := osdptest.New(deviceConfig())
			for _, on := range []byte{osdptest.LStat, osdptest.IStat, osdptest.OStat, osdptest.RStat} {
				pd.Misbehave(osdptest.Fault{Kind: osdptest.SignedOnly, On: on, Times: -1, Code: block})
			}
			r := newRigWith(t, pd, secured)
			r.online(t)
			if s, err := r.bus.Status(t.Context(), address); err != nil || len(s.Inputs) != 2 {
				t.Errorf("Status %+v, %v", s, err)
			}
			r.Press("1")
			eventually(t, "an encrypted digit", func() bool { return r.ear.pressed() == "1" })
			if n := r.ear.downs(); n != 0 {
				t.Errorf("lost %d times: %v", n, r.ear.all())
			}
			for _, on := range []byte{osdptest.Poll, osdptest.XWrite} {
				r.Misbehave(osdptest.Fault{Kind: osdptest.SignedOnly, On: on, Times: -1, Code: block})
			}
			r.Press("2")
			r.Present(echo{})
			eventually(t, "the reader is lost", func() bool { return r.ear.downs() > 0 })
			r.ear.note(func() {
				if r.ear.cards > 0 || string(r.ear.keys) != "1" {
					t.Errorf("believed: %d cards, keys %q", r.ear.cards, r.ear.keys)
				}
			})
		})
	}
}
