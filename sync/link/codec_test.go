package link

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// samples is one message of each type, and of their less usual forms.
func samples(tb testing.TB) []replica.Message {
	doors, roster := newLog("a gateway", ledger.DoorLog), newLog("an issuer", ledger.CommunityLog)
	h := doors.append(tb, 2, 60)
	first, _ := charter(tb, ledger.CommunityCharter)
	dropped := roster.append(tb, 3, 100)
	roster.entries[1] = roster.entries[1].Drop()
	return []replica.Message{
		h,
		replica.Head{Author: h.Author, Note: h.Note, From: 2},
		replica.Held{Author: h.Author, Note: h.Note},
		replica.Want{Origin: doors.origin, From: 1},
		replica.Want{Origin: roster.origin, From: 3, Note: dropped.Note},
		roster.give(dropped, 2),
		replica.Give{Author: h.Author, Note: h.Note, From: 2},
		fork(tb, "an issuer"),
		first,
	}
}

// equal compares messages without telling empty slices from absent ones.
func equal(a, b replica.Message) bool {
	x, err1 := encodeMessage(a)
	y, err2 := encodeMessage(b)
	return err1 == nil && err2 == nil && reflect.TypeOf(a) == reflect.TypeOf(b) && bytes.Equal(x, y)
}

func TestMessagesSurvive(t *testing.T) {
	t.Parallel()
	for _, m := range samples(t) {
		b, err := encodeMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeMessage(b)
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		if !equal(got, m) {
			t.Errorf("%T came back as %+v", m, got)
		}
	}
	w, err := decodeMessage(must(encodeMessage(samples(t)[3])))
	if err != nil || w.(replica.Want).Note != nil {
		t.Errorf("a want without a note came back as %+v, %v", w, err)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestVectors holds the bytes on the wire to testdata/messages.txt: lines of a
// name and hexadecimal digits, with the fields' meaning beside them.
func TestVectors(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "messages.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	vectors := map[string]any{
		"want": &want{}, "held": &held{}, "head": &head{}, "give": &give{}, "proof": &blob{}, "charter": &blob{},
		"part": &part{}, "ask": &exchange{}, "answer": &exchange{}, "birth": &birth{}, "gone": &gone{},
	}
	for name, b := range readVectors(t, string(text)) {
		v := vectors[name]
		if v == nil {
			t.Fatalf("%s: unknown vector %q", file, name)
		}
		if err := decodeInto(b, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if typ, err := peek(b); err != nil || typ.String() != name {
			t.Errorf("%s: peeked %v, %v", name, typ, err)
		}
		seen++
	}
	if seen != len(vectors) {
		t.Errorf("%d vectors of %d", seen, len(vectors))
	}
}

// readVectors joins the hexadecimal digits under each "name:" line; what stands
// behind a # is for people.
func readVectors(t *testing.T, text string) map[string][]byte {
	t.Helper()
	all, name := map[string][]byte{}, ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if n, ok := strings.CutSuffix(line, ":"); ok {
			name = n
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if len(b) > 0 {
			all[name] = append(all[name], b...)
		}
	}
	return all
}

func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	all := samples(t)
	valid := func(i int) []byte { return must(encodeMessage(all[i])) }
	const iHead, iHeld, iWant, iGive, iProof, iCharter = 0, 2, 3, 5, 7, 8
	h := all[iHead].(replica.Head)
	author := [32]byte(h.Author)
	long := make([]byte, ledger.MaxNote+1)
	origin := newLog("a gateway", ledger.DoorLog).origin.String()
	bad := []ledger.Entry{{Leaf: make([]byte, ledger.MaxLeaf+1)}}
	swap := func(b []byte, at int, v ...byte) []byte { b = bytes.Clone(b); copy(b[at:], v); return b }
	cases := map[Type]map[string]struct {
		b    []byte
		want error
	}{}
	add := func(t Type, name string, b []byte, want error) {
		if cases[t] == nil {
			cases[t] = map[string]struct {
				b    []byte
				want error
			}{}
		}
		cases[t][name] = struct {
			b    []byte
			want error
		}{b, want}
	}
	// What spoils every type alike.
	for typ, i := range map[Type]int{TypeHead: iHead, TypeHeld: iHeld, TypeWant: iWant, TypeGive: iGive, TypeProof: iProof, TypeCharter: iCharter} {
		b := valid(i)
		add(typ, "nothing", nil, ErrMessage)
		add(typ, "a map", swap(b, 0, b[0]|0x20), ErrMessage)
		add(typ, "version 0", swap(b, 1, 0), ErrVersion)
		add(typ, "version 2", swap(b, 1, 2), ErrVersion)
		add(typ, "version 300", append([]byte{b[0], 0x19, 1, 0x2c}, b[2:]...), ErrVersion)
		add(typ, "a version in two bytes", append([]byte{b[0], 0x18, 1}, b[2:]...), ErrVersion)
		add(typ, "a text as version", swap(b, 1, 0x61), ErrMessage)
		add(typ, "type 0", swap(b, 2, 0), ErrMessage)
		add(typ, "an unknown type", swap(b, 2, 0x17), ErrMessage)
		add(typ, "a part", swap(b, 2, byte(TypePart)), ErrMessage)
		add(typ, "cut short", b[:len(b)-1], ErrMessage)
		add(typ, "a byte more", append(bytes.Clone(b), 0), ErrMessage)
		add(typ, "a field less", swap(b, 0, b[0]-1), ErrMessage)
		add(typ, "a field more", append(swap(b, 0, b[0]+1), 0), ErrMessage)
		add(typ, "indefinite length", append(swap(b, 0, 0x9f), 0xff), ErrMessage)
		add(typ, "too long", append(bytes.Clone(b), make([]byte, maxMessage)...), ErrMessage)
	}
	add(TypeHead, "no note", encode(head{Version: 1, Type: TypeHead, Author: author}), ErrMessage)
	add(TypeHead, "a long note", encode(head{Version: 1, Type: TypeHead, Author: author, Note: long}), ErrMessage)
	add(TypeHead, "from -1", encode(head{Version: 1, Type: TypeHead, Author: author, Note: h.Note, From: -1}), ErrMessage)
	add(TypeHead, "a long leaf", encode(head{Version: 1, Type: TypeHead, Author: author, Note: h.Note, Tail: bad}), ErrMessage)
	add(TypeHead, "no leaf", encode(head{Version: 1, Type: TypeHead, Author: author, Note: h.Note, Tail: []ledger.Entry{{}}}), ErrMessage)
	add(TypeHead, "a long tail", encode(head{Version: 1, Type: TypeHead, Author: author, Note: h.Note,
		Tail: []ledger.Entry{{Leaf: []byte{1}, Body: make([]byte, replica.MaxTail)}}}), ErrMessage)
	add(TypeHead, "a short key", append([]byte{0x86, 1, 1, 0x58, 31}, valid(iHead)[6:]...), ErrMessage)
	add(TypeHeld, "no note", encode(held{Version: 1, Type: TypeHeld, Author: author}), ErrMessage)
	add(TypeHeld, "a long note", encode(held{Version: 1, Type: TypeHeld, Author: author, Note: long}), ErrMessage)
	add(TypeWant, "no origin", encode(want{Version: 1, Type: TypeWant}), ledger.ErrOrigin)
	add(TypeWant, "another's origin", encode(want{Version: 1, Type: TypeWant, Origin: "example.org/log"}), ledger.ErrOrigin)
	add(TypeWant, "an origin in capitals", encode(want{Version: 1, Type: TypeWant, Origin: strings.ToUpper(origin)}), ledger.ErrOrigin)
	add(TypeWant, "from -1", encode(want{Version: 1, Type: TypeWant, Origin: origin, From: -1}), ErrMessage)
	add(TypeWant, "a long note", encode(want{Version: 1, Type: TypeWant, Origin: origin, Note: long}), ErrMessage)
	add(TypeGive, "no note", encode(give{Version: 1, Type: TypeGive, Author: author}), ErrMessage)
	add(TypeGive, "from -1", encode(give{Version: 1, Type: TypeGive, Author: author, Note: h.Note, From: -1}), ErrMessage)
	add(TypeGive, "a long leaf", encode(give{Version: 1, Type: TypeGive, Author: author, Note: h.Note, Entries: bad}), ErrMessage)
	add(TypeGive, "a long body", encode(give{Version: 1, Type: TypeGive, Author: author, Note: h.Note,
		Entries: []ledger.Entry{{Leaf: []byte{1}, Body: make([]byte, ledger.MaxBody+1)}}}), ErrMessage)
	add(TypeGive, "time before 1970", encode(give{Version: 1, Type: TypeGive, Author: author, Note: h.Note,
		Entries: []ledger.Entry{{Leaf: []byte{1}, Time: -1}}}), ErrMessage)
	add(TypeGive, "a long proof", encode(give{Version: 1, Type: TypeGive, Author: author, Note: h.Note, Proof: make([]tlog.Hash, maxProof+1)}), ErrMessage)
	add(TypeGive, "many entries", encode(give{Version: 1, Type: TypeGive, Author: author, Note: h.Note, Entries: make([]ledger.Entry, maxEntries+1)}), ErrMessage)
	add(TypeProof, "no evidence", encode(blob{Version: 1, Type: TypeProof}), ErrMessage)
	add(TypeProof, "long evidence", encode(blob{Version: 1, Type: TypeProof, Bytes: make([]byte, 4*ledger.MaxNote+1)}), ErrMessage)
	add(TypeCharter, "no charter", encode(blob{Version: 1, Type: TypeCharter}), ErrMessage)
	add(TypeCharter, "a long charter", encode(blob{Version: 1, Type: TypeCharter, Bytes: make([]byte, ledger.MaxCharter+1)}), ErrMessage)

	for typ, of := range cases {
		if len(of) < 10 {
			t.Errorf("%v: %d cases", typ, len(of))
		}
		for name, c := range of {
			m, err := decodeMessage(c.b)
			if m != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, %s: %v, %v; want %v", typ, name, m, err, c.want)
			}
			if errors.Is(err, ErrVersion) == errors.Is(err, ErrMessage) {
				t.Errorf("%v, %s: %v is both or neither", typ, name, err)
			}
		}
	}
}

func TestMalformedPresence(t *testing.T) {
	t.Parallel()
	ok := birth{Version: 1, Type: TypeBirth, ID: 1 << 60, Name: "gw1", Software: "tombolod 1.0", Time: testTime}
	with := func(f func(b *birth)) []byte { b := ok; f(&b); return encode(b) }
	if _, err := decodeBirth(encode(ok)); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "cut short": encode(ok)[:5], "a byte more": append(encode(ok), 1), "a will": encode(gone{Version: 1, Type: TypeGone, ID: 1}),
		"of another type":  with(func(b *birth) { b.Type = TypeGone }),
		"a name in words":  with(func(b *birth) { b.Name = "front door" }),
		"capitals":         with(func(b *birth) { b.Name = "GW1" }),
		"a long name":      with(func(b *birth) { b.Name = strings.Repeat("a", 33) }),
		"a line break":     with(func(b *birth) { b.Software = "a\nb" }),
		"an escape":        with(func(b *birth) { b.Software = "\x1b[2J" }),
		"long software":    with(func(b *birth) { b.Software = strings.Repeat("a", 65) }),
		"letters beyond":   with(func(b *birth) { b.Software = "é" }),
		"time before 1970": with(func(b *birth) { b.Time = -1 }),
	} {
		if _, err := decodeBirth(b); !errors.Is(err, ErrMessage) {
			t.Errorf("birth, %s: %v", name, err)
		}
	}
	w := encode(gone{Version: 1, Type: TypeGone, ID: 1 << 60})
	if _, err := decodeGone(w); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "cut short": w[:5], "a byte more": append(bytes.Clone(w), 0), "a birth": encode(ok),
		"of another type": encode(gone{Version: 1, Type: TypeBirth}), "a map": append([]byte{0xa1}, w[1:]...),
		"a long number": {0x83, 1, 9, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1}, "a negative number": {0x83, 1, 9, 0x20},
		"a text": {0x83, 1, 9, 0x61, 'a'}, "null": {0x83, 1, 9, 0xf6}, "two fields": {0x82, 1, 9}, "a float": {0x83, 1, 9, 0xf9, 0, 0},
	} {
		if _, err := decodeGone(b); !errors.Is(err, ErrMessage) {
			t.Errorf("will, %s: %v", name, err)
		}
	}
}

// FuzzDecode holds that what decodes encodes to the same bytes, and that what a
// part, a birth or a will decodes to does too.
func FuzzDecode(f *testing.F) {
	for _, m := range samples(f) {
		f.Add(must(encodeMessage(m)))
	}
	f.Add(encode(part{Version: 1, Type: TypePart, ID: 7, Count: 2, Bytes: []byte("x")}))
	f.Add(encode(birth{Version: 1, Type: TypeBirth, ID: 7, Name: "gw1", Software: "x", Time: 1}))
	f.Add(encode(gone{Version: 1, Type: TypeGone, ID: 7}))
	f.Add(encode(exchange{Version: 1, Type: TypeAsk, ID: 7, Body: []byte("x")}))
	f.Add(encode(exchange{Version: 1, Type: TypeAnswer, ID: 1 << 63, Body: []byte("y")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeExchange(b); err == nil {
			again, err := encodeMessage(m)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
		if m, err := decodeMessage(b); err == nil {
			again, err := encodeMessage(m)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x, %v", b, again, err)
			}
		}
		if m, err := decodeBirth(b); err == nil && !bytes.Equal(encode(m), b) {
			t.Errorf("%x became %+v", b, m)
		}
		if m, err := decodeGone(b); err == nil && !bytes.Equal(encode(m), b) {
			t.Errorf("%x became %+v", b, m)
		}
		var j joiner
		if m, err := j.add(sender{}, b, clockStart); m != nil || err == nil && len(j.of) != 1 {
			t.Errorf("one part %x made %x, %v", b, m, err)
		}
	})
}
