package strict

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sample has one field of every kind that Decode knows.
type sample struct {
	Version uint64              `toml:"version" min:"1" required:"count from 1"`
	Offset  *int                `toml:"offset" min:"0" max:"9"`
	Name    string              `toml:"name"`
	On      bool                `toml:"on"`
	Roster  sampleRoster        `toml:"roster"`
	Doors   map[Slug]*sampleSub `toml:"doors"`
	Tags    map[string]string   `toml:"tags"`
}

type sampleRoster struct {
	MaxAge Duration `toml:"max_age" eg:"7d"`
}

type sampleSub struct {
	Gateway Slug      `toml:"gateway"`
	Strike  *Duration `toml:"strike" min:"1s" max:"255s" eg:"5s"`
	Levels  []string  `toml:"levels"`
	Pins    []pin     `toml:"pins"`
}

type pin struct {
	Line int `toml:"line" min:"0" required:"give it"`
}

const good = `# A file with every way to write a table.
version = 3
offset = 0x7
name = "casa"
on = true
tags = { "a b" = "c", d.x = "wrong only if checked" }
`

func TestDecode(t *testing.T) {
	t.Parallel()
	data := "version = 3\r\noffset = 0x7\r\nname = '''\r\nca\"sa'''\r\non = true\r\n" +
		"tags = { \"a b\" = \"é\", c = \"d\" }\r\nroster.max_age = \"7d\"\r\n" +
		"[doors.front]\r\ngateway = \"gw-1\"\r\nstrike = \"1m30s\"\r\nlevels = [\r\n  \"a\", # one\r\n  \"b\",\r\n]\r\n" +
		"[[doors.front.pins]]\r\nline = 1\r\n[[doors.front.pins]]\r\nline = +2_0\r\n[doors.back]\r\npins = [{ line = 3 }]\r\n"
	var s sample
	doc, err := Decode("x.toml", []byte(data), &s)
	if err != nil {
		t.Fatal(err)
	}
	f := s.Doors["front"]
	if s.Version != 3 || *s.Offset != 7 || s.Name != `ca"sa` || !s.On || s.Tags["a b"] != "é" ||
		s.Roster.MaxAge != Duration(7*day) || f.Gateway != "gw-1" || *f.Strike != Duration(90*time.Second) ||
		strings.Join(f.Levels, "") != "ab" || f.Pins[1].Line != 20 || s.Doors["back"].Pins[0].Line != 3 {
		t.Errorf("wrong values: %+v", s)
	}
	for _, c := range []struct {
		path       Path
		value, key Position
	}{
		{nil, Position{1, 1}, Position{1, 1}},
		{Path{"version"}, Position{1, 11}, Position{1, 1}},
		{Path{"tags"}, Position{6, 8}, Position{6, 1}},
		{Path{"tags", "a b"}, Position{6, 18}, Position{6, 10}},
		{Path{"tags", "c"}, Position{6, 27}, Position{6, 23}}, // columns count é once
		{Path{"roster", "max_age"}, Position{7, 18}, Position{7, 1}},
		{Path{"doors"}, Position{8, 2}, Position{8, 2}},
		{Path{"doors", "front"}, Position{8, 2}, Position{8, 2}},
		{Path{"doors", "front", "levels"}, Position{11, 10}, Position{11, 1}},
		{Path{"doors", "front", "levels", "1"}, Position{13, 3}, Position{13, 3}},
		{Path{"doors", "front", "pins", "1", "line"}, Position{18, 8}, Position{18, 1}},
		{Path{"doors", "back", "pins", "0", "line"}, Position{20, 18}, Position{20, 11}},
		{Path{"doors", "back", "strike"}, Position{19, 2}, Position{19, 2}}, // absent: its table
		{Path{"doors", "side", "strike"}, Position{8, 2}, Position{8, 2}},   // absent: the tables' table
	} {
		if got := doc.Pos(c.path...); got != c.value {
			t.Errorf("Pos(%v) = %v, want %v", c.path, got, c.value)
		}
		if got := doc.KeyPos(c.path...); got != c.key {
			t.Errorf("KeyPos(%v) = %v, want %v", c.path, got, c.key)
		}
	}
	if !doc.Has("doors", "front", "pins", "1") || doc.Has("doors", "front", "pins", "2") || doc.Has("doors", "front", "pins", "x") {
		t.Error("Has is wrong about list elements")
	}
	if got := strings.Join(doc.Keys("doors"), " "); got != "front back" {
		t.Errorf("Keys = %q, want the file's order", got)
	}
	if doc.Keys("nowhere") != nil || doc.Err() != nil {
		t.Error("a good document has errors, or keys where there is no table")
	}
}

// one is what a malformed file must answer with: exactly this error.
type one struct {
	name, data   string
	line, column int
	key, msg     string // msg: a part of it
	is           error
}

var malformed = []one{
	{"too large", "#" + strings.Repeat("x", MaxSize), 0, 0, "", "at most 1048576", ErrTooLarge},
	{"not UTF-8", "version = 1\nname = \"caf\xe9\"", 2, 12, "", "0xe9", ErrUTF8},
	{"cut rune at the end", "version = 1 # \xe2\x82", 1, 15, "", "0xe2", ErrUTF8},
	{"byte-order mark", "\ufeffversion = 1", 1, 1, "", "without", ErrSyntax},
	{"no value", "version =\n", 1, 10, "", "not TOML", ErrSyntax},
	{"cut in a string", "version = 1\nname = \"ca", 2, 10, "", "not TOML", ErrSyntax},
	{"bare word", "version = 1\n[roster]\nmax_age = week\n", 3, 11, "roster", "not TOML", ErrSyntax},
	{"two on a line", "version = 1 on = true", 1, 13, "", "not TOML", ErrSyntax},
	{"control character", "version = 1 # \x01", 1, 15, "", "not TOML", ErrSyntax},
	{"leading zero", "version = 01", 1, 11, "", "not TOML", ErrSyntax},
	{"missing", "name = \"casa\"", 1, 1, "version", "missing: count from 1", ErrMissing},
	{"missing in an inline table", "version = 1\n[doors.a]\npins = [{}]", 3, 9, "doors.a.pins[0].line", "missing: give it", ErrMissing},
	{"unknown with a near one", "version = 1\n[doors.front]\nstrke = \"5s\"", 3, 1, "doors.front.strke", `did you mean "strike"?`, ErrUnknown},
	{"unknown with none near", "version = 1\n[doors.front]\ncolour = 5", 3, 1, "doors.front.colour", "known: gateway, levels, pins, strike", ErrUnknown},
	{"unknown table", "version = 1\n [rooster]\n", 2, 3, "rooster", `did you mean "roster"?`, ErrUnknown},
	{"other case", "version = 1\nName = \"x\"", 2, 1, "Name", `did you mean "name"?`, ErrUnknown},
	{"unknown, to be quoted", "version = 1\n\"a b\" = 1", 2, 1, `"a b"`, "unknown key", ErrUnknown},
	{"unknown in a list", "version = 1\n[doors.a]\npins = [{ line = 1 }, { line = 1, lin = 2 }]", 3, 35, "doors.a.pins[1].lin", `"line"`, ErrUnknown},
	{"doubled key", "version = 1\nversion = 2", 2, 1, "version", "line 1", ErrDoubled},
	{"doubled table", "version = 1\n[roster]\n[doors.a]\n[roster]", 4, 2, "roster", "line 2", ErrDoubled},
	{"doubled in an inline table", "version = 1\ntags = { a = \"1\", a = \"2\" }", 2, 19, "tags.a", "line 2", ErrDoubled},
	{"doubled in a list", "version = 1\n[doors.a]\npins = [{ line = 1, line = 2 }]", 3, 21, "doors.a.pins[0].line", "line 3", ErrDoubled},
	{"table over a value", "version = 1\n[version]", 2, 2, "version", "line 1", ErrDoubled},
	{"table under a value", "version = 1\n[version.x]", 2, 2, "version", "line 1", ErrDoubled},
	{"inline table extended", "tags = {}\nversion = 1\n[tags.x]", 3, 2, "tags", "line 1", ErrDoubled},
	{"dotted into a value", "version = 1\nversion.x = 1", 2, 1, "version", "line 1", ErrDoubled},
	{"list of tables over a table", "version = 1\n[roster]\n[[roster]]", 3, 3, "roster", "line 2", ErrDoubled},
	{"header for a dotted key", "version = 1\nroster.max_age = \"1d\"\n[roster]", 3, 2, "roster", "already exists", ErrSyntax},
	{"too deep by key", "version = 1\n" + strings.Repeat("a.", 16) + "b = 1", 2, 1, "", "16 deep", ErrSyntax},
	{"too deep by table", "[" + strings.Repeat("a.", 16) + "b]", 1, 2, "", "at most 16", ErrSyntax},
	{"too deep by list", "a = " + strings.Repeat("[", 20) + strings.Repeat("]", 20), 1, 5, "a" + strings.Repeat("[0]", 16), "16 deep", ErrSyntax},
	{"string for an integer", "version = \"1\"", 1, 11, "version", `want a whole number from 1 up, got "1"`, ErrValue},
	{"float for an integer", "version = 1.5", 1, 11, "version", "got 1.5", ErrValue},
	{"below", "version = 0", 1, 11, "version", "from 1 up, got 0", ErrValue},
	{"above", "version = 1\noffset = 10", 2, 10, "offset", "from 0 to 9, got 10", ErrValue},
	{"beyond 64 bits", "version = 9223372036854775808", 1, 11, "version", "from 1 up, got 9223372036854775808", ErrValue},
	{"string for a boolean", "version = 1\non = \"yes\"", 2, 6, "on", `want true or false, got "yes"`, ErrValue},
	{"date for a string", "version = 1\nname = 2026-01-02", 2, 8, "name", "want a string, got 2026-01-02", ErrValue},
	{"value for a table", "version = 1\nroster = 7", 2, 10, "roster", "want a table, got 7", ErrValue},
	{"list for a table", "version = 1\n[[doors]]", 2, 3, "doors", "want a table, got a list", ErrValue},
	{"value for a door", "version = 1\ndoors.front = true", 2, 15, "doors.front", "want a table, got true", ErrValue},
	{"string for a list", "version = 1\n[doors.a]\nlevels = \"x\"", 3, 10, "doors.a.levels", "want a list of strings, got \"x\"", ErrValue},
	{"integer in a list", "version = 1\n[doors.a]\nlevels = [\"x\", 5]", 3, 16, "doors.a.levels[1]", "want a string, got 5", ErrValue},
	{"table for a list of tables", "version = 1\n[doors.a.pins]", 2, 2, "doors.a.pins", "want a list of tables, got a table", ErrValue},
	{"duration: words", "version = 1\n[doors.front]\nstrike  =  \"fast\"", 3, 12, "doors.front.strike",
		`want a duration such as "5s", from 1s to 255s, got "fast"`, ErrDuration},
	{"duration: number", "version = 1\n[doors.front]\nstrike = 5", 3, 10, "doors.front.strike",
		`want a duration such as "5s", from 1s to 255s, got 5`, ErrValue},
	{"duration: too long", "version = 1\n[doors.front]\nstrike = \"256s\"", 3, 10, "doors.front.strike", `got "256s"`, ErrDuration},
	{"duration: too short", "version = 1\n[doors.front]\nstrike = \"999ms\"", 3, 10, "doors.front.strike", `got "999ms"`, ErrDuration},
	{"duration: negative", "version = 1\n[roster]\nmax_age = \"-7d\"", 3, 11, "roster.max_age", `such as "7d", got "-7d"`, ErrDuration},
	{"slug: capital", "version = 1\n[doors.front]\ngateway = \"GW1\"", 3, 11, "doors.front.gateway", `want a slug: 1 to 32 of a-z, 0-9 and "-", got "GW1"`, ErrSlug},
	{"slug: empty", "version = 1\n[doors.front]\ngateway = \"\"", 3, 11, "doors.front.gateway", `got ""`, ErrSlug},
	{"slug: as a key", "version = 1\n[doors.Front]", 2, 2, "doors.Front", `got "Front"`, ErrSlug},
	{"slug: long key", "version = 1\n[doors." + strings.Repeat("a", 33) + "]", 2, 2, "doors." + strings.Repeat("a", 33), "want a slug", ErrSlug},
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, c := range malformed {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s sample
			_, err := Decode("x.toml", []byte(c.data), &s)
			var errs Errors
			if !errors.As(err, &errs) || len(errs) != 1 {
				t.Fatalf("got %d errors, want one:\n%v", len(errs), err)
			}
			e := errs[0]
			if e.File != "x.toml" || e.Line != c.line || e.Column != c.column || e.Key != c.key || !strings.Contains(e.Msg, c.msg) {
				t.Errorf("got  %v\nwant x.toml:%d:%d: %s: …%s…", e, c.line, c.column, c.key, c.msg)
			}
			if !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	data := "offset = 11\n[doors.b]\nstrike = \"x\"\nfoo = 1\ngateway = \"gw1\"\n[doors.a]\nlevels = [1, \"x\", 2]\n"
	var s sample
	doc, err := Decode("x.toml", []byte(data), &s)
	if doc == nil {
		t.Fatal("no document for a file that is TOML")
	}
	// What was right is there, and what is wrong already is not told twice.
	if s.Doors["b"].Gateway != "gw1" || s.Doors["a"].Levels[1] != "x" || s.Doors["b"].Strike == nil || *s.Doors["b"].Strike != 0 {
		t.Errorf("wrong values: %+v", s)
	}
	doc.Reject(Path{"doors", "b", "strike"}, "a second error for one value")
	doc.Reject(Path{"doors", "b", "foo", "bar"}, "an error inside what is unknown")
	doc.Reject(Path{"doors", "b", "gateway"}, "unknown gateway %q", "gw1")
	doc.RejectKey(Path{"doors", "a", "levels"}, "at the key")
	const want = `x.toml:1:1: version: missing: count from 1
x.toml:1:10: offset: want a whole number from 0 to 9, got 11
x.toml:3:10: doors.b.strike: want a duration such as "5s", from 1s to 255s, got "x"
x.toml:4:1: doors.b.foo: unknown key; known: gateway, levels, pins, strike
x.toml:5:11: doors.b.gateway: unknown gateway "gw1"
x.toml:7:1: doors.a.levels: at the key
x.toml:7:11: doors.a.levels[0]: want a string, got 1
x.toml:7:19: doors.a.levels[2]: want a string, got 2`
	if got := doc.Err().Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if first, ok := errors.AsType[Error](err); !ok || first.Key != "version" {
		t.Errorf("errors.AsType gives %v", first)
	}
	if n := doc.Note(Path{"doors", "a"}, "just a note"); n.Error() != "x.toml:6:2: doors.a: just a note" {
		t.Errorf("Note = %v", n)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version = 1\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "k%d = %d\n", i, i)
	}
	var s sample
	_, err := Decode("x.toml", []byte(b.String()), &s)
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != MaxErrors+1 {
		t.Fatalf("got %d errors, want %d and a count", len(errs), MaxErrors)
	}
	if last := errs[MaxErrors]; last.Msg != "and 4900 more errors" || last.Line != 101 {
		t.Errorf("last is %v", last)
	}
	long := strings.Repeat("é", 500)
	_, err = Decode("x.toml", []byte("version = 1\non = \""+long+"\"\n\""+long+"\" = 1"), &s)
	if n := len(err.Error()); n > 700 {
		t.Errorf("an error repeats %d bytes of the file", n)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"front", "yard", "front-2", "garage", "strike", "from"}
	for _, c := range [][2]string{
		{"fromt", "from"}, {"frnot", "front"}, {"FRONT", "front"}, {"yrad", "yard"}, {"garge", "garage"}, {"stirke", "strike"},
		{"x", ""}, {"cellar", ""}, {"", ""}, {strings.Repeat("front", 100), ""},
	} {
		if got := Nearest(c[0], known); got != c[1] {
			t.Errorf("Nearest(%q) = %q, want %q", c[0], got, c[1])
		}
	}
	if got := Nearest("b", []string{"d", "c", "a"}); got != "a" {
		t.Errorf("a tie went to %q", got)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "72h": 72 * time.Hour, "7d": 7 * day, "1d12h": 36 * time.Hour, "0s": 0, "1.5h": 90 * time.Minute,
		"250ms": 250 * time.Millisecond, "0d": 0, "106751d": 106751 * day,
	} {
		if got, err := ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "5", "fast", "d", "-5s", "+5s", "5s1d", "1d1d", "1.5d", "106752d", "106751d24h", "99999999999999999999d", "1d ", " 1d", "1w",
		"9223372036854775808ns", strings.Repeat("0", 41) + "s",
	} {
		if got, err := ParseDuration(text); !errors.Is(err, ErrDuration) {
			t.Errorf("ParseDuration(%q) = %v, %v, want ErrDuration", text, got, err)
		}
	}
	for d, want := range map[Duration]string{
		0: "0s", Duration(7 * day): "7d", Duration(36 * time.Hour): "1d12h", Duration(90 * time.Second): "1m30s",
		Duration(time.Hour): "1h", Duration(10 * time.Minute): "10m", Duration(time.Hour + time.Second): "1h0m1s", -5: "-5ns",
	} {
		if got := d.String(); got != want {
			t.Errorf("%d is %q, want %q", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "d"))
		text, _ := d.MarshalText()
		if back, err := ParseDuration(string(text)); err != nil || back != d {
			t.Fatalf("%d is written %q and read as %d, %v", d, text, back, err)
		}
	})
}
