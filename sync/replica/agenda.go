package replica

import (
	"slices"
	"time"
)

// agenda holds the books that have something to do, the earliest first: a binary
// heap, in which each book knows its place.
type agenda []*book

// plan has a book looked at by then, and asks for a Tick. A book that is looked at
// too early plans again.
func (r *Replica) plan(b *book, at time.Duration) time.Duration {
	if at == 0 || b.due != 0 && b.due <= at {
		return at
	}
	if b.due == 0 {
		b.seat = len(r.agenda)
		r.agenda = append(r.agenda, b)
	}
	b.due = at
	r.agenda.up(b.seat)
	return r.due(at)
}

// unplan takes a book out.
func (r *Replica) unplan(b *book) {
	if b.due == 0 {
		return
	}
	last := len(r.agenda) - 1
	i := b.seat
	r.agenda.swap(i, last)
	r.agenda[last] = nil
	r.agenda = r.agenda[:last]
	if b.due = 0; i < last {
		r.agenda.up(i)
		r.agenda.down(i)
	}
}

// fireBooks looks at those that are due, in the order of the books.
func (r *Replica) fireBooks() {
	var due []*book
	for len(r.agenda) > 0 && r.agenda[0].due <= r.clock {
		due = append(due, r.agenda[0])
		r.unplan(r.agenda[0])
	}
	slices.SortFunc(due, func(a, b *book) int { return compareOrigins(a.origin, b.origin) })
	for _, b := range due {
		r.fireBook(b)
	}
	if len(r.agenda) > 0 {
		r.due(r.agenda[0].due)
	}
}

func (a agenda) swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].seat, a[j].seat = i, j
}

func (a agenda) up(i int) {
	for i > 0 && a[i].due < a[(i-1)/2].due {
		a.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (a agenda) down(i int) {
	for {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(a) && a[child].due < a[least].due {
				least = child
			}
		}
		if least == i {
			return
		}
		a.swap(i, least)
		i = least
	}
}
