package schedule

import "math"

// A run is a stretch of the wall clock, in minutes since it showed the
// beginning of 1970, that hours cover without a gap. Runs are found on the wall
// clock, where every day has 1440 minutes, and then become instants; two runs
// may become one stretch of time where a clock change brings them together.
type run struct{ from, to int64 }

// horizon is how far ahead and back runs are looked for, in minutes. What lies
// beyond has no end.
const horizon = 10 * 366 * day

// runAfter is the first run that ends after an instant, and where to stop
// looking for more. If there is none, its from lies at the limit. Its from may
// be later than the run's, but not later than the instant if that lies in it.
func (s *Schedule) runAfter(now int64) (r run, limit int64) {
	// A run that the wall clock will not show any more is over; one that ends in
	// the minute that it may be set back to is not.
	m := floor(s.config.Zone.lowest(now), 60) - 1
	limit = m + horizon
	for r = s.run(m, limit); r.from < limit; r = s.run(r.to, limit) {
		// Hours that are skipped as a whole are none.
		if to := s.last(r, limit); to > now && s.first(r) < to {
			break
		}
	}
	return r, limit
}

// first is the instant at which a run begins.
func (s *Schedule) first(r run) int64 {
	if r.from >= r.to {
		return math.MaxInt64
	}
	return s.config.Zone.first(r.from * 60)
}

// last is the instant at which a run ends.
func (s *Schedule) last(r run, limit int64) int64 {
	if r.to >= limit {
		return math.MaxInt64
	}
	return s.config.Zone.last(r.to * 60)
}

// mergeAfter is the instant at which the stretch of time ends that r lies in.
func (s *Schedule) mergeAfter(r run, limit int64) int64 {
	to := s.last(r, limit)
	for to != math.MaxInt64 {
		r = s.run(r.to, limit)
		if s.first(r) > to {
			break
		}
		to = max(to, s.last(r, limit))
	}
	return to
}

// mergeBefore is the instant at which the stretch of time begins that r lies
// in.
func (s *Schedule) mergeBefore(r run, limit int64) int64 {
	for {
		from := s.runStart(r.from, limit)
		if from <= limit {
			return math.MinInt64
		}
		began := s.config.Zone.first(from * 60)
		before, ok := s.endBefore(from)
		if !ok || s.config.Zone.last(before*60) < began {
			return began
		}
		r.from = before
	}
}

// run is the first run that ends after minute m, cut at m and at limit. It is
// {limit, limit} if there is none.
func (s *Schedule) run(m, limit int64) run {
	to := s.runEnd(m, limit)
	if to == m {
		m = s.nextStart(m, limit)
		to = s.runEnd(m, limit)
	}
	return run{min(m, limit), to}
}

// runEnd is where the hours end that cover minute m; m if none do.
func (s *Schedule) runEnd(m, limit int64) int64 {
	for m < limit {
		d, before := floor(m, day), m
		if next := s.chained(d); next > d {
			m = next * day
			continue
		}
		if s.full && !s.isSpecial(d) && !s.isSpecial(d-1) {
			m = s.nextSpecial(d+1, limit/day+1) * day
			continue
		}
		for _, x := range [...]int64{d - 1, d} {
			for _, h := range s.on(x) {
				if x*day+int64(h.From) <= m {
					m = max(m, x*day+int64(h.To))
				}
			}
		}
		if m == before {
			break
		}
	}
	return min(m, limit)
}

// runStart is where the hours begin that reach minute m without a gap.
func (s *Schedule) runStart(m, limit int64) int64 {
	for m > limit {
		d, before := floor(m-1, day), m
		if prev := s.chainedBefore(d); prev < d {
			m = (prev + 1) * day
			continue
		}
		if s.full && !s.isSpecial(d) && !s.isSpecial(d-1) {
			// The day after a special one has nothing left of the night.
			m = (s.prevSpecial(d-2, limit/day-3) + 2) * day
			continue
		}
		for _, x := range [...]int64{d, d - 1} {
			for _, h := range s.on(x) {
				if x*day+int64(h.To) >= m {
					m = min(m, x*day+int64(h.From))
				}
			}
		}
		if m == before {
			break
		}
	}
	return max(m, limit)
}

// nextStart is the first minute from m on at which hours begin, at most limit.
func (s *Schedule) nextStart(m, limit int64) int64 {
	for d := floor(m, day); d*day < limit; {
		for _, h := range s.on(d) {
			if at := d*day + int64(h.From); at >= m {
				return min(at, limit)
			}
		}
		if d++; s.empty {
			d = s.nextSpecial(d, limit/day+1)
		}
		d = s.idle(d)
	}
	return limit
}

// endBefore is the last minute before m, and no more than a day before it, at
// which hours end.
func (s *Schedule) endBefore(m int64) (end int64, ok bool) {
	end = m - day - 1
	for x, d := floor(m, day)-3, floor(m, day); x <= d; x++ {
		for _, h := range s.on(x) {
			if to := x*day + int64(h.To); to < m {
				end = max(end, to)
			}
		}
	}
	return end, end >= m-day
}

// on are the hours that begin on a day.
func (s *Schedule) on(d int64) []Hours {
	if i := s.days.at(d); i < len(s.special) {
		return s.special[i].Hours
	}
	return s.week[weekday(d)]
}

// weekday is a day's, as time.Weekday.
func weekday(d int64) int { return int(((d+4)%7 + 7) % 7) } // 1970-01-01 was a Thursday

func (s *Schedule) isSpecial(d int64) bool { return s.days.at(d) < len(s.special) }

// nextSpecial is the first special day from d on, at most limit.
func (s *Schedule) nextSpecial(d, limit int64) int64 {
	for i := range s.special {
		limit = s.special[i].Calendar.next(d, limit)
	}
	return limit
}

// prevSpecial is the last special day up to d, at least limit.
func (s *Schedule) prevSpecial(d, limit int64) int64 {
	for i := range s.special {
		limit = s.special[i].Calendar.prev(d, limit)
	}
	return limit
}

// floor divides and rounds down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
