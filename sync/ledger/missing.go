package ledger

import (
	"cmp"
	"slices"
)

// Missing tells bodies that their author let go from bodies that somebody
// withheld: a missing one must be covered by a Dropped or a Snapshot entry that
// comes later. It is given entries in ascending order; the zero value is ready.
// Its memory grows by the runs of missing bodies and by what covers them.
type Missing struct {
	// Expires lets a run of missing bodies right behind Begin be, as retention
	// leaves it in the earlier incarnations of a door log: what covers it stands in
	// another ledger. See [LogKind.Expires].
	Expires bool

	gaps    []span // ascending and merged
	covers  []span
	merged  bool  // covers are ascending and apart
	expired int64 // entries
}

type span struct{ first, last int64 }

// Expires reports whether old bodies of such a ledger go without a word in the
// ledger itself. Nothing that decides about people for good is made of a door
// log; of every other kind a missing body stops what is made of it.
func (l LogKind) Expires() bool { return l == DoorLog }

// Take notes an entry and what [Entry.Open] made of its body.
func (m *Missing) Take(index int64, e Entry, body Body) {
	m.Cover(body)
	if !e.Dropped() {
		return
	}
	if n := len(m.gaps); n > 0 && m.gaps[n-1].last == index-1 {
		m.gaps[n-1].last = index
	} else {
		m.gaps = append(m.gaps, span{index, index})
	}
}

// Cover notes what a Dropped or a Snapshot entry covers; other bodies cover
// nothing.
func (m *Missing) Cover(body Body) {
	switch b := body.(type) {
	case *Dropped:
		m.covers = append(m.covers, span{b.First, b.Last})
	case *Snapshot:
		for first, last := range b.Runs() {
			m.covers = append(m.covers, span{first, last})
		}
	default:
		return
	}
	m.merged = false
}

// Covers reports whether the body of an entry may be missing by the word of what
// was noted.
func (m *Missing) Covers(index int64) bool {
	_, ok := m.cover(index)
	return ok
}

// cover finds the span that covers an entry.
func (m *Missing) cover(index int64) (span, bool) {
	if !m.merged {
		m.covers, m.merged = merge(m.covers), true
	}
	// The last that begins at or before the entry.
	n, found := slices.BinarySearchFunc(m.covers, index, func(s span, index int64) int { return cmp.Compare(s.first, index) })
	if !found {
		n--
	}
	if n < 0 || m.covers[n].last < index {
		return span{}, false
	}
	return m.covers[n], true
}

// merge sorts spans and joins those that touch.
func merge(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, s.last)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// Check returns ErrWithheld in an *At that names the first missing body that
// nothing covers.
func (m *Missing) Check() error {
	m.expired = 0
	for _, gap := range m.gaps {
		for at := gap.first; at <= gap.last; {
			s, ok := m.cover(at)
			switch {
			case ok:
				at = s.last + 1
			case m.Expires && gap.first == 1:
				at++
				m.expired++
			default:
				return &At{at, at, ErrWithheld}
			}
		}
	}
	return nil
}

// Expired is how many of the missing bodies were let be by Expires in the last
// Check.
func (m *Missing) Expired() int64 { return m.expired }
