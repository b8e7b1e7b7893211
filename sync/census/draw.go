package census

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// Indices says which lines of a list a draw opens: so many distinct ones, in
// ascending order, each set as likely as any other to whoever does not know the
// seed; all, if there are no more. Anybody can compute it again:
//
//	for counter = 0, 1, …: x = the first 8 bytes, big-endian, of
//	    SHA-256("tombolo/v1/draw\n" ‖ seed ‖ root ‖ counter u64)
//
// is the line x mod size, unless x ≥ 2⁶⁴ − 2⁶⁴ mod size, which would favour the
// first lines, or the line has been drawn. It is fixed by version 1.
func Indices(seed, root [32]byte, size uint64, sample uint32) []uint64 {
	if size <= uint64(sample) {
		all := make([]uint64, size)
		for i := range all {
			all[i] = uint64(i)
		}
		return all
	}
	text := append([]byte("tombolo/v1/draw\n"), seed[:]...)
	text = append(text, root[:]...)
	over := -size % size // 2⁶⁴ mod size
	drawn := make(map[uint64]bool)
	for counter := uint64(0); uint64(len(drawn)) < uint64(sample); counter++ {
		h := sha256.Sum256(binary.BigEndian.AppendUint64(text, counter))
		if x := binary.BigEndian.Uint64(h[:]); x <= math.MaxUint64-over {
			drawn[x%size] = true
		}
	}
	return slices.Sorted(maps.Keys(drawn))
}

// UpperBound is how large the bad share of a list can be, at a confidence such as
// 0.95, when so many of those drawn were bad: the one-sided bound of Clopper and
// Pearson (The use of confidence or fiducial limits, Biometrika 26, 1934), exact
// for draws with replacement and on the safe side for those without. It is 1 if
// nothing was drawn.
func UpperBound(bad, drawn int, confidence float64) float64 {
	if drawn <= 0 || bad >= drawn {
		return 1
	}
	// The chance of at most so many bad ones falls as their share grows: the bound is
	// where it is as small as what the confidence leaves.
	low, high := 0.0, 1.0
	for {
		mid := low + (high-low)/2
		if mid <= low || mid >= high {
			return high
		}
		if atMost(max(bad, 0), drawn, mid) > 1-confidence {
			low = mid
		} else {
			high = mid
		}
	}
}

// atMost is the binomial distribution: the chance of at most k of n, each with p,
// 0 < p < 1.
func atMost(k, n int, p float64) float64 {
	sum, logP, logQ := 0.0, math.Log(p), math.Log1p(-p)
	for i := range k + 1 {
		sum += math.Exp(logChoose(n, i) + float64(i)*logP + float64(n-i)*logQ)
	}
	return sum
}

func logChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// MissProbability is the chance that a draw of so many lines meets none of the
// bad ones: the hypergeometric distribution.
func MissProbability(size, bad uint64, sample uint32) float64 {
	draws := min(uint64(sample), size)
	bad = min(bad, size)
	if draws > size-bad {
		return 0
	}
	// Of the two the smaller is drawn from what the other leaves; it is the same.
	few, many := min(draws, bad), max(draws, bad)
	miss := 1.0
	for i := range few {
		miss *= float64(size-many-i) / float64(size-i)
	}
	return miss
}
