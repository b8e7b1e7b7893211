package store

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"tombolo/sync/ledger"
)

func TestAuthorBegins(t *testing.T) { both(t, testAuthorBegins) }

func testAuthorBegins(t *testing.T) {
	t.Parallel()
	s, cfg := open(t), testConfig(t)
	a := author(t, s, cfg)
	if h := a.Head(); h.Size != 0 || h.Note != nil {
		t.Errorf("%+v", h)
	}
	if first, err := a.Append(passage(1), passage(2)); err != nil || first != 1 {
		t.Fatal(first, err)
	}
	if first, err := a.Append(passage(3)); err != nil || first != 3 {
		t.Fatal(first, err)
	}
	r := verifies(t, s, a.Head().Origin)
	if r.Size != 4 || r.Begin != (ledger.Begin{Charter: testNode}) || r.Origin.Kind != ledger.DoorLog || r.Origin.Author != ledger.KeyIDOf(public(cfg.Key)) {
		t.Errorf("%+v", r)
	}
	h, err := ledger.OpenHead(a.Head().Note, public(cfg.Key))
	if err != nil || h.Checkpoint != a.Head().Checkpoint || h.Time != a.Head().Time {
		t.Errorf("%+v, %v", h, err)
	}
	if i := held(t, s, h.Origin); i.Checkpoint != h.Checkpoint || i.Fresh() != h.Time || i.Seen != int64(h.Time) {
		t.Errorf("%+v", i)
	}
}

// Refresh begins a ledger too: a head is wanted, and it covers its Begin.
func TestRefresh(t *testing.T) { both(t, testRefresh) }

func testRefresh(t *testing.T) {
	t.Parallel()
	s, cfg := open(t), testConfig(t)
	a := author(t, s, cfg)
	for range 2 {
		was := a.Head()
		if err := a.Refresh(); err != nil {
			t.Fatal(err)
		}
		if h := a.Head(); h.Size != 1 || h.Time <= was.Time || was.Size == 1 && h.Root != was.Root {
			t.Errorf("%+v after %+v", h, was)
		}
	}
	verifies(t, s, a.Head().Origin)
}

func TestAppendRefuses(t *testing.T) { both(t, testAppendRefuses) }

func testAppendRefuses(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 3)
	before := a.Head()
	for name, c := range map[string]struct {
		body ledger.Body
		is   error
	}{
		"another ledger's kind": {&ledger.Suspend{Passport: 1}, ledger.ErrWrongLog},
		"a malformed body":      {&ledger.Passage{Door: "No Door"}, ledger.ErrBody},
		"a Begin":               {&ledger.Begin{Charter: testNode}, ledger.ErrWrongLog},
		"a Dropped":             {&ledger.Dropped{First: 1, Last: 1, Why: "x"}, ledger.ErrWrongLog},
	} {
		if _, err := a.Append(passage(9), Draft{Body: c.body}); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		first, last int64
		why         string
		is          error
	}{
		"Begin":        {0, 1, "x", ledger.ErrBody},
		"nothing":      {2, 1, "x", ledger.ErrBody},
		"no reason":    {1, 2, "", ledger.ErrBody},
		"what is none": {1, 3, "x", ErrNotFound},
	} {
		if err := a.Drop(c.first, c.last, c.why); !errors.Is(err, c.is) {
			t.Errorf("drop %s: %v", name, err)
		}
	}
	if a.Head().Checkpoint != before.Checkpoint || held(t, s, before.Origin).Checkpoint != before.Checkpoint {
		t.Error("something was written")
	}
}

// What is dropped is gone from the files as well.
func TestDropErases(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 300)
	secret := strings.Repeat("the secret of flat 3; ", 15)
	index, err := a.Append(Draft{Body: &ledger.Fault{Part: "front", What: secret}})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, a, 600)
	found := func() (n int) {
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(s.Path() + suffix)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, []byte("the secret of flat 3"))
		}
		return n
	}
	if found() == 0 {
		t.Fatal("the test does not find what it looks for")
	}
	if err := a.Drop(index, index, "erased on request"); err != nil {
		t.Fatal(err)
	}
	if n := found(); n != 0 {
		t.Errorf("it still stands there %d times", n)
	}
	if r := verifies(t, s, a.Head().Origin); r.Dropped != 1 || r.Size != 601 {
		t.Errorf("%+v", r)
	}
}

// predecessorOf is what the first entry of a's ledger names.
func begins(t *testing.T, s *Store, o ledger.Origin) ledger.Begin {
	t.Helper()
	return verifies(t, s, o).Begin
}

func TestAuthorContinuesOrBeginsAnew(t *testing.T) {
	t.Parallel()
	type world struct {
		s   *Store
		cfg AuthorConfig
		a   *Author
	}
	for name, c := range map[string]struct {
		between   func(*testing.T, *world)
		continues bool
		from      int64 // entries of the ledger that is continued, or named
	}{
		"within the boot":            {func(*testing.T, *world) {}, true, 5},
		"the store opened again":     {func(t *testing.T, w *world) { w.s = reopen(t, w.s) }, true, 5},
		"after another boot":         {func(_ *testing.T, w *world) { w.cfg.Guard.Boot = "boot 2" }, false, 5},
		"the guard missing":          {func(t *testing.T, w *world) { remove(t, w.cfg.Guard.Dir) }, false, 5},
		"the guard damaged":          {func(t *testing.T, w *world) { truncate(t, w.cfg.Guard.file(w.a.Head().Origin)) }, false, 5},
		"from an old backup":         {func(t *testing.T, w *world) { old := backup(t, w.s); fill(t, w.a, 9); w.s = openAt(t, old) }, false, 5},
		"from a backup as new as it": {func(t *testing.T, w *world) { w.s = openAt(t, backup(t, w.s)) }, true, 5},
		"old backup, own head imported": {func(t *testing.T, w *world) {
			old := backup(t, w.s)
			fill(t, w.a, 300)
			was := w.s
			w.s = openAt(t, old)
			if in, err := give(t, was, w.s, w.a.Head().Origin); err != nil || in.Added != 295 {
				t.Fatal(in, err)
			}
		}, true, 300},
		"old backup, own older head imported": {func(t *testing.T, w *world) {
			old := backup(t, w.s)
			fill(t, w.a, 8)
			copied := openAt(t, backup(t, w.s))
			fill(t, w.a, 9)
			w.s = openAt(t, old)
			if _, err := give(t, copied, w.s, w.a.Head().Origin); err != nil {
				t.Fatal(err)
			}
		}, false, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{s: open(t), cfg: testConfig(t)}
			w.a = author(t, w.s, w.cfg)
			fill(t, w.a, 5)
			c.between(t, w)
			last := held(t, w.s, w.a.Head().Origin)
			if last.Size != c.from {
				t.Fatalf("%d entries", last.Size)
			}
			a := author(t, w.s, w.cfg)
			first, err := a.Append(passage(77))
			if err != nil {
				t.Fatal(err)
			}
			h := a.Head()
			if c.continues {
				if h.Origin != last.Origin || first != c.from || h.Size != c.from+1 {
					t.Errorf("%+v after %+v", h.Checkpoint, last.Checkpoint)
				}
				verifies(t, w.s, h.Origin)
				return
			}
			b := begins(t, w.s, h.Origin)
			if h.Origin == last.Origin || first != 1 || b.Generation != 1 || b.Predecessor == nil ||
				*b.Predecessor != (ledger.Predecessor{Incarnation: last.Origin.Incarnation, Size: last.Size, Root: last.Root}) {
				t.Errorf("%+v, %+v after %+v", h.Checkpoint, b, last.Checkpoint)
			}
			// And so on: the third names the second.
			w.cfg.Guard.Boot = "boot 3"
			again := author(t, w.s, w.cfg)
			fill(t, again, 2)
			if b := begins(t, w.s, again.Head().Origin); b.Generation != 2 || b.Predecessor.Incarnation != h.Origin.Incarnation || b.Predecessor.Size != 2 {
				t.Errorf("%+v", b)
			}
		})
	}
}

func reopen(t *testing.T, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openAt(t, s.Path())
}

func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, file string) {
	t.Helper()
	fi, err := os.Stat(file)
	if err == nil {
		err = os.Truncate(file, fi.Size()/2)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A steward's key may serve two nodes; neither continues the other's ledger.
func TestAuthorOfTwoCharters(t *testing.T) { both(t, testAuthorOfTwoCharters) }

func testAuthorOfTwoCharters(t *testing.T) {
	t.Parallel()
	s, cfg := open(t), testConfig(t)
	cfg.Kind = ledger.NodeLog
	a := author(t, s, cfg)
	other := cfg
	other.Charter = ledger.CharterID{9}
	b := author(t, s, other)
	for _, x := range []*Author{a, b} {
		if _, err := x.Append(); err != nil {
			t.Fatal(err)
		}
	}
	if a.Head().Origin == b.Head().Origin {
		t.Fatal("one ledger for two nodes")
	}
	for _, c := range []struct {
		cfg AuthorConfig
		a   *Author
	}{{cfg, a}, {other, b}} {
		again := author(t, s, c.cfg)
		if again.Head().Origin != c.a.Head().Origin || begins(t, s, again.Head().Origin).Charter != c.cfg.Charter {
			t.Errorf("%v continues %v", c.cfg.Charter, again.Head().Origin)
		}
	}
}
