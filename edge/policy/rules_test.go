package policy

import (
	"slices"
	"testing"
	"time"

	"tombolo/edge/strict"
)

// TestTown: every construct as it is read.
func TestTown(t *testing.T) {
	t.Parallel()
	p := load(t, "town")
	if p.Location.String() != "Europe/Lisbon" || len(p.Calendars) != 2 || len(p.Schedules) != 5 || p.Lockout != (Lockout{4, 10 * time.Minute}) {
		t.Errorf("location %v, %d calendars, %d schedules, %+v", p.Location, len(p.Calendars), len(p.Schedules), p.Lockout)
	}
	for _, want := range []Zone{
		{Name: "square", Outside: true, Shared: true},
		{Name: "hall", Antipassback: AntipassbackSoft, Forgive: 12 * time.Hour, Shared: true},
		{Name: "wing", Within: "hall", Shared: true},
		{Name: "lock", Within: "hall", Antipassback: AntipassbackTimed, AntipassbackTime: 2 * time.Minute, Forgive: 24 * time.Hour, Occupancy: 1},
		{Name: "lab", Antipassback: AntipassbackHard, Forgive: 24 * time.Hour, Occupancy: 6},
		{Name: "library", Forgive: 16 * time.Hour, Occupancy: 80},
		{Name: "workshop", Antipassback: AntipassbackSoft, Forgive: 72 * time.Hour, Shared: true}, // its doors hang on two gateways
	} {
		if got := p.Zones[want.Name]; *got != want {
			t.Errorf("zone %+v, want %+v", *got, want)
		}
	}
	main := p.Doors["main"]
	if main.Strike != 7*time.Second || main.ExtendedStrike != 20*time.Second || main.HeldOpen != time.Minute || main.ExtendedHeldOpen != 4*time.Minute ||
		main.PreAlarm != 15*time.Second || main.Unlock != p.Schedules["office"] || !main.FirstIn || !main.FireRelease ||
		main.Operator != OperatorExtended || main.Clock != TrustRTC || main.Relock != RelockTimer {
		t.Errorf("door main is %+v", *main)
	}
	inner := p.Doors["inner"]
	if inner.Relock != RelockClose || inner.Operator != OperatorNever || inner.Pin != p.Schedules["always"] || !inner.TwoPerson ||
		inner.CompanyTime != 30*time.Second || inner.Clock != TrustNTP || inner.ExtendedStrike != 15*time.Second ||
		!slices.Equal(inner.Partners, []string{"outer"}) || !slices.Equal(inner.Interlocks, []string{"airlock"}) {
		t.Errorf("door inner is %+v", *inner)
	}
	if got := p.Feedback[SignalDenied]; got.Length() != 700*time.Millisecond || got[0] != (Step{Red, true, 100 * time.Millisecond}) || got[1].Colour != Dark {
		t.Errorf("denied shows %v", got)
	}
	const townWarnings = `town.toml:17:11: schedules.office.special: 2026-12-24 is in both calendars feriados and holidays: the fewer hours count
town.toml:43:16: zones.workshop.antipassback: taken as soft: this zone's doors hang on gateways gw2, gw3, and none of them alone knows who is inside
town.toml:56:10: doors.main.unlock: zone hall counts who enters, and nobody is counted who walks in while the door is unlocked by schedule office
town.toml:98:10: doors.library.unlock: zone library counts who enters, and nobody is counted who walks in while the door is unlocked by schedule market
town.toml:134:9: levels.rescue.doors: "*" includes homes: whoever has this level may open flat`
	if got := strict.Errors(p.Warnings).Error(); got != townWarnings {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, townWarnings)
	}
}

// at is an hour of Lisbon.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	l, err := time.LoadLocation("Europe/Lisbon")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, l)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestAllowsByTime(t *testing.T) { // not parallel: AllocsPerRun
	p := load(t, "town")
	const friday = "2026-05-08 12:00"
	for _, c := range []struct {
		door, class string
		passport    uint64
		now         string // empty: the time is unknown
		lockdown    bool
		want        Grant
	}{
		{"main", "resident", 1, friday, false, Granted},
		{"main", "resident", 1, "2026-05-08 17:59", false, Granted},
		{"main", "resident", 1, "2026-05-08 18:00", false, OutsideHours},
		{"main", "resident", 1, "2026-05-09 12:00", false, Granted}, // Saturday
		{"main", "resident", 1, "2026-05-09 15:00", false, OutsideHours},
		{"main", "resident", 1, "2026-04-25 11:00", false, Granted}, // Liberty Day, a Saturday
		{"main", "resident", 1, "2026-04-25 13:00", false, OutsideHours},
		{"main", "resident", 1, "2026-08-05 12:00", false, OutsideHours}, // holidays
		{"main", "resident", 1, "2026-12-25 11:00", false, OutsideHours}, // in both calendars: closed beats open
		{"main", "resident", 1, "", false, NoClock},
		{"main", "resident", 1, "", true, NoClock},
		{"main", "resident", 1, friday, true, LockedDown},
		{"main", "resident", 1, "2026-05-08 20:00", true, OutsideHours},
		{"main", "staff", 1, "2026-05-08 20:00", false, Granted}, // by the level without hours
		{"main", "staff", 1, "", false, Granted},
		{"main", "staff", 1, "", true, LockedDown},
		{"main", "staff", 1, friday, true, LockedDown},
		{"main", "rescue", 1, friday, true, Granted},
		{"main", "rescue", 1, "", true, Granted},
		{"inner", "rescue", 1, friday, true, Granted},
		{"inner", "resident", 1, friday, false, NoLevel},
		{"inner", "resident", 17, "", false, Granted},
		{"inner", "resident", 17, friday, true, LockedDown},
		{"inner", "nobody", 1, friday, false, UnknownClass},
		{"cellar", "rescue", 1, friday, false, UnknownDoor},
	} {
		a := Ask{Door: c.door, Class: c.class, Passport: c.passport, Lockdown: c.lockdown}
		if c.now != "" {
			a.Now, a.TimeKnown = at(t, c.now), true
		}
		if got := p.Allows(a); got != c.want {
			t.Errorf("%+v: %v, want %v", c, got, c.want)
		}
	}
	for _, c := range []struct {
		levels   []string
		now      string
		lockdown bool
		want     Grant
	}{
		{nil, friday, false, NoLevel},
		{[]string{"gone"}, friday, false, NoLevel},
		{[]string{"research"}, friday, false, NoLevel},
		{[]string{"gone", "public"}, friday, false, Granted},
		{[]string{"public"}, "2026-05-08 23:00", false, OutsideHours},
		{[]string{"public", "cleaning"}, "2026-05-08 23:00", false, Granted},
		{[]string{"public", "cleaning"}, "2026-05-09 05:59", false, Granted}, // the night of Friday
		{[]string{"public", "cleaning"}, "", false, NoClock},
		{[]string{"public", "staff"}, "", false, Granted},
		{[]string{"public"}, friday, true, LockedDown},
		{[]string{"public", "rescue"}, friday, true, Granted},
	} {
		a := Ask{Door: "main", Class: "rescue", Passport: 17, Lockdown: c.lockdown} // whose class and passport do not count
		if c.now != "" {
			a.Now, a.TimeKnown = at(t, c.now), true
		}
		if got := p.LevelsAllow(c.levels, a); got != c.want {
			t.Errorf("%+v: %v, want %v", c, got, c.want)
		}
	}
	if got := p.LevelsAllow([]string{"rescue"}, Ask{Door: "cellar"}); got != UnknownDoor {
		t.Errorf("an unknown door gives %v", got)
	}
	a := Ask{Door: "main", Class: "visitor", Passport: 17, Now: at(t, friday), TimeKnown: true}
	guest := []string{"cleaning", "public"}
	if n := testing.AllocsPerRun(100, func() { p.Allows(a); p.LevelsAllow(guest, a); p.Attributes("visitor", 17); p.Inside("hall", "lock") }); n != 0 {
		t.Errorf("a decision allocates %v times", n)
	}
}

func TestInside(t *testing.T) {
	t.Parallel()
	p := load(t, "town")
	for _, c := range []struct {
		zone, place string
		want        bool
	}{
		{"hall", "hall", true}, {"hall", "wing", true}, {"wing", "hall", false}, {"lock", "wing", false},
		{"hall", "lab", false}, {"square", "hall", false}, {"attic", "attic", false}, {"", "hall", false}, {"hall", "", false}, {"", "", false},
	} {
		if got := p.Inside(c.zone, c.place); got != c.want {
			t.Errorf("Inside(%q, %q) = %v", c.zone, c.place, got)
		}
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	var (
		none, extended   = Attributes{}, Attributes{Extended: true}
		escort, escorted = Attributes{Escort: true}, Attributes{Escorted: true}
	)
	for _, c := range []struct{ class, own, want Attributes }{
		{none, none, none},
		{extended, none, extended}, {none, extended, extended},
		{escort, none, escort}, {none, escort, escort},
		{escorted, none, escorted}, {none, escorted, escorted},
		{escorted, escort, escort}, // the passport itself has been trusted with it
		{escort, escorted, escorted},
		{Attributes{Extended: true, Escorted: true}, escort, Attributes{Extended: true, Escort: true}},
	} {
		p := Policy{Classes: map[string]*Class{"c": {"c", Grantee{nil, c.class}}}, Passports: map[uint64]*Grantee{7: {nil, c.own}}}
		if got := p.Attributes("c", 7); got != c.want {
			t.Errorf("%+v of a class of %+v gives %+v, want %+v", c.own, c.class, got, c.want)
		}
		if p.Attributes("c", 8) != c.class || p.Attributes("d", 7) != c.own || p.Attributes("d", 8) != none {
			t.Error("an unknown class or passport has attributes")
		}
	}
}

// TestInterlocks: a door in several has the partners of all, once each.
func TestInterlocks(t *testing.T) {
	t.Parallel()
	data := "version = 1\nnode = \"n\"\n[zones]\na = { outside = true }\nb = {}\n[doors]\n"
	for _, d := range []string{"d1", "d2", "d3", "d4"} {
		data += d + ` = { gateway = "g", from = "a", to = "b", mechanical_exit = true }` + "\n"
	}
	data += "[interlocks]\nx.doors = [\"d3\", \"d1\", \"d2\"]\ny.doors = [\"d2\", \"d4\"]\nz.doors = [\"d1\", \"d2\"]\n"
	p, err := Parse("p", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
	for _, c := range []struct {
		door                 string
		partners, interlocks []string
	}{
		{"d1", []string{"d2", "d3"}, []string{"x", "z"}},
		{"d2", []string{"d1", "d3", "d4"}, []string{"x", "y", "z"}},
		{"d3", []string{"d1", "d2"}, []string{"x"}},
		{"d4", []string{"d2"}, []string{"y"}},
	} {
		if d := p.Doors[c.door]; !slices.Equal(d.Partners, c.partners) || !slices.Equal(d.Interlocks, c.interlocks) {
			t.Errorf("%s: partners %v by %v, want %v by %v", c.door, d.Partners, d.Interlocks, c.partners, c.interlocks)
		}
	}
}

// FuzzPattern: what is read is written so that it reads the same.
func FuzzPattern(f *testing.F) {
	for _, p := range DefaultFeedback() {
		f.Add(p.String())
	}
	for _, s := range []string{"white 5s", "off 20ms", "blue+beep 1.5s, beep 0.2s", "green 1m", "Green 1s", "green  1s", ", ", "amber+beep 5000ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePattern(s)
		if err != nil {
			if p != nil {
				t.Fatal("a pattern beside an error")
			}
			return
		}
		back, err := ParsePattern(p.String())
		if err != nil || !slices.Equal(back, p) || len(p) > 16 || p.Length() > 16*5*time.Second {
			t.Fatalf("%q is %v, written %q, read as %v, %v", s, p, p.String(), back, err)
		}
	})
}
