package schedule

import (
	"slices"
	"time"
)

// naive is s minute by minute: what the package doc promises, worked out from
// what the standard library says the wall clock shows, for the minutes from
// from on. Whether a day is special and which calendar counts is asked of the
// written days.
type naive struct {
	s     *Schedule
	walls []int64 // of each minute, in minutes since 1970
	open  []bool
}

// wallsOf is what the wall clock shows for so many minutes.
func wallsOf(z *Zone, from time.Time, minutes int) []int64 {
	walls := make([]int64, minutes)
	for i := range walls {
		_, offset := from.Add(time.Duration(i) * time.Minute).In(z.location).Zone()
		walls[i] = from.Unix()/60 + int64(i) + int64(offset)/60
	}
	return walls
}

func newNaive(s *Schedule, walls []int64) *naive {
	n := &naive{s: s, walls: walls, open: make([]bool, len(walls))}
	days := map[int64]bool{}
	for _, w := range n.walls {
		for d := w/day - 2; d <= w/day+2; d++ {
			days[d] = true
		}
	}
	for d := range days {
		for _, h := range n.hours(d) {
			first := slices.IndexFunc(n.walls, func(w int64) bool { return w >= d*day+int64(h.From) })
			if first < 0 {
				continue
			}
			end := len(n.walls)
			if i := slices.Index(n.walls, d*day+int64(h.To)); i >= 0 {
				for end = i; slices.Contains(n.walls[end+1:min(end+2*day, len(n.walls))], d*day+int64(h.To)); {
					end += 1 + slices.Index(n.walls[end+1:], d*day+int64(h.To))
				}
			} else if i := slices.IndexFunc(n.walls, func(w int64) bool { return w > d*day+int64(h.To) }); i >= 0 {
				end = i
			}
			for i := first; i < end; i++ {
				n.open[i] = true
			}
		}
	}
	return n
}

func (n *naive) hours(d int64) []Hours {
	date := time.Unix(d*day*60, 0).UTC()
	var best []Hours
	special := false
	for _, sp := range n.s.config.Special {
		if !slices.ContainsFunc(sp.Calendar.Days, func(x Days) bool { return naiveHas(x, date) }) {
			continue
		}
		if !special || naiveMinutes(sp.Hours) < naiveMinutes(best) {
			special, best = true, sp.Hours
		}
	}
	if special {
		return best
	}
	var list []Hours
	for _, r := range n.s.config.Week {
		if r.Days.Has(date.Weekday()) {
			list = append(list, r.Hours)
		}
	}
	return list
}

func naiveHas(x Days, date time.Time) bool {
	if x.From.Year != 0 {
		text := date.Format(time.DateOnly)
		return x.From.String() <= text && text <= x.To.String()
	}
	text := "*-" + date.Format("01-02")
	if x.From.String() <= x.To.String() {
		return x.From.String() <= text && text <= x.To.String()
	}
	return x.From.String() <= text || text <= x.To.String()
}

func naiveMinutes(list []Hours) int {
	covered := map[int]bool{}
	for _, h := range list {
		for m := h.From; m < h.To; m++ {
			covered[m] = true
		}
	}
	return len(covered)
}

// agree holds s against the naive model in the middle of a stretch of time:
// from a day after its beginning to a day before its end.
func agree(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Schedule, from time.Time, walls []int64) {
	t.Helper()
	n, minutes := newNaive(s, walls), len(walls)
	change := minutes // of the next one
	for i := minutes - 1; i >= 0; i-- {
		if i+1 < minutes && n.open[i] != n.open[i+1] {
			change = i + 1
		}
		if i < day || i >= minutes-day {
			continue
		}
		if i%11 != 0 && n.open[i] == n.open[i-1] && n.open[i] == n.open[i+1] {
			continue // every minute beside a change, and some of the others
		}
		at := from.Add(time.Duration(i) * time.Minute)
		open, until := s.At(at.Add(time.Duration(i%60) * time.Second))
		if open != n.open[i] {
			t.Fatalf("%s at %v (%v): open %t, and minute by minute %t", s.Words(), at, at.In(s.config.Zone.location), open, n.open[i])
		}
		if want := from.Add(time.Duration(change) * time.Minute); change < minutes-day && !until.Equal(want) {
			t.Fatalf("%s at %v: open %t until %v, and minute by minute until %v", s.Words(), at.In(s.config.Zone.location), open, until, want.In(s.config.Zone.location))
		}
	}
	// A period is told alike by each of its minutes.
	for i := 3 * day; i < minutes-day; i++ {
		at := from.Add(time.Duration(i) * time.Minute)
		start, end, ok := s.Period(at)
		if ok != n.open[i] {
			t.Fatalf("%s at %v: in a period %t", s.Words(), at, ok)
		}
		if !ok {
			continue
		}
		first, last := i, i
		for first > 0 && n.open[first-1] {
			first--
		}
		for last < minutes && n.open[last] {
			last++
		}
		if want := from.Add(time.Duration(first) * time.Minute); first > day && !start.Equal(want) {
			t.Fatalf("%s at %v: period from %v, and minute by minute from %v", s.Words(), at.In(s.config.Zone.location), start, want.In(s.config.Zone.location))
		}
		if want := from.Add(time.Duration(last) * time.Minute); last < minutes-day && !end.Equal(want) {
			t.Fatalf("%s at %v: period to %v, and minute by minute to %v", s.Words(), at, end, want)
		}
		i = max(i, min(last, i+97))
	}
}
