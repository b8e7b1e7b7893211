package folder

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReadFilePlain: what is no plain file is refused, and nothing is waited for.
func TestReadFilePlain(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "f") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(path("plain"), []byte("one"), 0o600),
		os.Symlink("plain", path("link")),
		unix.Mkfifo(path("fifo"), 0o600),
		os.Symlink("fifo", path("fifo-link")),
		os.Mkdir(path("dir"), 0o700),
		os.Symlink("nowhere", path("dangling")),
	); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		path string
		want error
	}{
		{path("plain"), nil},
		{path("link"), nil},
		{path("fifo"), ErrNotPlain},
		{path("fifo-link"), ErrNotPlain},
		{path("dir"), ErrNotPlain},
		{"/dev/zero", ErrNotPlain},
		{path("socket"), unix.ENXIO},
		{path("dangling"), fs.ErrNotExist},
		{path("missing"), fs.ErrNotExist},
	} {
		type result struct {
			text []byte
			err  error
		}
		done := make(chan result, 1)
		go func() {
			text, err := ReadFile(c.path, 3)
			done <- result{text, err}
		}()
		select {
		case r := <-done:
			if !errors.Is(r.err, c.want) || (c.want == nil && string(r.text) != "one") {
				t.Errorf("%s: %q, %v, want %v", c.path, r.text, r.err, c.want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: ReadFile waits", c.path)
		}
	}
}
