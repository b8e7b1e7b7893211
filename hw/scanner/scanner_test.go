package scanner_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/hw/scanner"
	"tombolo/hw/sim"
)

const soon = 5 * time.Second

type report struct {
	up  bool
	err error
}

// reader runs a scanner on a port and collects what it hands over.
type reader struct {
	t       *testing.T
	frames  chan string
	refused chan error
	states  chan report
	stop    func() // and wait
}

func read(t *testing.T, cfg scanner.Config) *reader {
	t.Helper()
	r := &reader{t: t, frames: make(chan string, 100), refused: make(chan error, 100), states: make(chan report, 100)}
	cfg.Frame = func(f []byte) { r.frames <- string(f) }
	cfg.Refused = func(err error) { r.refused <- err }
	cfg.State = func(up bool, err error) { r.states <- report{up, err} }
	cfg.RetryMin, cfg.RetryMax = 10*time.Millisecond, 40*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- scanner.Run(ctx, cfg) }()
	r.stop = func() {
		t.Helper()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			done <- nil
		case <-time.After(soon):
			t.Error("Run goes on after its context ended")
		}
	}
	t.Cleanup(r.stop)
	return r
}

func get[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(soon):
		t.Fatalf("no %s within %v", what, soon)
		panic("unreachable")
	}
}

func (r *reader) up() {
	r.t.Helper()
	if s := get(r.t, r.states, "state"); !s.up || s.err != nil {
		r.t.Fatalf("state is %v, %v, want up", s.up, s.err)
	}
}

func (r *reader) want(frames ...string) {
	r.t.Helper()
	for _, w := range frames {
		if got := get(r.t, r.frames, "frame"); got != w {
			r.t.Fatalf("frame %.80q, want %.80q", got, w)
		}
	}
}

func plug(t *testing.T) *sim.Scanner {
	t.Helper()
	s, err := sim.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func send(t *testing.T, s *sim.Scanner, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err := s.Send([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPort(t *testing.T) {
	t.Parallel()
	s := plug(t)
	r := read(t, scanner.Config{Port: s.Path()})
	r.up()

	send(t, s, "ONE\r", "TWO\n", "THREE\r\n", "FOUR\r\n\r\n")
	r.want("ONE", "TWO", "THREE", "FOUR")

	for _, c := range "SPLIT\r\n" {
		send(t, s, string(c))
		time.Sleep(time.Millisecond)
	}
	r.want("SPLIT")

	send(t, s, strings.Repeat("BURST\r\n", 60))
	for range 60 {
		r.want("BURST")
	}

	send(t, s, "NO ENDING")
	r.want("NO ENDING")
	send(t, s, "NOR HERE")
	r.want("NOR HERE")

	send(t, s, "\xff\x00\x80\r", "AFTER GARBAGE\r")
	if err := get(t, r.refused, "refusal"); !errors.Is(err, scanner.ErrNotPrintable) {
		t.Error(err)
	}
	r.want("AFTER GARBAGE")

	longest := strings.Repeat("L", scanner.MaxFrame)
	send(t, s, strings.Repeat("A", 5000), "\r", "AFTER LONG\r", longest, "\r")
	if err := get(t, r.refused, "refusal"); !errors.Is(err, scanner.ErrTooLong) {
		t.Error(err)
	}
	r.want("AFTER LONG", longest)

	// Control characters that a terminal would act on arrive as bytes.
	send(t, s, "\x03\x04\x11\x13\x1a\x1c\r", "ALIVE\r")
	if err := get(t, r.refused, "refusal"); !errors.Is(err, scanner.ErrNotPrintable) {
		t.Error(err)
	}
	r.want("ALIVE")

	r.stop()
	if len(r.frames)+len(r.refused)+len(r.states) != 0 {
		t.Errorf("left over: %d frames, %d refusals, %d states", len(r.frames), len(r.refused), len(r.states))
	}
}

// TestUnplug has a port that is missing, comes, goes in the middle of a code
// and comes back under its stable name.
func TestUnplug(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "scanner")
	r := read(t, scanner.Config{Port: link})
	if s := get(t, r.states, "state"); s.up || !errors.Is(s.err, fs.ErrNotExist) {
		t.Fatalf("missing port: %v, %v", s.up, s.err)
	}
	for i, code := range []string{"FIRST", "SECOND", "THIRD"} {
		s := plug(t)
		if err := os.Symlink(s.Path(), link); err != nil {
			t.Fatal(err)
		}
		r.up()
		send(t, s, code+"\r", "HALF A CO")
		r.want(code)
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if st := get(t, r.states, "state"); st.up || !errors.Is(st.err, scanner.ErrGone) {
			t.Fatalf("plug %d: unplugged: %v, %v", i, st.up, st.err)
		}
	}
	time.Sleep(100 * time.Millisecond) // some attempts
	r.stop()
	if len(r.states) != 0 {
		t.Errorf("state was reported %d times without a change", len(r.states))
	}
	for len(r.frames) > 0 {
		// Only the idle gap may have made a frame of it, never the new plug.
		if f := <-r.frames; f != "HALF A CO" {
			t.Errorf("frame %q", f)
		}
	}
}

// TestStale: what was shown before the port was opened is nobody's any more.
func TestStale(t *testing.T) {
	t.Parallel()
	s := plug(t)
	send(t, s, "YESTERDAY\r")
	r := read(t, scanner.Config{Port: s.Path(), Idle: -1})
	r.up()
	send(t, s, "TO")
	time.Sleep(150 * time.Millisecond) // three default gaps
	send(t, s, "DAY\r")
	r.want("TODAY")
}

// TestSlowReader: a process that is held up does not cut a code in two.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	s := plug(t)
	release := make(chan struct{})
	got := make(chan string, 10)
	up := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- scanner.Run(ctx, scanner.Config{
			Port:  s.Path(),
			State: func(bool, error) { up <- struct{}{} },
			Frame: func(f []byte) { got <- string(f); <-release },
		})
	}()
	get(t, up, "state")
	send(t, s, "HOLD\rON")
	if f := get(t, got, "frame"); f != "HOLD" {
		t.Errorf("frame %q", f)
	}
	send(t, s, "E\r")
	time.Sleep(120 * time.Millisecond)
	close(release)
	if f := get(t, got, "frame"); f != "ONE" {
		t.Errorf("frame %q", f)
	}
	cancel()
	if err := get(t, done, "end"); err != nil {
		t.Error(err)
	}
}

func TestNotATerminal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("CODE\r"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := read(t, scanner.Config{Port: file})
	if s := get(t, r.states, "state"); s.up || s.err == nil {
		t.Fatalf("a file as port: %v, %v", s.up, s.err)
	}
	r.stop()
	if len(r.frames) > 0 {
		t.Errorf("frame %q", <-r.frames)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	frame := func([]byte) {}
	for name, cfg := range map[string]scanner.Config{
		"no port":        {Frame: frame},
		"no frame":       {Port: "/dev/null"},
		"negative baud":  {Port: "/dev/null", Frame: frame, Baud: -1},
		"negative retry": {Port: "/dev/null", Frame: frame, RetryMin: -1},
	} {
		if err := scanner.Run(context.Background(), cfg); !errors.Is(err, scanner.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
