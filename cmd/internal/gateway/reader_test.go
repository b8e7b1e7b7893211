package gateway_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestUnreadable: what a scanner refuses is a presentation that was not read:
// recorded, and a way out at an exit reader.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	out := must(sim.NewScanner())
	t.Cleanup(func() { out.Close() })
	h.readers = fmt.Sprintf("[[doors.front.readers]]\nkind = \"scanner\"\nport = %q\nside = \"out\"\n", out.Path())
	r := h.run()
	if d := r.scan("caf\xe9"); d.Granted || d.Reason != "unreadable" || d.Exit || d.Mode != "unread" {
		t.Errorf("not printable: %+v", d)
	}
	if err := out.Scan(strings.Repeat("7", 5000)); err != nil {
		t.Fatal(err)
	}
	if d := await(r, "the way out", every[*ledger.Decision]); !d.Granted || d.Reason != "exit" || !d.Exit {
		t.Errorf("too long, on the way out: %+v", d)
	}
	if !h.board.Energised("front/relay") {
		t.Error("nobody gets out")
	}
	// The limit left out what followed at once; it lets out late.
	if err := out.Scan("4006381333931"); err != nil {
		t.Fatal(err)
	}
	if d := await(r, "the second way out", every[*ledger.Decision]); !d.Granted || !d.Exit {
		t.Errorf("%+v", d)
	}
	r.stop()
	h.board.Check(t)
}

// TestNoisyLine: a line full of garbage fills neither the door log nor the log,
// and a code after it is decided at once.
func TestNoisyLine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	start := time.Now()
	noise := []byte(strings.Repeat("\xff\xfe\rgarbage\r", 100))
	for range 10 { // 2000 frames
		if err := h.scanner.Send(noise); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.scanner.Scan(h.code(time.Now())); err != nil {
		t.Fatal(err)
	}
	unread := 0
	for done := false; !done; {
		switch d := await(r, "the code's decision", every[*ledger.Decision]); d.Reason {
		case "unreadable":
			unread++
		case "code-before-start":
			done = true
		default:
			t.Errorf("%+v", d)
		}
	}
	took := time.Since(start)
	r.stop()
	if most := 1 + int(took/time.Second); unread < 1 || unread > most {
		t.Errorf("%d of 2000 were recorded in %v, want 1 to %d", unread, took, most)
	}
	log := h.log.String()
	if n := strings.Count(log, "what was shown cannot be read"); n != unread {
		t.Errorf("%d lines for %d records", n, unread)
	}
	left := 0
	for line := range strings.Lines(log) {
		var n int
		if _, count, ok := strings.Cut(line, "is not recorded"); ok {
			if _, err := fmt.Sscanf(count[strings.Index(count, "count="):], "count=%d", &n); err != nil {
				t.Errorf("%v in %s", err, line)
			}
			left += n
		}
	}
	if left+unread != 2000 {
		t.Errorf("%d recorded and %d counted of 2000:\n%s", unread, left, log)
	}
}

// TestOneLineOfTheLog for each scanner that goes and comes.
func TestOneLineOfTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	reader := func(f *ledger.Fault) bool { return f.Part == "door/front/reader/1" }
	if err := h.scanner.Close(); err != nil {
		t.Fatal(err)
	}
	await(r, "the fault", reader)
	h.plug()
	await(r, "its end", reader)
	r.stop()
	lines := 0
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, "reader=door/front/reader/1") {
			lines++
		}
	}
	if lines != 3 { // up, down, up
		t.Errorf("%d lines, want 3:\n%s", lines, h.log.String())
	}
}

// TestCardReader: a card is tapped at the simulated reader, from another
// process; the reader shows what became of it, and a challenge is good for once.
func TestCardReader(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	h.readers = "[[doors.front.readers]]\nkind = \"sim\"\n[[doors.front.readers]]\nkind = \"sim\"\nside = \"out\"\n"
	r := h.run()
	c := must(sim.Dial(filepath.Join(h.dir, "sim.sock")))
	defer c.Close()
	in, out := sim.Mount{Door: "front"}, sim.Mount{Door: "front", Exit: true}
	tap := func(at sim.Mount, k *passport.SoftKey) []byte {
		t.Helper()
		challenge := must(c.Challenge(at))
		sig := must(k.Sign([32]byte(challenge)))
		answer := append(must(k.Key().MarshalBinary()), sig[:]...)
		if err := c.Tap(at, answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	shows := func(at sim.Mount, colour string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := c.WaitShown(ctx, at, colour); err != nil {
			t.Error(err)
		}
	}

	stranger := must(passport.GenerateSoftKey(passport.KindPhone, rand.Reader))
	tap(in, stranger)
	if d := await(r, "the stranger's decision", every[*ledger.Decision]); d.Granted || d.Reason != "unknown-key" || d.Mode != "tap" {
		t.Errorf("%+v", d)
	}
	shows(in, "red")
	answer := tap(in, h.phone)
	if d := await(r, "the decision", every[*ledger.Decision]); !d.Granted || d.Exit || d.Passport != 7 || d.Mode != "tap" {
		t.Errorf("%+v", d)
	}
	shows(in, "green")
	if err := c.Tap(in, answer); !errors.Is(err, sim.ErrRefused) || !strings.Contains(err.Error(), "no challenge is open") {
		t.Errorf("the same answer again: %v", err)
	}
	if err := c.Press(in, "1*"); err != nil {
		t.Error(err)
	}
	shows(in, "off") // a keypad's echo has a sound and no colour
	tap(out, stranger)
	if d := await(r, "the way out", every[*ledger.Decision]); !d.Granted || !d.Exit || d.Reason != "exit" {
		t.Errorf("%+v", d)
	}
	shows(out, "green")
	r.stop()
	h.board.Check(t)
}
