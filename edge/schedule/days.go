package schedule

import (
	"cmp"
	"slices"
)

// specialDays tells which of a schedule's calendars counts on a day, so that no
// question asks them one by one. Calendars are numbered in the order in which
// they count.
type specialDays struct {
	none   int           // how many there are: the number for no calendar
	dated  []datedDays   // sorted and disjoint
	yearly *[slots]uint8 // by slot; nil if none has days of every year
}

type datedDays struct {
	dayRange
	calendar int
}

func newSpecialDays(special []Special) specialDays {
	s := specialDays{none: len(special)}
	var cuts []int64
	for i, sp := range special {
		c := sp.Calendar
		for _, r := range c.dated {
			cuts = append(cuts, r.from, r.to+1)
		}
		for slot := range slots {
			if !c.yearly[slot] {
				continue
			}
			if s.yearly == nil {
				s.yearly = new([slots]uint8)
				for j := range s.yearly {
					s.yearly[j] = uint8(len(special))
				}
			}
			s.yearly[slot] = min(s.yearly[slot], uint8(i))
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	for n := range max(0, len(cuts)-1) {
		d := datedDays{dayRange{cuts[n], cuts[n+1] - 1}, 0}
		d.calendar = slices.IndexFunc(special, func(sp Special) bool { return sp.Calendar.hasDated(d.from) })
		last := len(s.dated) - 1
		switch {
		case d.calendar < 0:
		case last >= 0 && s.dated[last].calendar == d.calendar && s.dated[last].to+1 == d.from:
			s.dated[last].to = d.to
		default:
			s.dated = append(s.dated, d)
		}
	}
	return s
}

// at is the calendar that counts on a day, none if no one has it.
func (s *specialDays) at(day int64) int {
	found := s.none
	if len(s.dated) > 0 {
		i, _ := slices.BinarySearchFunc(s.dated, day, func(r datedDays, n int64) int { return cmp.Compare(r.to, n) })
		if i < len(s.dated) && s.dated[i].from <= day {
			found = s.dated[i].calendar
		}
	}
	if s.yearly != nil && found > 0 {
		found = min(found, int(s.yearly[dateOf(day).slot()]))
	}
	return found
}
