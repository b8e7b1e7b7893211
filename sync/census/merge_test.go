package census

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plainMerge is what Merge says it does, by the plainest means.
func plainMerge(tags []byte) (merged []byte) {
	lines := slices.SortedFunc(slices.Chunk(tags, lineSize), bytes.Compare)
	for i, line := range lines {
		if i == 0 || !bytes.Equal(line[:32], lines[i-1][:32]) {
			merged = append(merged, line...)
		}
	}
	return merged
}

// drawLines are lines such as reports bring, or such as somebody makes up: tags
// of few different bytes, equal for long, twice with two commitments.
func drawLines(t *rapid.T, most int) []byte {
	lines := randomLines(rapid.Byte().Draw(t, "seed"), rapid.IntRange(0, most).Draw(t, "lines"))
	same := rapid.SampledFrom([]int{0, 0, 0, 1, 31, 32, 40, 64}).Draw(t, "equal bytes")
	mask := rapid.SampledFrom([]byte{0xff, 0xff, 3, 1}).Draw(t, "mask")
	for line := range slices.Chunk(lines, lineSize) {
		for i := range line {
			line[i] &= mask
		}
		clear(line[:same])
	}
	if n := len(lines) / lineSize; n > 0 {
		for range rapid.IntRange(0, 20).Draw(t, "again") {
			at := rapid.IntRange(0, n-1).Draw(t, "line") * lineSize
			line := [lineSize]byte(lines[at:])
			line[rapid.SampledFrom([]int{32, 63}).Draw(t, "byte")] ^= byte(rapid.IntRange(0, 1).Draw(t, "commitment"))
			lines = append(lines, line[:]...)
		}
	}
	return lines
}

func TestMerge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t, 600)
		want := plainMerge(lines)
		var progress []int64
		got := Merge(slices.Clone(lines), func(done, total int64) {
			if total != int64(len(lines)/lineSize) {
				t.Fatalf("of %d lines", total)
			}
			progress = append(progress, done)
		})
		if !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
		if n := len(progress); len(lines) > 0 && (n == 0 || progress[n-1] != int64(len(lines)/lineSize) || !slices.IsSorted(progress)) {
			t.Fatalf("progress %v", progress)
		}
		if _, err := NewList(got); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever the order and however often a report comes in, the list is the same.
func TestMergeIsOrderIndependentAndIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reports := [][]byte{drawLines(t, 100), drawLines(t, 100), drawLines(t, 100)}
		want := Merge(slices.Concat(reports...), nil)
		shuffled := rapid.Permutation(slices.Collect(slices.Chunk(slices.Concat(reports...), lineSize))).Draw(t, "order")
		if got := Merge(slices.Concat(shuffled...), nil); !bytes.Equal(got, want) {
			t.Fatal("in another order it is another list")
		}
		again := reports[rapid.IntRange(0, 2).Draw(t, "report")]
		if got := Merge(slices.Concat(want, again, want), nil); !bytes.Equal(got, want) {
			t.Fatal("merged again it is another list")
		}
		apart := slices.Concat(Merge(slices.Clone(reports[0]), nil), Merge(slices.Concat(reports[1:]...), nil))
		if got := Merge(apart, nil); !bytes.Equal(got, want) {
			t.Fatal("merged in two steps it is another list")
		}
	})
}

// The parts do not touch each other, in whatever order they are sorted.
func TestPartsMakeTheSameList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t, 600)
		want := Merge(slices.Clone(lines), nil)
		parts := Split(lines)
		if len(parts) > 256 || !bytes.Equal(slices.Concat(parts...), lines) {
			t.Fatalf("%d parts, which are not the lines", len(parts))
		}
		for _, part := range rapid.Permutation(parts).Draw(t, "order") {
			if len(part) == 0 {
				t.Fatal("an empty part")
			}
			SortPart(part)
		}
		if got := Distinct(lines); !bytes.Equal(got, want) {
			t.Fatal("in parts it is another list")
		}
	})
}

func TestMergeRefusesHalfALine(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("half a line was merged")
		}
	}()
	Merge(make([]byte, lineSize+lineSize/2), nil)
}

func TestMergeNeedsNoMemory(t *testing.T) {
	lines := randomLines(1, 100_000)
	if n := testing.AllocsPerRun(3, func() { Merge(lines, nil) }); n > 20 { // the parts' slices alone
		t.Errorf("%v allocations", n)
	}
}
