package ledger

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestParseLeafMalformed(t *testing.T) {
	t.Parallel()
	commitment := "58 20 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	if _, err := ParseLeaf(unhex(t, "84 01 18 40 f4"+commitment)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ in, says string }{
		"nothing":               {"", "EOF"},
		"too long":              {"84 01 18 40 f4 58 20" + string(bytes.Repeat([]byte("00"), 60)), "67 bytes"},
		"not an array":          {"01", "cannot unmarshal"},
		"a field short":         {"83 01 18 40 f4", "cannot decode CBOR array"},
		"a field more":          {"85 01 18 40 f4" + commitment + "00", "cannot decode CBOR array"},
		"version 0":             {"84 00 18 40 f4" + commitment, "version 0"},
		"version 2":             {"84 02 18 40 f4" + commitment, "version 2"},
		"a kind beyond 16 bits": {"84 01 1a 00010000 f4" + commitment, "overflow"},
		"a negative kind":       {"84 01 20 f4" + commitment, "negative"},
		"a kind at length":      {"84 01 19 0040 f4" + commitment, "deterministic"},
		"critical as a number":  {"84 01 18 40 00" + commitment, "cannot unmarshal positive integer"},
		"critical as null":      {"84 01 18 40 f6" + commitment, "deterministic"},
		"a short commitment":    {"84 01 18 40 f4 41 00", "deterministic"},
		"a commitment of text":  {"84 01 18 40 f4 61 30", "cannot unmarshal UTF-8"},
		"a commitment in pieces": {"84 01 18 40 f4 5f 50 000102030405060708090a0b0c0d0e0f 50 101112131415161718191a1b1c1d1e1f ff",
			"indefinite-length"},
		"an open array": {"9f 01 18 40 f4" + commitment + "ff", "indefinite-length"},
		"a tag":         {"c1 84 01 18 40 f4" + commitment, "tag"},
		"a byte behind": {"84 01 18 40 f4" + commitment + "00", "extraneous"},
		"cut":           {"84 01 18 40 f4" + commitment[:len(commitment)-2], "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseLeaf(unhex(t, c.in))
			refused(t, err, ErrLeaf, c.says)
		})
	}
}

// Each of what a leaf commits to is bound: another of any of them is refused.
func TestEntryCommits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		index := rapid.Int64Range(0, maxSize).Draw(t, "index")
		kind := Kind(rapid.Uint16().Draw(t, "kind"))
		critical := rapid.Bool().Draw(t, "critical")
		e := Seal(index, kind, critical, Salt(blob(t, "salt", 16, 16)), rapid.Int64Min(0).Draw(t, "time"), blob(t, "body", 1, 300))
		leaf, err := e.Check(index)
		if err != nil || leaf.Kind != kind || leaf.Critical != critical {
			t.Fatal(leaf, err)
		}
		if !bytes.Equal(e.Leaf, encode(leaf)) {
			t.Fatalf("%x is not the encoding of %+v", e.Leaf, leaf)
		}
		if _, err := e.Drop().Check(index); err != nil {
			t.Fatalf("dropped: %v", err)
		}
		bad := e
		switch rapid.IntRange(0, 6).Draw(t, "what") {
		case 0:
			index += rapid.Int64Range(1, 1000).Draw(t, "moved")
		case 1:
			bad.Time ^= 1 << rapid.IntRange(0, 62).Draw(t, "bit")
		case 2:
			bad.Salt[rapid.IntRange(0, 15).Draw(t, "byte")] ^= 1
		case 3:
			bad.Body = bytes.Clone(e.Body)
			bad.Body[rapid.IntRange(0, len(e.Body)-1).Draw(t, "byte")] ^= 1
		case 4:
			bad.Body = append(bytes.Clone(e.Body), 0)
		case 5:
			leaf.Kind ^= 1
			bad.Leaf = leaf.marshal()
		case 6:
			leaf.Critical = !leaf.Critical
			bad.Leaf = leaf.marshal()
		}
		if _, err := bad.Check(index); !errors.Is(err, ErrCommitment) {
			t.Fatalf("%v", err)
		}
	})
}

func TestEntryCheckMalformed(t *testing.T) {
	t.Parallel()
	good := Seal(7, KindPassage, false, Salt{1}, 5, []byte{1, 2, 3})
	with := func(f func(*Entry)) Entry { e := good; f(&e); return e }
	for name, c := range map[string]struct {
		e     Entry
		index int64
		is    error
	}{
		"no leaf":            {with(func(e *Entry) { e.Leaf = nil }), 7, ErrLeaf},
		"a leaf cut":         {with(func(e *Entry) { e.Leaf = e.Leaf[:20] }), 7, ErrLeaf},
		"the place before":   {good, 6, ErrCommitment},
		"a negative time":    {with(func(e *Entry) { e.Time = -5 }), 7, ErrCommitment},
		"no salt":            {with(func(e *Entry) { e.Salt = Salt{} }), 7, ErrCommitment},
		"body cut":           {with(func(e *Entry) { e.Body = e.Body[:2] }), 7, ErrCommitment},
		"body gone alone":    {with(func(e *Entry) { e.Body = nil }), 7, ErrCommitment},
		"dropped, not time":  {with(func(e *Entry) { *e = e.Drop(); e.Time = 5 }), 7, ErrCommitment},
		"dropped, not salt":  {with(func(e *Entry) { *e = e.Drop(); e.Salt[0] = 1 }), 7, ErrCommitment},
		"a body too large":   {Seal(7, KindPolicy, true, Salt{}, 5, make([]byte, MaxBody+1)), 7, ErrTooLarge},
		"an unknown version": {with(func(e *Entry) { e.Leaf = mutateBytes(e.Leaf, 1, 2) }), 7, ErrLeaf},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := c.e.Check(c.index); !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
		})
	}
}

// As an entry travels: ten ways in which its record is not one.
func TestParseEntryMalformed(t *testing.T) {
	t.Parallel()
	leaf, salt := "42 0102", "50 000102030405060708090a0b0c0d0e0f"
	var e Entry
	if err := decodeWhole(unhex(t, "84"+leaf+salt+"05 41 07"), &e); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{
		"nothing":           "",
		"a field short":     "83" + leaf + salt + "05",
		"a field more":      "85" + leaf + salt + "05 41 07 00",
		"no leaf":           "84 f6" + salt + "05 41 07",
		"leaf as text":      "84 62 3132" + salt + "05 41 07",
		"a short salt":      "84" + leaf + "4f 000102030405060708090a0b0c0d0e 05 41 07",
		"a long salt":       "84" + leaf + "51 000102030405060708090a0b0c0d0e0f10 05 41 07",
		"no salt":           "84" + leaf + "f6 05 41 07",
		"time at length":    "84" + leaf + salt + "18 05 41 07",
		"time out of range": "84" + leaf + salt + "1b ffffffffffffffff 41 07",
		"body of numbers":   "84" + leaf + salt + "05 81 07",
		"body null":         "84" + leaf + salt + "05 f6",
		"a byte behind":     "84" + leaf + salt + "05 41 07 00",
		"cut":               "84" + leaf + salt + "05 41",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e Entry
			if err := decodeWhole(unhex(t, in), &e); err == nil {
				t.Errorf("%+v", e)
			}
		})
	}
}

func FuzzParseLeaf(f *testing.F) {
	for _, e := range newMemory().fill(f, 3, 0).entries {
		f.Add(e.Leaf)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if l, err := ParseLeaf(in); err == nil && !bytes.Equal(l.marshal(), in) {
			t.Fatalf("%x became %x", in, l.marshal())
		}
	})
}
