package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"tombolo/edge/strict"
)

type reporter interface {
	Helper()
	Errorf(string, ...any)
}

// check derives again whatever Parse promises of a valid policy.
func check(t reporter, p *Policy) {
	t.Helper()
	var slug strict.Slug
	if p.Version < 1 || slug.UnmarshalText([]byte(p.Node)) != nil || len(p.Doors) == 0 {
		t.Errorf("version %d, node %q, %d doors", p.Version, p.Node, len(p.Doors))
	}
	for name, d := range p.Doors {
		if d.Name != name || p.Zones[d.From] == nil || p.Zones[d.To] == nil || d.From == d.To || d.Gateway == "" || !d.MechanicalExit ||
			d.Strike < time.Second || d.Strike > 255*time.Second || d.HeldOpen < time.Second || d.HeldOpen > time.Hour ||
			d.MaxAge < time.Minute || d.MaxAge > 365*24*time.Hour || d.Stale > StaleAllow || d.Codes > CodesNone || d.Rex > RexShunt ||
			d.ExtendedStrike < d.Strike || d.ExtendedStrike > 255*time.Second || d.ExtendedHeldOpen < d.HeldOpen || d.ExtendedHeldOpen > time.Hour ||
			d.PreAlarm < 0 || d.PreAlarm >= d.HeldOpen || d.Relock > RelockClose || d.Operator > OperatorNever || d.Clock > TrustNTP ||
			d.CompanyTime < 5*time.Second || d.CompanyTime > 2*time.Minute ||
			p.Schedules[d.Unlock.Name()] != d.Unlock || p.Schedules[d.Pin.Name()] != d.Pin {
			t.Errorf("door %s: %+v", name, *d)
		}
		if d.Home && (!d.Pin.Never() || d.TwoPerson || d.Partners != nil) || d.Partners != nil && !d.Unlock.Never() {
			t.Errorf("door %s keeps people out of their home, or opens beside an open partner: %+v", name, *d)
		}
		for _, partner := range d.Partners {
			if other := p.Doors[partner]; partner == name || !slices.Contains(other.Partners, name) || other.Gateway != d.Gateway {
				t.Errorf("door %s has the partner %s", name, partner)
			}
		}
	}
	for name, z := range p.Zones {
		timed, kept := z.Antipassback == AntipassbackTimed, z.Antipassback == AntipassbackSoft || z.Antipassback == AntipassbackHard
		if timed != (z.AntipassbackTime > 0) || (kept || z.Occupancy > 0) != (z.Forgive > 0) || z.Occupancy < 0 || z.Name != name ||
			z.Outside && (z.Within != "" || z.Antipassback != AntipassbackNone || z.Occupancy != 0) {
			t.Errorf("zone %s: %+v", name, *z)
		}
		if z.Within != "" && (p.Zones[z.Within] == nil || p.Zones[z.Within].Outside || p.Inside(name, z.Within) || !p.Inside(z.Within, name)) {
			t.Errorf("zone %s lies within %s", name, z.Within)
		}
		gateways := map[string]bool{}
		for _, d := range p.Doors {
			if p.Inside(name, d.From) != p.Inside(name, d.To) {
				gateways[d.Gateway] = true
			}
		}
		if z.Antipassback == AntipassbackHard && len(gateways) > 1 {
			t.Errorf("zone %s is hard, and its doors hang on %d gateways", name, len(gateways))
		}
	}
	for s := SignalGranted; s < SignalKey; s++ {
		if len(p.Feedback[s]) == 0 || len(p.Feedback[s]) > 16 {
			t.Errorf("%v shows %v", s, p.Feedback[s])
		}
		for earlier := SignalGranted; earlier < s; earlier++ {
			if p.Feedback[s].String() == p.Feedback[earlier].String() {
				t.Errorf("%v and %v both show %v", earlier, s, p.Feedback[s])
			}
		}
	}
	for name, l := range p.Levels {
		if p.Schedules[l.Schedule.Name()] != l.Schedule {
			t.Errorf("level %s has the schedule %s of its own", name, l.Schedule.Name())
		}
		if len(l.Doors) == 0 || !slices.IsSorted(l.Doors) || l.All && len(l.Doors) != len(p.Doors) {
			t.Errorf("level %s: %+v", name, l)
		}
		for _, d := range l.Doors {
			if p.Doors[d] == nil {
				t.Errorf("level %s has the unknown door %s", name, d)
			}
		}
	}
	checkGrants(t, p)
}

// checkGrants holds Allows, LevelsAllow and Attributes against the lists.
func checkGrants(t reporter, p *Policy) {
	t.Helper()
	classes := append(sortedKeys(p.Classes), "", "no such class")
	passports := append(sortedKeys(p.Passports), 0, 1<<64-1)
	asks := []Ask{{}, {TimeKnown: true, Now: time.Date(2026, 12, 24, 11, 30, 0, 0, time.UTC)},
		{TimeKnown: true, Now: time.Date(2026, 5, 6, 1, 0, 0, 0, time.UTC), Lockdown: true}}
	for d := range p.Doors {
		for _, a := range asks {
			a.Door = d
			for _, a.Class = range classes {
				for _, a.Passport = range passports {
					if got, want := p.Allows(a), naive(p, a); got != want {
						t.Errorf("Allows(%+v) = %v, the file says %v", a, got, want)
					}
				}
			}
			levels := append(sortedKeys(p.Levels), "no such level")
			for i := range levels {
				if got, want := p.LevelsAllow(levels[i:], a), naiveLevels(p, a, levels[i:]); got != want {
					t.Errorf("LevelsAllow(%v, %+v) = %v, the file says %v", levels[i:], a, got, want)
				}
			}
		}
	}
	for _, c := range classes {
		for _, n := range passports {
			if a := p.Attributes(c, n); a.Escort && a.Escorted {
				t.Errorf("passport %d of class %s is escort and escorted", n, c)
			}
		}
	}
}

// naive answers as Allows should, from the lists as they are written.
func naive(p *Policy, a Ask) Grant {
	var levels []string
	c, known := p.Classes[a.Class]
	if known {
		levels = append(levels, c.Levels...)
	}
	own, has := p.Passports[a.Passport]
	if has {
		levels = append(levels, own.Levels...)
	}
	if !known && !has {
		return UnknownClass
	}
	return naiveLevels(p, a, levels)
}

func naiveLevels(p *Policy, a Ask, levels []string) Grant {
	var here, timeless, now []*Level
	for _, name := range levels {
		l := p.Levels[name]
		if l == nil || !slices.Contains(l.Doors, a.Door) {
			continue
		}
		here = append(here, l)
		if l.Schedule.Always() {
			timeless = append(timeless, l)
		}
		if open, _ := l.Schedule.At(a.Now); open {
			now = append(now, l)
		}
	}
	if !a.TimeKnown {
		now = timeless
	}
	switch {
	case len(here) == 0:
		return NoLevel
	case !a.Lockdown && len(now) > 0, slices.ContainsFunc(now, func(l *Level) bool { return l.DuringLockdown }):
		return Granted
	case len(now) > 0:
		return LockedDown
	case !a.TimeKnown:
		return NoClock
	}
	return OutsideHours
}

// write is the file of a policy with so many of each, every choice made by
// pick(n), a number below n.
func write(doors, levels, classes, passports int, pick func(n int) int) string {
	var b strings.Builder
	b.WriteString("version = 1\nnode = \"n\"\ntimezone = \"Europe/Lisbon\"\n[zones.out]\noutside = true\n[zones.in]\noccupancy = 9\n")
	b.WriteString("[calendars.c]\ndays = [\"*-12-25\", \"2026-05-01..2026-05-09\"]\n")
	const schedules = 8
	for i := range schedules {
		fmt.Fprintf(&b, "[schedules.s%d]\nweek = [\"mon-fri %02d:00-%02d:30\"]\n", i, 4+pick(8), 12+pick(11))
		if pick(2) == 0 {
			b.WriteString("special.c = [\"11:00-12:00\"]\n")
		}
	}
	for i := range doors {
		fmt.Fprintf(&b, "[doors.d%d]\ngateway = \"gw%d\"\nfrom = \"out\"\nto = \"in\"\nmechanical_exit = true\nhome = %t\n", i, i/8, pick(4) == 0)
	}
	some := func(prefix string, most, of int) string {
		var list []string
		for range 1 + pick(most) {
			if name := fmt.Sprintf("%q", fmt.Sprint(prefix, pick(of))); !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
		return strings.Join(list, ", ")
	}
	for i := range levels {
		list := some("d", 20, doors)
		if pick(8) == 0 {
			list = `"*"`
		}
		fmt.Fprintf(&b, "[levels.l%d]\ndoors = [%s]\nduring_lockdown = %t\n", i, list, pick(4) == 0)
		if pick(2) == 0 {
			fmt.Fprintf(&b, "schedule = \"s%d\"\n", pick(schedules))
		}
	}
	if levels == 0 {
		return b.String()
	}
	for i := range classes {
		fmt.Fprintf(&b, "[classes.c%d]\nlevels = [%s]\n", i, some("l", 6, levels))
	}
	for i := range passports {
		fmt.Fprintf(&b, "[passports.%d]\nlevels = [%s]\n", i+1, some("l", 3, levels))
	}
	return b.String()
}

func TestAllowsAgreesWithTheFile(t *testing.T) {
	t.Parallel()
	check(t, casa(t))
	check(t, load(t, "town"))
	rapid.Check(t, func(t *rapid.T) {
		upTo := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
		data := write(upTo("doors", 1, 130), upTo("levels", 0, 8), upTo("classes", 0, 5), upTo("passports", 0, 5),
			func(n int) int { return upTo("pick", 0, n-1) })
		p, err := Parse("p", []byte(data))
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		check(t, p)
	})
}

func FuzzParse(f *testing.F) {
	f.Add(bytesOf(f, "casa"))
	f.Add(bytesOf(f, "town"))
	f.Add([]byte(base))
	for _, c := range mistakes {
		f.Add([]byte(strings.Replace(base, c.old, c.new, 1)))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	f.Add([]byte(write(3, 3, 2, 2, rng.IntN)))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("p", data)
		if err != nil {
			var errs strict.Errors
			if p != nil || !errors.As(err, &errs) || len(errs) == 0 || len(errs) > strict.MaxErrors+1 {
				t.Fatalf("policy %v beside %v", p, err)
			}
			return
		}
		check(t, p)
		again, err := Parse("p", data)
		if err != nil || !reflect.DeepEqual(p, again) || Explain(p) != Explain(again) {
			t.Fatalf("the same bytes give two policies (%v)", err)
		}
	})
}

// TestHostileSizes: a large file full of names costs a bounded time, right or
// wrong. go-toml compares each key with all its siblings, so twice the names
// cost four times as much; all of MaxSize takes 1.3 s, a quarter of it at most
// 0.2 s.
func TestHostileSizes(t *testing.T) {
	t.Parallel()
	fill := func(head string, line func(i int) string) []byte {
		b := []byte(head)
		for i := 0; len(b) < hostileSize; i++ {
			b = append(b, line(i)...)
		}
		return b
	}
	door := func(i int) string {
		return fmt.Sprintf("d%d={gateway=\"g\",from=\"a\",to=\"b\",mechanical_exit=true}\n", i)
	}
	half := string(fill("", door)[:hostileSize/2])
	half = half[:strings.LastIndex(half, "\n")+1]
	const head = "version=1\nnode=\"n\"\nzones={a={},b={}}\n"
	for name, data := range map[string][]byte{
		"many doors":         fill(head+"[doors]\n", door),
		"many unknown doors": fill(head+"[doors]\n"+half+"[levels.l]\ndoors=[", func(i int) string { return fmt.Sprintf("\"x%d\",", i) }),
		"many star levels":   fill(head+"[doors]\n"+half+"[levels]\n", func(i int) string { return fmt.Sprintf("l%d={doors=[\"*\"]}\n", i) }),
		"many passports": fill(head+"[doors]\n"+half+"[levels]\nl={doors=[\"*\"]}\n[passports]\n",
			func(i int) string { return fmt.Sprintf("%d={levels=[\"l\"]}\n", i+1) }),
		"many schedules": fill(head+"doors={d={gateway=\"g\",from=\"a\",to=\"b\",mechanical_exit=true}}\n[calendars]\nc={days=[\"*-01-01..*-12-31\"]}\n"+
			"e={days=[\"2026-01-01..2026-12-31\"]}\n[schedules]\n",
			func(i int) string {
				return fmt.Sprintf("s%d={week=[\"mon 08:00-09:00\"],special={c=[],e=[\"10:00-11:00\"]}}\n", i)
			}),
		"many zones within each other": fill(head[:strings.Index(head, "zones")]+"doors={d={gateway=\"g\",from=\"z0\",to=\"z1\",mechanical_exit=true}}\n[zones]\n",
			func(i int) string { return fmt.Sprintf("z%d={within=\"z%d\",antipassback=\"hard\"}\n", i, i+1) }),
		"many interlocks": fill(head+"[doors]\n"+half+"[interlocks]\n",
			func(i int) string { return fmt.Sprintf("i%d={doors=[\"d%d\",\"d%d\"]}\n", i, i%500, (i+1)%500) }),
		"deep": []byte(head + "x=" + strings.Repeat("[", 500_000)),
	} {
		if name == "many unknown doors" {
			data = append(data, ']')
		}
		var p *Policy
		var err error
		took := cpuTime(t, func() { p, err = Parse("p", data) })
		t.Logf("%s: %d bytes, %v, policy %t", name, len(data), took, err == nil)
		if took > slower*2*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if p == nil && err == nil {
			t.Errorf("%s: neither policy nor error", name)
		}
	}
}

// cpuTime is how long f keeps its thread busy, so that whatever else the
// machine does at the same time does not count.
func cpuTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	f()
	return used() - start
}

// town has 500 doors and 200 levels.
func town() []byte {
	rng := rand.New(rand.NewPCG(500, 200))
	return []byte(write(500, 200, 50, 2000, rng.IntN))
}

// TestTownLoads holds the promise that a town's policy loads in 100 ms
// (measured: 20 to 30).
func TestTownLoads(t *testing.T) {
	t.Parallel()
	data := town()
	best := time.Hour
	for range 3 {
		var p *Policy
		var err error
		best = min(best, cpuTime(t, func() { p, err = Parse("town", data) }))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Doors) != 500 || len(p.Levels) != 200 || len(p.Passports) != 2000 {
			t.Fatalf("%d doors, %d levels", len(p.Doors), len(p.Levels))
		}
	}
	t.Logf("%d bytes in %v", len(data), best)
	if best > slower*100*time.Millisecond {
		t.Errorf("loading took %v", best)
	}
}

func BenchmarkParseTown(b *testing.B) {
	data := town()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("town", data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	p, err := Parse("town", town())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		p.Allows(Ask{Door: "d499", Class: "c7", Passport: 1234, Now: now, TimeKnown: true})
	}
}
