package pcsctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"tombolo/hw/nfc"
)

const (
	config  = "/etc/reader.conf.d/vpcd"
	startup = 10 * time.Second
	poll    = 20 * time.Millisecond
)

// readers are the slots of Debian's virtual reader; each waits for its card at
// the port after the one before.
var readers = [2]string{"Virtual PCD 00 00", "Virtual PCD 00 01"}

// Daemon is a running pcscd with the virtual reader. Not for concurrent use.
type Daemon struct {
	lock  *os.File
	child *child // nil: it ran before, or was killed
	ours  bool
}

// Start waits for its turn, has pcscd run with the virtual reader listed, and
// gives it; ctx bounds the waiting. A pcscd that runs already is used if it has
// the reader.
func Start(ctx context.Context) (*Daemon, error) {
	lock, err := takeTurn(ctx)
	if err != nil {
		return nil, err
	}
	d := &Daemon{lock: lock}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Daemon) start(ctx context.Context) error {
	listed, err := nfc.PCSCReaders(ctx)
	switch {
	case errors.Is(err, nfc.ErrNoService):
	case err != nil:
		return err
	case complete(listed):
		return nil
	default:
		return fmt.Errorf("%w runs without the virtual reader (%q), it lists %q: install vsmartcard-vpcd and end that pcscd", ErrDaemon, readers, listed)
	}
	if _, err := os.Stat(config); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: vsmartcard-vpcd is missing: there is no %s", ErrMissing, config)
	}
	d.ours = true
	return d.run(ctx, complete)
}

// complete reports whether the virtual reader is listed, with both slots.
func complete(listed []string) bool {
	return slices.Contains(listed, readers[0]) && slices.Contains(listed, readers[1])
}

// run starts pcscd and waits until the list of readers is as it should be.
func (d *Daemon) run(ctx context.Context, enough func([]string) bool, args ...string) error {
	var err error
	if d.child, err = startChild(args...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	for {
		listed, err := nfc.PCSCReaders(ctx)
		if err == nil && enough(listed) {
			return nil
		}
		select {
		case <-d.child.done:
			return fmt.Errorf("%w ended at once (it needs root): %v: %s", ErrDaemon, d.child.err, d.child.said())
		case <-ctx.Done():
			return fmt.Errorf("%w does not list the virtual reader after %v, but %q (%v): %s", ErrDaemon, startup, listed, err, d.child.said())
		case <-time.After(poll):
		}
	}
}

// Reader is the name in PC/SC of the reader that Insert lays cards on.
func (d *Daemon) Reader() string { return readers[0] }

// Second is the other slot of the virtual reader, a reader like the first.
func (d *Daemon) Second() *Slot { return &Slot{d, 1} }

// Slot is one of the virtual reader's.
type Slot struct {
	*Daemon
	n int
}

// Reader is the slot's name in PC/SC.
func (s *Slot) Reader() string { return readers[s.n] }

// Kill ends pcscd by SIGKILL, as a crash does.
func (d *Daemon) Kill() error {
	switch {
	case !d.ours:
		return ErrNotOurs
	case d.child != nil:
		d.child.kill()
		d.child = nil
	}
	return nil
}

// Restart kills pcscd, if it has not been killed, and starts it again.
func (d *Daemon) Restart(ctx context.Context) error {
	if err := d.Kill(); err != nil {
		return err
	}
	return d.run(ctx, complete)
}

// RestartEmpty is Restart without the virtual reader: somebody unplugged it.
func (d *Daemon) RestartEmpty(ctx context.Context) error {
	if err := d.Kill(); err != nil {
		return err
	}
	none, err := os.MkdirTemp("", "tombolo-pcsc")
	if err != nil {
		return fmt.Errorf("pcsctest: %w", err)
	}
	defer os.RemoveAll(none)
	return d.run(ctx, func(listed []string) bool { return !complete(listed) }, "--config", none)
}

// Pause stops pcscd by SIGSTOP, so that it hangs; Resume has it go on.
func (d *Daemon) Pause() error  { return d.signal(syscall.SIGSTOP) }
func (d *Daemon) Resume() error { return d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(s syscall.Signal) error {
	if d.child == nil {
		return ErrNotOurs
	}
	return d.child.cmd.Process.Signal(s)
}

// Close ends pcscd if Start started it, and passes the turn on.
func (d *Daemon) Close() error {
	if d.child != nil {
		d.child.kill()
		d.child = nil
	}
	return d.lock.Close()
}

// takeTurn takes the lock that lets one test binary at a time have the reader.
func takeTurn(ctx context.Context) (*os.File, error) {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("tombolo-pcsc-%d.lock", os.Getuid()))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pcsctest: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("pcsctest: lock %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("pcsctest: another test has had the reader for too long (%s): %w", name, ctx.Err())
		case <-time.After(poll):
		}
	}
}

// child is a pcscd in the foreground.
type child struct {
	cmd  *exec.Cmd
	log  bytes.Buffer // read after done
	done chan struct{}
	err  error // of Wait; read after done
}

func startChild(args ...string) (*child, error) {
	path, err := exec.LookPath("pcscd")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/pcscd"); err != nil {
			return nil, fmt.Errorf("%w: pcscd is missing", ErrMissing)
		}
	}
	c := &child{cmd: exec.Command(path, append([]string{"--foreground"}, args...)...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the signal when the thread that forked ends, not the
		// process: prctl(2), PR_SET_PDEATHSIG.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDaemon, err)
	}
	return c, nil
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.done
}

// said is the end of what pcscd wrote, if it has ended.
func (c *child) said() string {
	select {
	case <-c.done:
	default:
		return "it is still running"
	}
	lines := strings.Split(strings.TrimSpace(c.log.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}
