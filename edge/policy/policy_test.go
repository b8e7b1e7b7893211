package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/edge/strict"
)

// With -update, TestExplain writes testdata/casa.explain anew: read the
// difference before you keep it, it is what stewards sign by.
var update = flag.Bool("update", false, "rewrite testdata/*.explain")

const casaFile = "testdata/casa.toml"

func casaBytes(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(casaFile)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func casa(t testing.TB) *Policy {
	t.Helper()
	p, err := Parse("casa.toml", casaBytes(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	t.Parallel()
	p := casa(t)
	if p.Version != 3 || p.Node != "casa" || p.Roster.MaxAge != 240*time.Hour {
		t.Errorf("version %d, node %q, roster %v", p.Version, p.Node, p.Roster)
	}
	const warning = `casa.toml:49:24: levels.everywhere.doors: "*" includes homes: whoever has this level may open flat-1`
	if got := strict.Errors(p.Warnings).Error(); got != warning {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, warning)
	}
	if !p.Zones["street"].Outside || p.Zones["house"].Outside || len(p.Zones) != 5 {
		t.Errorf("zones %v", p.Zones)
	}
	for _, want := range []Door{
		{Name: "front", Gateway: "gw1", From: "street", To: "house", Strike: 5 * time.Second, HeldOpen: time.Minute,
			MaxAge: 240 * time.Hour, MechanicalExit: true},
		{Name: "yard", Gateway: "gw1", From: "house", To: "yard", Strike: 5 * time.Second, HeldOpen: 30 * time.Second,
			MaxAge: 240 * time.Hour, Stale: StaleAllow, Rex: RexShunt, MechanicalExit: true},
		{Name: "workshop", Gateway: "gw2", From: "yard", To: "workshop", Strike: 3 * time.Second, HeldOpen: 30 * time.Second,
			MaxAge: 72 * time.Hour, Codes: CodesNone, RecordFirst: true, MechanicalExit: true},
		{Name: "flat-1", Gateway: "gw2", From: "house", To: "flat-1", Home: true, Strike: 5 * time.Second, HeldOpen: 30 * time.Second,
			MaxAge: 240 * time.Hour, Codes: CodesDoor, MechanicalExit: true},
	} {
		if got := p.Doors[want.Name]; got == nil || *got != want {
			t.Errorf("door %s is\n%+v, want\n%+v", want.Name, got, want)
		}
	}
	if want := (&Level{"everywhere", []string{"flat-1", "front", "workshop", "yard"}, true}); !reflect.DeepEqual(p.Levels["everywhere"], want) {
		t.Errorf("level everywhere is %+v", p.Levels["everywhere"])
	}
	if want := (&Level{"common", []string{"front", "yard"}, false}); !reflect.DeepEqual(p.Levels["common"], want) {
		t.Errorf("level common is %+v", p.Levels["common"])
	}
	if want := (&Class{"steward", []string{"common", "everywhere"}}); !reflect.DeepEqual(p.Classes["steward"], want) {
		t.Errorf("class steward is %+v", p.Classes["steward"])
	}
	if want := map[uint64][]string{17: {"tools"}}; !reflect.DeepEqual(p.Passports, want) {
		t.Errorf("passports %v", p.Passports)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	p, err := Parse("p", []byte(`version = 9223372036854775807
node = "n"
[zones]
a = { outside = true }
b = {}
[doors.d]
gateway = "g"
from = "a"
to = "b"
home = true
mechanical_exit = true
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Door{Name: "d", Gateway: "g", From: "a", To: "b", Home: true, Strike: DefaultStrike, HeldOpen: DefaultHeldOpen,
		MaxAge: DefaultMaxAge, MechanicalExit: true}
	if *p.Doors["d"] != want || p.Version != 1<<63-1 || p.Roster.MaxAge != 7*24*time.Hour {
		t.Errorf("got %+v of version %d", *p.Doors["d"], p.Version)
	}
	if len(p.Warnings) != 0 {
		t.Errorf("a home whose people are in the ledger is no reason to warn: %v", p.Warnings)
	}
}

func TestAllows(t *testing.T) { // not parallel: AllocsPerRun
	p := casa(t)
	for _, c := range []struct {
		door, class string
		passport    uint64
		want        Grant
	}{
		{"front", "resident", 1, Granted},
		{"yard", "resident", 1, Granted},
		{"workshop", "resident", 1, NoLevel},
		{"workshop", "resident", 17, Granted}, // by the passport's own level
		{"front", "resident", 17, Granted},    // by the class still
		{"flat-1", "resident", 1, NoLevel},    // its people are in the ledger, not here
		{"flat-1", "steward", 1, Granted},
		{"front", "visitor", 1, UnknownClass},
		{"front", "", 0, UnknownClass},
		{"workshop", "visitor", 17, Granted}, // whatever its class
		{"front", "visitor", 17, NoLevel},    // known by itself, and not for this door
		{"cellar", "steward", 17, UnknownDoor},
		{"", "", 0, UnknownDoor},
	} {
		if got := p.Allows(c.door, c.class, c.passport); got != c.want {
			t.Errorf("Allows(%q, %q, %d) = %v, want %v", c.door, c.class, c.passport, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.Allows("workshop", "resident", 17) }); n != 0 {
		t.Errorf("Allows allocates %v times", n)
	}
	var zero Policy
	if got := zero.Allows("front", "resident", 1); got != UnknownDoor {
		t.Errorf("the zero policy says %v", got)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	data := `version = 1
node = "n"
[zones.a]
[zones.b]
[zones.attic]
[doors.d]
gateway = "g"
from = "a"
to = "b"
mechanical_exit = true
strike = "40s"
[doors.e]
gateway = "g"
from = "b"
to = "a"
mechanical_exit = true
[levels.unused]
doors = ["d"]
[levels.used]
doors = ["d"]
[passports.1]
levels = ["used"]
`
	p, err := Parse("p.toml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	const want = `p.toml:3:2: zones: no zone is marked outside = true, so nobody ever counts as having left
p.toml:5:2: zones.attic: no door leads to or from this zone
p.toml:6:2: doors.d.held_open: held open is reported after 30s, before the lock's 40s are over
p.toml:12:2: doors.e: no class and no passport may open this door
p.toml:17:2: levels.unused: no class and no passport has this level`
	if got := strict.Errors(p.Warnings).Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	const golden = "testdata/casa.explain"
	got := Explain(casa(t))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for range 20 { // maps change their order each time
		if Explain(casa(t)) != got {
			t.Fatal("the same policy is explained in two ways")
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	// printf 'tombolo/v1/policy\n' | sha256sum
	const empty = "b6e739d47b6114091b5bad7567eca39985235c336c945dd135dbea439bab3600"
	if got := Hash(nil); hex.EncodeToString(got[:]) != empty {
		t.Errorf("Hash of nothing is %x, want %s", got, empty)
	}
	data := casaBytes(t)
	want := sha256.Sum256(slices.Concat([]byte("tombolo/v1/policy\n"), data))
	if Hash(data) != want || casa(t).Hash() != want {
		t.Error("the separator does not come before the file's bytes, or Policy.Hash differs from Hash")
	}
}

func TestEnums(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		StaleDeny.String() + StaleAllow.String():                        "denyallow",
		CodesNode.String() + CodesDoor.String() + CodesNone.String():    "nodedoornone",
		RexUnlock.String() + RexShunt.String():                          "unlockshunt",
		Stale(9).String() + Codes(9).String() + Rex(9).String():         "unknown (9)unknown (9)unknown (9)",
		UnknownDoor.String() + ", " + UnknownClass.String():             "unknown door, unknown class",
		NoLevel.String() + ", " + Granted.String() + Grant(9).String():  "no level for this door, grantedunknown (9)",
		strings.Join([]string{Stale(0).Want(), Codes(0).Want()}, " | "): `"deny" or "allow" | "node", "door" or "none"`,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, c := range []Codes{CodesNode, CodesDoor, CodesNone} {
		text, _ := c.MarshalText()
		var back Codes
		if err := back.UnmarshalText(text); err != nil || back != c {
			t.Errorf("%v is written %q and read as %v, %v", c, text, back, err)
		}
	}
}
