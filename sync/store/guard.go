package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tombolo/sync/ledger"
)

// Guard remembers, outside the folder that holds the ledgers, how far an author
// signed. A folder that was restored from a backup, copied to another machine
// or cut short by a power failure does not match it, and the author begins a
// new incarnation instead of signing a second history.
//
// It is a directory on volatile storage (/run, $XDG_RUNTIME_DIR) and bound to
// the kernel's boot, so no backup of any kind, not even one of the whole disk,
// brings an old state back to life. The price is one incarnation for each boot
// in which an author writes.
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

func (g Guard) state(c ledger.Checkpoint) []byte {
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

// Advance says that c is about to be signed. It replaces the state at once or
// not at all; it need not outlive the machine, so it is not synced to disk.
func (g Guard) Advance(c ledger.Checkpoint) error {
	if err := os.MkdirAll(g.Dir, 0o700); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	name := g.file(c.Origin)
	temp := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err := os.WriteFile(temp, g.state(c), 0o600); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	if err := os.Rename(temp, name); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}
