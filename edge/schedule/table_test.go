package schedule

import (
	"fmt"
	"testing"
	"time"
)

// worst are the schedules that cost most within what a policy may say: 64 lines a
// week, 16 calendars with 16 hours each, of days without end and without a gap.
func worst(tb testing.TB) map[string]*Schedule {
	z := zone(tb, "Europe/Lisbon")
	var lines []Rule
	var short []Hours
	for i := range 64 {
		lines = append(lines, Rule{everyDay, Hours{20 * i, 20*i + 1}})
	}
	for i := range 16 {
		short = append(short, Hours{80 * i, 80*i + 1})
	}
	whole := []Hours{{0, day}}
	calendars := func(hours []Hours) (all []Special) {
		for i := range 16 {
			lines := []string{fmt.Sprintf("*-%02d-01..*-%02d-28", i%12+1, i%12+1)}
			if i == 15 {
				lines = []string{"*-01-01..*-12-31"}
			}
			for j := range 60 {
				lines = append(lines, fmt.Sprintf("%d-%02d-%02d", 2026+j%10, i%12+1, j%28+1))
			}
			all = append(all, Special{calendar(tb, fmt.Sprint("c", i), lines...), hours})
		}
		return all
	}
	return map[string]*Schedule{
		"64 a day":               New(Config{Zone: z, Week: lines}),
		"64 a day, 16 special":   New(Config{Zone: z, Week: lines, Special: calendars(short)}),
		"never, by calendars":    New(Config{Zone: z, Week: lines, Special: calendars(nil)}),
		"always, by calendars":   New(Config{Zone: z, Week: lines, Special: calendars(whole)}),
		"always, calendars only": New(Config{Zone: z, Special: calendars(whole)}),
	}
}

// BenchmarkWorst asks anywhere in a year.
func BenchmarkWorst(b *testing.B) {
	start := time.Date(2026, 5, 8, 0, 0, 0, 0, time.UTC)
	for name, s := range worst(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.At(start.Add(time.Duration(i%300) * 29 * time.Hour))
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	c := worst(b)["64 a day, 16 special"].config
	for b.Loop() {
		New(c)
	}
}

// TestTable: whatever the table lets a question pass over, the answer is the one
// that is found day by day; also at the table's ends.
func TestTable(t *testing.T) {
	t.Parallel()
	all := worst(t)
	z := zone(t, "Europe/Lisbon")
	all["nights, and a day without one"] = New(Config{Zone: z, Week: week(t, "daily 06:00-05:00", "daily 04:00-07:00"),
		Special: []Special{{calendar(t, "a", "*-02-29", "2031-07-03"), hours(t, "06:00-05:00")}, {calendar(t, "b", "*-12-24..*-12-26"), nil}}})
	for name, s := range all {
		slow := *s
		slow.table = nil
		for _, start := range []string{"2019-12-29T12:00:00Z", "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2028-02-27T00:00:00Z", "2092-06-01T00:00:00Z", "2099-12-28T00:00:00Z", "2103-01-01T00:00:00Z"} {
			at, err := time.Parse(time.RFC3339, start)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 40 {
				at := at.Add(time.Duration(n) * 173 * time.Minute)
				open, until := s.At(at)
				if o, u := slow.At(at); o != open || !u.Equal(until) {
					t.Fatalf("%s at %v: %v until %v, day by day %v until %v", name, at, open, until, o, u)
				}
				from, to, ok := s.Period(at)
				if f, u, o := slow.Period(at); o != ok || !f.Equal(from) || !u.Equal(to) {
					t.Fatalf("%s at %v: period %v to %v, day by day %v to %v", name, at, from, to, f, u)
				}
			}
		}
	}
}
