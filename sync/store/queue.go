package store

import "slices"

// pending is a record that is not durable yet.
type pending struct {
	record
	done chan<- error // nil when nobody waits
}

// queue keeps records in the order in which they came. The place of a record is
// counted since the queue began.
type queue struct {
	all  []pending
	head int   // all[:head] has left
	gone int64 // how many did, ever
}

func (q *queue) len() int { return len(q.all) - q.head }

// from returns what is queued from a place on, to be read before the next call.
func (q *queue) from(place int64) []pending { return q.all[q.head+int(place-q.gone):] }

func (q *queue) push(p pending) {
	if len(q.all) == cap(q.all) && q.head > len(q.all)/2 {
		q.all = slices.Delete(q.all, 0, q.head)
		q.head = 0
	}
	q.all = append(q.all, p)
}

// pop takes out the first n.
func (q *queue) pop(n int) {
	q.head += n
	q.gone += int64(n)
	if q.head == len(q.all) {
		q.all, q.head = nil, 0 // nor the room, nor the bodies
	}
}

// remove takes out those of the i-th to the one before the j-th for which out
// says so, and returns how many.
func (q *queue) remove(i, j int, out func(pending) bool) int {
	before := len(q.all)
	some := q.all[q.head+i : q.head+j]
	kept := len(slices.DeleteFunc(some, out))
	q.all = slices.Delete(q.all, q.head+i+kept, q.head+j)
	return before - len(q.all)
}
