package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What is wrong with a text that people wrote.
var (
	ErrHours    = errors.New(`want hours such as "08:00-18:00", "22:00-06:00" past midnight or "18:00-24:00"`)
	ErrWeekdays = errors.New(`want days such as "mon-fri", "sat,sun" or "daily"`)
	ErrRule     = errors.New(`want days and hours such as "mon-fri 08:00-18:00"`)
)

const day = 24 * 60 // minutes of a wall clock that nobody changes

// Hours are a stretch of the wall clock, in minutes from the midnight at which
// their day begins: 0 <= From < To <= From+1439, or 0 to 1440 for a whole day.
// A To beyond 1440 lies on the next day.
type Hours struct{ From, To int }

// ParseHours reads "HH:MM-HH:MM". An end before the start lies on the next
// day; midnight as an end is "24:00". All its errors are ErrHours.
func ParseHours(text string) (Hours, error) {
	from, to, ok := strings.Cut(text, "-")
	a, okA := clock(from)
	b, okB := clock(to)
	switch {
	case !ok || !okA || !okB || a == day:
		return Hours{}, ErrHours
	case b == 0:
		return Hours{}, fmt.Errorf(`%w; an end at midnight is "24:00"`, ErrHours)
	case a == b:
		return Hours{}, fmt.Errorf(`%w; a whole day is "00:00-24:00"`, ErrHours)
	case b < a:
		b += day
	}
	return Hours{a, b}, nil
}

// clock reads "HH:MM", up to "24:00", as minutes.
func clock(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	for _, i := range [...]int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	h, m := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	return h*60 + m, m < 60 && h*60+m <= day
}

// String is what ParseHours reads.
func (h Hours) String() string { return h.join("-") }

func (h Hours) join(dash string) string {
	to := h.To
	if to > day {
		to -= day
	}
	return fmt.Sprintf("%02d:%02d%s%02d:%02d", h.From/60, h.From%60, dash, to/60, to%60)
}

// MarshalText is String.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is ParseHours.
func (h *Hours) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHours(string(text))
	return err
}

// Weekdays is a set of days of the week: bit n is time.Weekday(n).
type Weekdays uint8

const (
	noDay    Weekdays = 0
	everyDay Weekdays = 1<<7 - 1
)

// Has tells whether d is in the set.
func (w Weekdays) Has(d time.Weekday) bool { return w>>d&1 == 1 }

// weekdays in the order in which people list them.
var weekdays = [7]struct {
	day   time.Weekday
	short string
}{
	{time.Monday, "mon"}, {time.Tuesday, "tue"}, {time.Wednesday, "wed"}, {time.Thursday, "thu"},
	{time.Friday, "fri"}, {time.Saturday, "sat"}, {time.Sunday, "sun"},
}

// parseWeekdays reads "daily", or days and ranges of days with commas between
// them. A range may go over the end of the week.
func parseWeekdays(text string) (Weekdays, error) {
	if text == "daily" {
		return everyDay, nil
	}
	set := noDay
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, okA := place(first)
		b, okB := a, okA
		if isRange {
			b, okB = place(last)
		}
		if !okA || !okB || isRange && a == b {
			return 0, ErrWeekdays
		}
		for i := a; ; i = (i + 1) % 7 {
			bit := Weekdays(1) << weekdays[i].day
			if set&bit != 0 {
				return 0, fmt.Errorf("%w; %s is listed twice", ErrWeekdays, weekdays[i].short)
			}
			set |= bit
			if i == b {
				break
			}
		}
	}
	return set, nil
}

func place(short string) (int, bool) {
	for i, d := range weekdays {
		if d.short == short {
			return i, true
		}
	}
	return 0, false
}

// runs are the set's days as ranges of places in weekdays, Monday first.
func (w Weekdays) runs() (runs [][2]int) {
	for i := 0; i < 7; i++ {
		if !w.Has(weekdays[i].day) {
			continue
		}
		j := i
		for j < 6 && w.Has(weekdays[j+1].day) {
			j++
		}
		runs = append(runs, [2]int{i, j})
		i = j
	}
	return runs
}

// String is a text that ParseRule reads as w: Monday first, with ranges.
func (w Weekdays) String() string {
	if w == everyDay {
		return "daily"
	}
	var parts []string
	for _, r := range w.runs() {
		switch first, last := weekdays[r[0]].short, weekdays[r[1]].short; r[1] - r[0] {
		case 0:
			parts = append(parts, first)
		case 1:
			parts = append(parts, first, last)
		default:
			parts = append(parts, first+"-"+last)
		}
	}
	return strings.Join(parts, ",")
}

// Rule is hours on some days of the week.
type Rule struct {
	Days  Weekdays
	Hours Hours
}

// ParseRule reads days and hours with one space between them, as in
// "mon-fri 08:00-18:00". Its errors are ErrRule, ErrWeekdays or ErrHours.
func ParseRule(text string) (Rule, error) {
	days, hours, ok := strings.Cut(text, " ")
	if !ok || len(text) > 64 {
		return Rule{}, ErrRule
	}
	w, err := parseWeekdays(days)
	if err != nil {
		return Rule{}, err
	}
	h, err := ParseHours(hours)
	return Rule{w, h}, err
}

// String is a text that ParseRule reads as r.
func (r Rule) String() string { return r.Days.String() + " " + r.Hours.String() }

// MarshalText is String.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRule.
func (r *Rule) UnmarshalText(text []byte) error {
	v, err := ParseRule(string(text))
	if err == nil {
		*r = v
	}
	return err
}
