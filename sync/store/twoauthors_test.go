package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tombolo/sync/ledger"
)

// Two authors of one key: in one folder or in a copy of it, one of them writes.
func TestTwoAuthors(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(*testing.T, *Store) *Store{
		"in one process":       func(_ *testing.T, s *Store) *Store { return s },
		"in two processes":     func(t *testing.T, s *Store) *Store { return openAt(t, s.Path()) },
		"in a copied folder":   func(t *testing.T, s *Store) *Store { return openAt(t, backup(t, s)) },
		"in a folder linked":   func(t *testing.T, s *Store) *Store { return openAt(t, link(t, s.Path())) },
		"the copy a copy's is": func(t *testing.T, s *Store) *Store { return openAt(t, backup(t, openAt(t, backup(t, s)))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cfg := open(t), testConfig(t)
			fill(t, author(t, s, cfg), 5)
			other := second(t, s)
			a, b := author(t, s, cfg), author(t, other, cfg)
			if a.Head().Checkpoint != b.Head().Checkpoint || a.Head().Size != 5 {
				t.Fatal("they do not both continue")
			}
			fill(t, a, 6)
			seen := history{}
			for _, write := range []func() error{
				func() error { _, err := b.Append(passage(9)); return err },
				b.Refresh, // it would say that the sixth entry is not there
				func() error { return b.Drop(1, 2, "x") },
			} {
				if err := write(); !errors.Is(err, ErrOtherAuthor) {
					t.Errorf("%v", err)
				}
			}
			fill(t, a, 7)
			for _, s := range []*Store{s, other} {
				if err := seen.see(t, s); err != nil {
					t.Error(err)
				}
			}
			again := author(t, other, cfg)
			fill(t, again, 8)
			for _, s := range []*Store{s, other} {
				if err := seen.see(t, s); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func link(t *testing.T, path string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "linked")
	if err := os.Symlink(filepath.Dir(path), dir); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(path))
}

// Many at once, in two folders: every entry that was acknowledged is there, and
// no ledger has two histories.
func TestAuthorsRace(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.Rand = locked(cfg)
	one := open(t)
	fill(t, author(t, one, cfg), 3)
	stores := []*Store{one, openAt(t, one.Path()), openAt(t, backup(t, one))}
	var wg sync.WaitGroup
	var mu sync.Mutex
	type place struct {
		s     *Store
		o     ledger.Origin
		index int64
		seq   uint64
	}
	var written []place
	for n := range 6 {
		s := stores[n%3]
		a := author(t, s, cfg) // all of them continue the same ledger
		wg.Go(func() {
			for i := range 25 {
				if a == nil {
					var err error
					if a, err = s.OpenAuthor(cfg); err != nil {
						t.Error(err)
						return
					}
				}
				seq := n*1000 + i
				index, err := a.Append(passage(seq))
				switch {
				case errors.Is(err, ErrOtherAuthor):
					a = nil
				case err != nil:
					t.Error(err)
				default:
					mu.Lock()
					written = append(written, place{s, a.Head().Origin, index, uint64(seq)})
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	seen := history{}
	for _, s := range stores {
		if err := seen.see(t, s); err != nil {
			t.Error(err)
		}
	}
	for _, p := range written {
		for e, err := range p.s.Entries(held(t, p.s, p.o), p.index, p.index+1) {
			body, parseErr := ledger.ParseBody(ledger.KindPassage, e.Body)
			if err = errors.Join(err, parseErr); err != nil || body.(*ledger.Passage).Seq != p.seq {
				t.Errorf("%+v: %+v, %v", p, body, err)
			}
		}
	}
	// Incarnations of one folder form a line: none is named twice.
	for _, s := range stores[1:] {
		all, err := s.Ledgers()
		if err != nil {
			t.Fatal(err)
		}
		named := map[ledger.Predecessor]ledger.Origin{}
		for _, i := range all {
			if p := begins(t, s, i.Origin).Predecessor; p != nil {
				if other, twice := named[*p]; twice {
					t.Errorf("%v and %v name the same predecessor", other, i.Origin)
				}
				named[*p] = i.Origin
			}
		}
	}
	if len(written) < 6 {
		t.Errorf("%d entries", len(written))
	}
}

// lockedReader makes a random source safe for several authors.
type lockedReader struct {
	mu sync.Mutex
	r  interface{ Read([]byte) (int, error) }
}

func (l *lockedReader) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

func locked(cfg AuthorConfig) *lockedReader { return &lockedReader{r: cfg.Rand} }

func TestGuardRefusesForeignFolder(t *testing.T) {
	t.Parallel()
	_, a := filled(t, 3)
	if err := os.Chmod(a.cfg.Guard.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Append(passage(9)); err == nil || !strings.Contains(err.Error(), "only this user") {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(a.cfg.Guard.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	fill(t, a, 5)
	boot, err := DefaultGuard()
	if err != nil || len(boot.Boot) != 36 || !filepath.IsAbs(boot.Dir) {
		t.Errorf("%+v, %v", boot, err)
	}
}
