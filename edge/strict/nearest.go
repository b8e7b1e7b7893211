package strict

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest is the name of known that a person most likely meant by name, or ""
// if none is near: at most a third of its letters, and at least one, may
// differ. Ties go to the alphabetically first.
func Nearest(name string, known []string) string {
	if len(name) > maxShown {
		return ""
	}
	best, bestDist := "", max(1, len(name)/3)+1
	for _, k := range known {
		if k == name || len(k) > maxShown {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < bestDist || d == bestDist && best != "" && k < best {
			best, bestDist = k, d
		}
	}
	return best
}

// Hint is Nearest as the end of a sentence: `; did you mean "x"?`, or the
// names there are, or the words for none if there are none. It is worked out
// when it is printed: a file with 100,000 unknown names prints MaxErrors.
func Hint(name string, known []string, none string) fmt.Stringer { return hint{name, known, none} }

type hint struct {
	name  string
	known []string
	none  string
}

func (h hint) String() string {
	if n := Nearest(h.name, h.known); n != "" {
		return "; did you mean " + Quote(n) + "?"
	}
	if len(h.known) == 0 {
		return "; " + h.none
	}
	const most = 8
	sorted := slices.Sorted(slices.Values(h.known))
	end := ""
	if len(sorted) > most {
		sorted, end = sorted[:most], ", …"
	}
	return "; known: " + strings.Join(sorted, ", ") + end
}

// distance is the optimal string alignment distance in bytes: insertions,
// deletions, replacements and swaps of neighbours count one each.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(prev[j+1]+1, cur[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cur[j+1] = min(cur[j+1], before[j-1]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
