package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"tombolo/sync/ledger"
)

// fullDisk names the folder to the process that TestOpenOnFullDisk starts.
const fullDisk = "TOMBOLO_TEST_FULL_DISK"

// A gateway starts on a disk that takes not a byte, reads everything, and keeps
// its records until there is room: after a clean end, when SQLite has removed
// the files that it reads with, and after a power cut, when they are there.
func TestOpenOnFullDisk(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a clean end", "a power cut"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "ledgers.db")
			s, err := Open(filepath.Join(t.TempDir(), "ledgers.db"))
			if err != nil {
				t.Fatal(err)
			}
			fill(t, author(t, s, killedConfig(dir)), 600)
			if name == "a clean end" {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{"", "-wal", "-shm"} {
				b, err := os.ReadFile(s.Path() + file)
				if errors.Is(err, fs.ErrNotExist) && name == "a clean end" {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path+file, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), fullDisk+"="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			after := openAt(t, path)
			if err := after.Trouble(); err != nil {
				t.Error(err)
			}
			last, err := newest(after.read, killedConfig(dir))
			if err != nil || last.Size != 603 {
				t.Fatal(last, err)
			}
			verifies(t, after, last.Origin)
		})
	}
}

// startOnFullDisk is what the process does. No file of it can grow at first, nor
// be written at all: the limit stands at nothing.
func startOnFullDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ) // then writes fail with EFBIG instead
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	full := syscall.Rlimit{Cur: 0, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	s, err := Open(filepath.Join(dir, "ledgers.db"))
	if err != nil {
		return err
	}
	if s.Trouble() == nil {
		return errors.New("nothing is said of the disk")
	}
	all, err := s.Ledgers()
	if err != nil || len(all) != 1 {
		return fmt.Errorf("%d ledgers: %w", len(all), err)
	}
	if r, err := verify(s, all[0]); err != nil || r.Size != 600 {
		return fmt.Errorf("%+v: %w", r, err)
	}
	j := NewJournal(JournalConfig{Kind: ledger.DoorLog, Queue: 100, Open: func() (*Author, error) { return s.OpenAuthor(killedConfig(dir)) }})
	for n := range 3 {
		if err := j.Record(passage(n)); err != nil {
			return err
		}
	}
	if err := j.Flush(); err == nil {
		return errors.New("something was written")
	}
	if err := s.Pin("name", []byte("value")); err == nil {
		return errors.New("a pin was written")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := j.Flush(); err != nil {
		return fmt.Errorf("there is room, and still: %w", err)
	}
	if h := j.Head(); h.Origin != all[0].Origin || h.Size != 603 {
		return fmt.Errorf("%+v", h.Checkpoint)
	}
	return s.Close()
}

// On a disk that is mounted read-only everything can be read, and it is noticed
// when it can be written again. Rights stand in for the mount here.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	made, _ := filled(t, 600)
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	path := made.Path()
	undo := protect(t, path)
	defer undo()
	s := newStore(path)
	defer s.Close()
	if err := Migrate(s.write, schemaVersion, schema1, schema2, schema3); err != nil {
		t.Fatal(err)
	}
	if s.Trouble() == nil {
		t.Error("nothing is said of the disk")
	}
	changed, err := s.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if yes, err := changed(); err != nil || yes != want {
			t.Fatal(yes, err)
		}
	}
	all, err := s.Ledgers()
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if r := verifies(t, s, all[0].Origin); r.Size != 600 {
		t.Errorf("%+v", r)
	}
	if err := s.Pin("name", []byte("value")); err == nil {
		t.Error("a pin was written")
	}
	undo()
	time.Sleep(moment)
	if err := s.Pin("name", []byte("value")); err != nil {
		t.Error(err)
	}
	if v, err := s.Pinned("name"); err != nil || string(v) != "value" {
		t.Errorf("%q, %v", v, err)
	}
	for _, want := range []bool{true, false} {
		if yes, err := changed(); err != nil || yes != want {
			t.Fatal(yes, err)
		}
	}
	change(t, s, "DELETE FROM pin") // another process
	if yes, err := changed(); err != nil || !yes {
		t.Error(yes, err)
	}
}

// A file that has a log beside it, and nothing with which to read that, is not
// opened without it: what was written last would be missing.
func TestReadOnlyDiskWithoutTheLogsIndex(t *testing.T) {
	t.Parallel()
	s, _ := filled(t, 600)
	path := filepath.Join(t.TempDir(), "ledgers.db")
	for _, file := range []string{"", "-wal"} {
		b, err := os.ReadFile(s.Path() + file)
		if err == nil {
			err = os.WriteFile(path+file, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	defer protect(t, path)()
	conn, err := (&opener{path: path}).Connect(t.Context())
	if err == nil {
		conn.Close()
	}
	if e, ok := errors.AsType[sqlite3.Error](err); !ok || e.Code != sqlite3.ErrCantOpen {
		t.Errorf("%v", err)
	}
}

// protect takes the right to write to a file and its folder, for root too: for
// the calling goroutine, until undo.
func protect(t *testing.T, path string) (undo func()) {
	t.Helper()
	dir := filepath.Dir(path)
	chmod := func(folder, file os.FileMode) {
		files, err := filepath.Glob(path + "*")
		err = errors.Join(err, os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, folder))
		for _, f := range files {
			err = errors.Join(err, os.Chmod(f, file))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o555, 0o444)
	root := os.Geteuid() == 0
	if root { // whom modes do not bind; nobody's rights are this thread's
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
	}
	return sync.OnceFunc(func() {
		if root {
			if err := syscall.Setfsuid(0); err != nil {
				t.Fatal(err)
			}
			runtime.UnlockOSThread()
		}
		chmod(0o755, 0o600)
	})
}
