package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tombolo/hw/sim"
)

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
				if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
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
	on, err := s.board.WaitRelay(t.Context(), "front/relay", true)
	if err != nil {
		t.Fatal(err)
	}
	if off, err := s.board.WaitRelay(t.Context(), "front/relay", false); err != nil || off.T.Sub(on.T) < click-50*time.Millisecond { // the board tells its time a moment late
		t.Errorf("%v, released after %v", err, off.T.Sub(on.T))
	}
	_ = cmd.Wait() // of a broken pipe, once all is done
}
