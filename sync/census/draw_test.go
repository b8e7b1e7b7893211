package census

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestIndicesAreDistinctAscendingAndAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed, root := [32]byte{rapid.Byte().Draw(t, "seed")}, [32]byte{rapid.Byte().Draw(t, "root")}
		size := rapid.OneOf(rapid.Uint64Range(0, 400), rapid.Uint64Min(1<<20)).Draw(t, "size")
		sample := uint32(rapid.IntRange(0, 300).Draw(t, "sample"))
		lines := Indices(seed, root, size, sample)
		if want := min(size, uint64(sample)); uint64(len(lines)) != want {
			t.Fatalf("%d lines instead of %d", len(lines), want)
		}
		for i, line := range lines {
			if line >= size || i > 0 && lines[i-1] >= line {
				t.Fatalf("lines %v of %d", lines, size)
			}
		}
		if again := Indices(seed, root, size, sample); !slices.Equal(again, lines) {
			t.Fatal("drawn again they are others")
		}
		// A draw of fewer is the beginning of the same draw: nobody gains by the number.
		if fewer := Indices(seed, root, size, sample/2); uint64(sample) < size {
			for _, line := range fewer {
				if !slices.Contains(lines, line) {
					t.Fatalf("line %d is drawn among fewer alone", line)
				}
			}
		}
		if size > 1<<20 && sample > 20 {
			if other := Indices(seed, [32]byte{root[0] + 1}, size, sample); slices.Equal(other, lines) {
				t.Fatal("another list, the same lines")
			}
			if other := Indices([32]byte{seed[0] + 1}, root, size, sample); slices.Equal(other, lines) {
				t.Fatal("another seed, the same lines")
			}
		}
	})
}

// chiSquare of counts against one and the same expectation.
func chiSquare(counts []int, draws int) (x float64) {
	expected := float64(draws) / float64(len(counts))
	for _, n := range counts {
		x += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	return x
}

// Each of the 56 sets of 3 out of 8 is as likely as any other: by chi-square over
// fixed seeds, between the quantiles 0.1 % and 99.9 % for 55 degrees of freedom.
func TestIndicesAreUniform(t *testing.T) {
	t.Parallel()
	const draws = 56 * 200
	sets := map[[3]uint64]int{}
	for i := range uint64(draws) {
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], i)
		sets[[3]uint64(Indices(seed, [32]byte{1}, 8, 3))]++
	}
	counts := make([]int, 0, 56)
	for _, n := range sets {
		counts = append(counts, n)
	}
	if x := chiSquare(counts, draws); len(counts) != 56 || x < 28.2 || x > 93.2 {
		t.Errorf("%d sets, chi-square %.1f", len(counts), x)
	}
	// And over a size that is no power of two, each line by itself (996 degrees).
	lines := make([]int, 997)
	for i := range uint64(20_000) {
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], i)
		lines[Indices(seed, [32]byte{2}, 997, 1)[0]]++
	}
	if x := chiSquare(lines, 20_000); x < 861 || x > 1141 {
		t.Errorf("chi-square %.1f over 997 lines", x)
	}
}

// The expected values are from exact rational arithmetic.
func TestUpperBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bad, drawn       int
		confidence, want float64
	}{
		{0, 300, 0.95, 0.009936081944457713},
		{1, 300, 0.95, 0.015714554891583955},
		{3, 300, 0.95, 0.02564139308260962},
		{0, 1, 0.95, 0.95},
		{1, 10, 0.95, 0.3941633024365048},
		{5, 20, 0.99, 0.5321064089534618},
		{19, 20, 0.95, 0.9974386212234698},
		{150, 300, 0.90, 0.5385724775808798},
		{0, 0, 0.95, 1},
		{20, 20, 0.95, 1},
		{25, 20, 0.95, 1},
	} {
		if got := UpperBound(tt.bad, tt.drawn, tt.confidence); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%d of %d at %v: %v, want %v", tt.bad, tt.drawn, tt.confidence, got, tt.want)
		}
	}
	if b := UpperBound(0, 300, 0.95); b >= 0.01 || fmt.Sprintf("%.4f %%", 100*b) != "0.9936 %" {
		t.Errorf("none of 300: %v", b)
	}
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.IntRange(1, 2000).Draw(t, "drawn")
		bad := rapid.IntRange(0, drawn-1).Draw(t, "bad")
		b := UpperBound(bad, drawn, 0.95)
		if !(b > float64(bad)/float64(drawn) && b <= 1) || UpperBound(bad+1, drawn, 0.95) < b ||
			UpperBound(bad, drawn, 0.99) < b || UpperBound(bad, drawn+1, 0.95) > b {
			t.Fatalf("%d of %d: %v", bad, drawn, b)
		}
		if bad == 0 {
			if want := 1 - math.Pow(0.05, 1/float64(drawn)); math.Abs(b-want) > 1e-12 {
				t.Fatalf("none of %d: %v, want %v", drawn, b, want)
			}
		}
	})
}

func TestMissProbability(t *testing.T) {
	t.Parallel()
	// 2 % invented among 20,000, a draw of 300: it is missed once in 449.
	if got := MissProbability(20_000, 400, 300); math.Abs(got-0.0022271236816930997) > 1e-15 {
		t.Errorf("%v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 300).Draw(t, "size")
		bad, sample := rapid.Int64Range(0, 320).Draw(t, "bad"), rapid.Int64Range(0, 320).Draw(t, "sample")
		got := MissProbability(uint64(size), uint64(bad), uint32(sample))
		bad, sample = min(bad, size), min(sample, size)
		want, _ := new(big.Rat).SetFrac(new(big.Int).Binomial(size-bad, sample), new(big.Int).Binomial(size, sample)).Float64()
		if math.Abs(got-want) > 1e-12 {
			t.Fatalf("%d, of them %d bad, %d drawn: %v, want %v", size, bad, sample, got, want)
		}
	})
	if got := MissProbability(1<<63, 1<<62, 64); math.Abs(got/math.Pow(0.5, 64)-1) > 1e-9 {
		t.Errorf("of very many: %v", got)
	}
}
