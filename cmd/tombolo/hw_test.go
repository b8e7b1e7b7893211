package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tombolo/hw/attached"
	"tombolo/hw/sim"
	"tombolo/passport"
)

// screen is what a command prints, to be read while it does.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	read int // how far after has read
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// after waits for a text behind those that were waited for before.
func (s *screen) after(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if i := strings.Index(s.String()[s.read:], want); i >= 0 {
			s.read += i + len(want)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no %q in %q, after\n%s", want, s.String()[s.read:], s.String()[:s.read])
		}
	}
}

// squeeze has one space in the place of each column's.
func squeeze(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("|" + strings.Join(strings.Fields(line), " ") + "|\n")
	}
	return b.String()
}

const hwWiring = `data = "gw"
[sim]
socket = "sim.sock"
[inputs]
fire = { chip = "sim" }
`

const hwFront = `[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
`

const hwTamper = `tamper = { adc = "sim", channel = 5, pull = "2.2k", series = "1k", parallel = "1k" }
`

// What channel 5 reads when the contact is closed, open, and the cable shorted.
const tamperClosed, tamperOpen, tamperShort = 312, 476, 0

const hwReader = `[[doors.front.readers]]
kind = "sim"
`

// hwSite is a gateway's wiring, and a command that runs on it.
type hwSite struct {
	t         *testing.T
	dir       string
	out, errs *screen
	say       *io.PipeWriter // what somebody types
	stop      context.CancelFunc
	code      chan int
	board     *sim.Client
}

func newHwSite(t *testing.T, wires string) *hwSite {
	t.Helper()
	s := &hwSite{t: t, dir: t.TempDir(), out: new(screen), errs: new(screen), code: make(chan int, 1)}
	if err := os.WriteFile(s.path("gateway.toml"), []byte(wires), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *hwSite) path(name string) string { return filepath.Join(s.dir, name) }

// run runs a command to its end, with nobody there.
func (s *hwSite) run(want int, args ...string) (out, errs string) {
	s.t.Helper()
	o, x := new(screen), new(screen)
	e := &env{Now: time.Now, Sleep: sleep, In: strings.NewReader(""), Out: o, Err: x}
	if code := e.run(s.t.Context(), args); code != want {
		s.t.Fatalf("%q: exit status %d, want %d: %s%s", args, code, want, o, x)
	}
	return o.String(), x.String()
}

// start starts `hw VERB` on the wiring, and watches its board.
func (s *hwSite) start(verb string, args ...string) {
	s.t.Helper()
	in, say := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	s.say, s.stop = say, stop
	e := &env{Now: time.Now, Sleep: sleep, In: in, Out: s.out, Err: s.errs}
	go func() {
		s.code <- e.run(ctx, append([]string{"hw", verb, "--config", s.path("gateway.toml")}, args...))
	}()
	s.t.Cleanup(func() { stop(); say.Close() })
	s.watch()
}

// watch connects to the board once it listens.
func (s *hwSite) watch() {
	s.t.Helper()
	s.errs.after(s.t, "the simulated board listens on")
	s.dial()
}

func (s *hwSite) dial() {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		board, err := sim.Dial(s.path("sim.sock"))
		if err == nil {
			s.board = board
			s.t.Cleanup(func() { board.Close() })
			return
		}
		if time.Now().After(end) {
			s.t.Fatal(err)
		}
	}
}

func (s *hwSite) types(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.say, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *hwSite) input(name string, active bool) {
	s.t.Helper()
	if err := s.board.SetInput(name, active); err != nil {
		s.t.Fatal(err)
	}
}

func (s *hwSite) reading(channel, perMille int) {
	s.t.Helper()
	if err := s.board.SetReading(channel, perMille); err != nil {
		s.t.Fatal(err)
	}
}

// answers asks for n answers, each when the question comes.
func (s *hwSite) answers(question, answer string) {
	s.t.Helper()
	s.errs.after(s.t, question+" [y/n] ")
	s.types(answer)
}

// ends wants the command to end so, and every relay that moved to be let go.
func (s *hwSite) ends(want int) {
	s.t.Helper()
	select {
	case code := <-s.code:
		if code != want {
			s.t.Errorf("exit status %d, want %d:\n%s%s", code, want, s.out, s.errs)
		}
	case <-time.After(20 * time.Second):
		s.t.Fatalf("it does not end:\n%s%s", s.out, s.errs)
	}
	s.released()
}

// released reads what the board told until it went.
func (s *hwSite) released() (energised time.Duration) {
	s.t.Helper()
	var last sim.Event
	for {
		e, err := s.board.Next(s.t.Context())
		if err != nil {
			break
		}
		if e.Relay == "" {
			continue
		}
		if last.Energised && !e.Energised {
			energised = e.T.Sub(last.T)
		}
		last = e
	}
	if last.Relay == "" || last.Energised {
		s.t.Errorf("%+v is the last of the relay", last)
	}
	return energised
}

func (s *hwSite) wants(text string, words ...string) {
	s.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			s.t.Errorf("no %q in\n%s", w, text)
		}
	}
}

// card has a key answer a simulated reader's challenge, rightly or not.
func (s *hwSite) card(at sim.Mount, wrong byte) *passport.SoftKey {
	s.t.Helper()
	key, err := passport.GenerateSoftKey(passport.KindHalo, bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	if err != nil {
		s.t.Fatal(err)
	}
	challenge, err := s.board.Challenge(at)
	if err != nil {
		s.t.Fatal(err)
	}
	challenge[0] ^= wrong
	sig, err := key.Sign([32]byte(challenge))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := key.Key().MarshalBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.board.Tap(at, append(answer, sig[:]...)); err != nil {
		s.t.Fatal(err)
	}
	return key
}

func TestHwWatch(t *testing.T) {
	t.Parallel()
	scanner, err := sim.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	defer scanner.Close()
	s := newHwSite(t, hwWiring+hwFront+hwTamper+hwReader+fmt.Sprintf("[[doors.front.readers]]\nkind = \"scanner\"\nside = \"out\"\nport = %q\n[[doors.front.readers]]\nkind = \"scanner\"\nport = %q\n", scanner.Path(), filepath.Join(t.TempDir(), "unplugged")))
	s.start("watch")
	s.errs.after(t, "interrupt to end")
	s.out.after(t, "  fire                no fire, to begin with\n")
	s.out.after(t, "  front/contact       closed, to begin with\n")
	s.input("front/contact", true)
	s.out.after(t, "  front/contact       open\n")
	s.input("front/rex", true)
	s.out.after(t, "  front/rex           pressed\n")
	s.input("fire", true)
	s.out.after(t, "  fire                fire\n")
	s.reading(5, tamperOpen)
	s.out.after(t, "  front/tamper        open\n")
	s.reading(5, tamperShort)
	s.out.after(t, "  front/tamper        its cable is shorted\n")
	key := s.card(sim.Mount{Door: "front"}, 0)
	s.out.after(t, "  front/reader        a halo, key "+key.Key().ID().String()[:16]+", signs as it should\n")
	s.card(sim.Mount{Door: "front"}, 1)
	s.out.after(t, "  front/reader        a halo whose signature is wrong")
	if err := s.board.Press(sim.Mount{Door: "front"}, "7#"); err != nil {
		t.Fatal(err)
	}
	s.out.after(t, "  front/reader        key 7\n")
	s.out.after(t, "  front/reader        key #\n")
	if err := scanner.Scan(sampleCode(t)); err != nil {
		t.Fatal(err)
	}
	s.out.after(t, "  front/reader/out    a code of passport 9, for 30 s from ")
	if err := scanner.Scan("4006381333931"); err != nil {
		t.Fatal(err)
	}
	s.out.after(t, "  front/reader/out    something that it cannot read\n")
	s.errs.after(t, `msg="what was shown cannot be read" reader=door/front/reader/2 err=`)
	s.wants(s.out.String(), "  front/reader/3      FAULT: no reader at ")
	// What another terminal drives.
	s.run(0, "hw", "drive", "--sim", s.path("sim.sock"), "front/contact", "off")
	s.out.after(t, "  front/contact       closed\n")
	s.run(0, "hw", "drive", "--sim", s.path("sim.sock"), "5", fmt.Sprint(tamperClosed))
	s.out.after(t, "  front/tamper        closed\n")
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{1, `no such line: input "front/window"`, []string{"front/window", "on"}},
		{1, "inputs are named as `tombolo hw watch` prints them", []string{"front/window", "on"}},
		{1, "refused", []string{"6", "500"}},
		{2, `want "on"`, []string{"front/contact", "open"}},
		{2, "0 to 1000", []string{"5", "1001"}},
		{2, "0 to 1000", []string{"5", "-1"}},
		{2, "0 to 1000", []string{"64", "5"}},
		{2, "STATE is missing", []string{"front/contact"}},
	} {
		if _, errs := s.run(c.status, append([]string{"hw", "drive", "--sim", s.path("sim.sock"), "--"}, c.args...)...); !strings.Contains(errs, c.says) {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
	s.stop()
	s.ends(0)
	_, errs := s.run(1, "hw", "drive", "--sim", s.path("sim.sock"), "front/contact", "on")
	s.wants(errs, "no board answers there", "it is the socket of [sim] in gateway.toml")
	s.run(2, "hw", "drive", "front/contact", "on")
}

// hungUp is a pipe whose reader has gone.
type hungUp struct{ after int }

var errHungUp = errors.New("broken pipe")

func (h *hungUp) Write(b []byte) (int, error) {
	if h.after--; h.after < 0 {
		return 0, errHungUp
	}
	return len(b), nil
}

func TestHwWatchJSON(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	s.start("watch", "--json")
	s.errs.after(t, "interrupt to end")
	s.input("front/rex", true)
	s.out.after(t, `"what":"pressed"`)
	s.stop()
	s.ends(0)
	var last seen
	for line := range strings.Lines(s.out.String()) {
		if err := json.Unmarshal([]byte(line), new(map[string]any)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if err := json.Unmarshal([]byte(strings.Replace(line, `"time"`, `"when"`, 1)), &last); err != nil {
			t.Error(err)
		}
	}
	if last.Where != "front/rex" || last.Kind != "input" || last.What != "pressed" || last.State != "active" {
		t.Errorf("the last is %+v", last)
	}
	// Nobody reads it any more.
	x := new(screen)
	e := &env{Now: time.Now, Sleep: sleep, Out: &hungUp{after: 1}, Err: x}
	if code := e.run(t.Context(), []string{"hw", "watch", "--config", s.path("gateway.toml")}); code != 1 || !strings.Contains(x.String(), "tombolo: broken pipe\n") {
		t.Errorf("exit status %d: %s", code, x)
	}
}

// TestHwTest: somebody walks through a door where all is well.
func TestHwTest(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront+hwTamper+hwReader)
	s.start("test")
	s.errs.after(t, "relay: the lock lets go for a second, and holds again")
	s.answers("Did it?", "well")
	s.answers("Did it?", "Y") // asked again
	s.errs.after(t, "contact: please open the door")
	s.input("front/contact", true)
	s.errs.after(t, "contact: please close it again")
	s.input("front/contact", false)
	s.errs.after(t, "rex: please press the exit button")
	s.input("front/rex", true)
	s.errs.after(t, "rex: please let go of it")
	s.input("front/rex", false)
	s.errs.after(t, "tamper: please open the reader's case")
	s.reading(5, tamperOpen)
	s.errs.after(t, "tamper: please close it again")
	s.reading(5, tamperClosed)
	s.answers("Did it show two different lights, or sounds?", "y")
	s.errs.after(t, "reader/1: please hold a door key's card to it")
	s.card(sim.Mount{Door: "front"}, 0)
	s.answers("Has it a keypad?", "yes")
	s.errs.after(t, "reader/1/keypad: please press a key")
	if err := s.board.Press(sim.Mount{Door: "front"}, "5"); err != nil {
		t.Fatal(err)
	}
	s.ends(0)
	out := squeeze(s.out.String())
	s.wants(out, "|PART RESULT SEEN EXPECTED|", "|front/relay ok yes, says who stood there the lock lets go",
		"|front/contact ok closed closed to begin with|", "|front/contact ok open, after ", "|front/rex ok pressed, after ", "|front/tamper ok closed, after ",
		"|front/reader/1/light ok yes,", "|front/reader/1 ok a halo, key ", "|front/reader/1/keypad ok key 5 a key is read|")
	if n := strings.Count(out, "\n"); n != 14 || strings.Contains(out, "FAIL") {
		t.Errorf("%d lines:\n%s", n, out)
	}
}

// TestHwTestFails: what is wrong is named, one by one.
func TestHwTestFails(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront+hwTamper)
	s.start("test", "--wait", "200ms", "--door", "front")
	s.answers("Did it?", "no")
	s.errs.after(t, "contact: please open the door") // nobody does
	s.errs.after(t, "rex: please press the exit button")
	s.input("front/rex", true)
	s.errs.after(t, "rex: please let go of it")
	s.errs.after(t, "tamper: please open") // the button is stuck
	s.reading(5, tamperShort)
	s.ends(1)
	out := squeeze(s.out.String())
	s.wants(out, "|front/relay FAIL no, says who stood there the lock lets go", "|front/contact ok closed closed to begin with|", "|front/contact FAIL nothing within 200ms open|",
		"|front/rex FAIL nothing within 200ms not pressed|", "|front/tamper FAIL its cable is shorted, after ")
	s.wants(s.errs.String(), "FAIL  front/relay: no, says", "the door does not do what it should: 4 of 7 failed")
}

// TestHwTestWrongWay: an input that is the other way round, by who stands there.
func TestHwTestWrongWay(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	s.start("test", "--wait", "5s")
	s.errs.after(t, "relay:")
	s.input("front/contact", true)
	s.input("front/rex", true)
	s.answers("Did it?", "y")
	s.errs.after(t, "contact: it reads as open")
	s.answers("Is that so?", "n")
	s.errs.after(t, "rex: it reads as pressed")
	s.answers("Is that so?", "y")
	s.errs.after(t, "rex: please let go of the exit button")
	s.input("front/rex", false)
	s.errs.after(t, "rex: please press the exit button")
	s.input("front/rex", true)
	s.errs.after(t, "rex: please let go of it")
	s.input("front/rex", false)
	s.ends(1)
	s.wants(squeeze(s.out.String()), "|front/contact FAIL open; it is wired the other way round: change its active_low closed to begin with|", "|front/rex ok not pressed, after ")
	s.wants(s.errs.String(), "1 of 5 failed")
}

// TestHwTestAlone: nobody is asked, and a program reads it.
func TestHwTestAlone(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+strings.Replace(hwFront, "fail-secure", "fail-safe", 1)+hwTamper)
	s.start("test", "--yes", "--json", "--wait", "50ms")
	s.errs.after(t, "relay: the lock holds for a second, and lets go again")
	s.input("front/contact", true)
	s.reading(5, tamperShort)
	s.ends(1)
	want := map[string]checkedJSON{
		"front/relay":   {Expected: "the lock holds for a second, and lets go again", Seen: "driven; nobody was asked", OK: true},
		"front/contact": {Expected: "closed to begin with", Seen: "open; close the door, and if it was closed, it is wired the other way round: change its active_low"},
		"front/tamper":  {Expected: "closed to begin with", Seen: "its cable is shorted: look at it from its resistors to the gateway"},
		"front/rex":     {Expected: "pressed", Seen: "nothing within 50ms"},
	}
	for line := range strings.Lines(s.out.String()) {
		var got checkedJSON
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		w := want[got.Part]
		if w.Part = got.Part; got == (checkedJSON{"front/rex", "not pressed to begin with", "not pressed", true}) {
			continue
		} else if got != w {
			t.Errorf("%+v, want %+v", got, w)
		}
		delete(want, got.Part)
	}
	if len(want) > 0 {
		t.Errorf("not told of %v", want)
	}
}

// TestHwTestUnanswered: nobody is there to answer, or they interrupt.
func TestHwTestUnanswered(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	s.start("test", "--wait", "20ms")
	s.say.Close()
	s.ends(1)
	s.wants(squeeze(s.out.String()), "|front/relay FAIL nobody answered (--yes asks nobody)")

	s = newHwSite(t, hwWiring+hwFront)
	s.start("test")
	s.errs.after(t, "Did it?")
	s.stop()
	s.ends(1)
	s.wants(s.errs.String(), "tombolo: interrupted before the end; every output was let go\n")
	if s.out.String() != "" {
		t.Errorf("printed %s", s.out)
	}
}

func TestHwUsage(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront+strings.ReplaceAll(hwFront, "front", "back"))
	at := func(verb string, more ...string) []string {
		return append([]string{"hw", verb, "--config", s.path("gateway.toml")}, more...)
	}
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{2, "--door: name one of back, front", at("test")},
		{2, "--door: name one of back, front", at("test", "--door", "side")},
		{2, "want a duration", at("test", "--wait", "soon")},
		{2, "one argument too many", at("test", "front")},
		{2, "one argument too many", at("watch", "front")},
		{1, "absent.toml: no such file", []string{"hw", "watch", "--config", s.path("absent.toml")}},
		{1, "absent.toml: no such file", []string{"hw", "test", "--config", s.path("absent.toml")}},
		{2, "say what: drive, list, test, watch", []string{"hw"}},
		{2, `did you mean "list"`, []string{"hw", "lst"}},
	} {
		if _, errs := s.run(c.status, c.args...); !strings.Contains(errs, c.says) {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
	out, _ := s.run(0, "hw", "test", "--help")
	s.wants(out, "Stop the daemon first", "exit status", "--door", "--wait DURATION")
}

func TestHwList(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring)
	if out, _ := s.run(0, "hw", "list"); !strings.HasPrefix(out, "KIND ") && out != "Nothing is attached that a gateway could use.\n" {
		t.Errorf("list: %s", out)
	}
	if out, _ := s.run(0, "hw", "list", "--lines"); !strings.HasPrefix(out, "CHIP ") && out != "This machine has no GPIO lines.\n" {
		t.Errorf("lines: %s", out)
	}
	out, _ := s.run(0, "hw", "list", "--json")
	for line := range strings.Lines(out) {
		var d deviceJSON
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.Kind == "" || (d.Name == "") != (d.Error != "") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestListed: each kind in its place, and what could not be listed is told apart.
func TestListed(t *testing.T) {
	t.Parallel()
	rows := listed([]attached.Device{
		{Kind: attached.PCSC, Name: "ACS", What: "PC/SC reader", Wiring: `kind = "pcsc"`},
		{Kind: attached.GPIO, Name: "pinctrl-bcm2711", What: "58 lines"},
	}, []attached.Problem{{Kind: attached.Serial, Err: errHungUp}})
	for _, c := range []struct {
		json         bool
		out, problem string
	}{
		{false, "|KIND NAME WHAT IN GATEWAY.TOML|\n|gpio pinctrl-bcm2711 58 lines|\n|pcsc ACS PC/SC reader kind = \"pcsc\"|\n", "warning: serial: broken pipe\n"},
		{true, "|{\"kind\":\"gpio\",\"name\":\"pinctrl-bcm2711\",\"what\":\"58 lines\"}|\n|{\"kind\":\"serial\",\"error\":\"broken pipe\"}|\n|{\"kind\":\"pcsc\",\"name\":\"ACS\",\"what\":\"PC/SC reader\",\"wiring\":\"kind = \\\"pcsc\\\"\"}|\n", ""},
	} {
		var out, errs bytes.Buffer
		e := &env{Out: &out, Err: &errs, json: c.json}
		if err := e.printDevices(rows); err != nil || squeeze(out.String()) != c.out || errs.String() != c.problem {
			t.Errorf("JSON %v: %v\n%s%s", c.json, err, squeeze(out.String()), &errs)
		}
	}
}

// badRelay fails as it is told to, and knows how it was left.
type badRelay struct {
	on        bool
	energise  error // of Set(true), which moves it all the same
	release   int   // times that Set(false) fails
	panics    bool
	energised chan struct{}
}

var errRelay = errors.New("the driver fails")

func (r *badRelay) Set(on bool) error {
	if !on && r.release > 0 {
		r.release--
		return errRelay
	}
	if r.on = on; on {
		if r.panics {
			panic("a defect")
		}
		if r.energised != nil {
			close(r.energised)
		}
		return r.energise
	}
	return nil
}

// TestPulse: whatever happens a relay is let go of, or it is told that it is not.
func TestPulse(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name  string
		relay *badRelay
		want  error
		stays bool
	}{
		{"well", &badRelay{}, nil, false},
		{"it moves and says that it failed", &badRelay{energise: errRelay}, errRelay, false},
		{"it fails once to let go", &badRelay{release: 1}, nil, false},
		{"it cannot let go", &badRelay{release: 99}, errEnergised, true},
		{"neither", &badRelay{energise: errRelay, release: 99}, errEnergised, true},
		{"a panic", &badRelay{panics: true}, nil, false},
	} {
		err := func() error {
			defer func() {
				if recover() != nil && !c.relay.panics {
					t.Errorf("%s: a panic", c.name)
				}
			}()
			return pulse(ended, c.relay)
		}()
		if !errors.Is(err, c.want) || c.want == nil && err != nil || c.relay.on != c.stays {
			t.Errorf("%s: %v, energised %v", c.name, err, c.relay.on)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &badRelay{energised: make(chan struct{})}
	go func() { <-r.energised; stop() }()
	began := time.Now()
	if err := pulse(ctx, r); err != nil || r.on || time.Since(began) > click/2 {
		t.Errorf("interrupted: %v, energised %v, after %v", err, r.on, time.Since(began))
	}
}

// TestHwTestSignals: the real program lets go of the lock whatever is sent to it,
// once or twice.
func TestHwTestSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := newHwSite(t, hwWiring+hwFront)
			cmd := exec.Command("tombolo-main", "hw", "test", "--config", s.path("gateway.toml"))
			cmd.Stderr, cmd.Stdout = s.errs, s.out
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer func() { _ = cmd.Process.Kill() }()
			s.watch()
			if _, err := s.board.WaitRelay(t.Context(), "front/relay", true); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for range 2 {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			// The board may go before it told that the relay was let go.
			if _, err := s.board.WaitRelay(t.Context(), "front/relay", false); err != nil && !errors.Is(err, sim.ErrHungUp) || time.Since(began) > click/2 {
				t.Errorf("%v, released %v after the signal", err, time.Since(began))
			}
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("it does not end")
			}
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.errs.String(), "interrupted before the end; every output was let go") {
				t.Errorf("exit status %d: %s", code, s.errs)
			}
		})
	}
}

// TestHwTestBrokenPipe: nor does it end in the middle when nobody reads what it
// prints.
func TestHwTestBrokenPipe(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.Command("tombolo-main", "hw", "test", "--yes", "--wait", "300ms", "--config", s.path("gateway.toml"))
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	s.dial()
	for _, energised := range []bool{true, false} {
		if _, err := s.board.WaitRelay(t.Context(), "front/relay", energised); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
}
