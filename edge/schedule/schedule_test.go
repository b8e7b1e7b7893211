package schedule

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *Zone {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return NewZone(l)
}

func calendar(t testing.TB, name string, lines ...string) *Calendar {
	t.Helper()
	var days []Days
	for _, l := range lines {
		d, err := ParseDays(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		days = append(days, d)
	}
	return NewCalendar(name, days)
}

func hours(t testing.TB, lines ...string) (list []Hours) {
	t.Helper()
	for _, l := range lines {
		h, err := ParseHours(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		list = append(list, h)
	}
	return list
}

func week(t testing.TB, lines ...string) (list []Rule) {
	t.Helper()
	for _, l := range lines {
		r, err := ParseRule(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		list = append(list, r)
	}
	return list
}

// odd are zones and moments near which their clocks do something unusual.
var odd = []struct{ zone, moment, what string }{
	{"UTC", "2026-03-01T00:00:00Z", "nothing"},
	{"Europe/Lisbon", "2026-03-29T01:00:00Z", "an hour is skipped"},
	{"Europe/Lisbon", "2026-10-25T01:00:00Z", "an hour comes twice"},
	{"Atlantic/Azores", "2026-10-25T01:00:00Z", "the hour before 01:00 comes twice, midnight with it"},
	{"Australia/Lord_Howe", "2026-04-04T15:00:00Z", "half an hour comes twice"},
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z", "half an hour is skipped"},
	{"Pacific/Apia", "2011-12-30T10:00:00Z", "a day is skipped"},
	{"Antarctica/Troll", "2026-03-29T01:00:00Z", "two hours are skipped"},
	{"Antarctica/Troll", "2026-10-25T01:00:00Z", "two hours come twice"},
	{"Africa/Casablanca", "2026-02-15T02:00:00Z", "Ramadan begins"},
	{"Africa/Casablanca", "2026-03-22T02:00:00Z", "Ramadan ends"},
	{"America/Sao_Paulo", "2018-11-04T03:00:00Z", "midnight is skipped"},
	{"America/Sao_Paulo", "2018-02-18T02:00:00Z", "the hour before midnight comes twice"},
	{"Antarctica/Casey", "2018-03-10T17:00:00Z", "three hours come twice"},
	{"Asia/Pyongyang", "2018-05-04T15:00:00Z", "half an hour is skipped for good"},
}

func TestOddClocks(t *testing.T) {
	t.Parallel()
	for _, o := range odd {
		t.Run(o.zone+" "+o.what, func(t *testing.T) {
			t.Parallel()
			z := zone(t, o.zone)
			moment, err := time.Parse(time.RFC3339, o.moment)
			if err != nil {
				t.Fatal(err)
			}
			before, after := z.wall(moment.Unix()-1)-moment.Unix()+1, z.wall(moment.Unix())-moment.Unix()
			if (before == after) != (o.zone == "UTC") {
				t.Errorf("the clock does not change at %v", moment)
			}
			from := moment.Add(-3 * 24 * time.Hour)
			walls := wallsOf(z, from, 6*day)
			for _, lines := range []string{
				"daily 22:00-06:00", "daily 00:00-24:00", "mon-fri 08:00-18:00", "daily 01:15-01:45", "daily 02:15-02:45", "daily 00:30-01:30|daily 01:45-03:00",
				"daily 23:30-00:30", "daily 23:00-24:00|daily 00:30-01:00", "daily 18:00-24:00|daily 01:00-02:00|daily 02:10-02:50", "daily 01:00-02:00|daily 02:00-03:00",
				"daily 20:00-23:15|daily 23:45-24:00",
			} {
				agree(t, New(Config{Name: "s", Zone: z, Week: week(t, strings.Split(lines, "|")...)}), from, walls)
			}
		})
	}
}

// TestAgreesWithMinutes: any schedule, near any odd change and at any time of
// twenty years.
func TestAgreesWithMinutes(t *testing.T) {
	t.Parallel()
	zones := map[string]*Zone{}
	for _, o := range odd {
		zones[o.zone] = zone(t, o.zone)
	}
	rapid.Check(t, func(t *rapid.T) {
		o := rapid.SampledFrom(odd).Draw(t, "zone")
		from, err := time.Parse(time.RFC3339, o.moment)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.IntRange(0, 3).Draw(t, "elsewhen") == 0 {
			from = time.Date(2010, 1, 1+rapid.IntRange(0, 20*365).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		}
		from = from.Add(-3 * 24 * time.Hour)
		agree(t, draw(t, zones[o.zone], from), from, wallsOf(zones[o.zone], from, 6*day))
	})
}

// draw makes a schedule whose special days lie within six days of from.
func draw(t *rapid.T, z *Zone, from time.Time) *Schedule {
	number := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	clock := func(name string) int {
		if number("near", 0, 1) == 0 {
			return 15 * number(name, 0, 16) // where clocks change
		}
		return 5 * number(name, 0, 287)
	}
	some := func() Hours {
		h := Hours{clock("from"), clock("to")}
		if number("whole", 0, 5) == 0 {
			h = Hours{0, day}
		} else if h.To <= h.From {
			h.To += day
		}
		if h.To-h.From >= day {
			h = Hours{0, day}
		}
		return h
	}
	c := Config{Name: "s", Zone: z}
	for range number("rules", 0, 4) {
		c.Week = append(c.Week, Rule{Weekdays(number("days", 1, 127)), some()})
	}
	if number("full", 0, 3) == 0 {
		c.Week = append(c.Week, Rule{everyDay, Hours{0, day}})
	} else if number("full by nights", 0, 3) == 0 { // a special day takes away what follows it, too
		c.Week = append(c.Week, Rule{everyDay, Hours{6 * 60, day + 5*60}}, Rule{everyDay, Hours{4 * 60, 7 * 60}})
	}
	for i := range number("calendars", 0, 3) {
		var days []Days
		for range number("days of it", 1, 3) {
			a := from.AddDate(0, 0, number("first", 0, 5))
			b := a.AddDate(0, 0, max(0, number("length", -3, 3)))
			d := Days{dateOf(floor(a.Unix(), 24*60*60)), dateOf(floor(b.Unix(), 24*60*60))}
			if number("yearly", 0, 1) == 1 {
				d.From.Year, d.To.Year = 0, 0
			}
			days = append(days, d)
		}
		sp := Special{Calendar: NewCalendar(string(rune('a'+i)), days)}
		for range number("special hours", 0, 2) {
			sp.Hours = append(sp.Hours, some())
		}
		c.Special = append(c.Special, sp)
	}
	return New(c)
}

func BenchmarkAt(b *testing.B) {
	z := zone(b, "Europe/Lisbon")
	feriados := calendar(b, "feriados", "*-12-25", "*-01-01", "2026-04-03", "2026-12-30..2027-01-02")
	vacation := calendar(b, "vacation", "2026-08-01..2026-08-31")
	rng := rand.New(rand.NewPCG(1, 1))
	times := make([]time.Time, 1024)
	for i := range times {
		times[i] = time.Date(2026, 1, 1, 0, 0, rng.IntN(365*24*60*60), 0, time.UTC)
	}
	for name, s := range map[string]*Schedule{
		"always": Always(z), "never": Never(z),
		"office":                   New(Config{Zone: z, Week: week(b, "mon-fri 08:00-18:00")}),
		"special":                  New(Config{Zone: z, Week: week(b, "mon-fri 08:00-18:00", "sat,sun 10:00-14:00", "daily 22:00-06:00"), Special: []Special{{feriados, hours(b, "10:00-12:00")}, {vacation, nil}}}),
		"open but on special days": New(Config{Zone: z, Week: week(b, "daily 00:00-24:00"), Special: []Special{{feriados, nil}}}),
		"on special days":          New(Config{Zone: z, Special: []Special{{feriados, hours(b, "10:00-12:00")}}}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.At(times[i%len(times)])
			}
		})
	}
}

// TestZoneTable: the table shows the wall clock that the standard library does,
// and an hour on either side of each change.
func TestZoneTable(t *testing.T) {
	t.Parallel()
	names := map[string]bool{"Europe/Dublin": true, "America/New_York": true, "Asia/Kathmandu": true, "Asia/Gaza": true}
	for _, o := range odd {
		names[o.zone] = true
	}
	for name := range names {
		z := zone(t, name)
		same := func(unix int64) {
			_, offset := time.Unix(unix, 0).In(z.location).Zone()
			if got := z.wall(unix) - unix; got != int64(offset) {
				t.Errorf("%s at %v: offset %d, want %d", name, time.Unix(unix, 0).UTC(), got, offset)
			}
		}
		for unix := int64(0); unix < tableEnd.Unix(); unix += 19*24*60*60 + 3607 {
			same(unix)
		}
		for i, s := range z.spans[1:] {
			same(s.from)
			same(s.from - 1)
			if s.from <= z.spans[i].from || s.offset == z.spans[i].offset {
				t.Errorf("%s: span %+v after %+v", name, s, z.spans[i])
			}
		}
	}
}

func TestAt(t *testing.T) { // not parallel: AllocsPerRun
	z := zone(t, "Europe/Lisbon")
	feriados := calendar(t, "feriados", "*-12-25", "2026-04-03")
	vacation := calendar(t, "vacation", "2026-12-19..2027-01-03")
	one := calendar(t, "one", "2030-06-01")
	office := New(Config{Name: "office", Zone: z, Week: week(t, "mon-fri 08:00-18:00"), Special: []Special{{feriados, hours(t, "10:00-12:00")}, {vacation, nil}}})
	night := New(Config{Name: "night", Zone: z, Week: week(t, "fri 22:00-06:00", "sat 05:00-07:00")})
	rare := New(Config{Name: "rare", Zone: z, Special: []Special{{one, hours(t, "09:00-17:00")}}})
	closed := New(Config{Name: "closed", Zone: z, Week: week(t, "daily 00:00-24:00"), Special: []Special{{one, nil}}})
	nights := New(Config{Name: "nights", Zone: z, Week: week(t, "daily 06:00-05:00", "daily 04:00-07:00"), Special: []Special{{one, nil}}})
	for _, c := range []struct {
		s     *Schedule
		now   string
		open  bool
		until string // zero if empty
		from  string // of the period
	}{
		{s: office, now: "2026-05-08 07:59", until: "2026-05-08 08:00"},
		{s: office, now: "2026-05-08 08:00", open: true, until: "2026-05-08 18:00", from: "2026-05-08 08:00"},
		{s: office, now: "2026-05-08 18:00", until: "2026-05-11 08:00"},
		{s: office, now: "2026-04-03 09:00", until: "2026-04-03 10:00"},
		{s: office, now: "2026-04-03 11:00", open: true, until: "2026-04-03 12:00", from: "2026-04-03 10:00"},
		{s: office, now: "2026-12-18 18:00", until: "2027-01-04 08:00"}, // the 25th is in both
		{s: office, now: "2025-12-25 11:00", open: true, until: "2025-12-25 12:00", from: "2025-12-25 10:00"},
		{s: night, now: "2026-05-09 06:30", open: true, until: "2026-05-09 07:00", from: "2026-05-08 22:00"},
		{s: night, now: "2026-05-09 07:00", until: "2026-05-15 22:00"},
		{s: rare, now: "2026-05-08 12:00", until: "2030-06-01 09:00"},
		{s: rare, now: "2030-06-01 12:00", open: true, until: "2030-06-01 17:00", from: "2030-06-01 09:00"},
		{s: rare, now: "2030-06-01 17:00"},
		{s: rare, now: "2015-01-01 00:00"}, // beyond ten years
		{s: closed, now: "2026-05-08 12:00", open: true, until: "2030-06-01 00:00"},
		{s: closed, now: "2030-06-01 12:00", until: "2030-06-02 00:00"},
		{s: closed, now: "2030-06-02 00:00", open: true, from: "2030-06-02 00:00"},
		{s: closed, now: "2035-06-02 00:00", open: true, from: "2030-06-02 00:00"},
		{s: closed, now: "2045-06-02 00:00", open: true},
		{s: nights, now: "2026-05-08 12:00", open: true, until: "2030-06-01 05:00"},
		{s: nights, now: "2030-06-01 05:00", until: "2030-06-02 04:00"}, // nothing is left of the first's night
		{s: nights, now: "2030-06-09 12:00", open: true, from: "2030-06-02 04:00"},
		{s: Always(z), now: "2026-05-08 12:00", open: true},
		{s: Never(z), now: "2026-05-08 12:00"},
	} {
		instant := func(text string) (at time.Time) {
			if text != "" {
				var err error
				if at, err = time.ParseInLocation("2006-01-02 15:04", text, z.location); err != nil {
					t.Fatal(err)
				}
			}
			return at
		}
		now := instant(c.now)
		open, until := c.s.At(now.UTC())
		if open != c.open || !until.Equal(instant(c.until)) || !until.IsZero() && until.Location() != z.location {
			t.Errorf("%s at %s: open %t until %v, want %t until %s", c.s.Name(), c.now, open, until, c.open, c.until)
		}
		start, end, ok := c.s.Period(now)
		if ok != c.open || ok && (!start.Equal(instant(c.from)) || !end.Equal(instant(c.until))) {
			t.Errorf("%s at %s: %t, period %v to %v, want %s to %s", c.s.Name(), c.now, ok, start, end, c.from, c.until)
		}
		if n := testing.AllocsPerRun(10, func() { c.s.At(now); c.s.Period(now) }); n != 0 {
			t.Errorf("%s at %s: %v allocations", c.s.Name(), c.now, n)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	z := zone(t, "UTC")
	c := calendar(t, "feriados", "*-12-25")
	for _, tt := range []struct {
		s             *Schedule
		words         string
		always, never bool
	}{
		{s: Always(z), words: "always", always: true},
		{s: Never(z), words: "never", never: true},
		{s: New(Config{Zone: z, Week: week(t, "mon-wed 00:00-24:00", "wed-sun 00:00-24:00")}), words: "always", always: true},
		{s: New(Config{Zone: z, Week: week(t, "daily 06:00-05:00", "daily 04:00-07:00")}), words: "always", always: true},
		{s: New(Config{Zone: z, Week: week(t, "daily 06:00-05:59")}), words: "every day 06:00–05:59"},
		{s: New(Config{Zone: z, Week: week(t, "mon-fri 08:00-18:00", "sat,sun 10:00-14:00")}), words: "Monday to Friday 08:00–18:00, Saturday and Sunday 10:00–14:00"},
		{s: New(Config{Zone: z, Week: week(t, "mon,wed,fri 00:00-24:00"), Special: []Special{{c, nil}}}), words: "Monday, Wednesday and Friday all day; on feriados closed"},
		{s: New(Config{Zone: z, Special: []Special{{c, hours(t, "10:00-12:00", "13:00-24:00")}}}), words: "on no day of the week; on feriados 10:00–12:00, 13:00–24:00"},
		{s: New(Config{Zone: z, Special: []Special{{c, nil}}}), words: "never", never: true},
		{s: New(Config{Zone: z, Week: week(t, "daily 00:00-24:00"), Special: []Special{{c, hours(t, "00:00-24:00")}}}), words: "every day all day; on feriados all day"},
	} {
		if got := tt.s.Words(); got != tt.words || tt.s.Always() != tt.always || tt.s.Never() != tt.never {
			t.Errorf("%q, always %t, never %t; want %q", got, tt.s.Always(), tt.s.Never(), tt.words)
		}
	}
	for text, want := range map[string]string{
		"2026-12-25": "2026-12-25", "2026-12-30..2027-01-02": "2026-12-30 to 2027-01-02", "*-01-01": "every year 01-01", "*-12-30..*-01-02": "every year 12-30 to 01-02",
	} {
		if d, err := ParseDays(text); err != nil || d.Words() != want {
			t.Errorf("%s in words is %q (%v)", text, d.Words(), err)
		}
	}
}
