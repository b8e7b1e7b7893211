package sim

import "slices"

// Kept is how many Transitions, Shows and Violations a board keeps of each, the
// newest: one that a daemon simulates lives for months.
const Kept = 10_000

// recent is a list of which the newest Kept are kept.
type recent[T any] struct {
	list   []T
	oldest int // of list, once it is full
}

func (r *recent[T]) add(v T) {
	if len(r.list) < Kept {
		r.list = append(r.list, v)
		return
	}
	r.list[r.oldest] = v
	r.oldest = (r.oldest + 1) % Kept
}

// all is a copy, oldest first.
func (r *recent[T]) all() []T { return slices.Concat(r.list[r.oldest:], r.list[:r.oldest]) }
