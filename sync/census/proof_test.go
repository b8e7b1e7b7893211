package census

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Every line of lists of many sizes is proved, and the gap on each side of it.
func TestEveryProofVerifies(t *testing.T) {
	t.Parallel()
	all := Merge(randomLines(1, 1100), nil)
	for n := range 1101 {
		if n > 20 && n%97 != 0 && n%256 > 1 && n%256 < 255 {
			continue
		}
		l := newList(t, all[:n*lineSize])
		root := l.Root(nil)
		for i := range l.Len() {
			e := l.At(i)
			p, err := l.Prove(e.Tag)
			if err != nil || p.Verify(root) != nil || p.Entry != e || p.Index != i || p.Size != l.Len() {
				t.Fatalf("line %d of %d: %v %v", i, n, err, p.Verify(root))
			}
			if _, err := l.ProveAbsent(e.Tag); !errors.Is(err, ErrListed) {
				t.Fatalf("line %d of %d is absent: %v", i, n, err)
			}
		}
		for i := int64(0); i <= l.Len(); i += 1 + l.Len()/50 {
			tag := Tag{} // before all
			if i > 0 {
				tag = l.At(i - 1).Tag
				tag[31]++ // right behind a line
			}
			a, err := l.ProveAbsent(tag)
			if err != nil || a.Verify(root, tag) != nil {
				t.Fatalf("before line %d of %d: %v %v", i, n, err, a.Verify(root, tag))
			}
			if _, err := l.Prove(tag); !errors.Is(err, ErrNotListed) {
				t.Fatalf("before line %d of %d it is listed: %v", i, n, err)
			}
			if i > 0 {
				if err := a.Verify(root, l.At(i-1).Tag); !errors.Is(err, ErrInclusion) {
					t.Fatalf("the line before is absent as well: %v", err)
				}
			}
		}
	}
}

// flip changes one bit of an encoding.
func flip(t *rapid.T, b []byte) []byte {
	b = slices.Clone(b)
	bit := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// A proof with any bit changed is malformed or proves nothing, but for a Size of
// which the path is the same: a root does not say it, the hub's EpochClosed does.
func TestAlteredProofNeverPasses(t *testing.T) {
	t.Parallel()
	all := Merge(randomLines(1, 900), nil)
	other := newList(t, all[lineSize:]).Root(nil)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 900).Draw(t, "lines")
		l, err := NewList(all[:n*lineSize])
		if err != nil {
			t.Fatal(err)
		}
		root := l.Root(nil)
		proof, err := l.Prove(l.At(rapid.Int64Range(0, l.Len()-1).Draw(t, "line")).Tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.Verify(other); !errors.Is(err, ErrInclusion) {
			t.Fatalf("another root: %v", err)
		}
		altered, err := ParseProof(flip(t, proof.Marshal()))
		if err == nil && altered.Verify(root) == nil && (altered.Entry != proof.Entry || !slices.Equal(altered.Hashes, proof.Hashes)) {
			t.Fatalf("another line is proved: %+v", altered)
		}
		if err == nil && altered.Verify(root) == nil && altered.Size == proof.Size {
			t.Fatalf("another proof of the line: %+v", altered)
		}
		for name, p := range map[string]Proof{
			"a hash more": {Index: proof.Index, Size: proof.Size, Entry: proof.Entry, Hashes: append(slices.Clone(proof.Hashes), root)},
			"no line":     {Index: proof.Size, Size: proof.Size, Entry: proof.Entry, Hashes: proof.Hashes},
			"line -1":     {Index: -1, Size: proof.Size, Entry: proof.Entry, Hashes: proof.Hashes},
			"no list":     {Index: 0, Size: 0, Entry: proof.Entry},
		} {
			if err := p.Verify(root); !errors.Is(err, ErrInclusion) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(proof.Hashes) > 0 {
			short := proof
			short.Hashes = short.Hashes[1:]
			if err := short.Verify(root); !errors.Is(err, ErrInclusion) {
				t.Fatalf("a hash fewer: %v", err)
			}
		}
	})
}

// Whatever lines and sizes a liar puts together, a listed tag is never absent.
func TestListedIsNeverAbsent(t *testing.T) {
	t.Parallel()
	all := Merge(randomLines(1, 600), nil)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 600).Draw(t, "lines")
		l, err := NewList(all[:n*lineSize])
		if err != nil {
			t.Fatal(err)
		}
		root := l.Root(nil)
		victim := rapid.Int64Range(0, l.Len()-1).Draw(t, "victim")
		tag := l.At(victim).Tag
		size := rapid.Int64Range(0, 2*l.Len()).Draw(t, "size")
		lie := func(name string, least, most int64) *Proof {
			if most < least || rapid.Bool().Draw(t, "no "+name) {
				return nil
			}
			p := l.prove(rapid.Int64Range(least, most).Draw(t, name))
			p.Size = size
			if rapid.Bool().Draw(t, name+" moved") {
				p.Index = rapid.Int64Range(0, max(size, 1)).Draw(t, name+" to")
			}
			return &p
		}
		a := Absence{Size: size, Before: lie("before", 0, victim-1), After: lie("after", victim+1, l.Len()-1)}
		if a.Before != nil && a.After != nil && rapid.Bool().Draw(t, "neighbours") {
			a.After.Index = a.Before.Index + 1
		}
		if err := a.Verify(root, tag); !errors.Is(err, ErrInclusion) {
			t.Fatalf("line %d of %d is absent by %+v: %v", victim, n, a, err)
		}
	})
}

func TestAbsenceIsOneForItsGap(t *testing.T) {
	t.Parallel()
	l := newList(t, Merge(randomLines(5, 100), nil))
	root := l.Root(nil)
	tag := l.At(49).Tag
	tag[31]++
	good, err := l.ProveAbsent(tag)
	if err != nil || good.Verify(root, tag) != nil {
		t.Fatal(err, good.Verify(root, tag))
	}
	first, last := l.prove(0), l.prove(99)
	for _, tt := range []struct {
		name string
		a    Absence
		want string
	}{
		{"nothing before", Absence{Size: 100, After: good.After}, "between lines -1 and 50"},
		{"nothing after", Absence{Size: 100, Before: good.Before}, "between lines 49 and 100"},
		{"nothing at all", Absence{Size: 100}, "between lines -1 and 100"},
		{"an empty list", Absence{}, "not empty"},
		{"the ends", Absence{Size: 100, Before: &first, After: &last}, "between lines 0 and 99"},
		{"the wrong way round", Absence{Size: 100, Before: good.After, After: good.Before}, "between lines 50 and 49"},
		{"before the first", Absence{Size: 100, After: &first}, "not on that side of line 0"},
		{"behind the last", Absence{Size: 100, Before: &last}, "not on that side of line 99"},
		{"a size below 0", Absence{Size: -1}, "between lines -1 and -1"},
		{"a list of another size", Absence{Size: 99, Before: good.Before, After: good.After}, "a line of a list of 100, in one of 99"},
	} {
		if err := tt.a.Verify(root, tag); !errors.Is(err, ErrInclusion) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	empty := newList(t, nil)
	none, err := empty.ProveAbsent(tag)
	if err != nil || none.Verify(empty.Root(nil), tag) != nil {
		t.Error("nothing is absent from an empty list:", err, none.Verify(empty.Root(nil), tag))
	}
	if err := none.Verify(root, tag); !errors.Is(err, ErrInclusion) {
		t.Errorf("an empty list's absence from another: %v", err)
	}
}

func TestMalformedProofs(t *testing.T) {
	t.Parallel()
	l := newList(t, Merge(randomLines(5, 100), nil))
	good := l.prove(3)
	absence, err := l.ProveAbsent(Tag{})
	if err != nil {
		t.Fatal(err)
	}
	parse := func(b []byte) error { return second(ParseProof(b)) }
	parseAbsence := func(b []byte) error { return second(ParseAbsence(b)) }
	b := good.Marshal()
	for _, tt := range []struct {
		name  string
		parse func([]byte) error
		b     []byte
		want  string
	}{
		{"nothing", parse, nil, "EOF"},
		{"cut short", parse, b[:len(b)-1], "unexpected EOF"},
		{"something behind", parse, append(slices.Clone(b), 0), "extraneous data"},
		{"too long", parse, append(slices.Clone(b), make([]byte, MaxProof)...), "at most 4096"},
		{"a long form of a number", parse, slices.Concat(b[:1], []byte{0x18, 3}, b[2:]), "not the deterministic encoding"},
		{"a hash of 31 bytes", parse, encode([]any{3, 100, good.Entry, []any{make([]byte, 31)}}), "not the deterministic encoding"},
		{"a map for the entry", parse, encode([]any{3, 100, map[string]int{}, []any{}}), "cannot unmarshal"},
		{"a field fewer", parse, encode([]any{3, 100, good.Entry}), "cannot unmarshal"},
		{"65 hashes", parse, Proof{Index: 3, Size: 100, Hashes: make([][32]byte, 65)}.Marshal(), "65 hashes"},
		{"line 100 of 100", parse, Proof{Index: 100, Size: 100}.Marshal(), "line 100 of 100"},
		{"line -1", parse, Proof{Index: -1, Size: 100}.Marshal(), "line -1 of 100"},
		{"a list of 0", parse, Proof{}.Marshal(), "line 0 of 0"},
		{"a list too large", parse, Proof{Size: MaxSize + 1}.Marshal(), "of 1099511627777"},
		{"an absence for a proof", parse, absence.Marshal(), "cannot unmarshal"},

		{"a proof for an absence", parseAbsence, b, "cannot unmarshal"},
		{"an absence cut short", parseAbsence, absence.Marshal()[:50], "unexpected EOF"},
		{"an absence of another size", parseAbsence, Absence{Size: 99, After: absence.After}.Marshal(), "a line of a list of 100, in one of 99"},
		{"an absence of no list", parseAbsence, Absence{Size: 0, After: absence.After}.Marshal(), "in one of 0"},
		{"lines that are no neighbours", parseAbsence, Absence{Size: 100, Before: absence.After, After: &good}.Marshal(), "between lines 0 and 3"},
		{"a malformed line", parseAbsence, Absence{Size: 100, Before: &Proof{Index: 200, Size: 100}}.Marshal(), "line 200 of 100"},
		{"an absence with undefined for a line", parseAbsence, []byte{0x83, 0, 0xf7, 0xf6}, "not the deterministic encoding"},
	} {
		if err := tt.parse(tt.b); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// At ten million lines a path has 24 hashes at most.
func TestProofIsSmall(t *testing.T) {
	t.Parallel()
	full := bytes.Repeat([]byte{0xff}, 32)
	p := Proof{Index: 9_999_999, Size: 10_000_000, Entry: Entry{Tag: Tag(full), Commitment: [32]byte(full)}, Hashes: make([][32]byte, 24)}
	if n := len(p.Marshal()); n >= 1000 {
		t.Errorf("a proof of %d bytes", n)
	} else if a := len((Absence{Size: 10_000_000, Before: &p, After: &p}).Marshal()); a > MaxProof {
		t.Errorf("an absence of %d bytes", a)
	}
}

// FuzzProofs: what is read is written back as it was, and verifying it never
// panics.
func FuzzProofs(f *testing.F) {
	l, err := NewList(Merge(randomLines(5, 300), nil))
	if err != nil {
		f.Fatal(err)
	}
	root := l.Root(nil)
	for _, tag := range []Tag{{}, l.At(7).Tag, Tag(bytes.Repeat([]byte{0xff}, 32)), {0x80}} {
		if p, err := l.Prove(tag); err == nil {
			f.Add(p.Marshal())
		} else if a, err := l.ProveAbsent(tag); err == nil {
			f.Add(a.Marshal())
		}
	}
	empty := Absence{}
	f.Add(empty.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProof(b); err == nil {
			if again := p.Marshal(); !bytes.Equal(again, b) {
				t.Errorf("%x is written back as %x", b, again)
			}
			if p.Verify(root) == nil && p.Size == l.Len() && p.Entry != l.At(p.Index) {
				t.Errorf("line %d is proved as %+v", p.Index, p.Entry)
			}
		}
		if a, err := ParseAbsence(b); err == nil {
			if again := a.Marshal(); !bytes.Equal(again, b) {
				t.Errorf("%x is written back as %x", b, again)
			}
			for i := range l.Len() {
				if a.Verify(root, l.At(i).Tag) == nil {
					t.Fatalf("line %d is absent", i)
				}
			}
		}
	})
}
