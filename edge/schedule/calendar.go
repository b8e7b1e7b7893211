package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What is wrong with a calendar's line.
var (
	ErrDays = errors.New(`want a day such as "2026-12-25", a range "2026-12-30..2027-01-02", or of every year "*-01-01"`)
	// ErrRange: a range that ends before it begins, or is suspiciously long.
	ErrRange = errors.New("want a range from the earlier day to the later, of at most 366 days")
)

// The years that a calendar may name.
const (
	MinYear = 2000
	MaxYear = 2199
)

// Date is a day of the civil calendar. Year 0 is every year.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// String is "2026-12-25" or "*-12-25".
func (d Date) String() string {
	if d.Year == 0 {
		return fmt.Sprintf("*-%02d-%02d", d.Month, d.Day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// parseDate reads what String writes, of a day that there is; the 29th of
// February of every year is one.
func parseDate(text string) (Date, bool) {
	rest, every := strings.CutPrefix(text, "*-")
	if every {
		rest = "2000-" + rest // a leap year
	}
	t, err := time.Parse(time.DateOnly, rest)
	d := Date{t.Year(), t.Month(), t.Day()}
	if every {
		d.Year = 0
	}
	return d, err == nil && d.String() == text && (every || d.Year >= MinYear && d.Year <= MaxYear)
}

// number counts days from 1970-01-01. d must have a year.
func (d Date) number() int64 {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}

// slot is d's place in a year of twelve months of 31 days.
func (d Date) slot() int { return (int(d.Month)-1)*31 + d.Day - 1 }

const slots = 12 * 31

func slotDate(year, slot int) Date { return Date{year, time.Month(slot/31 + 1), slot%31 + 1} }

// dateOf is the day of a number, by the proleptic Gregorian calendar. Time.Date
// does the same in ten times the time.
func dateOf(number int64) Date {
	const era = 146097   // days in 400 years
	n := number + 719468 // from 0000-03-01, so that leap days end a year
	e := floor(n, era)
	doe := n - e*era
	yoe := (doe - doe/1460 + doe/36524 - doe/(era-1)) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	month := (5*doy + 2) / 153 // from March
	d := Date{int(yoe + e*400), time.Month(month + 3), int(doy - (153*month+2)/5 + 1)}
	if d.Month > time.December {
		d.Month -= 12
		d.Year++
	}
	return d
}

// Days are the days from From to To, both inclusive: of one stretch of time, or
// of every year (then From may come after To: the days lie around New Year).
type Days struct{ From, To Date }

// ParseDays reads a day or two with ".." between them. Its errors are ErrDays
// and ErrRange.
func ParseDays(text string) (Days, error) {
	from, to, isRange := strings.Cut(text, "..")
	a, ok := parseDate(from)
	if !ok {
		return Days{}, ErrDays
	}
	if !isRange {
		return Days{a, a}, nil
	}
	b, ok := parseDate(to)
	switch {
	case !ok || (a.Year == 0) != (b.Year == 0):
		return Days{}, ErrDays
	case a == b:
		return Days{}, fmt.Errorf("%w; one day is written once", ErrRange)
	case a.Year != 0 && (a.number() > b.number() || b.number()-a.number() >= 366):
		return Days{}, ErrRange
	}
	return Days{a, b}, nil
}

// String is what ParseDays reads.
func (d Days) String() string {
	if d.From == d.To {
		return d.From.String()
	}
	return d.From.String() + ".." + d.To.String()
}

// MarshalText is String.
func (d Days) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDays.
func (d *Days) UnmarshalText(text []byte) error {
	v, err := ParseDays(string(text))
	if err == nil {
		*d = v
	}
	return err
}

// Calendar is a named set of special days.
type Calendar struct {
	Name string
	Days []Days // as they were given to NewCalendar

	dated  []dayRange  // sorted, with a day or more between them
	yearly [slots]bool // by slot
	every  bool        // some slot is set
}

type dayRange struct{ from, to int64 } // day numbers, inclusive

// NewCalendar keeps days, which the caller must not change any more.
func NewCalendar(name string, days []Days) *Calendar {
	c := &Calendar{Name: name, Days: days}
	var dated []dayRange
	for _, d := range days {
		if d.From.Year != 0 {
			dated = append(dated, dayRange{d.From.number(), d.To.number()})
			continue
		}
		c.every = true
		for i := d.From.slot(); ; i = (i + 1) % slots {
			c.yearly[i] = true
			if i == d.To.slot() {
				break
			}
		}
	}
	slices.SortFunc(dated, func(a, b dayRange) int { return cmp.Compare(a.from, b.from) })
	for _, r := range dated {
		if n := len(c.dated); n > 0 && r.from <= c.dated[n-1].to+1 {
			c.dated[n-1].to = max(c.dated[n-1].to, r.to)
			continue
		}
		c.dated = append(c.dated, r)
	}
	return c
}

// Has tells whether the calendar has a day, which must have a year.
func (c *Calendar) Has(d Date) bool { return c.has(d.number()) }

func (c *Calendar) has(number int64) bool {
	return c.hasDated(number) || c.every && c.yearly[dateOf(number).slot()]
}

func (c *Calendar) hasDated(number int64) bool {
	i := c.after(number)
	return i < len(c.dated) && c.dated[i].from <= number
}

// after is the first range that does not end before a day.
func (c *Calendar) after(number int64) int {
	i, _ := slices.BinarySearchFunc(c.dated, number, func(r dayRange, n int64) int { return cmp.Compare(r.to, n) })
	return i
}

// next is the first day of the calendar from number on, at most limit.
func (c *Calendar) next(number, limit int64) int64 {
	if i := c.after(number); i < len(c.dated) {
		limit = min(limit, max(number, c.dated[i].from))
	}
	if !c.every || number >= limit {
		return limit
	}
	for d, end := dateOf(number), dateOf(limit).Year; d.Year <= end; d = (Date{d.Year + 1, time.January, 1}) {
		for slot := d.slot(); slot < slots; slot++ {
			if n, ok := c.inYear(d.Year, slot); ok {
				return min(n, limit)
			}
		}
	}
	return limit
}

// prev is the last day of the calendar up to number, at least limit.
func (c *Calendar) prev(number, limit int64) int64 {
	if i := c.after(number); i < len(c.dated) && c.dated[i].from <= number {
		return number
	} else if i > 0 {
		limit = max(limit, c.dated[i-1].to)
	}
	if !c.every || number <= limit {
		return limit
	}
	for d, end := dateOf(number), dateOf(limit).Year; d.Year >= end; d = (Date{d.Year - 1, time.December, 31}) {
		for slot := d.slot(); slot >= 0; slot-- {
			if n, ok := c.inYear(d.Year, slot); ok {
				return max(n, limit)
			}
		}
	}
	return limit
}

// inYear is the number of a slot's day, if the calendar has it every year and
// the year has it.
func (c *Calendar) inYear(year, slot int) (int64, bool) {
	if !c.yearly[slot] {
		return 0, false
	}
	d := slotDate(year, slot)
	n := d.number()
	return n, dateOf(n) == d
}

// Shared finds a day that both calendars have; of year 0 if they share it
// every year.
func Shared(a, b *Calendar) (Date, bool) {
	if a.every && b.every {
		for i := range a.yearly {
			if d := slotDate(0, i); a.yearly[i] && b.yearly[i] && d.exists() {
				return d, true
			}
		}
	}
	for range 2 {
		for _, r := range a.dated {
			if n := b.next(r.from, r.to+1); n <= r.to {
				return dateOf(n), true
			}
		}
		a, b = b, a
	}
	return Date{}, false
}

// exists tells whether some year has a day of every year.
func (d Date) exists() bool {
	_, ok := parseDate(d.String())
	return ok
}
