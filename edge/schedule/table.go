package schedule

import (
	"math/bits"
	"time"
)

// table says of each day what lets a question pass over it: special days may
// hide the next change behind ten years of days that are all alike. Outside of
// its years days are looked at one by one.
type table struct {
	chained daySet // covered from midnight to midnight, by its hours and the night's before
	idle    daySet // no hours begin on it
}

// The days of the table, by number: of 2020 to 2099.
var (
	tableFirst = Date{2020, time.January, 1}.number()
	tableDays  = Date{2100, time.January, 1}.number() - tableFirst
)

// daySet is a bit for each day of the table.
type daySet []uint64

func newTable(s *Schedule) *table {
	t := &table{make(daySet, (tableDays+63)/64), make(daySet, (tableDays+63)/64)}
	// Of a few kinds of days each pair is worked out once: a calendar's, or the
	// week's.
	kinds := len(s.special) + 7
	hours := func(kind int) []Hours {
		if kind < len(s.special) {
			return s.special[kind].Hours
		}
		return s.week[kind-len(s.special)]
	}
	chained := make([]bool, kinds*kinds)
	for before := range kinds {
		for kind := range kinds {
			chained[before*kinds+kind] = covered(hours(before), hours(kind))
		}
	}
	kindOf := func(d int64) int {
		if i := s.days.at(d); i < len(s.special) {
			return i
		}
		return len(s.special) + weekday(d)
	}
	before := kindOf(tableFirst - 1)
	for i := range tableDays {
		kind := kindOf(tableFirst + i)
		if chained[before*kinds+kind] {
			t.chained[i/64] |= 1 << (i % 64)
		}
		if len(hours(kind)) == 0 {
			t.idle[i/64] |= 1 << (i % 64)
		}
		before = kind
	}
	return t
}

// clear is the first day from d on that is not in the set, or outside the table.
func (b daySet) clear(d int64) int64 {
	for i := d - tableFirst; i >= 0 && i < tableDays; i = (i/64 + 1) * 64 {
		if n := int64(bits.TrailingZeros64(^b[i/64] >> (i % 64))); n < 64-i%64 {
			return tableFirst + i + n
		}
		d = tableFirst + min((i/64+1)*64, tableDays)
	}
	return d
}

// clearBefore is the last day up to d that is not in the set, or outside the
// table.
func (b daySet) clearBefore(d int64) int64 {
	for i := d - tableFirst; i >= 0 && i < tableDays; i = i/64*64 - 1 {
		if n := int64(bits.LeadingZeros64(^b[i/64] << (63 - i%64))); n <= i%64 {
			return tableFirst + i - n
		}
		d = tableFirst + i/64*64 - 1
	}
	return d
}

// chained is the first day from d on that is not covered whole, as far as the
// table tells.
func (s *Schedule) chained(d int64) int64 {
	if s.table == nil {
		return d
	}
	return s.table.chained.clear(d)
}

// chainedBefore is the last such day up to d.
func (s *Schedule) chainedBefore(d int64) int64 {
	if s.table == nil {
		return d
	}
	return s.table.chained.clearBefore(d)
}

// idle is the first day from d on that has hours, as far as the table tells.
func (s *Schedule) idle(d int64) int64 {
	if s.table == nil {
		return d
	}
	return s.table.idle.clear(d)
}
