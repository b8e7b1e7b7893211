package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/folder"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/qr"
)

// bin is where TestMain builds both programs, as a user would run them.
var bin string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "tombolo-e2e-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", dir+"/", "tombolo/cmd/tombolo", "tombolo/cmd/tombolod")
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}()
	os.Exit(code)
}

// site is a steward's desk and a gateway, each a folder of files.
type site struct {
	t      *testing.T
	dir    string
	daemon *daemontest.Daemon
	relay  *sim.Client // its events are read by the test's goroutine alone
	began  time.Time   // of the first event: a new watcher is told how everything stands, all at one time
}

const e2ePolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
[zones.vault]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
strike = "2s"
mechanical_exit = true
[doors.vault]
gateway = "gw1"
from = "house"
to = "vault"
strike = "1s"
max_age = "1m"
mechanical_exit = true
[levels.all]
doors = ["front", "vault"]
[classes.resident]
levels = ["all"]
`

const e2eWiring = `data = "."
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
[[doors.front.readers]]
kind = "scanner"
port = %[1]q
[doors.vault]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.vault.readers]]
kind = "scanner"
port = %[2]q
`

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// tool runs a program and returns its standard output; the test ends if it fails.
func (s *site) tool(name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

func (s *site) try(name string, args ...string) (string, error) {
	if !strings.Contains(name, "/") && strings.HasPrefix(name, "tombolo") {
		name = filepath.Join(bin, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TOMBOLO_GUARD="+s.path("guard"), "TOMBOLO_DIR="+s.path("desk"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), err
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir()}
	s.tool("tombolo", "community", "new", "aurora", "--chain-id", "100", "--registry", "0x00000000000000000000000000000000000a0701")
	s.tool("tombolo", "node", "new", "casa")
	s.tool("tombolo", "node", "register", "--doors", "2", "--floor", "120")
	s.tool("tombolod", "init", "--dir", s.path("gw"), "--name", "gw1")
	s.write("policy.toml", e2ePolicy)
	s.tool("tombolo", "node", "policy", "sign", s.path("policy.toml"))
	s.tool("tombolo", "gateway", "approve", s.path("gw/gateway.request"), "--yes")
	s.write("password", "a wallet's password")
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// admit makes a wallet and a door key for a passport, all with files.
func (s *site) admit(number, kind, mode string) {
	s.t.Helper()
	ks := keystore.NewKeyStore(s.path("wallets"+number), keystore.LightScryptN, keystore.LightScryptP)
	account, err := ks.NewAccount("a wallet's password")
	if err != nil {
		s.t.Fatal(err)
	}
	s.tool("tombolo", "passport", "issue", "--owner", account.Address.Hex(), "--class", "resident", "--number", number)
	key, delegation := s.path("key-"+number), s.path("delegation-"+number)
	if kind == "halo" {
		s.card(key)
	} else {
		s.tool("tombolo", "doorkey", "new", "--kind", kind, "--out", key)
	}
	s.tool("tombolo", "doorkey", "delegate", "--key", key, "--passport", number, "--mode", mode,
		"--wallet", account.URL.Path, "--password-file", s.path("password"), "--out", delegation)
	s.tool("tombolo", "doorkey", "add", delegation)
}

// card makes a simulated chip card's key.
func (s *site) card(path string) {
	s.t.Helper()
	card, err := passport.GenerateSoftKey(passport.KindHalo, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := card.MarshalText()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// cardCode is what somebody gets who had a card sign a window: no tool of ours
// makes one.
func (s *site) cardCode(number string) string {
	s.t.Helper()
	if out, err := s.try("tombolo", "doorkey", "qr", "--key", s.path("key-"+number), "--passport", number, "--text"); err == nil {
		s.t.Errorf("the tool made a code with a card's key: %s", out)
	}
	text, err := os.ReadFile(s.path("key-" + number))
	if err != nil {
		s.t.Fatal(err)
	}
	card, err := passport.ParseSoftKey(text)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := folder.Open(s.path("desk"), false)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	community, err := f.CommunityID()
	if err != nil {
		s.t.Fatal(err)
	}
	node, err := f.NodeID()
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	w := passport.WindowStatement{Community: passport.CommunityID(community), Passport: passport.ID(n),
		Target: passport.NodeTarget(passport.NodeID(node)), Start: uint32(time.Now().Unix()), Length: 15}
	if _, err := rand.Read(w.Nonce[:]); err != nil {
		s.t.Fatal(err)
	}
	sig, err := card.Sign(w.Sum())
	if err != nil {
		s.t.Fatal(err)
	}
	return qr.Encode(w.Window(card.Key().ID(), sig))
}

// carry takes the community's ledger, which is all that changes here once the
// gateway is enrolled, to the gateway on a stick, and waits until the daemon
// says that it has taken it in.
func (s *site) carry() {
	s.t.Helper()
	s.tool("tombolo", "ledger", "export", "--kind", "community", "--out", s.path("stick"))
	was := s.generation()
	s.tool("tombolo", "ledger", "import", s.path("stick"), "--dir", s.path("gw"))
	for end := time.Now().Add(20 * time.Second); s.generation() == was; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the daemon does not take the stick in:\n%s", s.daemon.Log)
		}
	}
}

// generation is that of the roster which the running daemon told of last.
func (s *site) generation() (n int) {
	s.t.Helper()
	const word = " msg=roster generation="
	log := s.daemon.Log.String()
	i := strings.LastIndex(log, word)
	if i < 0 {
		s.t.Fatalf("the daemon shows no roster:\n%s", log)
	}
	if _, err := fmt.Sscan(log[i+len(word):], &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// code makes a PNG as a phone shows it, and reads it back as a camera does.
func (s *site) code(number string, more ...string) string {
	s.t.Helper()
	png := s.path("code.png")
	s.tool("tombolo", append([]string{"doorkey", "qr", "--key", s.path("key-" + number), "--passport", number, "--window", "15s", "--png", png}, more...)...)
	text := strings.TrimSuffix(s.tool("zbarimg", "--quiet", "--raw", png), "\n")
	if len(text) != 178 {
		s.t.Fatalf("zbarimg read %d characters: %q", len(text), text)
	}
	return text
}

// start runs the daemon and waits until it says that it is ready.
func (s *site) start() {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "tombolod"), "run", "--config", s.path("gw/gateway.toml"))
	cmd.Env = append(os.Environ(), "TOMBOLO_GUARD="+s.path("guard"))
	s.daemon = daemontest.Start(s.t, cmd, "msg=ready", "msg=roster")
	var err error
	s.began = time.Time{}
	if s.relay, err = sim.Dial(s.path("gw/sim.sock")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) end(sig syscall.Signal) {
	s.t.Helper()
	s.daemon.End(sig)
	s.relay.Close()
}

type decision struct {
	Kind string
	Body struct {
		Seq      uint64
		Door     string
		Granted  bool
		Reason   string
		Passport uint64
	}
}

// decisions reads the gateway's door log, all incarnations, as a steward would.
func (s *site) decisions() (out []decision) {
	s.t.Helper()
	text := s.tool("tombolo", "ledger", "show", "--dir", s.path("gw"), "--kind", "door", "--kind", "Decision", "--json")
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var one decision
		if err := d.Decode(&one); err == io.EOF {
			return out
		} else if err != nil {
			s.t.Fatalf("%v in %s", err, text)
		}
		out = append(out, one)
	}
}

// scan shows a code to a door's scanner and returns what the log says of it.
func (s *site) scan(scanner *sim.Scanner, code string) string {
	s.t.Helper()
	before := len(s.decisions())
	if err := scanner.Scan(code); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if all := s.decisions(); len(all) > before {
			return all[len(all)-1].Body.Reason
		}
	}
	s.t.Fatalf("no decision was recorded:\n%s", s.daemon.Log)
	return ""
}

func (s *site) want(what, got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %s, want %s", what, got, want)
	} else {
		s.t.Logf("%s: %s", what, got)
	}
}

// refuse shows a code that must be refused for a reason, and sees that no lock
// moves for it.
func (s *site) refuse(what string, scanner *sim.Scanner, code, reason string) {
	s.t.Helper()
	s.want(what, s.scan(scanner, code), reason)
	// The lock moves before the record is made, and the board tells all in one
	// order: once it tells of another line's change nothing is under way.
	const mark = "vault/contact"
	for _, active := range []bool{true, false} {
		if err := s.relay.SetInput(mark, active); err != nil {
			s.t.Fatal(err)
		}
		for marked := false; !marked; {
			e := s.event()
			if e.Relay != "" && e.Energised {
				s.t.Errorf("%s: %s was energised", what, e.Relay)
			}
			marked = e.Input == mark && e.Active == active
		}
	}
}

// open shows a code that must open a door, and gives the time for which its
// relay was energised.
func (s *site) open(what string, scanner *sim.Scanner, door, code string) time.Duration {
	s.t.Helper()
	s.want(what, s.scan(scanner, code), "granted")
	var on, off sim.Event
	for on.T.IsZero() || off.T.IsZero() {
		switch e := s.event(); {
		case e.Relay == "":
		case e.Relay == door+"/relay" && e.Energised && on.T.IsZero():
			on = e
		case e.Relay == door+"/relay" && !e.Energised && !on.T.IsZero():
			off = e
		case e.Energised:
			s.t.Errorf("%s: %s was energised", what, e.Relay)
		}
	}
	return off.T.Sub(on.T)
}

func (s *site) event() sim.Event {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	e, err := s.relay.Next(ctx)
	if err != nil {
		s.t.Fatalf("%v:\n%s", err, s.daemon.Log)
	}
	return e
}

// outlive waits until a code's window is over, whatever clock may be slow.
func (s *site) outlive(code string) {
	s.t.Helper()
	w, err := qr.Decode([]byte(code))
	if err != nil {
		s.t.Fatal(err)
	}
	over := time.Unix(int64(w.Start)+2*int64(w.Length), 0) // as passport.Window.At
	time.Sleep(time.Until(over))
}

// waitUntil sleeps until the first window of 15 s that began more than one
// window after a start has begun.
func waitUntil(t *testing.T, started time.Time) {
	next := started.Add(15 * time.Second).Truncate(15 * time.Second).Add(15*time.Second + 200*time.Millisecond)
	t.Logf("waiting %v for the next window", time.Until(next).Round(time.Second))
	time.Sleep(time.Until(next))
}

// TestEndToEnd is the whole way of a code, on real files, a real PNG, a real
// serial line and the real programs.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	front, vault := newScanner(t), newScanner(t)
	s.write("gw/gateway.toml", fmt.Sprintf(e2eWiring, front.Path(), vault.Path()))
	s.admit("1", "phone", "window")
	s.admit("2", "software", "tap+window")
	s.admit("3", "halo", "tap")
	s.admit("4", "phone", "window")
	s.checks()
	s.start()
	started := time.Now()
	s.carry()
	exported := time.Now()

	early := s.code("1")
	s.refuse("right after the start", front, early, "code-before-start")
	s.refuse("signed by a card's key", front, s.cardCode("3"), "wrong-mode")
	s.refuse("another node", front, s.code("1", "--node", strings.Repeat("ab", 32)), "out-of-scope")
	s.refuse("another door", vault, s.code("1", "--door", "front"), "out-of-scope")
	s.refuse("noise", front, "caf\xe9", "unreadable")
	waitUntil(t, started)

	code := s.code("1")
	// Timers are never early, and late on a machine that is busy.
	if held := s.open("a good code", front, "front", code); held < 2*time.Second || held > 10*time.Second {
		t.Errorf("the relay was energised for %v, want 2 s", held)
	} else {
		t.Logf("the relay was energised for %v", held)
	}
	s.refuse("the same code again", front, code, "code-replayed")
	s.open("a secp256k1 key's code", front, "front", s.code("2"))
	s.open("a code for this door", front, "front", s.code("4", "--door", "front"))
	s.outlive(early)
	s.refuse("after its window", front, early, "code-expired")

	s.tool("tombolo", "passport", "suspend", "1", "--why", "test")
	s.tool("tombolo", "doorkey", "revoke", "--passport", "2", "--key", s.path("key-2"), "--why", "lost")
	time.Sleep(time.Until(exported.Add(61 * time.Second))) // the vault's max_age
	s.refuse("a roster older than the door allows", vault, s.code("4"), "stale-roster")
	s.open("the other door allows it", front, "front", s.code("4"))
	s.carry()
	s.refuse("suspended", front, s.code("1"), "suspended")
	s.refuse("revoked", front, s.code("2"), "revoked")
	s.open("a fresh roster", vault, "vault", s.code("4"))

	used := s.code("4")
	s.want("before the crash", s.scan(front, used), "granted")
	s.end(syscall.SIGKILL)
	s.start()
	s.refuse("the same code after a crash", front, used, "code-before-start")
	s.end(syscall.SIGTERM)

	s.verify()
}

// checks asks the daemon what is wrong on the way to a first start.
func (s *site) checks() {
	s.t.Helper()
	check := func(more ...string) (string, error) {
		return s.try("tombolod", append([]string{"check", "--config", s.path("gw/gateway.toml")}, more...)...)
	}
	approval, aside := s.path("gw/gateway.approval"), s.path("approval")
	if err := os.Rename(approval, aside); err != nil {
		s.t.Fatal(err)
	}
	if out, err := check(); err == nil || !strings.Contains(out, "FAULT  enrolment: this gateway is not enrolled: take "+s.path("gw/gateway.request")) {
		s.t.Errorf("without an approval: %v\n%s", err, out)
	}
	if err := os.Rename(aside, approval); err != nil {
		s.t.Fatal(err)
	}
	out, err := check()
	if err != nil {
		s.t.Errorf("with the approval: %v", err)
	}
	for _, line := range []string{"ok     enrolment: enrolled just now as \"gw1\"", "ok     policy: version 1", "ok     door/front/reader/1: ", "note   wiring: door vault: "} {
		if !strings.Contains("\n"+out, "\n"+line) {
			s.t.Errorf("it does not say %q:\n%s", line, out)
		}
	}
	text, err := check("--json")
	if err != nil {
		s.t.Errorf("--json: %v", err)
	}
	var findings []struct{ Level, Part, What string }
	if err := json.Unmarshal([]byte(text), &findings); err != nil || len(findings) != strings.Count(out, "\n") {
		s.t.Errorf("%v; %d findings, %d lines", err, len(findings), strings.Count(out, "\n"))
	}
	for _, f := range findings {
		if f.Level != "ok" && f.Level != "note" {
			s.t.Errorf("%+v", f)
		}
	}
}

// verify exports the door log and has it checked by somebody who has nothing
// but the gateway's public key.
func (s *site) verify() {
	s.t.Helper()
	s.tool("tombolo", "ledger", "export", "--dir", s.path("gw"), "--kind", "door", "--out", s.path("door.tombolo"))
	var gateway struct{ Signing string }
	if err := json.Unmarshal([]byte(s.tool("tombolo", "gateway", "list", "--json")), &gateway); err != nil {
		s.t.Fatal(err)
	}
	nobody := s.path("nobody")
	out := s.tool("tombolo", "ledger", "verify", s.path("door.tombolo"), "--key", gateway.Signing, "--dir", nobody)
	s.t.Log(out)
	if _, err := s.try("tombolo", "ledger", "verify", s.path("door.tombolo"), "--key", strings.Repeat("11", 32), "--dir", nobody); err == nil {
		s.t.Error("the log verifies by another key")
	}
	data, err := os.ReadFile(s.path("door.tombolo"))
	if err != nil {
		s.t.Fatal(err)
	}
	data[len(data)-200] ^= 4
	s.write("forged.tombolo", string(data))
	if _, err := s.try("tombolo", "ledger", "verify", s.path("forged.tombolo"), "--key", gateway.Signing, "--dir", nobody); err == nil {
		s.t.Error("a forged log verifies")
	} else {
		s.t.Logf("forged: %v", err)
	}
}

func newScanner(t *testing.T) *sim.Scanner {
	t.Helper()
	scanner, err := sim.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { scanner.Close() })
	return scanner
}
