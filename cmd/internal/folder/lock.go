package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("another process works on this folder")

// The locks of a folder: the one daemon that runs on it, and the one command at
// a time that reads its ledgers in order to write to them.
const (
	DaemonLock = "daemon.lock"
	WriteLock  = "write.lock"
)

// Lock takes one of a folder's locks, which the kernel gives back when the
// process ends in whatever way. Without wait it returns ErrLocked if somebody
// has it.
func Lock(dir, name string, wait bool) (unlock func() error, err error) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder: %w", err)
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		switch err = unix.Flock(int(f.Fd()), how); {
		case err == nil:
			return f.Close, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			err = fmt.Errorf("%w: %s is held", ErrLocked, path)
		}
		return nil, errors.Join(err, f.Close())
	}
}
