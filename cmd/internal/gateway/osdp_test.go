package gateway_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
	"tombolo/passport"
	"tombolo/passport/card/soft"
	"tombolo/sync/ledger"
)

const osdpReader = "[[doors.front.readers]]\nkind = \"osdp\"\nbus = \"wall\"\naddress = 3\n%s[buses.wall]\nport = %q\nbaud = 115200\n"

var wall3 = gateway.Place{Bus: "wall", Address: 3}

// hang hangs a reader on the bus "wall" of the house's front door.
func (h *house) hang(pd *osdptest.PD, more string) {
	h.t.Helper()
	line := must(osdptest.NewLine(osdptest.LineConfig{}, pd))
	h.t.Cleanup(func() { line.Close() })
	port := filepath.Join(h.dir, "wall")
	if err := errors.Join(os.RemoveAll(port), os.Symlink(line.Path(), port)); err != nil {
		h.t.Fatal(err)
	}
	h.readers = fmt.Sprintf(osdpReader, more, port)
}

// halo is a HaLo card that is delegated to the resident.
func (h *house) halo() *soft.Halo {
	h.t.Helper()
	key := must(passport.GenerateSoftKey(passport.KindHalo, rand.Reader))
	h.delegate(key, passport.ModeTap)
	return soft.NewHalo(soft.HaloConfig{Key: key, Rand: rand.Reader})
}

// phoneCard is the resident's phone at a reader.
func (h *house) phoneCard() *soft.Phone {
	h.t.Helper()
	return soft.NewPhone(soft.PhoneConfig{
		Key: h.phone, Community: passport.CommunityID(must(h.steward.CommunityID())), Rand: rand.Reader,
		Issuers: [][32]byte{must(h.steward.Public(folder.IssuerKey))},
	})
}

// vouch has issuer and steward vouch for the gateway, so that phones answer it.
func (h *house) vouch(r folder.Request) {
	h.t.Helper()
	for _, b := range must(h.steward.VouchNode(must(h.steward.Node()))) {
		h.write(ledger.CommunityLog, b)
	}
	h.write(ledger.NodeLog, must(h.steward.VouchGateway(r.Keys.Signing, r.Reader)))
}

// phonesAsked waits until the gateway says so.
func (h *house) phonesAsked() {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(h.log.String(), "phones are asked"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("phones are not asked:\n%s", h.log.String())
		}
	}
}

// ask asks the daemon.
func (h *house) ask(do string) (gateway.OSDPReader, error) {
	h.t.Helper()
	r := gateway.Request{Do: do, Place: wall3}
	if do == gateway.DoInstall {
		r.Window = 20 * time.Second
	}
	all, err := gateway.Ask(h.t.Context(), h.dir, r)
	if len(all) != 1 || all[0].Place != wall3 {
		h.t.Fatalf("%s: %+v, %v", do, all, err)
	}
	return all[0], err
}

// online waits until the reader is, or is not.
func (h *house) online(want bool) gateway.OSDPReader {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r := must(h.ask(gateway.DoList))
		if r.Online == want && (want || r.Why != "") {
			return r
		}
		if time.Now().After(end) {
			h.t.Fatalf("the reader is %+v\n%s", r, h.log.String())
		}
	}
}

// faultOf waits until the reader's fault is told, or cleared.
func (r *running) faultOf(part string, cleared bool) string {
	r.h.t.Helper()
	return await(r, part, func(f *ledger.Fault) bool { return f.Part == part && f.Cleared == cleared }).What
}

// hold holds a card to the reader and gives the decision.
func (r *running) hold(pd *osdptest.PD, c osdptest.Card) *ledger.Decision {
	r.h.t.Helper()
	pd.Present(c)
	d := await(r, "a decision", every[*ledger.Decision])
	pd.Remove()
	return d
}

// lit waits until the reader's light has a colour.
func lit(t *testing.T, pd *osdptest.PD, c osdp.Colour) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s := pd.State()
		if slices.ContainsFunc(slices.Collect(maps.Values(s.LEDs)), func(l osdptest.LEDState) bool {
			return l.OnColour == byte(c) && (c == osdp.Black || l.On > 0) || c == osdp.Black && l.On == 0
		}) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it shows %+v", s.LEDs)
		}
	}
}

// TestOSDP takes a reader on an RS-485 bus through its life: out of the box it
// counts for nothing, installed it carries a card's challenge to the relay and
// shows what became of it, its key is another after a rotation, outlives the
// process, and is worth nothing in another reader.
func TestOSDP(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	card := h.halo()
	h.approve(h.init())
	uid := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	pd := osdptest.New(osdptest.Config{Address: 3, Vendor: [3]byte{0x5C, 0x26, 0x23}, Serial: 77, UID: uid})
	h.hang(pd, "")
	const part = "door/front/reader/2"
	r := h.run()
	if what := r.faultOf(part, false); !strings.Contains(what, "no reader at wall/3: ") || !strings.Contains(what, "install") {
		t.Errorf("out of the box: %s", what)
	}
	pd.Present(card)
	pd.Press("1")
	if o := h.online(false); o.Installed != nil || o.Door != "front" || o.Reader != 2 {
		t.Errorf("out of the box: %+v", o)
	}
	pd.Remove()

	if _, err := h.ask(gateway.DoRotate); !errors.Is(err, gateway.ErrDaemon) {
		t.Errorf("a key for a reader that has none was rotated: %v", err)
	}
	o, err := h.ask(gateway.DoInstall)
	if err != nil {
		t.Fatalf("%v\n%s", err, h.log.String())
	}
	if i := o.Installed; i == nil || i.Generation != 1 && i.Generation != 2 || i.UID != "0102030405060708" || i.Serial != 77 || i.Vendor != "5c2623" {
		t.Errorf("installed: %+v", o.Installed)
	}
	first := pd.State().Key
	if first == [16]byte(osdp.DefaultKey) || !pd.State().Installed {
		t.Errorf("the reader has %x", first)
	}
	r.faultOf(part, true)
	h.online(true)

	if d := r.hold(pd, card); !d.Granted || d.Mode != "tap" || d.Passport != 7 || d.Exit || !h.board.Energised("front/relay") {
		t.Errorf("a card at the reader: %+v\n%s", d, h.log.String())
	}
	lit(t, pd, osdp.Green)
	if d := r.hold(pd, h.halo()); d.Granted || d.Reason != "unknown-key" { // not carried here
		t.Errorf("a stranger's card: %+v", d)
	}
	lit(t, pd, osdp.Red)
	lit(t, pd, osdp.Black)
	pd.Tamper(true)
	if what := r.faultOf(part+"/case", false); !strings.Contains(what, "case is open") {
		t.Errorf("told %q", what)
	}
	pd.Tamper(false)
	r.faultOf(part+"/case", true)

	o, err = h.ask(gateway.DoRotate)
	if err != nil || o.Installed.Pending != nil {
		t.Fatalf("rotated: %+v, %v\n%s", o.Installed, err, h.log.String())
	}
	second := pd.State().Key
	if second == first {
		t.Error("the key is the one before")
	}
	h.online(true)
	if d := r.hold(pd, card); !d.Granted {
		t.Errorf("after the rotation: %+v", d)
	}
	r.stop()

	// The next process has the key.
	r = h.run()
	h.online(true)
	if d := r.hold(pd, card); !d.Granted {
		t.Errorf("after a start: %+v", d)
	}
	r.stop()

	// Another reader, even with the key, is not the one that hung there.
	thief := osdptest.New(osdptest.Config{Address: 3, UID: [8]byte{9}, Key: &second, AlwaysDefault: true})
	h.hang(thief, "")
	r = h.run()
	if what := r.faultOf(part, false); !strings.Contains(what, "another reader answers there (0900000000000000)") || !strings.Contains(what, "tombolod osdp install --bus wall --address 3") {
		t.Errorf("told %q", what)
	}
	thief.Present(card)
	time.Sleep(300 * time.Millisecond)
	thief.Remove()
	if o := h.online(false); !strings.Contains(o.Why, "another reader") {
		t.Errorf("%+v", o)
	}
	if o, err := h.ask(gateway.DoInstall); err != nil || o.Installed.UID != "0900000000000000" {
		t.Fatalf("%+v, %v\n%s", o, err, h.log.String())
	}
	h.online(true)
	if thief.State().Key == second {
		t.Error("it kept the other reader's key")
	}
	if d := r.hold(thief, card); !d.Granted {
		t.Errorf("at the reader that was put in its place: %+v", d)
	}
	r.stop()
	h.board.Check(t)
}

// TestOSDPInsecure: without Secure Channel, as the wiring says, cards and phones
// open all the same; a phone as soon as the approval of the gateway's reader key
// has arrived.
func TestOSDPInsecure(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	card, phone := h.halo(), h.phoneCard()
	request := h.init()
	h.approve(request)
	pd := osdptest.New(osdptest.Config{Address: 3, Insecure: true})
	h.hang(pd, "insecure = true\n")
	r := h.run()
	if o := h.online(true); !o.Insecure || o.Installed != nil {
		t.Errorf("%+v", o)
	}
	if d := r.hold(pd, card); !d.Granted {
		t.Errorf("%+v", d)
	}
	await(r, "the lock", func(s *ledger.DoorState) bool { return s.State == "locked" })
	if d := r.hold(pd, phone); d.Granted || d.Reason != "unreadable" {
		t.Errorf("a phone that nobody vouched for the gateway to: %+v", d)
	}
	h.vouch(request)
	h.carry()
	h.phonesAsked()
	if d := r.hold(pd, phone); !d.Granted || d.Mode != "tap" || !h.board.Energised("front/relay") {
		t.Errorf("a phone: %+v", d)
	}
	if _, err := h.ask(gateway.DoInstall); !errors.Is(err, gateway.ErrDaemon) || !strings.Contains(err.Error(), "insecure = true") {
		t.Errorf("a key for it: %v", err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "keys", "osdp.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a master key that nobody needs: %v", err)
	}
	r.stop()
	h.board.Check(t)
}

// TestAskNobody: without a daemon, and while it cannot answer.
func TestAskNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := gateway.Ask(t.Context(), dir, gateway.Request{Do: gateway.DoList}); !errors.Is(err, gateway.ErrNoDaemon) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gateway.Ask(ctx, dir, gateway.Request{Do: gateway.DoList}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
