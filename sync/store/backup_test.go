package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// contents is all that a backup keeps, without the numbers that each store gives.
type contents struct {
	Ledgers  []Info
	Entries  map[ledger.Origin][]ledger.Entry
	Partials []Partial
	Forks    [][]byte
	Held     map[ledger.Origin][]HeldBy
	Charters []ledger.CharterID
	Pin      []byte
}

func contentsOf(t *testing.T, s *Store) (c contents) {
	t.Helper()
	var err error
	if c.Ledgers, err = s.Ledgers(); err != nil {
		t.Fatal(err)
	}
	c.Entries, c.Held = map[ledger.Origin][]ledger.Entry{}, map[ledger.Origin][]HeldBy{}
	for n, i := range c.Ledgers {
		if c.Entries[i.Origin], err = page(s.read, i.id, 0, 1<<40); err != nil { // what is beside, too
			t.Fatal(err)
		}
		if c.Held[i.Origin], err = s.Held(i.Origin); err != nil {
			t.Fatal(err)
		}
		c.Ledgers[n].id = 0
	}
	forks, err := s.Forks()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range forks {
		c.Forks = append(c.Forks, f.Marshal())
	}
	if c.Partials, err = s.Partials(); err != nil {
		t.Fatal(err)
	}
	if c.Charters, err = s.CharterIDs(); err != nil {
		t.Fatal(err)
	}
	if c.Pin, err = s.Pinned("node"); err != nil {
		t.Fatal(err)
	}
	return c
}

// What a store holds is in its backup, and in whatever the backup is restored into.
func TestBackup(t *testing.T) { both(t, testBackup) }

func testBackup(t *testing.T) {
	t.Parallel()
	s := open(t)
	from, a := filled(t, 700)
	o := a.Head().Origin
	forged := held(t, rival(t, from, a, 650, 700), o).Head
	if err := a.Drop(10, 20, "retention"); err != nil {
		t.Fatal(err)
	}
	if err := extend(t, from, s, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	fill(t, a, 900)
	for range 2 { // and some of it beside
		if _, err := s.Extend(testTime, stretchOf(t, from, s, o, 4000)); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := from.Compare(forged); err != nil {
		t.Fatal(err)
	} else if err := s.AddFork(*f, testTime); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AddCharter(signCharter(t, firstCharter("azul"), "charter 1")); err != nil {
		t.Fatal(err)
	}
	note, err := ledger.Cosign(a.Head().Note, ledger.RoleHold, testKey("peer"), 9)
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := ledger.OpenHead(note, public(testKey("author")), ledger.Cosigner{Role: ledger.RoleHold, Key: public(testKey("peer"))})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.AddHeld(ledger.KeyID{1}, cosigned, 3), s.Pin("node", []byte{1, 2})); err != nil {
		t.Fatal(err)
	}
	lease(t, s, "close", "hub", time.Minute, true)
	mine := author(t, s, AuthorConfig{Key: testKey("hub"), Community: testCommunity, Kind: ledger.CensusLog, Charter: testCommunity, Guard: a.cfg.Guard, Now: a.cfg.Now, Rand: a.cfg.Rand})
	if err := mine.Refresh(); err != nil {
		t.Fatal(err)
	}
	if yes, err := s.Restored(); yes || err != nil {
		t.Errorf("restored: %v, %v", yes, err)
	}
	want := contentsOf(t, s)
	if len(want.Ledgers) != 2 || len(want.Partials) != 1 || len(want.Forks) != 1 || len(want.Charters) != 1 || len(want.Held[o]) != 1 {
		t.Fatalf("%+v", want)
	}
	path := backup(t, s)
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v is left beside it, %v", left, err)
	}
	if err := s.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(filepath.Join(t.TempDir(), "file.db")) // whatever s is
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	again := open(t)
	for _, to := range []*Store{again, other} {
		if err := Restore(t.Context(), path, to); err != nil {
			t.Fatal(err)
		}
		if got := contentsOf(t, to); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		lease(t, to, "close", "another", time.Minute, true)
		if yes, err := to.Restored(); !yes || err != nil {
			t.Errorf("restored: %v, %v", yes, err)
		}
		if err := to.Pin(RestoredPin, []byte(NotRestored)); err != nil {
			t.Fatal(err)
		}
		if yes, err := to.Restored(); yes || err != nil {
			t.Errorf("restored, and asked since: %v, %v", yes, err)
		}
		if err := Restore(t.Context(), path, to); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("twice: %v", err)
		}
		if err := extend(t, from, to, o, 1<<20); err != nil { // it goes on
			t.Error(err)
		}
		verifies(t, to, o)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("restoring changed the backup: %v", err)
	}
	opened := openAt(t, path)
	if got := contentsOf(t, opened); !reflect.DeepEqual(got, want) {
		t.Errorf("opened: %+v", got)
	}
	if err := opened.Pin("node", []byte{3}); err != nil {
		t.Fatal(err)
	}
	// What is open is no backup: what stands in its log would be missing.
	if err := Restore(t.Context(), path, open(t)); err == nil {
		t.Error("a file in use was restored")
	}
}

// A backup of an earlier version is restored; one of a later, of none, or that is
// none, is not, and leaves nothing.
func TestRestoreVersions(t *testing.T) { both(t, testRestoreVersions) }

func testRestoreVersions(t *testing.T) {
	t.Parallel()
	file := func(script string) string {
		path := filepath.Join(t.TempDir(), "backup.db")
		db, err := Database(path, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec(script)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := open(t)
	if err := Restore(t.Context(), file(v1+"PRAGMA user_version = 1;"), s); err != nil {
		t.Fatal(err)
	}
	all, err := s.Ledgers()
	if err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
	for _, i := range all {
		verifies(t, s, i.Origin)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no backup. "), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := backup(t, s)
	b, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.db")
	if err := os.WriteFile(cut, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	empty := open(t)
	for name, c := range map[string]struct {
		path string
		is   error
	}{
		"later":    {file("CREATE TABLE x (y); PRAGMA user_version = 4;"), ErrNewer},
		"negative": {file("CREATE TABLE x (y); PRAGMA user_version = -1;"), ErrNewer},
		"no store": {file("CREATE TABLE x (y);"), ErrNewer},
		"text":     {text, nil},
		"cut":      {cut, nil},
		"none":     {filepath.Join(t.TempDir(), "none.db"), fs.ErrNotExist},
		"a folder": {t.TempDir(), nil},
	} {
		if err := Restore(t.Context(), c.path, empty); err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Restore(t.Context(), whole, empty); err != nil {
		t.Errorf("something stayed: %v", err)
	}
}

// A backup that is taken while others write is of one moment: every ledger in it
// verifies, and what was acknowledged before it began is there.
func TestBackupUnderLoad(t *testing.T) { both(t, testBackupUnderLoad) }

func testBackupUnderLoad(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 4000)
	o, s := a.Head().Origin, open(t)
	mine := author(t, s, func() AuthorConfig {
		cfg := testConfig(t)
		cfg.Key = testKey("hub")
		return cfg
	}())
	fill(t, mine, 10)
	ctx, enough := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() {
		for ctx.Err() == nil {
			i := held(t, from, o)
			edge := edgeOf(t, s, o)
			if edge.Size() == i.Size { // from the beginning
				if err := s.inTx(func(tx txn) error { return forget(tx, o) }, lineage(o)); err != nil {
					done <- err
					return
				}
				edge = ledger.Tree{}
			}
			st, err := from.Stretch(i, edge.Size(), 20_000)
			if err == nil {
				var x ledger.Extension
				if x, err = ledger.CheckStretch(edge, i.Head, st); err == nil {
					_, err = s.Extend(testTime, x)
				}
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	go func() {
		for n := 10; ctx.Err() == nil; n++ {
			if _, err := mine.Append(passage(n)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 4 {
		told := mine.Head()
		path := backup(t, s)
		to := open(t)
		if err := Restore(t.Context(), path, to); err != nil {
			t.Fatal(err)
		}
		all, err := to.Ledgers()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(i Info) bool { return i.Origin == told.Origin && i.Size >= told.Size }) {
			t.Errorf("%d entries were durable before", told.Size)
		}
		for _, i := range all {
			verifies(t, to, i.Origin)
		}
		if err := extend(t, from, to, o, 1<<20); err != nil { // what stands beside is of use
			t.Error(err)
		}
		verifies(t, to, o)
		// Who signed more since does not go on from there.
		for mine.Head().Size == told.Size {
			time.Sleep(time.Millisecond)
		}
		b := author(t, to, mine.cfg)
		if _, err := b.Append(passage(1)); err != nil || b.Head().Origin == told.Origin {
			t.Errorf("%v goes on, %v", b.Head().Origin, err)
		}
	}
	enough()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
