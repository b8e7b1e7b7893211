package store

import (
	"bytes"
	"errors"
	"testing"

	"tombolo/sync/ledger"
)

func TestStretch(t *testing.T) { both(t, testStretch) }

func testStretch(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 1000)
	i := held(t, s, a.Head().Origin)
	for _, c := range []struct {
		from     int64
		maxBytes int
	}{{0, 1}, {0, 100}, {0, 5000}, {300, 50_000}, {999, 1}, {990, 1 << 20}, {1000, 1}, {500, -1}} {
		st, err := s.Stretch(i, c.from, c.maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, e := range st.Entries {
			size += encodedSize(t, e)
		}
		if n := len(st.Entries); size > c.maxBytes && n > 1 || n == 0 && c.from < i.Size || c.maxBytes > 1000 && int64(n) < i.Size-c.from && size < c.maxBytes*9/10 {
			t.Errorf("%+v: %d entries of %d bytes", c, n, size)
		}
		if c.from > 0 {
			continue
		}
		if _, err := ledger.CheckStretch(ledger.Tree{}, i.Head, st); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, from := range []int64{-1, 1001} {
		if _, err := s.Stretch(i, from, 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("from %d: %v", from, err)
		}
	}
	change(t, s, "DELETE FROM entry WHERE idx >= 500 AND idx < 600")
	if _, err := s.Stretch(i, 490, 1<<20); !errors.Is(err, ledger.ErrTruncated) {
		t.Errorf("%v", err)
	}
	change(t, s, "DELETE FROM node WHERE n = 0")
	if _, err := s.Stretch(i, 100, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// encodedSize is an entry's size in a bundle, without its record's head.
func encodedSize(tb testing.TB, e ledger.Entry) int {
	tb.Helper()
	size := func(entries ...ledger.Entry) int {
		var b bytes.Buffer
		w := ledger.NewBundleWriter(&b)
		if err := errors.Join(w.Chunk(ledger.Chunk{Entries: entries}), w.Close()); err != nil {
			tb.Fatal(err)
		}
		return b.Len()
	}
	return size(e) - size() - 5
}

// Compare convicts an author whenever two heads do not agree, and nobody else.
func TestCompare(t *testing.T) { both(t, testCompare) }

func testCompare(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 700)
	i := held(t, s, a.Head().Origin)
	for _, size := range []int64{1, 2, 255, 256, 300, 699, 700} {
		if f, err := s.Compare(signed(t, s, i, size, 1)); f != nil || err != nil {
			t.Errorf("%d entries: %v, %v", size, f, err)
		}
	}
	for name, c := range map[string]struct{ parting, size int64 }{
		"one size": {650, 700}, "shorter": {300, 400}, "parted at the first entry": {1, 2}, "at a chunk's edge": {256, 512}, "longer": {650, 900},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := held(t, rival(t, s, a, c.parting, c.size), i.Origin)
			f, err := s.Compare(other.Head)
			if err != nil || (f == nil) != (c.size > i.Size) {
				t.Fatal(f, err)
			}
			if f == nil { // the other way round it can be told
				return
			}
			if f, err := ledger.ParseFork(f.Marshal()); err != nil {
				t.Error(err)
			} else if a, b, err := f.Heads(); err != nil || a.Size != c.size || b.Size != i.Size {
				t.Errorf("%d and %d, %v", a.Size, b.Size, err)
			}
			if err := s.AddFork(*f, testTime); err != nil {
				t.Error(err)
			}
		})
	}
	if f, err := open(t).Compare(a.Head()); f != nil || err != nil {
		t.Errorf("of a ledger that is not held: %v, %v", f, err)
	}
	// What is kept beside says nothing of what is held.
	to := open(t)
	if _, err := to.Extend(testTime, stretchOf(t, s, to, i.Origin, 1000)); err != nil {
		t.Fatal(err)
	}
	if f, err := to.Compare(a.Head()); f != nil || err != nil {
		t.Errorf("of a ledger that is kept beside: %v, %v", f, err)
	}
}

// Nobody is accused on the word of a damaged file.
func TestCompareDamaged(t *testing.T) { both(t, testCompareDamaged) }

func testCompareDamaged(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 700)
	head := signed(t, s, held(t, s, a.Head().Origin), 300, 1)
	change(t, s, "UPDATE node SET hash = "+zeros+" WHERE n = 0")
	if f, err := s.Compare(head); f != nil || !errors.Is(err, ErrDamaged) {
		t.Errorf("%v, %v", f, err)
	}
}
