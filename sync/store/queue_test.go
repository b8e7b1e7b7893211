package store

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A queue is a slice that is cut at the front; places go on counting.
func TestQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var want []int64 // the records, by their times
		var next int
		var gone int64
		seen := func(some []pending) (out []int64) {
			for _, p := range some {
				out = append(out, p.Time.Unix())
			}
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					d := passage(next)
					q.push(pending{record: record{Draft: d}})
					want = append(want, d.Time.Unix())
					next++
				}
			},
			"pop": func(t *rapid.T) {
				n := rapid.IntRange(0, len(want)).Draw(t, "n")
				q.pop(n)
				want = want[n:]
				gone += int64(n)
			},
			"remove": func(t *rapid.T) {
				i := rapid.IntRange(0, len(want)).Draw(t, "from")
				j := rapid.IntRange(i, len(want)).Draw(t, "to")
				third := func(n int64) bool { return n%3 == 0 }
				kept := slices.DeleteFunc(slices.Clone(want[i:j]), third)
				n := q.remove(i, j, func(p pending) bool { return third(p.Time.Unix()) })
				if n != j-i-len(kept) {
					t.Fatalf("%d were removed, want %d", n, j-i-len(kept))
				}
				want = slices.Concat(want[:i], kept, want[j:])
			},
			"": func(t *rapid.T) {
				place := rapid.IntRange(0, len(want)).Draw(t, "place")
				if got := seen(q.from(gone + int64(place))); q.len() != len(want) || q.gone != gone || !slices.Equal(got, want[place:]) {
					t.Fatalf("%d: %v, want %v", q.len(), got, want[place:])
				}
			},
		})
	})
}

// A queue that is never empty does not grow for ever.
func TestQueueRoom(t *testing.T) {
	t.Parallel()
	var q queue
	for n := range 100_000 {
		q.push(pending{record: record{Draft: passage(n)}})
		if n >= 100 {
			q.pop(1)
		}
	}
	if room := cap(q.all); q.len() != 100 || room > 1000 {
		t.Errorf("room for %d, of %d", room, q.len())
	}
}
