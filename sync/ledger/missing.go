package ledger

import (
	"cmp"
	"slices"
)

// Missing tells bodies that their author dropped from bodies that somebody
// withheld: a missing one must be covered by a Dropped entry that comes later.
// It is given entries in ascending order; the zero value is ready. Its memory
// grows by the runs of missing bodies and by the Dropped entries.
type Missing struct {
	gaps  []span // ascending and merged
	drops []span
}

type span struct{ first, last int64 }

// Take notes an entry and what [Entry.Open] made of its body.
func (m *Missing) Take(index int64, e Entry, body Body) {
	if d, ok := body.(*Dropped); ok {
		m.drops = append(m.drops, span{d.First, d.Last})
	}
	if !e.Dropped() {
		return
	}
	if n := len(m.gaps); n > 0 && m.gaps[n-1].last == index-1 {
		m.gaps[n-1].last = index
	} else {
		m.gaps = append(m.gaps, span{index, index})
	}
}

// Check returns ErrWithheld in an *At that names the first missing body that
// no Dropped entry covers.
func (m *Missing) Check() error {
	slices.SortFunc(m.drops, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	drops, covered := m.drops, int64(-1) // covered: the last index that the drops behind us reach
	for _, gap := range m.gaps {
		at := max(gap.first, covered+1)
		for ; at <= gap.last && len(drops) > 0 && drops[0].first <= at; drops = drops[1:] {
			covered = max(covered, drops[0].last)
			at = max(at, covered+1)
		}
		if at <= gap.last {
			return &At{at, at, ErrWithheld}
		}
	}
	return nil
}
