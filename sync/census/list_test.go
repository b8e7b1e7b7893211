package census

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func plainLines(tags []byte) (lines []plainLine) {
	for line := range slices.Chunk(tags, lineSize) {
		lines = append(lines, plainLine(line))
	}
	return lines
}

func newList(t testing.TB, tags []byte) *List {
	t.Helper()
	l, err := NewList(tags)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Around every boundary of parts, and far from them.
func TestRootIsRFC6962(t *testing.T) {
	t.Parallel()
	all := Merge(randomLines(1, 4200), nil)
	for _, n := range []int{0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 768, 1023, 1024, 1025, 1281, 2047, 2048, 2049, 3000, 4095, 4096, 4097, 4200} {
		tags := all[:n*lineSize]
		l := newList(t, tags)
		var last, total int64 = -1, 0
		root := l.Root(func(done, of int64) { last, total = done, of })
		if want := plainRoot(plainLines(tags)); root != want {
			t.Errorf("%d lines: the root is %x, want %x", n, root, want)
		}
		if last != int64(n) || total != int64(n) {
			t.Errorf("%d lines: the last progress was %d of %d", n, last, total)
		}
		if again := l.Root(nil); again != root {
			t.Errorf("%d lines: asked again the root is %x", n, again)
		}
	}
}

// Two that hash parts at the same time make the same root.
func TestHashPartsFromGoroutines(t *testing.T) {
	t.Parallel()
	tags := Merge(randomLines(2, 5000), nil)
	l := newList(t, tags)
	half := l.Parts() / 2
	var wg sync.WaitGroup
	wg.Go(func() { l.HashParts(0, half) })
	wg.Go(func() { l.HashParts(half, l.Parts()-3) }) // the rest is Root's
	wg.Wait()
	if root := l.Root(nil); root != plainRoot(plainLines(tags)) {
		t.Errorf("the root is %x", root)
	}
}

func TestListOrder(t *testing.T) {
	t.Parallel()
	good := Merge(randomLines(3, 300), nil)
	swapped := slices.Clone(good)
	copy(swapped[10*lineSize:], good[11*lineSize:][:lineSize])
	copy(swapped[11*lineSize:], good[10*lineSize:][:lineSize])
	twice := slices.Insert(slices.Clone(good), 299*lineSize, good[299*lineSize:]...)
	two := append(slices.Clone(good[:lineSize]), good[:lineSize]...)
	two[lineSize+40]++ // another commitment to the same tag
	late := make([]byte, 3*lineSize)
	late[8+lineSize], late[8+2*lineSize] = 2, 1 // the first eight bytes are equal
	for _, tt := range []struct {
		name string
		b    []byte
		err  error
		want string
	}{
		{"two lines swapped", swapped, ErrOrder, "line 11"},
		{"a line twice at the end", twice, ErrOrder, "line 300"},
		{"a tag with two commitments", two, ErrOrder, "line 1"},
		{"wrong in the ninth byte", late, ErrOrder, "line 2"},
		{"a byte short", good[:len(good)-1], ErrMalformed, "19199 bytes"},
		{"a byte long", append(slices.Clone(good), 0), ErrMalformed, "19201 bytes"},
		{"one byte", []byte{1}, ErrMalformed, "1 bytes"},
	} {
		if l, err := NewList(tt.b); l != nil || !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tags := Merge(drawLines(t, 50), nil)
		l, err := NewList(tags)
		if err != nil {
			t.Fatal(err)
		}
		tag := Tag(randomLines(rapid.Byte().Draw(t, "tag"), 1)[:32])
		if n := l.Len(); n > 0 && rapid.Bool().Draw(t, "listed") {
			tag = l.At(rapid.Int64Range(0, n-1).Draw(t, "line")).Tag
		}
		lines := plainLines(tags)
		want := slices.IndexFunc(lines, func(b plainLine) bool { return bytes.Compare(b[:32], tag[:]) >= 0 })
		if want < 0 {
			want = len(lines)
		}
		listed := want < len(lines) && Tag(lines[want][:32]) == tag
		if i, ok := l.Find(tag); i != int64(want) || ok != listed {
			t.Fatalf("line %d, %v, want %d, %v", i, ok, want, listed)
		}
	})
}

// TestFindAnywhere: a tag is found wherever the others stand.
func TestFindAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "lines")
		crowd := rapid.Byte().Draw(t, "where they crowd")
		even := rapid.Bool().Draw(t, "evenly spread")
		var lines []byte
		for i := range n {
			var line [64]byte
			binary.BigEndian.PutUint32(line[1:], uint32(3*i+1))
			if line[0] = crowd; even {
				line[0] = byte(256 * i / n)
			}
			lines = append(lines, line[:]...)
		}
		l, err := NewList(lines)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			var tag Tag
			tag[0] = rapid.Byte().Draw(t, "first")
			binary.BigEndian.PutUint32(tag[1:], uint32(rapid.IntRange(0, 3*n+3).Draw(t, "rest")))
			if n > 0 && rapid.Bool().Draw(t, "one that is there") {
				tag = l.At(int64(rapid.IntRange(0, n-1).Draw(t, "line"))).Tag
			}
			want := int64(sort.Search(n, func(i int) bool { e := l.At(int64(i)); return bytes.Compare(e.Tag[:], tag[:]) >= 0 }))
			there := want < int64(n) && l.At(want).Tag == tag
			if i, ok := l.Find(tag); i != want || ok != there {
				t.Fatalf("%x: line %d, %v; want %d, %v", tag[:5], i, ok, want, there)
			}
		}
	})
}
