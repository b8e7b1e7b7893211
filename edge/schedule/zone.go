package schedule

import (
	"math"
	"time"
)

// Zone is a time zone as a table, so that no question costs a search through
// the database's rules. It reaches from 1970 to 2200; what lies outside has the
// nearest offset. It does not change.
type Zone struct {
	location *time.Location
	spans    []span // in order of time; the first begins before everything
}

// span is a time without a clock change: it ends where the next begins.
type span struct {
	from   int64 // Unix seconds
	offset int64 // seconds east of Greenwich
}

var tableEnd = time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)

// NewZone makes the table of a location.
func NewZone(l *time.Location) *Zone {
	z := &Zone{location: l}
	for t := time.Unix(0, 0).In(l); t.Before(tableEnd); {
		_, offset := t.Zone()
		// Names may change where offsets do not.
		if n := len(z.spans); n == 0 || z.spans[n-1].offset != int64(offset) {
			z.spans = append(z.spans, span{t.Unix(), int64(offset)})
		}
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		if !end.After(t) {
			// At the end of a leap year, time.Time.ZoneBounds of Go 1.26 gives
			// an end that lies in the past.
			end = t.Add(24 * time.Hour)
		}
		t = end
	}
	z.spans[0].from = math.MinInt64
	return z
}

// Location is what NewZone was given.
func (z *Zone) Location() *time.Location { return z.location }

// at is the span of an instant.
func (z *Zone) at(unix int64) int {
	lo, hi := 0, len(z.spans) // the span is lo or later, and before hi
	for lo+1 < hi {
		if mid := (lo + hi) / 2; z.spans[mid].from <= unix {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// end is where span i ends.
func (z *Zone) end(i int) int64 {
	if i+1 < len(z.spans) {
		return z.spans[i+1].from
	}
	return math.MaxInt64
}

// wall is what the wall clock shows, in seconds since it showed the beginning
// of 1970.
func (z *Zone) wall(unix int64) int64 { return unix + z.spans[z.at(unix)].offset }

// lowest is the least that the wall clock shows at an instant or after it. No
// change is larger than a day, so it lies before one that is less than a day off.
func (z *Zone) lowest(unix int64) int64 {
	i := z.at(unix)
	low := unix + z.spans[i].offset
	for i++; i < len(z.spans) && z.spans[i].from-unix <= 24*60*60; i++ {
		low = min(low, z.spans[i].from+z.spans[i].offset)
	}
	return low
}

// around is longer than any wall clock differs from UTC, in seconds.
const around = 26 * 60 * 60

// first is the first instant whose wall clock shows wall or, where it is
// skipped, the jump.
func (z *Zone) first(wall int64) int64 {
	i := z.at(wall - around)
	for i+1 < len(z.spans) && z.end(i)+z.spans[i].offset <= wall {
		i++
	}
	return max(z.spans[i].from, wall-z.spans[i].offset)
}

// last is the last instant whose wall clock shows wall or, where it is
// skipped, the jump.
func (z *Zone) last(wall int64) int64 {
	i := z.at(wall + around)
	for i > 0 && z.spans[i].from+z.spans[i].offset > wall {
		i--
	}
	return min(z.end(i), wall-z.spans[i].offset)
}
