package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestGateway runs one through its life: not enrolled, approved, codes and taps
// at a door, ledgers that arrive from another process, a scanner that is
// unplugged, and the door log that is left.
func TestGateway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := h.init()
	h.approve(request)
	r := h.run()
	if r.Name != "gw1" {
		t.Errorf("called %q", r.Name)
	}
	if d := r.scan(h.code(time.Now())); d.Granted || d.Reason != "code-before-start" {
		t.Errorf("right after the start: %+v", d)
	}
	d := r.scan(h.code(time.Now().Add(16 * time.Second))) // the earliest that cannot have been used before
	if d.Granted || d.Reason != "code-early" {
		t.Errorf("a code of the window after the next: %+v", d)
	}
	if d := r.tap(h.phone); !d.Granted || d.Reason != "granted" || !h.board.Energised("front/relay") {
		t.Errorf("a tap: %+v", d)
	}
	if err := h.board.SetInput("front/contact", true); err != nil {
		t.Fatal(err)
	}
	if p := await(r, "the passage", every[*ledger.Passage]); !p.Entered || p.Seq != 3 {
		t.Errorf("%+v", p)
	}
	if err := h.board.SetInput("front/contact", false); err != nil {
		t.Fatal(err)
	}
	await(r, "the lock", func(s *ledger.DoorState) bool { return s.State == "locked" })
	if h.board.Energised("front/relay") {
		t.Error("still unlocked")
	}
	if err := h.board.SetInput("front/rex", true); err != nil {
		t.Fatal(err)
	}
	if d := await(r, "the way out", every[*ledger.Decision]); !d.Granted || d.Reason != "exit" || d.Mode != "rex" {
		t.Errorf("%+v", d)
	}

	// Suspended on another machine, carried here by another process.
	h.write(ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "a dispute"})
	h.carry()
	begun := time.Now()
	for r.tap(h.phone).Reason != "suspended" {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the suspension does not arrive")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Logf("the suspension counted after %v", took) // a second, on a machine that is not busy
	}

	// The door becomes its home: by tap it opens whoever suspended it.
	h.write(ledger.NodeLog, &ledger.Home{Door: "front", Passport: 7, Owner: crypto.PubkeyToAddress(h.wallet.PublicKey), Notice: 1000})
	h.carry()
	begun = time.Now()
	for {
		d := r.tap(h.phone)
		if d.Granted && d.Reason == "home" {
			break
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("at home: %+v", d)
		}
		time.Sleep(20 * time.Millisecond)
	}

	if err := h.scanner.Close(); err != nil {
		t.Fatal(err)
	}
	f := await(r, "the scanner's fault", func(f *ledger.Fault) bool { return f.Part == "door/front/reader/1" })
	if f.Cleared || !strings.Contains(f.What, h.port) {
		t.Errorf("%+v", f)
	}
	h.plug()
	if f := await(r, "the scanner's return", func(f *ledger.Fault) bool { return f.Part == "door/front/reader/1" }); !f.Cleared {
		t.Errorf("%+v", f)
	}
	if d := r.scan("4006381333931"); d.Reason != "unreadable" {
		t.Errorf("after its return: %+v", d)
	}
	r.stop()
	h.board.Check(t)

	report, bodies := h.doorLog()
	if report.Kinds[ledger.KindBoot] != 1 || report.Kinds[ledger.KindFault] != 2 || report.Size != r.Head().Size {
		t.Errorf("the door log: %+v", report)
	}
	if b, ok := bodies[1].(*ledger.Boot); !ok || b.Policy != 1 || b.Clock == "unknown" || b.Software != "test" {
		t.Errorf("the log begins with %+v", bodies[1])
	}
	if err := r.Controller.Ping(context.Background()); err == nil {
		t.Error("a gateway that stopped answers")
	}
	if err := r.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// TestRestart: killed while a door is open, it starts with the lock safe, goes
// on in the same door log, and opens no code again.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	start := time.Now()
	shift := time.Minute // long enough after the start that codes open
	h.now = func() time.Time { return time.Now().Add(shift) }
	r := h.run()
	if d := r.tap(h.phone); !d.Granted {
		t.Fatalf("%+v", d)
	}
	h.board.Kill()
	if !h.board.Energised("front/relay") {
		t.Fatal("a kill leaves the relay as it is")
	}
	h.killed = true
	r.stop() // what is left of the killed process in this one
	h.killed = false
	r = h.run()
	if h.board.Energised("front/relay") {
		t.Error("the second start left the lock open")
	}
	for _, v := range h.board.Violations() {
		if v.Line != "front/relay" || v.Rule.String() != "set after close" {
			t.Errorf("%v", v)
		}
	}
	r.stop()
	// Set back while it did not run: what the log shows counts.
	shift = 10 * time.Second
	r = h.run()
	if d := r.scan(h.code(start.Add(shift))); d.Reason != "code-before-start" {
		t.Errorf("with a clock that was set back: %+v", d)
	}
	if !strings.Contains(h.log.String(), "behind the door log") {
		t.Error("nobody is told why codes are refused")
	}
	r.stop()
	report, _ := h.doorLog()
	if report.Kinds[ledger.KindBoot] != 3 {
		t.Errorf("%+v", report)
	}
}

// TestOpenErrors says what each start that cannot be is told.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	open := func(more string) error {
		t.Helper()
		g, err := gateway.Open(h.config(h.wiring(more)))
		if err == nil || g != nil {
			t.Fatalf("got %v, %v", g, err)
		}
		return err
	}
	if err := open(""); !errors.Is(err, folder.ErrNoFolder) || !strings.Contains(err.Error(), "tombolod init") {
		t.Errorf("without a folder: %v", err)
	}
	request := h.init()
	approval := filepath.Join(h.dir, gateway.ApprovalFile)
	err := open("")
	for _, want := range []string{folder.RequestFile, "tombolo gateway approve", approval} {
		if !errors.Is(err, gateway.ErrUnenrolled) || !strings.Contains(err.Error(), want) {
			t.Errorf("not enrolled: %v does not say %q", err, want)
		}
	}
	if err := os.WriteFile(approval, h.export().Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(""); !errors.Is(err, folder.ErrNotEnrolled) || !strings.Contains(err.Error(), approval) {
		t.Errorf("an approval of others: %v", err)
	}
	if err := os.WriteFile(approval, []byte("no approval"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(""); !errors.Is(err, ledger.ErrBundle) {
		t.Errorf("an approval that is none: %v", err)
	}
	h.approve(request)
	if err := open(`name = "gw2"`); !strings.Contains(err.Error(), `this file is for gateway gw2, and this machine is enrolled as gw1`) {
		t.Errorf("another's wiring: %v", err)
	}
	// After all these the lines are free.
	g, err := gateway.Open(h.config(h.wiring(`name = "gw1"`)))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	h.board.Check(t)
}

// TestRunErrors: a part that fails ends the gateway with its name.
func TestRunErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	if err := os.MkdirAll(filepath.Join(h.dir, "sim.sock", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := must(gateway.Open(h.config(h.wiring(""))))
	if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "sim.sock") {
		t.Errorf("got %v", err)
	}
	h.board.Check(t)
}

// TestSocket: another process watches the simulated board.
func TestSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	conn, err := net.Dial("unix", filepath.Join(h.dir, "sim.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(`{"input":"front/rex","active":true}` + "\n")); err != nil {
		t.Fatal(err)
	}
	if d := await(r, "the way out", every[*ledger.Decision]); d.Reason != "exit" {
		t.Errorf("%+v", d)
	}
	r.stop()
	h.board.Check(t)
}

// TestNoGoroutineIsLeft: what Run started has ended when it returns. It counts
// goroutines, so it runs alone.
func TestNoGoroutineIsLeft(t *testing.T) {
	h := newHouse(t)
	h.approve(h.init())
	before := runtime.NumGoroutine()
	for range 3 {
		r := h.run()
		r.tap(h.phone)
		r.stop()
	}
	var after int
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if after = runtime.NumGoroutine(); after <= before {
			return
		}
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", after, before, buf[:runtime.Stack(buf, true)])
}

// TestFire: a supervised fire input releases the door, whatever its reader says,
// and a cable that is cut is told as such.
func TestFire(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.write(ledger.NodeLog, &ledger.Policy{Version: 2, File: []byte(strings.Replace(fmt.Sprintf(policyText, 2), "home = true", "fire_release = true", 1))})
	h.approve(h.init())
	h.inputs = "[inputs]\nfire = { adc = \"sim\", channel = 0, pull = \"2.2k\", series = \"1k\", parallel = \"1k\" }\n"
	h.board = sim.New(gateway.SimConfig(h.wiring(h.inputs)))
	r := h.run()
	fire := func(state string, perMille int) {
		t.Helper()
		if err := h.board.SetReading(0, perMille); err != nil {
			t.Fatal(err)
		}
		await(r, "fire "+state, func(l *ledger.Line) bool { return l.Door == "" && l.Input == "fire" && l.State == state })
	}
	fire("active", 476)
	if !h.board.Energised("front/relay") {
		t.Error("the door is not released")
	}
	fire("normal", 312)
	await(r, "the lock", func(s *ledger.DoorState) bool { return s.State == "locked" })
	if h.board.Energised("front/relay") {
		t.Error("the door stays released")
	}
	fire("cut", 1000)
	if err := h.board.BreakChannel(0); err != nil {
		t.Fatal(err)
	}
	if f := await(r, "the converter's fault", func(f *ledger.Fault) bool { return f.Part == "input/fire" }); f.Cleared {
		t.Errorf("%+v", f)
	}
	r.stop()
	h.board.Check(t)
}

// TestClock: without one that may be right taps work and codes do not.
func TestClock(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	h.now = func() time.Time { return time.Now().Add(-25 * time.Hour) } // an author signed a moment ago
	f := must(folder.Open(h.dir, false))
	f.Now = h.now
	approval := must(os.Open(filepath.Join(h.dir, gateway.ApprovalFile)))
	if _, err := f.Enrol(approval); err != nil {
		t.Fatal(err)
	}
	approval.Close()
	f.Close()
	r := h.run()
	if d := r.scan(h.code(time.Now())); d.Reason != "clock-unknown" || d.RosterAge != -1 {
		t.Errorf("a code: %+v", d)
	}
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("a tap: %+v", d)
	}
	if tap := must(passport.ParseTap(r.tap(h.phone).Presentation)); tap.Time != 0 {
		t.Errorf("the challenge says %d", tap.Time)
	}
	r.stop()
	if _, bodies := h.doorLog(); bodies[1].(*ledger.Boot).Clock != "unknown" {
		t.Errorf("%+v", bodies[1])
	}
}
