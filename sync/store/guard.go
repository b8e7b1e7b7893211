package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tombolo/sync/ledger"
)

// Guard remembers, outside the folder that holds the ledgers, how far an author
// signed. A folder that was restored from a backup, copied to another machine
// or cut short by a power failure does not match it, and the author begins a
// new incarnation instead of signing a second history.
//
// It is a directory on volatile storage (/run, $XDG_RUNTIME_DIR) and bound to
// the kernel's boot, so no backup of a disk, not even of the whole of it,
// brings an old state back to life. (A snapshot of a running virtual machine,
// memory included, does: do not keep authors in one.) The price is one
// incarnation for each boot in which an author writes.
type Guard struct {
	Dir  string
	Boot string // names this boot of this machine, see [BootID]
}

// DefaultGuard is the guard of this user on this machine.
func DefaultGuard() (Guard, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/run"
		if os.Geteuid() != 0 {
			dir = filepath.Join(os.TempDir(), fmt.Sprintf("tombolo-%d", os.Geteuid()))
		}
	}
	boot, err := BootID()
	return Guard{Dir: filepath.Join(dir, "tombolo"), Boot: boot}, err
}

// BootID is the kernel's random name for the time since it started.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("the guard against signing two histories needs the kernel's boot id: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
}

func (g Guard) file(o ledger.Origin) string {
	h := sha256.Sum256([]byte(o.String()))
	return filepath.Join(g.Dir, hex.EncodeToString(h[:16]))
}

// state is what the file holds; nothing at all before the first entry.
func (g Guard) state(c ledger.Checkpoint) []byte {
	if c.Size == 0 {
		return nil
	}
	return []byte(c.Text() + g.Boot + "\n")
}

// Allows reports whether c is as far as its author signed in this boot.
func (g Guard) Allows(c ledger.Checkpoint) (bool, error) {
	have, err := os.ReadFile(g.file(c.Origin))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("guard: %w", err)
	}
	return bytes.Equal(have, g.state(c)), nil
}

// Advance says that the author's signature under to is about to be stored, if
// the last one that was is under from; otherwise it returns ErrOtherAuthor. Of several processes that try at
// once, one succeeds. The file is not synced: it need not outlive the machine,
// and one that was written by halves matches nothing.
func (g Guard) Advance(from, to ledger.Checkpoint) error {
	if err := g.advance(from, to); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}

func (g Guard) advance(from, to ledger.Checkpoint) (err error) {
	if err := g.own(); err != nil {
		return err
	}
	f, err := os.OpenFile(g.file(to.Origin), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }() // unlocks
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	have := make([]byte, 1024) // more than any state
	n, err := f.ReadAt(have, 0)
	if err != nil && err != io.EOF {
		return err
	}
	have = have[:n]
	if !bytes.Equal(have, g.state(from)) {
		return ErrOtherAuthor
	}
	state := g.state(to)
	if bytes.Equal(have, state) {
		return nil
	}
	if _, err := f.WriteAt(state, 0); err != nil || len(state) >= len(have) {
		return err
	}
	return f.Truncate(int64(len(state)))
}

// own makes the folder if there is none. Below /tmp somebody else may have made
// it first.
func (g Guard) own() error {
	fi, err := os.Lstat(g.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(g.Dir, 0o700); err != nil {
			return err
		}
		fi, err = os.Lstat(g.Dir)
	}
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !fi.IsDir() || !ok || int(st.Uid) != os.Geteuid() || fi.Mode()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder that only this user can write to; remove it", g.Dir)
	}
	return nil
}
