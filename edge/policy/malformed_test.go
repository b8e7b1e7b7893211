package policy

import (
	"errors"
	"strings"
	"testing"

	"tombolo/edge/strict"
)

// base is a valid policy; each malformed case changes it in one place.
const base = `version = 1
node = "casa"
[roster]
max_age = "7d"
[zones.outside]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "outside"
to = "house"
home = true
strike = "5s"
held_open = "30s"
max_age = "72h"
stale = "deny"
codes = "node"
rex = "unlock"
record_first = false
mechanical_exit = true
[levels.all]
doors = ["front"]
[classes.resident]
levels = ["all"]
[passports.17]
levels = ["all"]
`

type mistake struct {
	name, old, new string // what to replace in base
	line, column   int
	key, msg       string // msg: a part of it
	is             error  // strict's sentinel, if there is one
}

var mistakes = []mistake{
	{"no version", "version = 1\n", "", 1, 1, "version", "missing: count", strict.ErrMissing},
	{"version zero", "version = 1", "version = 0", 1, 11, "version", "a whole number from 1 up, got 0", strict.ErrValue},
	{"version negative", "version = 1", "version = -1", 1, 11, "version", "got -1", strict.ErrValue},
	{"version in words", "version = 1", `version = "one"`, 1, 11, "version", `got "one"`, strict.ErrValue},
	{"no node", "node = \"casa\"\n", "", 1, 1, "node", "missing: name the node", strict.ErrMissing},
	{"node is no slug", `"casa"`, `"Casa Grande"`, 2, 8, "node", `want a slug: 1 to 32 of a-z, 0-9 and "-", got "Casa Grande"`, strict.ErrSlug},
	{"node too long", `"casa"`, `"` + strings.Repeat("c", 33) + `"`, 2, 8, "node", "1 to 32", strict.ErrSlug},
	{"roster age without unit", `"7d"`, `"7"`, 4, 11, "roster.max_age", `want a duration such as "7d", from 1m to 365d, got "7"`, strict.ErrDuration},
	{"roster age too long", `"7d"`, `"366d"`, 4, 11, "roster.max_age", `got "366d"`, strict.ErrDuration},
	{"unknown table", "[roster]", "[rosters]", 3, 2, "rosters", `did you mean "roster"?`, strict.ErrUnknown},
	{"unknown key in a zone", "outside = true", "outsde = true", 6, 1, "zones.outside.outsde", `did you mean "outside"?`, strict.ErrUnknown},
	{"zone is no slug", "[zones.house]\n", "[zones.house]\n[zones.\"the house\"]\n", 8, 2, `zones."the house"`, "want a slug", strict.ErrSlug},
	{"zone is no table", "[zones.house]\n", "[zones]\nhouse = 1\n", 8, 9, "zones.house", "want a table, got 1", strict.ErrValue},
	{"door is no slug", "[doors.front]", "[doors.Front]", 8, 2, "doors.Front", `want a slug: 1 to 32 of a-z, 0-9 and "-", got "Front"`, strict.ErrSlug},
	{"no gateway", "gateway = \"gw1\"\n", "", 8, 2, "doors.front.gateway", "missing: name the gateway", strict.ErrMissing},
	{"gateway empty", `"gw1"`, `""`, 9, 11, "doors.front.gateway", `got ""`, strict.ErrSlug},
	{"no from", "from = \"outside\"\n", "", 8, 2, "doors.front.from", "missing: name the zone", strict.ErrMissing},
	{"from unknown", `from = "outside"`, `from = "outsid"`, 10, 8, "doors.front.from", `unknown zone "outsid"; did you mean "outside"?`, nil},
	{"to unknown, none near", `to = "house"`, `to = "cellar"`, 11, 6, "doors.front.to", `unknown zone "cellar"; known: house, outside`, nil},
	{"from a zone to itself", `to = "house"`, `to = "outside"`, 11, 6, "doors.front.to", `both are "outside"`, nil},
	{"home in words", "home = true", `home = "yes"`, 12, 8, "doors.front.home", `want true or false, got "yes"`, strict.ErrValue},
	{"strike in words", `"5s"`, `"fast"`, 13, 10, "doors.front.strike", `want a duration such as "5s", from 1s to 255s, got "fast"`, strict.ErrDuration},
	{"strike too short", `"5s"`, `"999ms"`, 13, 10, "doors.front.strike", `got "999ms"`, strict.ErrDuration},
	{"strike too long", `"5s"`, `"256s"`, 13, 10, "doors.front.strike", `got "256s"`, strict.ErrDuration},
	{"strike as a number", `"5s"`, `5`, 13, 10, "doors.front.strike", `got 5`, strict.ErrValue},
	{"held open too long", `"30s"`, `"61m"`, 14, 13, "doors.front.held_open", `want a duration such as "30s", from 1s to 1h, got "61m"`, strict.ErrDuration},
	{"age too short", `"72h"`, `"59s"`, 15, 11, "doors.front.max_age", `such as "72h", from 1m to 365d, got "59s"`, strict.ErrDuration},
	{"stale unknown", `"deny"`, `"denny"`, 16, 9, "doors.front.stale", `want "deny" or "allow", got "denny"`, nil},
	{"codes unknown", `codes = "node"`, `codes = true`, 17, 9, "doors.front.codes", `want "node", "door" or "none", got true`, strict.ErrValue},
	{"rex unknown", `"unlock"`, `""`, 18, 7, "doors.front.rex", `want "unlock" or "shunt", got ""`, nil},
	{"unknown key in a door", "record_first", "record_frist", 19, 1, "doors.front.record_frist", `did you mean "record_first"?`, strict.ErrUnknown},
	{"no mechanical exit", "mechanical_exit = true", "mechanical_exit = false", 20, 19, "doors.front.mechanical_exit", "false is refused: people must get out", nil},
	{"mechanical exit unsaid", "mechanical_exit = true\n", "", 8, 2, "doors.front.mechanical_exit", "missing: say mechanical_exit = true once you have tried it", strict.ErrMissing},
	{"doubled key", "home = true", "home = true\nhome = false", 13, 1, "doors.front.home", "line 12", strict.ErrDoubled},
	{"doubled door", "[levels.all]", "[doors.front]\n[levels.all]", 21, 2, "doors.front", "line 8", strict.ErrDoubled},
	{"level without doors", "doors = [\"front\"]\n", "", 21, 2, "levels.all.doors", "missing: list the doors", strict.ErrMissing},
	{"level empty", `["front"]`, `[]`, 22, 9, "levels.all.doors", "empty: name at least one door", nil},
	{"door unknown", `["front"]`, `["fornt"]`, 22, 10, "levels.all.doors[0]", `unknown door "fornt"; did you mean "front"?`, nil},
	{"door listed twice", `["front"]`, `["front", "front"]`, 22, 19, "levels.all.doors[1]", `door "front" is listed twice: it is number 1 already`, nil},
	{"star among others", `["front"]`, `["front", "*"]`, 22, 19, "levels.all.doors[1]", "stands alone", nil},
	{"door as a string", `["front"]`, `"front"`, 22, 9, "levels.all.doors", "want a list of strings", strict.ErrValue},
	{"level is no slug", "[levels.all]", "[levels.all]\ndoors = [\"*\"]\n[levels.\"*\"]", 23, 2, `levels."*"`, "want a slug", strict.ErrSlug},
	{"class empty", "[classes.resident]\nlevels = [\"all\"]", "[classes.resident]\nlevels = []", 24, 10, "classes.resident.levels", "empty: name at least one level", nil},
	{"class without levels", "[classes.resident]\nlevels = [\"all\"]", "[classes.resident]", 23, 2, "classes.resident.levels", "missing", strict.ErrMissing},
	{"level unknown to a class", "resident]\nlevels = [\"all\"]", "resident]\nlevels = [\"al\"]", 24, 11, "classes.resident.levels[0]", `unknown level "al"; did you mean "all"?`, nil},
	{"level twice in a class", "resident]\nlevels = [\"all\"]", "resident]\nlevels = [\"all\",\n \"all\"]", 25, 2, "classes.resident.levels[1]", "listed twice", nil},
	{"level unknown to a passport", "17]\nlevels = [\"all\"]", "17]\nlevels = [\"tools\"]", 26, 11, "passports.17.levels[0]", `unknown level "tools"; known: all`, nil},
	{"passport zero", "[passports.17]", "[passports.0]", 25, 2, "passports.0", "want a passport's number", ErrPassport},
	{"passport by name", "[passports.17]", "[passports.ana]", 25, 2, "passports.ana", `got "ana"`, ErrPassport},
	{"passport with a leading zero", "[passports.17]", "[passports.017]", 25, 2, "passports.017", "want a passport's number", ErrPassport},
	{"passport beyond 64 bits", "[passports.17]", "[passports.18446744073709551616]", 25, 2, "passports.18446744073709551616", "want a passport's number", ErrPassport},
	{"passport with a sign", "[passports.17]", "[passports.-17]", 25, 2, "passports.-17", "want a passport's number", ErrPassport},
	{"not TOML", "home = true", "home: true", 12, 5, "doors.front", "not TOML", strict.ErrSyntax},
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	if _, err := Parse("policy.toml", []byte(base)); err != nil {
		t.Fatalf("the base is not valid: %v", err)
	}
	for _, c := range mistakes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.Count(base, c.old) != 1 {
				t.Fatalf("%q stands %d times in the base", c.old, strings.Count(base, c.old))
			}
			p, err := Parse("policy.toml", []byte(strings.Replace(base, c.old, c.new, 1)))
			checkOne(t, p, err, c)
		})
	}
}

// TestMissingTables: a policy without zones or doors, absent and empty.
func TestMissingTables(t *testing.T) {
	t.Parallel()
	const head = "version = 1\nnode = \"n\"\n"
	for _, c := range []mistake{
		{"nothing", "", "version = 1\nnode = \"n\"\ndoors = {}\nzones = {}", 3, 9, "doors", "no doors", nil},
		{"no doors", "", head + "[zones.a]\n", 1, 1, "doors", "missing: a policy has at least one door", strict.ErrMissing},
		{"doors empty", "", head + "[zones.a]\n[doors]\n", 4, 2, "doors", "no doors", nil},
	} {
		p, err := Parse("policy.toml", []byte(c.new))
		if p != nil {
			t.Errorf("%s: a policy in spite of %v", c.name, err)
		}
		var errs strict.Errors
		if !errors.As(err, &errs) || errs[0].Line != c.line || errs[0].Column != c.column || errs[0].Key != c.key || !strings.Contains(errs[0].Msg, c.msg) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func checkOne(t *testing.T, p *Policy, err error, c mistake) {
	t.Helper()
	if p != nil {
		t.Error("a policy beside the error")
	}
	var errs strict.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("not strict.Errors: %v", err)
	}
	// A renamed door or level is also unknown where it is listed: the case's
	// own error is looked for among them.
	for _, e := range errs {
		if e.Key != c.key {
			continue
		}
		if e.File != "policy.toml" || e.Line != c.line || e.Column != c.column || !strings.Contains(e.Msg, c.msg) {
			t.Errorf("got  %v\nwant policy.toml:%d:%d: %s: …%s…", e, c.line, c.column, c.key, c.msg)
		}
		if c.is != nil && !errors.Is(e, c.is) {
			t.Errorf("%v is not %v", e, c.is)
		}
		return
	}
	t.Errorf("no error for %s among:\n%v", c.key, err)
}

// TestAllAtOnce: one run tells every mistake, each once, in the file's order.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	data := strings.NewReplacer(
		`"5s"`, `"fast"`, `to = "house"`, `to = "hose"`, `from = "outside"`, "from = 5", "mechanical_exit = true\n", "",
		`["front"]`, `["front", "back"]`, "record_first", "record_frist", "17]\nlevels = [\"all\"]", "17]\nlevels = []",
	).Replace(base)
	_, err := Parse("policy.toml", []byte(data))
	if err == nil {
		t.Fatal("no error")
	}
	const want = `policy.toml:8:2: doors.front.mechanical_exit: missing: say mechanical_exit = true once you have tried it: people must get out of this door without power, network or permission (fire safety)
policy.toml:10:8: doors.front.from: want a slug: 1 to 32 of a-z, 0-9 and "-", got 5
policy.toml:11:6: doors.front.to: unknown zone "hose"; did you mean "house"?
policy.toml:13:10: doors.front.strike: want a duration such as "5s", from 1s to 255s, got "fast"
policy.toml:19:1: doors.front.record_frist: unknown key; did you mean "record_first"?
policy.toml:21:19: levels.all.doors[1]: unknown door "back"; known: front
policy.toml:25:10: passports.17.levels: empty: name at least one level`
	if err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
