package islands

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestEnrolment is a steward who enrols two gateways, with every mistake that one
// makes: the first by the code in a service's log, the second by the digits that
// two terminals show.
func TestEnrolment(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "gw1.casa.lan", "gw2.casa.lan", "desk.casa.lan")
	gw1, gw2, desk := l.host("gw1.casa.lan"), l.host("gw2.casa.lan"), l.host("desk.casa.lan")
	desk.run("tombolo", "community", "new", "aurora", "--chain-id", "100", "--registry", "0x00000000000000000000000000000000000a0701")
	desk.run("tombolo", "node", "new", "casa")
	desk.file("house/policy.toml", "policy.toml")
	desk.run("tombolo", "node", "policy", "sign", "policy.toml")

	desk.refused("no gateway answers", "gateway", "approve", "--at", "gw1.casa.lan")
	gw1.file("house/gw1.toml", "etc/tombolo/gateway.toml")
	code := gw1.waits()
	desk.refused("no terminal to show digits on", "gateway", "approve", "--at", "gw1.casa.lan")
	desk.refused("copy it whole", "gateway", "approve", "--yes", "--code", strings.TrimPrefix(code, "tombolo:"))
	other := code[:strings.Index(code, "secret=")] + "secret=BBBBBBBBBBBBBBBBBBBBBA" + code[strings.Index(code, "&at="):]
	desk.refused("copy the code that the gateway shows now", "gateway", "approve", "--yes", "--code", other)
	desk.refused("add --yes", "gateway", "approve", "--code", code)
	if out := desk.run("tombolo", "gateway", "list"); !strings.Contains(out, "No gateway is enrolled") {
		t.Fatalf("a mistake enrolled somebody: %s", out)
	}
	gw1.stop(syscall.SIGTERM) // a code lives as long as the gateway shows it
	old := code
	if code = gw1.waits(); code == old {
		t.Fatal("the code after a restart is the one before")
	}
	desk.refused("copy the code that the gateway shows now", "gateway", "approve", "--yes", "--code", old)
	desk.run("tombolo", "gateway", "approve", "--code", code, "--yes")
	gw1.ready()
	desk.refused("one that is enrolled waits no more", "gateway", "approve", "--code", code, "--yes")
	desk.refused("no links.toml", "sync", "run")
	desk.refused("which is not enrolled", "door", "open", "garden")

	desk.file("flat/links.toml", ".tombolo/links.toml")
	gw2.file("house/gw2.toml", "etc/tombolo/gateway.toml")
	shown := gw2.terminal("tombolod", "run", "--config", wiringFile)
	l.until(20*time.Second, "gw2 waits", func() bool { return strings.Contains(shown.String(), "waiting for a steward") })
	typed := func(spoil bool) (string, error) {
		at := shown.len()
		c := desk.approves("gw2.casa.lan")
		ofGateway := shown.digits(t, at)
		if spoil {
			c.types(t, string('0'+('9'-ofGateway[0]))+ofGateway[1:])
			return c.wait(t)
		}
		c.types(t, ofGateway)
		shown.types(t, c.digits(t, 0)) // which it shows once it believes the gateway
		return c.wait(t)
	}
	if out, err := typed(true); err == nil || !strings.Contains(out, "not the digits that the other side shows") {
		t.Fatalf("wrong digits: %v\n%s", err, out)
	}
	if out, err := typed(false); err != nil || !strings.Contains(out, "reached 2 of 2 gateways") {
		t.Fatalf("the right digits: %v\n%s\n%s", err, out, shown)
	}

	// A charter is told by the command that makes it, though nobody signs for it.
	_, err := desk.attempt("tombolo", "charter", "update", "community", "--add-issuer", strings.Repeat("5a", 32), "--yes")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []*host{gw1, gw2} {
		l.until(5*time.Second, g.name+" has the new charter", func() bool {
			return strings.Contains(g.run("tombolo", "--dir", "/var/lib/tombolo", "charter", "show"), "version     2")
		})
	}

	// Offline is written and not told, and goes with what is told next.
	if out := desk.run("tombolo", "door", "lockdown", "--all", "--for", "1h", "--offline"); strings.Contains(out, "reached") {
		t.Errorf("offline: %s", out)
	}
	var told struct {
		Reached, Missing []string
		Down             []string `json:"links_down"`
	}
	out := desk.run("tombolo", "sync", "run", "--json")
	if err := json.Unmarshal([]byte(out), &told); err != nil || len(told.Reached) != 2 || told.Missing == nil || told.Down == nil {
		t.Errorf("%v: %s", err, out)
	}
	gw1.refused("its daemon takes part", "--dir", "/var/lib/tombolo", "sync", "run")
	var rows []map[string]any
	l.until(10*time.Second, "the daemon's own door log has begun", func() bool { // not before it has asked its peers for it
		rows = gw1.statusOf("/var/lib/tombolo")
		return len(rows) >= 4
	})
	for _, row := range rows {
		if row["kind"] == "node" && row["projected"] != row["held"] {
			t.Errorf("the daemon goes by %v of %v entries", row["projected"], row["held"])
		}
	}
	if out := desk.run("tombolo", "sync", "status", "--peers"); !strings.Contains(out, "gw1") || !strings.Contains(out, "gw2") {
		t.Errorf("peers: %s", out)
	}

	desk.run("tombolo", "gateway", "remove", "gw2", "--why", "stolen", "--yes")
	for kind, n := range map[string]int{"DirectoryKeys": 2, "DirectoryGone": 1} {
		if out := desk.run("tombolo", "ledger", "show", "--kind", kind, "--json"); strings.Count(out, "\n") != n {
			t.Errorf("the directory has not %d of %s: %s", n, kind, out)
		}
	}
	l.until(10*time.Second, "the removed gateway is not let in", func() bool {
		_, errs := gw2.attemptBoth("tombolo", "--dir", "/var/lib/tombolo", "sync", "status")
		return strings.Contains(errs, "removed this gateway") && strings.Contains(errs, "link node: ")
	})
	gw1.stop(syscall.SIGKILL)
	desk.run("tombolo", "door", "lift", "--all", "--offline")
	desk.refused("reached no gateway; not yet: gw1", "sync", "run", "--patience", "1s")
}

// refused runs tombolo, which has to fail and to say that.
func (h *host) refused(why string, args ...string) {
	h.t.Helper()
	out, err := h.attempt("tombolo", args...)
	if err == nil || !strings.Contains(out+err.Error(), why) {
		h.t.Errorf("%s: tombolo %s: want %q, got %v\n%s", h.name, strings.Join(args, " "), why, err, out)
	}
}

// attemptBoth returns what a command printed, and what it complained of.
func (h *host) attemptBoth(name string, args ...string) (string, string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	c := h.command(ctx, name, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		h.t.Fatalf("%v: %s", err, errs.String())
	}
	return out.String(), errs.String()
}

// waits starts a gateway that is not enrolled, as a service, and returns its code.
func (h *host) waits() (code string) {
	h.t.Helper()
	h.mu.Lock()
	h.log.Reset()
	h.mu.Unlock()
	h.start("tombolod", "run", "--config", wiringFile)
	h.until(20*time.Second, h.name+" shows a code", func() bool {
		code = regexp.MustCompile(`tombolo:enroll\?[^"\s]+`).FindString(h.logged())
		return code != ""
	})
	return code
}

// screen is a program at a terminal of its own.
type screen struct {
	h   *host
	tty io.ReadWriteCloser
	c   *exec.Cmd

	mu   sync.Mutex
	text bytes.Buffer // under mu: all that the terminal showed
	over chan struct{}
}

// terminal starts a program at a terminal.
func (h *host) terminal(name string, args ...string) *screen {
	h.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	s := &screen{h: h, tty: master, c: h.command(context.Background(), name, args...), over: make(chan struct{})}
	s.c.Stdin, s.c.Stdout, s.c.Stderr = tty, tty, tty
	if err := s.c.Start(); err != nil {
		h.t.Fatal(err)
	}
	tty.Close()
	go func() {
		defer close(s.over)
		for b := make([]byte, 4096); ; {
			n, err := master.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.mu.Unlock()
			if err != nil { // EIO once nobody has the other end
				return
			}
		}
	}()
	h.t.Cleanup(func() {
		_ = s.c.Process.Kill() // it may have ended by itself
		_ = s.c.Wait()
		master.Close()
		if h.t.Failed() {
			h.t.Logf("%s:\n%s", h.name, s)
		}
	})
	return s
}

// approves is `gateway approve --at` at a terminal.
func (h *host) approves(at string) *screen {
	return h.terminal("tombolo", "gateway", "approve", "--at", at, "--yes")
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) len() int { return len(s.String()) }

var sixDigits = regexp.MustCompile(`Type at the [^:]+:\s+(\d{6})`)

// digits waits for those that the terminal shows after so much of its text.
func (s *screen) digits(t *testing.T, after int) (digits string) {
	t.Helper()
	s.h.until(20*time.Second, "digits are shown", func() bool {
		if m := sixDigits.FindStringSubmatch(s.String()[after:]); m != nil {
			digits = m[1]
		}
		return digits != ""
	})
	return digits
}

func (s *screen) types(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(s.tty, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the program's end and returns what the terminal showed.
func (s *screen) wait(t *testing.T) (string, error) {
	t.Helper()
	err := s.c.Wait()
	select {
	case <-s.over:
	case <-time.After(5 * time.Second):
		t.Fatal("somebody keeps the terminal open")
	}
	return s.String(), err
}
