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

// With -update, TestExplain writes testdata/*.explain anew: read the
// difference before you keep it, it is what stewards sign by.
var update = flag.Bool("update", false, "rewrite testdata/*.explain")

func bytesOf(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".toml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func load(t testing.TB, name string) *Policy {
	t.Helper()
	p, err := Parse(name+".toml", bytesOf(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func casa(t testing.TB) *Policy { return load(t, "casa") }

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
	usual := Door{Strike: 5 * time.Second, ExtendedStrike: 15 * time.Second, HeldOpen: 30 * time.Second, ExtendedHeldOpen: 90 * time.Second,
		CompanyTime: 20 * time.Second, MaxAge: 240 * time.Hour, Unlock: p.Schedules["never"], Pin: p.Schedules["never"], MechanicalExit: true}
	for _, differs := range []func(d *Door){
		func(d *Door) {
			d.Name, d.Gateway, d.From, d.To, d.HeldOpen, d.ExtendedHeldOpen = "front", "gw1", "street", "house", time.Minute, 3*time.Minute
		},
		func(d *Door) {
			d.Name, d.Gateway, d.From, d.To, d.Stale, d.Rex = "yard", "gw1", "house", "yard", StaleAllow, RexShunt
		},
		func(d *Door) {
			d.Name, d.Gateway, d.From, d.To, d.Strike, d.ExtendedStrike = "workshop", "gw2", "yard", "workshop", 3*time.Second, 9*time.Second
			d.MaxAge, d.Codes, d.RecordFirst = 72*time.Hour, CodesNone, true
		},
		func(d *Door) {
			d.Name, d.Gateway, d.From, d.To, d.Home, d.Codes = "flat-1", "gw2", "house", "flat-1", true, CodesDoor
		},
	} {
		want := usual
		differs(&want)
		if got := p.Doors[want.Name]; got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("door %s is\n%+v, want\n%+v", want.Name, got, want)
		}
	}
	if want := (&Level{"everywhere", []string{"flat-1", "front", "workshop", "yard"}, true, p.Schedules["always"], false}); !reflect.DeepEqual(p.Levels["everywhere"], want) {
		t.Errorf("level everywhere is %+v", p.Levels["everywhere"])
	}
	if want := (&Level{"common", []string{"front", "yard"}, false, p.Schedules["always"], false}); !reflect.DeepEqual(p.Levels["common"], want) {
		t.Errorf("level common is %+v", p.Levels["common"])
	}
	if want := (&Class{"steward", Grantee{Levels: []string{"common", "everywhere"}}}); !reflect.DeepEqual(p.Classes["steward"], want) {
		t.Errorf("class steward is %+v", p.Classes["steward"])
	}
	if want := map[uint64]*Grantee{17: {Levels: []string{"tools"}}}; !reflect.DeepEqual(p.Passports, want) {
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
	want := Door{Name: "d", Gateway: "g", From: "a", To: "b", Home: true, Strike: DefaultStrike, ExtendedStrike: 3 * DefaultStrike,
		HeldOpen: DefaultHeldOpen, ExtendedHeldOpen: 3 * DefaultHeldOpen, CompanyTime: DefaultCompanyTime, MaxAge: DefaultMaxAge,
		Unlock: p.Schedules["never"], Pin: p.Schedules["never"], MechanicalExit: true}
	if !reflect.DeepEqual(*p.Doors["d"], want) || p.Version != 1<<63-1 || p.Roster.MaxAge != 7*24*time.Hour {
		t.Errorf("got %+v of version %d", *p.Doors["d"], p.Version)
	}
	if p.Location != time.UTC || !p.Schedules["always"].Always() || !p.Schedules["never"].Never() || len(p.Schedules) != 2 ||
		p.Lockout != (Lockout{5, 5 * time.Minute}) || !reflect.DeepEqual(p.Feedback, DefaultFeedback()) {
		t.Errorf("got %v, %v, %v, %v", p.Location, p.Schedules, p.Lockout, p.Feedback)
	}
	if z := p.Zones["b"]; *z != (Zone{Name: "b"}) {
		t.Errorf("zone b is %+v", z)
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
		if got := p.Allows(Ask{Door: c.door, Class: c.class, Passport: c.passport}); got != c.want {
			t.Errorf("Allows(%q, %q, %d) = %v, want %v", c.door, c.class, c.passport, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.Allows(Ask{Door: "workshop", Class: "resident", Passport: 17}) }); n != 0 {
		t.Errorf("Allows allocates %v times", n)
	}
	var zero Policy
	if got := zero.Allows(Ask{Door: "front", Class: "resident", Passport: 1}); got != UnknownDoor {
		t.Errorf("the zero policy says %v", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"casa", "town"} {
		golden := "testdata/" + name + ".explain"
		got := Explain(load(t, name))
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
			if Explain(load(t, name)) != got {
				t.Fatal("the same policy is explained in two ways")
			}
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
	data := bytesOf(t, "casa")
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
		NoLevel.String() + ", " + Granted.String() + Grant(99).String(): "no level for this door, grantedunknown (99)",
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
