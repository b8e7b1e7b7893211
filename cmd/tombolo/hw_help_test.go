package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

// has waits for a text wherever it comes.
func (s *screen) has(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(s.String(), want); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q in\n%s", want, s.String())
		}
	}
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

// drive drives the board, which may be closed before it says that it was: the
// last step of a test ends the command.
func (s *hwSite) drive(cmd sim.Command) {
	s.t.Helper()
	if _, err := s.board.Do(cmd); err != nil && !errors.Is(err, sim.ErrHungUp) {
		s.t.Fatal(err)
	}
}

func (s *hwSite) input(name string, active bool) {
	s.t.Helper()
	s.drive(sim.DriveInput{Input: name, Active: active})
}

func (s *hwSite) reading(channel, perMille int) {
	s.t.Helper()
	s.drive(sim.DriveChannel{Channel: channel, Reading: perMille})
}

func (s *hwSite) press(key byte) {
	s.t.Helper()
	s.drive(sim.PressKey{At: sim.Mount{Door: "front"}, Key: key})
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
