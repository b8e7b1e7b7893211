// Package daemontest runs the daemons for tests, each as the process that it is
// in a house: call [Start]. [Log] alone is for what logs within the test.
package daemontest

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	patience = 30 * time.Second
	shown    = 16 << 10 // bytes of a log, when a test has failed
)

// Log is an output that is read while it is written.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Daemon is a program that runs. Its methods end the test if they fail.
type Daemon struct {
	Log *Log // both its outputs

	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{} // closed once err is how it ended
	err   error
}

// Start starts a command and waits until it has logged each of the words. It does
// not outlive the test, nor the test's process.
func Start(t testing.TB, cmd *exec.Cmd, words ...string) *Daemon {
	t.Helper()
	d := &Daemon{Log: &Log{}, t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = d.Log, d.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-d.ended
		if t.Failed() {
			log := d.Log.String()
			t.Logf("%s:\n%s", strings.Join(cmd.Args, " "), log[max(0, len(log)-shown):])
		}
	})
	for _, word := range words {
		d.Says(word)
	}
	return d
}

// Says waits until the log holds a word.
func (d *Daemon) Says(word string) {
	d.t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(d.Log.String(), word); time.Sleep(10 * time.Millisecond) {
		select {
		case <-d.ended:
			if !strings.Contains(d.Log.String(), word) {
				d.t.Fatalf("it ended (%v) and never said %q", d.err, word)
			}
		default:
		}
		if time.Now().After(end) {
			d.t.Fatalf("it does not say %q", word)
		}
	}
}

// After is what the log has behind a word, up to a blank.
func (d *Daemon) After(word string) string {
	d.t.Helper()
	_, rest, ok := strings.Cut(d.Log.String(), word)
	if !ok {
		d.t.Fatalf("the log has no %q", word)
	}
	return strings.Fields(rest)[0]
}

// End sends a signal and waits for the end, which is a good one after SIGTERM.
func (d *Daemon) End(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
	select {
	case <-d.ended:
		if sig == syscall.SIGTERM && d.err != nil {
			d.t.Errorf("after SIGTERM: %v", d.err)
		}
	case <-time.After(patience):
		d.t.Fatalf("it does not end by %v", sig)
	}
}
