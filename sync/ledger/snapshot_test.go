package ledger

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// said is what a community ledger says of its passports, made as the roster makes
// it: the last Admit, the last Suspend or Reinstate, whether there is an Expel, and
// everything else in order.
type said struct {
	admit, stand map[uint64]string
	expelled     map[uint64]bool
	rest         []string
}

func says(t *rapid.T, entries []Entry) said {
	s := said{map[uint64]string{}, map[uint64]string{}, map[uint64]bool{}, nil}
	for i, e := range entries {
		_, body, err := e.Open(CommunityLog, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		switch b := body.(type) {
		case nil:
		case *Admit:
			s.admit[b.Passport] = string(e.Leaf)
		case *Suspend:
			s.stand[b.Passport] = string(e.Leaf)
		case *Reinstate:
			s.stand[b.Passport] = string(e.Leaf)
		case *Expel:
			s.expelled[b.Passport] = true
		case *Snapshot:
		default:
			s.rest = append(s.rest, string(e.Leaf))
		}
	}
	return s
}

func (s said) equal(o said) bool {
	return maps.Equal(s.admit, o.admit) && maps.Equal(s.stand, o.stand) && maps.Equal(s.expelled, o.expelled) && slices.Equal(s.rest, o.rest)
}

// community is a ledger of random words about few passports.
func community(t *rapid.T, n int) *memory {
	m := newMemory()
	m.origin.Kind = CommunityLog
	add := func(b Body) {
		data, err := MarshalBody(b)
		if err != nil {
			t.Fatal(err)
		}
		index := m.tree.Size()
		m.addEntry(Seal(index, b.Kind(), b.Kind().Critical(), testSalt(index), 1, data))
	}
	add(&Begin{Charter: testCommunity})
	for range n {
		p := rapid.Uint64Range(1, 4).Draw(t, "passport")
		word := Suspend{Passport: p}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			add(&Admit{Passport: p, Owner: [20]byte{1}, Class: "x", NotAfter: 1})
		case 1:
			add(&word)
		case 2:
			r := Reinstate(word)
			add(&r)
		case 3:
			e := Expel(word)
			add(&e)
		case 4:
			add(&DoorKeyRevoked{Passport: p, Key: [32]byte{1}})
		case 5:
			add(&NodeRegistered{Node: testCommunity, Slug: "x"})
		}
	}
	return m
}

func (m *memory) page(lo, hi int64) ([]Entry, error) {
	return m.entries[lo:min(hi, int64(len(m.entries)))], nil
}

func reduce(t interface{ Fatal(...any) }, m *memory, size int64) *Reduced {
	r, err := Reduce(CommunityLog, size, m.page)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A ledger says the same without what its snapshots list, whether all of it went
// or some, and whoever has it so finds the same state, here and farther on.
func TestReduced(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := community(t, rapid.IntRange(0, 700).Draw(t, "entries"))
		size := rapid.Int64Range(0, whole.tree.Size()).Draw(t, "size")
		r := reduce(t, whole, size)
		less := *whole
		less.entries = slices.Clone(whole.entries)
		listed := int64(0)
		for _, b := range r.Snapshots() {
			if err := b.check(); err != nil {
				t.Fatal(err)
			}
			if !r.Lists(b) {
				t.Fatal("it does not list what it lists")
			}
			for first, last := range b.Runs() {
				for i := first; i <= last; i++ {
					listed++
					if rapid.Bool().Draw(t, "went") {
						less.entries[i] = less.entries[i].Drop()
					}
				}
			}
		}
		if listed != r.Gone {
			t.Fatalf("%d are listed, %d went", listed, r.Gone)
		}
		if !says(t, whole.entries).equal(says(t, less.entries)) {
			t.Fatal("it says something else")
		}
		later := rapid.Int64Range(size, whole.tree.Size()).Draw(t, "later")
		for _, n := range []int64{size, later} {
			a, b := reduce(t, whole, n), reduce(t, &less, n)
			if a.State != b.State {
				t.Fatalf("the state at %d is another one", n)
			}
			for _, s := range append(r.Snapshots(), a.Snapshots()...) {
				if !b.Lists(s) {
					t.Fatalf("who has less at %d does not believe the list", n)
				}
			}
		}
		for i, e := range whole.entries[:size] { // what is not superseded is not listed
			if r.gone.has(int64(i)) {
				continue
			}
			if r.Lists(&Snapshot{Size: size, Superseded: runOf(int64(i))}) {
				t.Fatalf("entry %d (%x) may be listed", i, e.Leaf[:4])
			}
			if e.Leaf[2] == byte(KindBegin) {
				continue
			}
			// It counts: without it the state is another.
			less := *whole
			less.entries = slices.Clone(whole.entries)
			less.entries[i] = e.Drop()
			if reduce(t, &less, size).State == r.State {
				t.Fatalf("the state does not know entry %d", i)
			}
			break
		}
	})
}

// runOf lists one entry.
func runOf(i int64) []byte { return appendUvarints(uint64(i), 1) }

func appendUvarints(numbers ...uint64) (b []byte) {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// More than one snapshot's list takes goes into several.
func TestSnapshotsInPieces(t *testing.T) {
	t.Parallel()
	const n = 200_000
	r := &Reduced{Size: 2*n + 2, gone: newBitmap(2*n + 2), may: newBitmap(2*n + 2)}
	for i := int64(1); i <= n; i++ {
		r.gone.set(2 * i)
		r.may.set(2 * i)
	}
	all := r.Snapshots()
	if len(all) != 4 { // 2 bytes for each
		t.Errorf("%d snapshots", len(all))
	}
	next := int64(2)
	for _, b := range all {
		if err := b.check(); err != nil {
			t.Fatal(err)
		}
		if !r.Lists(b) {
			t.Error("a list that is not of it")
		}
		for first, last := range b.Runs() {
			if first != next || last != next {
				t.Fatalf("%d to %d, want %d", first, last, next)
			}
			next += 2
		}
	}
	if next != 2*n+2 {
		t.Errorf("the lists end before %d", next)
	}
}

func TestReduceRefuses(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 300, 0)
	broken := errors.New("the disk is gone")
	unread := func(int64, int64) ([]Entry, error) { return nil, broken }
	short := func(lo, hi int64) ([]Entry, error) { return m.page(lo, hi-1) }
	bad := func(lo, hi int64) ([]Entry, error) { return make([]Entry, hi-lo), nil }
	body := func(lo, hi int64) ([]Entry, error) {
		return []Entry{Seal(0, KindAdmit, true, Salt{}, 1, []byte{0})}, nil
	}
	for name, c := range map[string]struct {
		log  LogKind
		size int64
		page func(int64, int64) ([]Entry, error)
		is   error
	}{
		"a door log":     {DoorLog, 300, m.page, ErrNotCommunity},
		"a node's":       {NodeLog, 300, m.page, ErrNotCommunity},
		"negative":       {CommunityLog, -1, m.page, ErrTruncated},
		"a giant":        {CommunityLog, maxSize + 1, m.page, ErrTruncated},
		"not readable":   {CommunityLog, 300, unread, broken},
		"an entry short": {CommunityLog, 300, short, ErrTruncated},
		"no leaves":      {CommunityLog, 300, bad, ErrLeaf},
		"a bad body":     {CommunityLog, 1, body, ErrBody},
	} {
		if _, err := Reduce(c.log, c.size, c.page); !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", name, err, c.is)
		}
	}
}

func TestMissingCovers(t *testing.T) {
	t.Parallel()
	var m Missing
	if m.Covers(1) {
		t.Error("nothing covers something")
	}
	m.Cover(&Dropped{First: 10, Last: 20})
	m.Cover(&Snapshot{Size: 100, Superseded: appendUvarints(15, 10, 25, 1)}) // 15 to 24, 50
	m.Cover(&Dropped{First: 3, Last: 3})
	m.Cover(&Admit{})
	m.Cover(nil)
	for i, want := range map[int64]bool{0: false, 2: false, 3: true, 4: false, 9: false, 10: true, 20: true, 24: true, 25: false, 49: false, 50: true, 51: false} {
		if m.Covers(i) != want {
			t.Errorf("entry %d: %v", i, !want)
		}
	}
}

// Only behind Begin, and only where old bodies go without a word, a run of them may
// be missing.
func TestMissingExpires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		missing []int64
		covers  Body
		expired int64
		at      int64 // that is withheld, 0 for none
	}{
		"none":                 {nil, nil, 0, 0},
		"behind Begin":         {[]int64{1, 2, 3}, nil, 3, 0},
		"Begin, too":           {[]int64{0, 1, 2}, nil, 0, -1},
		"a gap behind a body":  {[]int64{2, 3}, nil, 0, 2},
		"another gap":          {[]int64{1, 2, 4}, nil, 2, 4},
		"some of it is said":   {[]int64{1, 2, 3, 4}, &Dropped{First: 3, Last: 3}, 3, 0},
		"all of it is said":    {[]int64{1, 2, 3, 4}, &Dropped{First: 1, Last: 9}, 0, 0},
		"the other gap is":     {[]int64{1, 2, 6}, &Dropped{First: 6, Last: 6}, 2, 0},
		"the other gap is not": {[]int64{1, 2, 6, 7}, &Dropped{First: 6, Last: 6}, 2, 7},
	} {
		for _, expires := range []bool{true, false} {
			m := Missing{Expires: expires}
			for _, i := range c.missing {
				m.Take(i, Entry{}, nil)
			}
			m.Cover(c.covers)
			err, at := m.Check(), c.at
			if !expires && c.expired > 0 {
				at = 1
			}
			switch {
			case at == 0 && (err != nil || m.Expired() != c.expired && expires):
				t.Errorf("%s: %v, %d expired", name, err, m.Expired())
			case at != 0:
				refusedAt(t, err, max(0, at), max(0, at), ErrWithheld)
			}
		}
	}
}

func TestSnapshotVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "snapshot.txt", 2) {
		var entries []Entry
		if err := decodeWhole(v.Hex(t, "entries"), &entries); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		for i, e := range entries {
			if _, _, err := e.Open(CommunityLog, int64(i)); err != nil {
				t.Errorf("%s: entry %d: %v", v.Name, i, err)
			}
		}
		r, err := Reduce(CommunityLog, v.Int(t, "size"), func(lo, hi int64) ([]Entry, error) { return entries[lo:hi], nil })
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		v.Is(t, "state", r.State[:])
		list := []byte{}
		for _, b := range r.Snapshots() {
			list = append(list, b.Superseded...)
		}
		v.Is(t, "superseded", list)
	}
}
