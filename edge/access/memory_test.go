package access_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// goldenMemory is a Presence as it stands on gateways' disks.
var goldenMemory = `{"format":3,"boot":1,"known":true,` +
	`"last":{"7":{"door":"vault","exit":true,"at":1777636802000,"boot":0},"8":{"door":"gate","exit":false,"at":1777636803000,"boot":1}},` +
	`"entries":{"7":[{"door":"front","exit":false,"at":1777636800000,"boot":0},{"door":"vault","exit":false,"at":1777636801000,"boot":0}],` +
	`"8":[{"door":"gate","exit":false,"at":1777636803000,"boot":1}]},` +
	`"spent":{"01000000000000000000000000000000":2},` +
	`"wrong":{"9":[{"at":1777636803000,"boot":1},{"at":1777636804000,"boot":1}]},` +
	`"entered":{"front":{"at":1777636800000,"boot":0},"gate":{"at":1777636803000,"boot":1},"vault":{"at":1777636801000,"boot":0}},` +
	`"forgiven":{"0":1777636700000,"5":1777636800000},` +
	`"due":{"7":{"passport":7,"door":"front","exit":true,"at":1777636804000,"boot":1,"level":true}},` +
	`"takes":{"105":"01000000000000000000000000000000","106":"01000000000000000000000000000000"},` +
	`"ordered":{"` + ordersOf + `":6},"tried":{"0500000000000000000000000000000000000000000000000000000000000000":true}}`

var ordersOf = "tombolo/v1/" + strings.Repeat("1", 64) + "/node/" + strings.Repeat("2", 32) + "/" + strings.Repeat("3", 16)

func TestMemory(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.enter(7, "front")
	s.now += second
	s.enter(7, "vault")
	s.now += second
	s.leave(7, "vault")
	s.now += second
	s.boot()
	s.forgive(0, 1777636700000)
	s.forgive(5, 1777636800000)
	s.enter(8, "gate")
	s.Apply(s.now, &ledger.PassUsed{Pass: ledger.PassID{1}, Seq: 105})
	s.Apply(s.now, &ledger.PassUsed{Pass: ledger.PassID{1}, Seq: 106})
	s.wrongPin(9)
	s.now += second
	s.wrongPin(9)
	s.grant(7, "front", true)
	s.Apply(s.now, &ledger.Ordered{Origin: ordersOf, Index: 5, Seq: 200, Door: "front"})
	s.Apply(s.now, &ledger.PolicyTried{Version: 4, Hash: [32]byte{5}, OK: true})
	if got := remembered(t, s.Presence); got != goldenMemory {
		t.Errorf("kept as\n%s\nwant\n%s", got, goldenMemory)
	}
	var back access.Presence
	if err := json.Unmarshal([]byte(goldenMemory), &back); err != nil {
		t.Fatal(err)
	}
	if got := remembered(t, &back); got != goldenMemory {
		t.Errorf("read and kept as\n%s", got)
	}
	empty := remembered(t, access.NewPresence())
	if err := json.Unmarshal([]byte(empty), &back); err != nil || remembered(t, &back) != empty {
		t.Errorf("nobody was seen: %s, %v", empty, err)
	}
	// What was not written is empty, and takes what comes.
	if err := json.Unmarshal([]byte(`{"format":3}`), &back); err != nil {
		t.Fatal(err)
	}
	s.Presence = &back
	s.enter(7, "front")
	s.wrongPin(7)
	s.Apply(s.now, &ledger.PassUsed{Pass: pass})
	s.expectIn("a new one", 7, "site", "house")
}

func remembered(t testing.TB, p *access.Presence) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMalformedMemory: what no gateway has written is not read, and changes
// nothing.
func TestMalformedMemory(t *testing.T) {
	t.Parallel()
	alter := func(old, new string) string {
		t.Helper()
		if strings.Count(goldenMemory, old) == 0 {
			t.Fatalf("there is no %s", old)
		}
		return strings.Replace(goldenMemory, old, new, 1)
	}
	var doors, entries, due, takes []string
	for i := range access.MaxEntered + 1 {
		doors = append(doors, fmt.Sprintf(`"d%d":{"at":1,"boot":0}`, i))
	}
	for i := range access.MaxEntries + 1 {
		entries = append(entries, fmt.Sprintf(`{"door":"d%d","exit":false,"at":1,"boot":0}`, i))
	}
	for i := range access.MaxDue + 1 {
		takes = append(takes, fmt.Sprintf(`"%d":"01000000000000000000000000000000"`, 1000+i))
		due = append(due, fmt.Sprintf(`"%d":{"passport":1,"door":"d","exit":false,"at":1,"boot":1,"level":false}`, i))
	}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "EOF"},
		{"no JSON", "passports", "invalid character"},
		{"cut off", goldenMemory[:100], "unexpected EOF"},
		{"a list", "[]", "cannot unmarshal array"},
		{"two of them", goldenMemory + goldenMemory, "something follows"},
		{"no format", "{}", "format 0, and this software reads 3"},
		{"a later format", alter(`"format":3`, `"format":4`), "format 4, and this software reads 3"},
		{"something that this software does not know", alter(`"format":3`, `"format":3,"seen":{}`), `unknown field "seen"`},
		{"... within", alter(`"exit":true`, `"exit":true,"way":"out"`), `unknown field "way"`},
		{"a passport that is no number", alter(`"7":{"door"`, `"seven":{"door"`), "cannot unmarshal number seven"},
		{"a passport below zero", alter(`"8":{"door"`, `"-8":{"door"`), "cannot unmarshal number -8"},
		{"passport 0", alter(`"8":{"door"`, `"0":{"door"`), "passport 0 was seen"},
		{"a time with a fraction", alter("1777636802000", "1777636802000.5"), "cannot unmarshal number"},
		{"a time that is none", alter("1777636802000", "9223372036854775808"), "cannot unmarshal number"},
		{"a door that is none", alter(`"door":"vault","exit":true`, `"door":"The Vault","exit":true`), `door`},
		{"no door", alter(`"door":"vault","exit":true`, `"exit":true`), `door`},
		{"a pass that is none", alter(`"01000000000000000000000000000000"`, `"0100"`), "32 hexadecimal digits"},
		{"a pass in capitals", alter(`"01000000000000000000000000000000"`, `"0A000000000000000000000000000000"`), "32 hexadecimal digits"},
		{"no pass", alter(`"01000000000000000000000000000000"`, `"00000000000000000000000000000000"`), "no pass is named"},
		{"spent on nothing", alter(`00000":2`, `00000":0`), "was spent on nothing"},
		{"spent more often than can be", alter(`00000":2`, `00000":4294967296`), "cannot unmarshal number"},
		{"entered and was not seen", alter(`"8":[{"door"`, `"5":[{"door"`), "passport 5 entered and was not seen"},
		{"no entries", alter(`"8":[{"door":"gate","exit":false,"at":1777636803000,"boot":1}]`, `"8":[]`), "0 entries of passport 8"},
		{"too many entries", alter(`"8":[{"door":"gate","exit":false,"at":1777636803000,"boot":1}]`, `"8":[`+strings.Join(entries, ",")+`]`), fmt.Sprintf("%d entries of passport 8, at most %d", access.MaxEntries+1, access.MaxEntries)},
		{"an entry that is an exit", alter(`{"door":"front","exit":false`, `{"door":"front","exit":true`), "an exit among the entries of passport 7"},
		{"a door twice", alter(`{"door":"front","exit":false`, `{"door":"vault","exit":false`), "door vault twice among the entries of passport 7"},
		{"an entry by no door", alter(`{"door":"front","exit":false`, `{"door":"front door","exit":false`), "door"},
		{"no wrong PINs", alter(`[{"at":1777636803000,"boot":1},{"at":1777636804000,"boot":1}]`, "[]"), "0 wrong PINs of passport 9"},
		{"too many wrong PINs", alter(`[{"at":1777636803000`, "["+strings.Repeat(`{"at":1,"boot":1},`, access.MaxWrong)+`{"at":1777636803000`), "102 wrong PINs of passport 9, at most 100"},
		{"nobody's wrong PINs", alter(`"9":[`, `"0":[`), "2 wrong PINs of passport 0"},
		{"a door that somebody came in by that is none", alter(`"entered":{"front"`, `"entered":{"Front"`), "door"},
		{"too many doors", alter(`"entered":{`, `"entered":{`+strings.Join(doors, ",")+`,`), "1004 doors, at most 1000"},
		{"too many grants", alter(`"due":{`, `"due":{`+strings.Join(due, ",")+`,`), "4097 grants, at most 4096"},
		{"an entry of no pass", alter(`"takes":{`, `"takes":{"9":"01",`), "32 hexadecimal digits"},
		{"an entry of a pass that was not used", alter(`"takes":{`, `"takes":{"9":"02000000000000000000000000000000",`), "was spent on decision 9 and on nothing"},
		{"more entries than were spent", alter(`"takes":{`, `"takes":{"9":"01000000000000000000000000000000",`), "on more decisions than entries"},
		{"a grant that is none", alter(`"due":{"7"`, `"due":{"-7"`), "cannot unmarshal number -7"},
		{"an entry of a pass that is none", alter(`"takes":{"105":"0100`, `"takes":{"105":"01`), "32 hexadecimal digits"},
		{"an entry of a pass that was not spent", alter(`"takes":{"105":"01`, `"takes":{"105":"02`), "was spent on decision 105 and on nothing"},
		{"an entry by no decision", alter(`"takes":{"105"`, `"takes":{"-105"`), "cannot unmarshal number -105"},
		{"too many entries that may be taken back", strings.Replace(alter(`00000":2`, `00000":5000`), `"takes":{`, `"takes":{`+strings.Join(takes, ",")+`,`, 1), "4099 entries of guest passes, at most 4096"},
		{"a passport of another boot", alter(`"exit":true,"at":1777636802000,"boot":0`, `"exit":true,"at":1777636802000,"boot":2`), "something of boot 2, and this is boot 1"},
		{"an entry of another boot", alter(`"at":1777636801000,"boot":0`, `"at":1777636801000,"boot":3`), "something of boot 3, and this is boot 1"},
		{"a wrong PIN of another boot", alter(`"at":1777636804000,"boot":1`, `"at":1777636804000,"boot":2`), "something of boot 2, and this is boot 1"},
		{"somebody came in by another boot", alter(`{"front":{"at":1777636800000,"boot":0`, `{"front":{"at":1777636800000,"boot":2`), "something of boot 2, and this is boot 1"},
		{"a boot below zero", alter(`"boot":1,"known"`, `"boot":-1,"known"`), "cannot unmarshal number -1"},
		{"a grant of an earlier boot", alter(`"at":1777636804000,"boot":1,"level"`, `"at":1777636804000,"boot":0,"level"`), "decision 7 is of boot 0, and this is boot 1"},
		{"a clock that is neither", alter(`"known":true`, `"known":"ntp"`), "cannot unmarshal string"},
		{"a passport that was forgiven and is none", alter(`"5":1777636800000`, `"five":1777636800000`), "cannot unmarshal number five"},
		{"orders of no ledger", alter(`"ordered":{"tombolo`, `"ordered":{"tombola`), "not a ledger's origin"},
		{"orders of a door log", alter("/node/", "/door/"), "orders of tombolo"},
		{"orders that end before they begin", alter(`":6}`, `":0}`), "below entry 0"},
		{"orders beyond all numbers", alter(`":6}`, `":9223372036854775808}`), "cannot unmarshal number"},
		{"a policy that is none", alter(`"tried":{"05`, `"tried":{"`), "is no policy's hash"},
		{"a policy in capitals", alter(`"tried":{"05`, `"tried":{"0A`), "is no policy's hash"},
		{"a policy that did neither", alter(`0000":true}`, `0000":1}`), "cannot unmarshal number"},
		{"nobody's grant", alter(`{"passport":7,`, `{"passport":0,`), "passport 0 was seen"},
		{"a grant at no door", alter(`{"passport":7,"door":"front"`, `{"passport":7,"door":""`), "door"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			s.enter(3, "front")
			before := remembered(t, s.Presence)
			err := s.UnmarshalJSON([]byte(tt.text))
			if !errors.Is(err, access.ErrPresence) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if remembered(t, s.Presence) != before {
				t.Error("what was remembered before has changed")
			}
		})
	}
}

// FuzzPresence: what is read is written the same from then on, answers every
// question, and takes every entry.
func FuzzPresence(f *testing.F) {
	f.Add([]byte(goldenMemory))
	f.Add([]byte(`{"format":3}`))
	f.Add([]byte(`{"format":3,"last":{"1":{"door":"d","exit":false,"at":-9223372036854775808}},"wrong":{"1":[{"at":9223372036854775807,"boot":0}]}}`))
	f.Add([]byte(`{"format":3,"last":null,"due":{"18446744073709551615":{"passport":18446744073709551615,"door":"d","exit":true,"at":0,"boot":0,"level":false}}}`))
	f.Add([]byte("{}"))
	b := site(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		p := new(access.Presence)
		if err := p.UnmarshalJSON(data); err != nil {
			if !errors.Is(err, access.ErrPresence) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		first := remembered(t, p)
		again := new(access.Presence)
		if err := again.UnmarshalJSON([]byte(first)); err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if second := remembered(t, again); second != first {
			t.Fatalf("written as\n%s\nand then as\n%s", first, second)
		}
		for _, zone := range b.Policy.Zones {
			n := p.Count(b, zone, now.UnixMilli())
			if seen, _, _, _, due := p.Sizes(); n < 0 || n > seen+due {
				t.Fatalf("%d people in %s", n, zone.Name)
			}
			for who := range passport.ID(4) {
				p.Inside(b, zone, "front", who, now.UnixMilli())
				if since := p.Entered(b, zone, "front", who, now.UnixMilli()); since < -1 {
					t.Fatalf("entered %d ms ago", since)
				}
			}
		}
		p.LockedOut(b, 1, now.UnixMilli())
		p.Apply(now.UnixMilli(), &ledger.Decision{Seq: 1, Door: "front", Mode: "tap", Granted: true, Passport: 1})
		p.Apply(now.UnixMilli(), &ledger.Passage{Seq: 1, Door: "front", Entered: true})
		if !p.Inside(b, b.Policy.Zones["house"], "", 1, now.UnixMilli()) {
			t.Fatal("who passed is not inside")
		}
	})
}
