package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseHours(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Hours{
		"00:00-24:00": {0, 1440}, "08:00-18:00": {480, 1080}, "22:00-06:00": {1320, 1800}, "18:00-24:00": {1080, 1440},
		"23:59-24:00": {1439, 1440}, "00:00-00:01": {0, 1}, "12:00-11:59": {720, 2159}, "00:01-24:00": {1, 1440},
	} {
		if got, err := ParseHours(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s is %v, %v, written %s", text, got, err, got)
		}
	}
	for _, text := range []string{
		"", "-", "08:00", "08:00-", "-18:00", "8:00-18:00", "08:00-18", "08:00–18:00", "08:00 - 18:00", " 08:00-18:00", "08:00-18:00 ",
		"08:60-18:00", "24:00-06:00", "24:01-06:00", "08:00-24:01", "08:00-25:00", "08:00-18:00-20:00", "08.00-18.00", "0a:00-18:00",
		"08:00-08:00", "00:00-00:00", "08:00-00:00", "+8:00-18:00", "08:00-18:00\x00", "٠٨:٠٠-١٨:٠٠", strings.Repeat("08:00-18:00,", 1000),
	} {
		if got, err := ParseHours(text); !errors.Is(err, ErrHours) || got != (Hours{}) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

func TestParseRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"daily 08:00-18:00": "daily 08:00-18:00", "mon-sun 08:00-18:00": "daily 08:00-18:00", "mon,tue 08:00-18:00": "mon,tue 08:00-18:00",
		"mon-tue 08:00-18:00": "mon,tue 08:00-18:00", "tue,mon,wed 08:00-18:00": "mon-wed 08:00-18:00", "sun 08:00-18:00": "sun 08:00-18:00",
		"fri-mon 08:00-18:00": "mon,fri-sun 08:00-18:00", "sat,sun 22:00-06:00": "sat,sun 22:00-06:00", "mon-wed,fri-sun 00:00-24:00": "mon-wed,fri-sun 00:00-24:00",
	} {
		got, err := ParseRule(text)
		if err != nil || got.String() != want {
			t.Errorf("%s is written %s, want %s (%v)", text, got, want, err)
		}
	}
	for text, want := range map[string]error{
		"": ErrRule, "daily": ErrRule, "08:00-18:00": ErrRule, "mon-fri08:00-18:00": ErrRule, strings.Repeat("mon,", 100) + "mon 08:00-18:00": ErrRule,
		" 08:00-18:00": ErrWeekdays, "Mon 08:00-18:00": ErrWeekdays, "monday 08:00-18:00": ErrWeekdays, "mon-mon 08:00-18:00": ErrWeekdays,
		"mon, 08:00-18:00": ErrWeekdays, ",mon 08:00-18:00": ErrWeekdays, "mon,mon 08:00-18:00": ErrWeekdays, "mon-wed,tue 08:00-18:00": ErrWeekdays,
		"mon-tue-wed 08:00-18:00": ErrWeekdays, "daily,mon 08:00-18:00": ErrWeekdays, "- 08:00-18:00": ErrWeekdays, "mon- 08:00-18:00": ErrWeekdays,
		"mon  08:00-18:00": ErrHours, "mon 08:00-18:00 ": ErrHours, "mon 08:00-18:00,20:00-22:00": ErrHours, "mon ": ErrHours,
	} {
		if got, err := ParseRule(text); !errors.Is(err, want) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseDays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2026-12-25", "2000-01-01", "2199-12-31", "2024-02-29", "*-01-01", "*-02-29", "2026-12-30..2027-01-02", "2027-01-01..2027-12-31",
		"2028-01-01..2028-12-31", "*-12-24..*-12-26", "*-12-30..*-01-02",
	} {
		if got, err := ParseDays(text); err != nil || got.String() != text {
			t.Errorf("%s is written %s (%v)", text, got, err)
		}
	}
	for text, want := range map[string]error{
		"": ErrDays, "2026": ErrDays, "2026-12": ErrDays, "2026-2-3": ErrDays, "2026-13-01": ErrDays, "2026-00-01": ErrDays, "2026-04-31": ErrDays,
		"2026-02-29": ErrDays, "1999-12-31": ErrDays, "2200-01-01": ErrDays, "*-02-30": ErrDays, "*-1-1": ErrDays, "**-01-01": ErrDays, "*": ErrDays,
		"2026-12-25T00:00:00Z": ErrDays, "2026-12-25 ": ErrDays, "2026-12-25..": ErrDays, "..2026-12-25": ErrDays, "2026-12-25...2026-12-26": ErrDays,
		"2026-12-25..*-12-26": ErrDays, "*-12-25..2026-12-26": ErrDays, "2026-12-25..2026-12-26..2026-12-27": ErrDays,
		"2026-12-25..2026-12-24": ErrRange, "2026-12-25..2026-12-25": ErrRange, "*-01-01..*-01-01": ErrRange, "2026-01-01..2027-01-02": ErrRange,
	} {
		if got, err := ParseDays(text); !errors.Is(err, want) || got != (Days{}) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
}

// TestDates: day numbers and dates agree with the standard library's.
func TestDates(t *testing.T) {
	t.Parallel()
	for n := int64(-100_000); n < 100_000; n++ {
		y, m, d := time.Unix(n*24*60*60, 0).UTC().Date()
		if got := dateOf(n); got != (Date{y, m, d}) {
			t.Fatalf("day %d is %v, want %d-%d-%d", n, got, y, m, d)
		}
	}
	if n := (Date{1970, time.January, 1}).number(); n != 0 {
		t.Errorf("1970 begins on day %d", n)
	}
}

// TestCalendar: next, prev and Has, against each other and the text.
func TestCalendar(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{
		"2026-12-25", "2026-12-25|2026-12-26|2026-12-24", "2026-03-01..2026-03-09|2026-03-05..2026-03-20", "*-01-01", "*-02-29", "*-12-30..*-01-02",
		"*-02-28..*-03-01|2026-12-31", "2025-01-01|*-06-30|2027-05-05..2027-05-09", "*-01-01..*-12-31",
	} {
		c := calendar(t, "c", strings.Split(lines, "|")...)
		from, to := (Date{2024, time.January, 1}).number(), Date{2034, time.January, 1}.number()
		next := to
		var before []int64 // the day before which nothing is special
		for n := to - 1; n >= from; n-- {
			date, has := dateOf(n), false
			for _, d := range c.Days {
				has = has || naiveHas(d, time.Unix(n*24*60*60, 0).UTC())
			}
			if c.Has(date) != has {
				t.Fatalf("%s has %v: %t", lines, date, !has)
			}
			if has {
				next = n
				before = append(before, n)
			}
			if got := c.next(n, to); got != next {
				t.Fatalf("%s: next of %v is %v, want %v", lines, date, dateOf(got), dateOf(next))
			}
		}
		prev := from - 1
		for n := from; n < to; n++ {
			if k := len(before); k > 0 && before[k-1] == n {
				prev, before = n, before[:k-1]
			}
			if got := c.prev(n, from-1); got != prev {
				t.Fatalf("%s: prev of %v is %v, want %v", lines, dateOf(n), dateOf(got), dateOf(prev))
			}
		}
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b, want string }{
		{"2026-12-25", "2026-12-25", "2026-12-25"},
		{"2026-12-25", "2026-12-26", ""},
		{"2026-12-20..2027-01-06", "*-12-25", "2026-12-25"},
		{"2026-12-26..2027-01-06", "*-12-25", ""},
		{"*-12-20..*-01-06", "*-01-05..*-01-09", "*-01-05"},
		{"*-02-27..*-03-02", "*-02-29", "*-02-29"},
		{"2026-02-01..2026-03-31", "*-02-29", ""},
		{"2028-02-01..2028-03-31", "*-02-29", "2028-02-29"},
		{"2026-01-01|2027-01-01", "2026-06-01..2027-05-01", "2027-01-01"},
		{"*-02-28..*-03-01", "*-03-02..*-02-27", ""}, // slots without a day are not shared
	} {
		a, b := calendar(t, "a", strings.Split(c.a, "|")...), calendar(t, "b", strings.Split(c.b, "|")...)
		for range 2 {
			got := ""
			if d, ok := Shared(a, b); ok {
				got = d.String()
			}
			if got != c.want {
				t.Errorf("%s and %s share %q, want %q", c.a, c.b, got, c.want)
			}
			a, b = b, a
		}
	}
}

// FuzzTexts: what is read is written so that it reads the same; hours and days
// have one way to be written.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{"08:00-18:00", "22:00-06:00", "mon-fri 08:00-18:00", "daily 00:00-24:00", "sat,sun 10:00-14:00", "*-01-01",
		"2026-12-30..2027-01-02", "*-12-30..*-01-02", "2026-02-29", "24:00-00:00", "fri-mon 23:59-00:01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := ParseHours(s); err == nil {
			if h.String() != s || h.From < 0 || h.From >= day || h.To <= h.From || h.To-h.From > day {
				t.Fatalf("hours %q are %+v, written %s", s, h, h)
			}
		} else if !errors.Is(err, ErrHours) {
			t.Fatal(err)
		}
		if d, err := ParseDays(s); err == nil {
			if d.String() != s {
				t.Fatalf("days %q are written %s", s, d)
			}
			NewCalendar("c", []Days{d})
		} else if !errors.Is(err, ErrDays) && !errors.Is(err, ErrRange) {
			t.Fatal(err)
		}
		if r, err := ParseRule(s); err == nil {
			back, err := ParseRule(r.String())
			if err != nil || back != r || r.Days == 0 {
				t.Fatalf("rule %q is written %s, read as %s, %v", s, r, back, err)
			}
		} else if !errors.Is(err, ErrRule) && !errors.Is(err, ErrWeekdays) && !errors.Is(err, ErrHours) {
			t.Fatal(err)
		}
	})
}
