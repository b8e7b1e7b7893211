package schedule

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Config is what a schedule is made of.
type Config struct {
	Name    string
	Zone    *Zone
	Week    []Rule
	Special []Special // each of another calendar
}

// Special is the hours that replace the week's on a calendar's days: none if
// the schedule is closed then.
type Special struct {
	Calendar *Calendar
	Hours    []Hours
}

// Schedule is when something holds. It does not change once New has made it.
type Schedule struct {
	config  Config     // as it was given, for Words
	week    [7][]Hours // by time.Weekday: sorted, with a minute or more between them
	special []Special  // the one that counts first; hours as in week
	days    specialDays
	empty   bool   // the week has no hours
	full    bool   // the week has no gap
	table   *table // nil without special days
}

// New makes a schedule. The caller must not change c's slices any more.
func New(c Config) *Schedule {
	s := &Schedule{config: c, empty: len(c.Week) == 0}
	for _, r := range c.Week {
		for d := range s.week {
			if r.Days.Has(time.Weekday(d)) {
				s.week[d] = append(s.week[d], r.Hours)
			}
		}
	}
	for d := range s.week {
		s.week[d] = merge(s.week[d])
	}
	s.full = weekIsFull(&s.week)
	for _, sp := range c.Special {
		s.special = append(s.special, Special{sp.Calendar, merge(slices.Clone(sp.Hours))})
	}
	slices.SortFunc(s.special, func(a, b Special) int {
		return cmp.Or(cmp.Compare(minutes(a.Hours), minutes(b.Hours)), cmp.Compare(a.Calendar.Name, b.Calendar.Name))
	})
	s.days = newSpecialDays(s.special)
	if len(s.special) > 0 {
		s.table = newTable(s)
	}
	return s
}

// Always is a schedule named "always" without beginning or end.
func Always(z *Zone) *Schedule {
	return New(Config{Name: "always", Zone: z, Week: []Rule{{everyDay, Hours{0, day}}}})
}

// Never is a schedule named "never" without any hours.
func Never(z *Zone) *Schedule { return New(Config{Name: "never", Zone: z}) }

// Name is what New was given.
func (s *Schedule) Name() string { return s.config.Name }

// Special is what New was given, in the same order.
func (s *Schedule) Special() []Special { return s.config.Special }

// Always tells whether s holds at every instant: whoever asks needs no clock.
func (s *Schedule) Always() bool { return s.full && len(s.special) == 0 }

// Never tells whether no day has any hours in s.
func (s *Schedule) Never() bool {
	return s.empty && !slices.ContainsFunc(s.special, func(sp Special) bool { return len(sp.Hours) > 0 })
}

// At tells whether s holds at an instant, and until when that stays so: the
// zero time if it does not change within ten years. It allocates nothing.
func (s *Schedule) At(t time.Time) (open bool, until time.Time) {
	now := t.Unix()
	r, limit := s.runAfter(now)
	if from := s.first(r); from > now {
		return false, s.instant(from)
	}
	return true, s.instant(s.mergeAfter(r, limit))
}

// Period is the stretch of time that an instant lies in: start <= t < end. A
// zero start or end is more than ten years off, or never was or will be. It is
// false when s does not hold at t. All instants of one stretch get the same
// answer, so start tells one stretch from another.
func (s *Schedule) Period(t time.Time) (start, end time.Time, ok bool) {
	now := t.Unix()
	r, limit := s.runAfter(now)
	if s.first(r) > now {
		return time.Time{}, time.Time{}, false
	}
	return s.instant(s.mergeBefore(r, limit-2*horizon)), s.instant(s.mergeAfter(r, limit)), true
}

// instant is a time of the schedule's zone; what lies beyond the horizon is
// zero.
func (s *Schedule) instant(unix int64) time.Time {
	if unix == math.MinInt64 || unix == math.MaxInt64 {
		return time.Time{}
	}
	return time.Unix(unix, 0).In(s.config.Zone.location)
}

// merge sorts hours and joins those that touch or overlap, in place.
func merge(hours []Hours) []Hours {
	slices.SortFunc(hours, func(a, b Hours) int { return cmp.Compare(a.From, b.From) })
	merged := hours[:0]
	for _, h := range hours {
		if n := len(merged); n > 0 && h.From <= merged[n-1].To {
			merged[n-1].To = max(merged[n-1].To, h.To)
			continue
		}
		merged = append(merged, h)
	}
	return merged
}

// minutes is how long merged hours are together.
func minutes(hours []Hours) (sum int) {
	for _, h := range hours {
		sum += h.To - h.From
	}
	return sum
}

// weekIsFull tells whether each day is covered.
func weekIsFull(week *[7][]Hours) bool {
	for d := range week {
		if !covered(week[(d+6)%7], week[d]) {
			return false
		}
	}
	return true
}

// covered tells whether a day is covered by its own hours and by those that
// began the day before.
func covered(before, hours []Hours) bool {
	all := slices.Clone(hours)
	for _, h := range before {
		all = append(all, Hours{h.From - day, h.To - day})
	}
	return slices.ContainsFunc(merge(all), func(h Hours) bool { return h.From <= 0 && h.To >= day })
}
