package ledger

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// What a steward orders, and what the second version of a gateway records, has
// cases for each of its fields.
func TestMarshalOrdersMalformed(t *testing.T) {
	t.Parallel()
	long, slug33 := strings.Repeat("x", 201), strings.Repeat("x", 33)
	var many []string
	for i := range MaxDoors + 1 {
		many = append(many, fmt.Sprintf("door-%04d", i))
	}
	doors := func(list ...string) []string { return list }
	pass := func(change func(*GuestPass)) *GuestPass {
		b := &GuestPass{Pass: PassID{1}, Passport: 1, Levels: doors("house"), NotAfter: 1}
		change(b)
		return b
	}
	box := func(n byte, size int) PinBox { return PinBox{Gateway: [32]byte{n}, Sealed: make([]byte, size)} }
	var boxes []PinBox
	for i := range MaxDoors + 1 {
		boxes = append(boxes, PinBox{Gateway: [32]byte{byte(i >> 8), byte(i), 1}, Sealed: []byte{1}})
	}
	origin := func(n byte, kind LogKind) string { return Origin{Community: CharterID{n}, Kind: kind}.String() }
	basis := func(sources ...Source) *Basis { return &Basis{Clock: "ntp", Sources: sources} }
	var sources []Source
	for i := range MaxSources + 1 {
		sources = append(sources, Source{Origin: Origin{Community: CharterID{byte(i >> 8), byte(i)}, Kind: NodeLog}.String()})
	}
	for _, c := range []struct {
		body Body
		says string
	}{
		{&Lockdown{}, "ends at 0"},
		{&Lockdown{Ends: -1}, "ends at -1"},
		{&Lockdown{Ends: 1, Doors: doors("")}, `door "" has 0`},
		{&Lockdown{Ends: 1, Doors: doors(slug33)}, "has 33"},
		{&Lockdown{Ends: 1, Doors: doors("Front")}, "only a–z"},
		{&Lockdown{Ends: 1, Doors: doors("front", "front")}, "door front is out of order"},
		{&Lockdown{Ends: 1, Doors: doors("front", "back")}, "door back is out of order"},
		{&Lockdown{Ends: 1, Doors: many}, "1001 doors, at most 1000"},
		{&Lockdown{Ends: 1, Why: long}, "why has 201"},
		{&Lockdown{Ends: 1, Why: "two\nlines"}, "control character"},
		{&Lockdown{Ends: 1, Why: "\xff"}, "not UTF-8"},

		{&LockdownLifted{Doors: doors("")}, `door "" has 0`},
		{&LockdownLifted{Doors: doors("a", "")}, `door "" has 0`},
		{&LockdownLifted{Doors: doors(slug33)}, "has 33"},
		{&LockdownLifted{Doors: doors("front door")}, "only a–z"},
		{&LockdownLifted{Doors: doors("a", "c", "b")}, "door b is out of order"},
		{&LockdownLifted{Doors: doors("a", "b", "b")}, "door b is out of order"},
		{&LockdownLifted{Doors: many}, "1001 doors"},
		{&LockdownLifted{Why: long}, "why has 201"},
		{&LockdownLifted{Why: "\u2028"}, "control character"},
		{&LockdownLifted{Why: "\xc3"}, "not UTF-8"},

		{&Bar{}, "passport 0"},
		{&Bar{Ends: 1}, "passport 0"},
		{&Bar{Passport: 1, Ends: -1}, "ends at -1"},
		{&Bar{Passport: 1, Ends: math.MinInt64}, "ends at -9223372036854775808"},
		{&Bar{Passport: 1, Why: long}, "why has 201"},
		{&Bar{Passport: 1, Why: strings.Repeat("é", 201)}, "why has 201"},
		{&Bar{Passport: 1, Why: "\t"}, "control character"},
		{&Bar{Passport: 1, Why: "\x00"}, "control character"},
		{&Bar{Passport: 1, Why: "\u2067"}, "control character"},
		{&Bar{Passport: 1, Why: "\xf0\x9f"}, "not UTF-8"},

		{pass(func(b *GuestPass) { b.Pass = PassID{} }), "no pass is named"},
		{pass(func(b *GuestPass) { b.Passport = 0 }), "passport 0"},
		{pass(func(b *GuestPass) { b.Levels = nil }), "no level is granted"},
		{pass(func(b *GuestPass) { b.Levels = doors("") }), `level "" has 0`},
		{pass(func(b *GuestPass) { b.Levels = doors("*") }), "only a–z"},
		{pass(func(b *GuestPass) { b.Levels = doors("b", "a") }), "level a is out of order"},
		{pass(func(b *GuestPass) { b.Levels = many }), "1001 levels"},
		{pass(func(b *GuestPass) { b.NotBefore = -1 }), "from -1 to 1"},
		{pass(func(b *GuestPass) { b.NotBefore = 1 }), "from 1 to 1"},
		{pass(func(b *GuestPass) { b.NotBefore = 2 }), "from 2 to 1"},
		{pass(func(b *GuestPass) { b.NotAfter = 0 }), "from 0 to 0"},
		{pass(func(b *GuestPass) { b.Why = long }), "why has 201"},

		{&GuestEnded{}, "no pass is named"},
		{&GuestEnded{Why: "left"}, "no pass is named"},
		{&GuestEnded{Pass: PassID{1}, Why: long}, "why has 201"},
		{&GuestEnded{Pass: PassID{1}, Why: strings.Repeat("日", 201)}, "why has 201"},
		{&GuestEnded{Pass: PassID{1}, Why: "\n"}, "control character"},
		{&GuestEnded{Pass: PassID{1}, Why: "\x7f"}, "control character"},
		{&GuestEnded{Pass: PassID{1}, Why: "\u0085"}, "control character"},
		{&GuestEnded{Pass: PassID{1}, Why: "\u202a"}, "control character"},
		{&GuestEnded{Pass: PassID{1}, Why: "\xff"}, "not UTF-8"},
		{&GuestEnded{Pass: PassID{1}, Why: "\xed\xa0\x80"}, "not UTF-8"}, // half of a surrogate pair

		{&Forgive{Why: long}, "why has 201"},
		{&Forgive{Why: strings.Repeat("🔑", 201)}, "why has 201"},
		{&Forgive{Passport: 1, Why: long}, "why has 201"},
		{&Forgive{Why: "\n"}, "control character"},
		{&Forgive{Why: "\r"}, "control character"},
		{&Forgive{Why: "\x1b[2J"}, "control character"},
		{&Forgive{Why: "\u009f"}, "control character"},
		{&Forgive{Why: "\u2029"}, "control character"},
		{&Forgive{Why: "\u2066"}, "control character"},
		{&Forgive{Why: "\x80"}, "not UTF-8"},

		{&PinSet{}, "passport 0"},
		{&PinSet{Boxes: []PinBox{box(1, 1)}}, "passport 0"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(0, 1)}}, "no gateway is named"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(1, 1), box(0, 1)}}, "no gateway is named"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(2, 1), box(1, 1)}}, "gateways are out of order"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(1, 1), box(1, 2)}}, "gateways are out of order"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(1, 0)}}, "sealed box of 0 bytes"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(1, 1), box(2, 0)}}, "sealed box of 0 bytes"},
		{&PinSet{Passport: 1, Boxes: []PinBox{box(1, MaxPinBox+1)}}, "sealed box of 513 bytes, at most 512"},
		{&PinSet{Passport: 1, Boxes: boxes}, "1001 gateways"},

		{&Basis{}, "clock has 0"},
		{&Basis{Clock: strings.Repeat("x", 17)}, "clock has 17"},
		{&Basis{Clock: "n\ntp"}, "control character"},
		{&Basis{Clock: "ntp", Policy: 1}, "policy 1 with a hash of 0"},
		{&Basis{Clock: "ntp", Hash: make([]byte, 32)}, "policy 0 with a hash of 32"},
		{&Basis{Clock: "ntp", Policy: 1, Hash: make([]byte, 31)}, "policy 1 with a hash of 31"},
		{&Basis{Clock: "ntp", Hash: make([]byte, 1)}, "policy 0 with a hash of 1"},
		{basis(Source{}), "origin"},
		{basis(Source{Origin: origin(1, DoorLog)}), "nothing is decided on a door ledger"},
		{basis(Source{Origin: origin(1, NodeLog), Size: -1}), "-1 entries"},
		{basis(Source{Origin: origin(1, NodeLog)}, Source{Origin: origin(1, NodeLog)}), "out of order"},
		{basis(Source{Origin: origin(2, NodeLog)}, Source{Origin: origin(1, NodeLog)}), "out of order"},
		{basis(Source{Origin: origin(1, NodeLog)}, Source{Origin: origin(1, CommunityLog)}), "out of order"},
		{basis(sources...), "1001 ledgers, at most 1000"},

		{&PassUsed{}, "no pass is named"},
		{&PassUsed{Seq: 1}, "no pass is named"},
		{&Opening{}, `door "" has 0`},
		{&Opening{Seq: 1}, `door "" has 0`},
		{&Opening{Door: slug33}, "has 33"},
		{&Opening{Door: "Front"}, "only a–z"},
		{&Opening{Door: "front/door"}, "only a–z"},
		{&Opening{Door: "front\n"}, "only a–z"},
		{&Opening{Door: "é"}, "only a–z"},
		{&Opening{Door: " "}, "only a–z"},
		{&Opening{Door: "a_b"}, "only a–z"},
		{&Opening{Door: "\xff"}, "only a–z"},

		{&Line{State: "normal"}, "input has 0"},
		{&Line{Input: "fire"}, "state has 0"},
		{&Line{Door: slug33, Input: "rex", State: "active"}, "has 33"},
		{&Line{Door: "Front", Input: "rex", State: "active"}, "only a–z"},
		{&Line{Door: "\x00", Input: "rex", State: "active"}, "only a–z"},
		{&Line{Input: strings.Repeat("x", 41), State: "active"}, "input has 41"},
		{&Line{Input: "r\tx", State: "active"}, "control character"},
		{&Line{Input: "\xff", State: "active"}, "not UTF-8"},
		{&Line{Input: "rex", State: strings.Repeat("x", 17)}, "state has 17"},
		{&Line{Input: "rex", State: "a\nb"}, "control character"},
		{&Line{Input: "rex", State: "\xff"}, "not UTF-8"},
	} {
		_, err := MarshalBody(c.body)
		refused(t, err, ErrBody, c.says)
	}
}

// What others send in the place of a pass's name is refused.
func TestParsePassUsedMalformed(t *testing.T) {
	t.Parallel()
	const id = "101112131415161718191a1b1c1d1e1f"
	if b, err := ParseBody(KindPassUsed, unhex(t, "82 50"+id+"09")); err != nil || b.(*PassUsed).Pass.String() != id {
		t.Fatal(b, err)
	}
	for name, c := range map[string]struct{ in, says string }{
		"nothing":            {"", "EOF"},
		"a field short":      {"81 50" + id, "cannot decode CBOR array"},
		"a field more":       {"83 50" + id + "0909", "cannot decode CBOR array"},
		"a byte short":       {"82 4f" + id[2:] + "09", "deterministic"},
		"a byte more":        {"82 51" + id + "0009", "deterministic"},
		"no bytes":           {"82 40 09", "deterministic"},
		"a text":             {"82 70" + strings.Repeat("61", 16) + "09", "cannot unmarshal UTF-8 text string"},
		"null":               {"82 f6 09", "deterministic"},
		"zero":               {"82 50" + strings.Repeat("00", 16) + "09", "no pass is named"},
		"a list of numbers":  {"82 90" + strings.Repeat("01", 16) + "09", "deterministic"},
		"a negative number":  {"82 50" + id + "20", "cannot unmarshal negative"},
		"a long number":      {"82 50" + id + "1809", "deterministic"},
		"a number too large": {"82 50" + id + "c249010000000000000000", "tag"},
		"a text for one":     {"82 50" + id + "6139", "cannot unmarshal UTF-8 text string"},
		"bytes behind":       {"82 50" + id + "0900", "extraneous data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseBody(KindPassUsed, unhex(t, c.in))
			refused(t, err, ErrBody, c.says)
		})
	}
}

func TestParsePassID(t *testing.T) {
	t.Parallel()
	const good = "101112131415161718191a1b1c1d1e1f"
	if id, err := ParsePassID(good); err != nil || id.String() != good {
		t.Errorf("%v, %v", id, err)
	}
	for _, c := range []struct{ in, says string }{
		{"", "32 hexadecimal digits"},
		{good[1:], "32 hexadecimal digits"},
		{good[2:], "32 hexadecimal digits"},
		{good + "0", "32 hexadecimal digits"},
		{good + "00", "32 hexadecimal digits"},
		{strings.ToUpper(good), "32 hexadecimal digits"},
		{"g" + good[1:], "32 hexadecimal digits"},
		{"é" + good[2:], "32 hexadecimal digits"},
		{"0x" + good[2:], "32 hexadecimal digits"},
		{" " + good[1:], "32 hexadecimal digits"},
		{good[1:] + "\n", "32 hexadecimal digits"},
		{good[:16] + "-" + good[17:], "32 hexadecimal digits"},
		{strings.Repeat("0", 32), "no pass is named"},
	} {
		if id, err := ParsePassID(c.in); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, %v, want %q", c.in, id, err, c.says)
		}
	}
}

// FuzzParsePassID: what is read is written back.
func FuzzParsePassID(f *testing.F) {
	for _, s := range []string{"", "101112131415161718191a1b1c1d1e1f", "101112131415161718191A1B1C1D1E1F", strings.Repeat("0", 32), strings.Repeat("f", 34)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParsePassID(s); err == nil && (id.String() != s || id == PassID{}) {
			t.Errorf("%q was read as %v", s, id)
		}
	})
}
