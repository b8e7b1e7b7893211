package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestOpenMigrates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a folder with spaces, ? and %41", "ledgers.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	if s.Path() != path {
		t.Errorf("%s", s.Path())
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	for pragma, want := range map[string]string{"user_version": "3", "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1"} {
		for _, db := range []interface {
			querier
		}{s.read, s.write} {
			var got string
			if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, want %s, %v", pragma, got, want, err)
			}
		}
	}
	if err := s.Pin("node", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path) // nothing is migrated twice
	if v, err := s.Pinned("node"); err != nil || !bytes.Equal(v, []byte{1}) {
		t.Error(v, err)
	}
	for _, version := range []string{"4", "99", "-1"} {
		change(t, s, "PRAGMA user_version = "+version)
		if _, err := Open(path); !errors.Is(err, ErrNewer) {
			t.Errorf("schema %s: %v", version, err)
		}
	}
	change(t, s, "PRAGMA user_version = 3")
	if v, err := s.Pinned("node"); err != nil || !bytes.Equal(v, []byte{1}) {
		t.Error("refusing changed something:", v, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database. "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "nowhere", "ledgers.db"), text} {
		if s, err := Open(path); err == nil {
			t.Errorf("%s opened", path)
			s.Close()
		}
	}
}

// A schema that fails half-way leaves the version that was there.
func TestMigrateAllOrNothing(t *testing.T) {
	t.Parallel()
	db, err := Database(filepath.Join(t.TempDir(), "x.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	first := "CREATE TABLE a (x INTEGER) STRICT"
	if err := Migrate(db, 1, first); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(db, 3, first, "CREATE TABLE b (x INTEGER) STRICT", "no SQL"); err == nil {
		t.Fatal("no error")
	}
	var version, tables int
	if err := db.QueryRow("SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)").Scan(&version, &tables); err != nil || version != 1 || tables != 1 {
		t.Errorf("version %d, %d tables, %v", version, tables, err)
	}
}

func TestPins(t *testing.T) { both(t, testPins) }

func testPins(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.Pinned("node"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, v := range [][]byte{{1}, {2, 3}} {
		if err := s.Pin("node", v); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Pinned("node"); err != nil || !bytes.Equal(got, v) {
			t.Error(got, err)
		}
	}
}

// Watch sees what this store, another of the same file, and nobody commits.
func TestWatch(t *testing.T) { both(t, testWatch) }

func testWatch(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := openAt(t, placeOf(s))
	ctx, cancel := context.WithCancel(t.Context())
	changed, err := s.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		by   *Store
		want bool
	}{"this one": {s, true}, "another": {other, true}, "nobody": {nil, false}} {
		if _, err := changed(); err != nil {
			t.Fatal(err)
		}
		if c.by != nil {
			if err := c.by.Pin("node", []byte(name)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := changed(); err != nil || got != c.want {
			t.Errorf("%s wrote: %v, %v", name, got, err)
		}
	}
	cancel()
	if _, err := changed(); err == nil {
		t.Error("it still watches")
	}
}
