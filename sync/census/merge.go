package census

import (
	"bytes"
	"fmt"
)

// Merge makes one list of the lines of many reports, in whatever order they come:
// sorted by tag, each tag once, with the lowest of its commitments. It works in
// place, needs no memory beside, and returns the beginning of tags. Merged again,
// with or without the same lines a second time, it is the same list. progress,
// unless it is nil, is called now and then with the lines that are sorted.
//
// It panics if tags is not whole lines of ledger.TagSize bytes. To use several
// processors, do what it does: [Split], then [SortPart] for each part, which may
// run at the same time, then [Distinct].
func Merge(tags []byte, progress func(done, total int64)) []byte {
	total := int64(len(tags) / lineSize)
	var done int64
	for _, part := range Split(tags) {
		SortPart(part)
		done += int64(len(part) / lineSize)
		if progress != nil {
			progress(done, total)
		}
	}
	return Distinct(tags)
}

// Split rearranges lines so that they are sorted by their first byte, and returns
// the at most 256 parts, in order, none empty: each can be sorted by itself. Tags
// being pseudorandom, the parts are of much the same length.
func Split(tags []byte) [][]byte {
	ends := partition(tags, 0)
	var parts [][]byte
	begin := 0
	for _, end := range ends {
		if end > begin {
			parts = append(parts, tags[begin*lineSize:end*lineSize])
		}
		begin = end
	}
	return parts
}

// SortPart sorts lines by all of their bytes, in place.
func SortPart(part []byte) { sortFrom(part, 0) }

// Distinct keeps of sorted lines the first for each tag, in place, and returns
// them: a list for [NewList].
func Distinct(sorted []byte) []byte {
	kept := min(lineSize, len(sorted))
	for at := lineSize; at < len(sorted); at += lineSize {
		if compareTags(sorted[kept-lineSize:], sorted[at:]) == 0 {
			continue
		}
		if kept != at {
			copy(sorted[kept:], sorted[at:][:lineSize])
		}
		kept += lineSize
	}
	return sorted[:kept]
}

// short is from how many lines on a pass over 256 buckets pays.
const short = 24

// sortFrom sorts lines that are equal before a byte: a radix sort from the most
// significant byte on. Tags are uniform, so that at ten millions the third byte
// leaves nothing to do; of lines that somebody made equal in many bytes each byte
// costs one pass, and nothing is ever quadratic.
func sortFrom(lines []byte, at int) {
	for ; len(lines) > short*lineSize; at++ {
		if at == lineSize {
			return
		}
		ends := partition(lines, at)
		if ends[lines[at]] == len(lines)/lineSize { // of all lines this byte is the same
			continue
		}
		begin := 0
		for _, end := range ends {
			if end-begin > 1 {
				sortFrom(lines[begin*lineSize:end*lineSize], at+1)
			}
			begin = end
		}
		return
	}
	insert(lines, min(at, lineSize))
}

// partition sorts lines by their byte at that place, each swap bringing one home
// (McIlroy, Bostic and McIlroy, Engineering Radix Sort, 1993), and returns where
// the lines with each value end.
func partition(lines []byte, at int) (ends [256]int) {
	if len(lines)%lineSize != 0 {
		panic(fmt.Sprintf("census: %d bytes are not whole lines", len(lines)))
	}
	for i := at; i < len(lines); i += lineSize {
		ends[lines[i]]++
	}
	var next [256]int
	sum := 0
	for v, n := range ends {
		next[v] = sum
		sum += n
		ends[v] = sum
	}
	for v := range next {
		for next[v] < ends[v] {
			line := (*[lineSize]byte)(lines[next[v]*lineSize:])
			for line[at] != byte(v) {
				home := (*[lineSize]byte)(lines[next[line[at]]*lineSize:])
				next[line[at]]++
				*line, *home = *home, *line
			}
			next[v]++
		}
	}
	return ends
}

// insert sorts few lines that are equal before a byte.
func insert(lines []byte, at int) {
	for i := lineSize; i < len(lines); i += lineSize {
		line := [lineSize]byte(lines[i:])
		j := i
		for ; j > 0 && bytes.Compare(lines[j-lineSize+at:j], line[at:]) > 0; j -= lineSize {
			copy(lines[j:], lines[j-lineSize:j])
		}
		copy(lines[j:], line[:])
	}
}
