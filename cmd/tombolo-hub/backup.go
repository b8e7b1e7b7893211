package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// A backup is a tar archive: backupTitle first, which names the form, then the
// hub's keys and, last, all ledgers as one SQLite file. Another form has another
// first name.
const (
	backupTitle   = "tombolo-hub-backup-v1"
	backupLedgers = "ledgers.db"
	maxBackupKey  = 4096
)

// errBackup is wrapped by what is wrong with a backup's file.
var errBackup = errors.New("not a backup that `tombolo-hub backup` wrote")

// backupKeys are the keys of a hub, in their order in a backup.
var backupKeys = []folder.Role{folder.HubKey, folder.HubHoldKey, folder.HubWitnessKey, folder.TLSKey}

func (e *env) backupCmd() *cobra.Command {
	c := verb("backup FILE", "Write the ledgers as they are at one moment, and the hub's keys, to a new file, while the hub runs", func(c *cobra.Command, args []string) error {
		if exists(args[0]) {
			return fmt.Errorf("%s is there already: name another file", args[0])
		}
		s, err := e.open()
		if err != nil {
			return err
		}
		size, err := s.backup(c.Context(), args[0])
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
		return e.print(struct {
			File  string `json:"file"`
			Bytes int64  `json:"bytes"`
		}{args[0], size}, "%s: %d bytes. It holds the hub's private keys: keep it as you keep those.\n", args[0], size)
	})
	c.Long = "The lists of epochs are not in it: they follow from the ledgers. An evaluator is not backed up: its keys are to go when\ntheir time is over."
	return c
}

func (s *site) backup(ctx context.Context, path string) (size int64, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".tombolo-backup-*") // where there has to be room anyway
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	snapshot := filepath.Join(dir, backupLedgers)
	if err := s.Store().Backup(ctx, snapshot); err != nil {
		return 0, err
	}
	err = folder.WriteTo(path, 0o600, func(w io.Writer) error {
		t := tar.NewWriter(w)
		if err := addFile(t, backupTitle, strings.NewReader(""), 0); err != nil {
			return err
		}
		for _, role := range backupKeys {
			name := keyName(role)
			text, err := folder.ReadFile(filepath.Join(s.Dir(), filepath.FromSlash(name)), maxBackupKey)
			if err != nil {
				return err
			}
			if err := addFile(t, name, strings.NewReader(string(text)), int64(len(text))); err != nil {
				return err
			}
		}
		f, err := os.Open(snapshot)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil {
			err = addFile(t, backupLedgers, f, info.Size())
		}
		return errors.Join(err, t.Close())
	})
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func keyName(role folder.Role) string { return "keys/" + string(role) + ".pem" }

func addFile(t *tar.Writer, name string, r io.Reader, size int64) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, Typeflag: tar.TypeReg, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(t, r)
	return err
}

func (e *env) restoreCmd() *cobra.Command {
	c := verb("restore FILE", "Make a hub's folder of a backup, where there is none", func(c *cobra.Command, args []string) error {
		if err := e.checkDatabase(); err != nil {
			return err
		}
		n, err := e.restore(c.Context(), args[0])
		if err != nil {
			return err
		}
		return e.print(struct {
			Folder  string `json:"folder"`
			Ledgers int    `json:"ledgers"` // that were verified, whole
		}{e.dir, n}, "%s: %s. Start the hub: it takes in what came since from those who hold it, and goes on in a census ledger\nof a new incarnation. The hub that was backed up must not run any more.\n", e.dir, count(n, "ledger, which verifies", "ledgers, which verify"))
	})
	c.Long = "With --database the ledgers go there, into a database that is new."
	return c
}

// errNotEmpty is why a backup is not restored over something.
var errNotEmpty = errors.New("there is something already: restore into a folder that is empty or new (--data), and move this one away first if it is to be replaced")

func (e *env) restore(ctx context.Context, path string) (ledgers int, err error) {
	in, err := folder.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if all, err := os.ReadDir(e.dir); err == nil && len(all) > 0 {
		return 0, fmt.Errorf("%s: %w", e.dir, errNotEmpty)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil { // nothing is left that could be taken for a hub's folder
			for _, name := range []string{"keys", "ledgers.db", "ledgers.db-wal", "ledgers.db-shm", restoring, folder.ServiceFile(ledger.Hub)} {
				err = errors.Join(err, os.RemoveAll(filepath.Join(e.dir, name)))
			}
		}
	}()
	if err := unpack(in, e.dir); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	into, err := e.restored(ctx)
	if err != nil {
		return 0, err
	}
	snapshot := filepath.Join(e.dir, restoring)
	if err := store.Restore(ctx, snapshot, into.Store()); err != nil {
		return 0, errors.Join(fmt.Errorf("%s: %w", path, err), into.Close())
	}
	ledgers, err = verifyAll(ctx, into.Folder)
	if err == nil {
		_, err = into.NewService(ledger.Hub) // hub.request, of the keys that are there
	}
	return ledgers, errors.Join(err, into.Close(), os.Remove(snapshot))
}

// restored is the site that a backup is restored into.
func (e *env) restored(ctx context.Context) (*site, error) {
	f, err := folder.Open(e.dir, true)
	if err != nil {
		return nil, err
	}
	f.Now = e.Now
	if e.database == "" {
		return &site{f}, nil
	}
	ctx, end := context.WithTimeout(ctx, 15*time.Second)
	defer end()
	s, err := e.openDatabase(ctx, f.Dir())
	return s, errors.Join(err, f.Close())
}

// restoring is where a backup's ledgers lie until they are taken in.
const restoring = "restoring.db"

// unpack reads a backup strictly: these files, in this order, and nothing else.
func unpack(r io.Reader, dir string) error {
	t := tar.NewReader(r)
	next := func(name string, most int64) error {
		h, err := t.Next()
		switch {
		case err != nil:
			return fmt.Errorf("%w: where %s should be: %w", errBackup, name, err)
		case h.Name != name || h.Typeflag != tar.TypeReg || h.Size < 0 || most >= 0 && h.Size > most:
			return fmt.Errorf("%w: %q of %d bytes where %s should be", errBackup, h.Name, h.Size, name)
		}
		return nil
	}
	if err := next(backupTitle, 0); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return err
	}
	for _, role := range backupKeys {
		if err := next(keyName(role), maxBackupKey); err != nil {
			return err
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return fmt.Errorf("%w: %w", errBackup, err)
		}
		if err := folder.WriteFile(filepath.Join(dir, filepath.FromSlash(keyName(role))), text, 0o600); err != nil {
			return err
		}
	}
	if err := next(backupLedgers, -1); err != nil {
		return err
	}
	if err := folder.WriteTo(filepath.Join(dir, restoring), 0o600, func(w io.Writer) error {
		_, err := io.Copy(w, t)
		return err
	}); err != nil {
		return fmt.Errorf("%w: %w", errBackup, err)
	}
	if h, err := t.Next(); err != io.EOF {
		if err == nil {
			err = fmt.Errorf("%q follows", h.Name)
		}
		return fmt.Errorf("%w: %w", errBackup, err)
	}
	return nil
}

// verifyAll verifies every ledger from its first entry to its head.
func verifyAll(ctx context.Context, f *folder.Folder) (n int, err error) {
	all, err := f.Store().Ledgers()
	if err != nil {
		return 0, err
	}
	for _, i := range all {
		v := ledger.NewVerifier(i.Head)
		for c, err := range f.Store().Chunks(i, 0) {
			if err = errors.Join(ctx.Err(), err); err == nil {
				err = v.Chunk(c)
			}
			if err != nil {
				return n, fmt.Errorf("%v: %w", i.Origin, err)
			}
		}
		if _, err := v.Finish(); err != nil {
			return n, fmt.Errorf("%v: %w", i.Origin, err)
		}
		n++
	}
	return n, nil
}
