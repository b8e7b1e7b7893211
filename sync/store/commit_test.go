package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

// A commit that fails stored nothing, and the author goes on when the disk does.
func TestCommitNotPersisted(t *testing.T) { both(t, testCommitNotPersisted) }

func testCommitNotPersisted(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 5} { // the first commit of an incarnation, or a later one
		s, cfg := open(t), testConfig(t)
		f := fail(t, s)
		a := author(t, s, cfg)
		if size > 0 {
			fill(t, a, size)
		}
		before := a.Head()
		f.commit.Store(notPersisted)
		for range 2 {
			if _, err := a.Append(passage(1)); !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
		}
		if a.Head().Checkpoint != before.Checkpoint {
			t.Errorf("the head moved to %+v", a.Head().Checkpoint)
		}
		f.commit.Store(works)
		if _, err := a.Append(passage(2)); err != nil {
			t.Fatal(err)
		}
		if r := verifies(t, s, before.Origin); r.Kinds[ledger.KindPassage] != int(max(size, 1)) {
			t.Errorf("%+v", r)
		}
	}
}

// A commit that is reported as failed and was persisted is a success: the
// record stands there once.
func TestCommitPersisted(t *testing.T) { both(t, testCommitPersisted) }

func testCommitPersisted(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 5} {
		s, cfg := open(t), testConfig(t)
		f := fail(t, s)
		a := author(t, s, cfg)
		if size > 0 {
			fill(t, a, size)
		}
		f.commit.Store(persisted)
		if first, err := a.Append(passage(1)); err != nil || first != max(size, 1) {
			t.Fatal(first, err)
		}
		if err := a.Refresh(); err != nil {
			t.Fatal(err)
		}
		f.commit.Store(works)
		if first, err := a.Append(passage(2)); err != nil || first != max(size, 1)+1 {
			t.Fatal(first, err)
		}
		if r := verifies(t, s, a.Head().Origin); r.Size != max(size, 1)+2 {
			t.Errorf("%+v", r)
		}
	}
}

// And when not even that can be read, the author finds out before it signs again.
func TestCommitUncertain(t *testing.T) { both(t, testCommitUncertain) }

func testCommitUncertain(t *testing.T) {
	t.Parallel()
	for _, form := range []int32{notPersisted, persisted} {
		for _, size := range []int64{0, 5} {
			t.Run(fmt.Sprint(form, " after ", size), func(t *testing.T) {
				t.Parallel()
				s, cfg := open(t), testConfig(t)
				f := fail(t, s)
				a := author(t, s, cfg)
				if size > 0 {
					fill(t, a, size)
				}
				o := a.Head().Origin
				// Reads fail from the commit on, so that nobody sees what it did.
				f.commit.Store(form + blinding)
				if _, err := a.Append(passage(1)); !errors.Is(err, errDisk) {
					t.Fatal(err)
				}
				if _, err := a.Append(passage(2)); !errors.Is(err, errReading) {
					t.Fatal(err)
				}
				if a.Head().Size != size {
					t.Errorf("the head moved to %+v", a.Head().Checkpoint)
				}
				f.commit.Store(works)
				f.reads.Store(false)
				if _, err := a.Append(passage(3)); err != nil {
					t.Fatal(err)
				}
				want := max(size, 1) + 1
				if form == persisted {
					want++
				}
				if r := verifies(t, s, o); r.Size != want || a.Head().Size != want {
					t.Errorf("%d entries, want %d", r.Size, want)
				}
			})
		}
	}
}

// A full disk, SQLite's own word for it: nothing is lost but what was refused.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 50)
	limit(t, s, 0)
	n := a.Head().Size
	var err error
	for err == nil {
		if _, err = a.Append(passage(int(n))); err == nil {
			n++
		}
		if n > 10_000 {
			t.Fatal("the disk never fills")
		}
	}
	if a.Head().Size != n {
		t.Errorf("%d entries, want %d", a.Head().Size, n)
	}
	if r := verifies(t, s, a.Head().Origin); r.Size != n {
		t.Errorf("%+v", r)
	}
	limit(t, s, 1<<20)
	if _, err := a.Append(passage(int(n))); err != nil {
		t.Fatal(err)
	}
	verifies(t, s, a.Head().Origin)
}

// limit lets the file grow by no more than so many pages.
func limit(t *testing.T, s *Store, more int) {
	t.Helper()
	var pages int
	if err := s.write.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+more)); err != nil {
		t.Fatal(err)
	}
}

// Whatever happens to a folder and to the machine, no ledger gets a second
// history: every head that was ever durable anywhere is collected, and each
// agrees with every other of its ledger.
func TestNeverTwoHistories(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir := filepath.Join(root, fmt.Sprint(runs))
		if err := os.Mkdir(dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		cfg := testConfig(t)
		boots, files := 1, 0
		seen := history{}
		type folder struct {
			*Store
			*faults
			authors []*Author
		}
		var folders []*folder
		var backups []string
		openFolder := func(path string) *folder {
			s, err := Open(path)
			if err != nil {
				rt.Fatal(err)
			}
			f := &folder{Store: s, faults: fail(t, s)}
			return f
		}
		newPath := func() string { files++; return filepath.Join(dir, fmt.Sprint(files, ".db")) }
		folders = append(folders, openFolder(newPath()))
		defer func() {
			for _, f := range folders {
				f.Close()
			}
		}()
		anyFolder := func(rt *rapid.T) *folder { return rapid.SampledFrom(folders).Draw(rt, "folder") }
		wrote := 0
		write := func(rt *rapid.T) {
			f := anyFolder(rt)
			if len(f.authors) == 0 {
				a, err := f.OpenAuthor(cfg)
				if err != nil {
					rt.Fatal(err)
				}
				f.authors = append(f.authors, a)
			}
			a := rapid.SampledFrom(f.authors).Draw(rt, "author")
			f.commit.Store(rapid.SampledFrom([]int32{works, works, works, notPersisted, persisted, notPersisted + blinding, persisted + blinding}).Draw(rt, "disk"))
			var drafts []Draft
			for range rapid.IntRange(0, 3).Draw(rt, "entries") {
				wrote++
				drafts = append(drafts, passage(wrote))
			}
			_, err := a.Append(drafts...)
			f.commit.Store(works)
			f.reads.Store(false)
			if err != nil && !errors.Is(err, ErrOtherAuthor) && !errors.Is(err, errDisk) && !errors.Is(err, errReading) {
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(rt *rapid.T) {
				f := anyFolder(rt)
				a, err := f.OpenAuthor(cfg)
				if err != nil {
					rt.Fatal(err)
				}
				f.authors = append(f.authors, a)
			},
			"write":      write,
			"write more": write, // drawn more often than the rest
			"write on":   write,
			"back up": func(rt *rapid.T) {
				path := newPath()
				if _, err := anyFolder(rt).write.Exec("VACUUM INTO ?", path); err != nil {
					rt.Fatal(err)
				}
				backups = append(backups, path)
			},
			"restore": func(rt *rapid.T) { // into a folder of its own: the old one may live on
				if len(backups) == 0 || len(folders) > 4 {
					rt.Skip()
				}
				b, err := os.ReadFile(rapid.SampledFrom(backups).Draw(rt, "backup"))
				if err != nil {
					rt.Fatal(err)
				}
				path := newPath()
				if err := os.WriteFile(path, b, 0o600); err != nil {
					rt.Fatal(err)
				}
				f := openFolder(path)
				a, err := f.OpenAuthor(cfg)
				if err != nil {
					rt.Fatal(err)
				}
				f.authors = append(f.authors, a)
				folders = append(folders, f)
			},
			"crash": func(rt *rapid.T) {
				i := rapid.IntRange(0, len(folders)-1).Draw(rt, "folder")
				path := folders[i].Path()
				folders[i].Close()
				folders[i] = openFolder(path)
			},
			"boot": func(*rapid.T) {
				boots++
				cfg.Guard.Boot = fmt.Sprint("boot ", boots)
				for _, f := range folders {
					f.authors = nil
				}
			},
			"lose the guard": func(rt *rapid.T) {
				if err := os.RemoveAll(cfg.Guard.Dir); err != nil {
					rt.Fatal(err)
				}
			},
			"import": func(rt *rapid.T) {
				from, to := anyFolder(rt), anyFolder(rt)
				all, err := from.Ledgers()
				if err != nil {
					rt.Fatal(err)
				}
				for _, i := range all {
					if _, err := to.Ingest(i.Head, testTime, from.Chunks(i, 0)); err != nil {
						rt.Fatal(err)
					}
				}
			},
			"": func(rt *rapid.T) {
				for _, f := range folders {
					if err := seen.see(t, f.Store); err != nil {
						rt.Fatal(err)
					}
					for _, a := range f.authors {
						h := a.Head()
						if h.Size == 0 {
							continue
						}
						leaves := seen[h.Origin]
						var tree ledger.Tree
						for _, leaf := range leaves[:min(h.Size, int64(len(leaves)))] {
							tree.Append(leaf, nil)
						}
						if tree.Size() != h.Size || tree.Root() != h.Root {
							rt.Fatalf("an author's head is not durable: %+v", h.Checkpoint)
						}
					}
				}
			},
		})
	})
}
