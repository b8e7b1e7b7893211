package census

import (
	"bytes"
	"crypto/sha256"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cloudflare/circl/oprf"
)

// The same lines by the plainest means: what closing an epoch is measured
// against.

type plainLine [lineSize]byte

func plainSort(lines []plainLine) {
	slices.SortFunc(lines, func(a, b plainLine) int { return bytes.Compare(a[:], b[:]) })
}

// plainRoot is RFC 6962 §2.1 word for word.
func plainRoot(lines []plainLine) [32]byte {
	switch n := len(lines); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		var b [1 + lineSize]byte
		copy(b[1:], lines[0][:])
		return sha256.Sum256(b[:])
	default:
		k := 1 << (bits.Len(uint(n-1)) - 1)
		left, right := plainRoot(lines[:k]), plainRoot(lines[k:])
		var b [65]byte
		b[0] = 1
		copy(b[1:], left[:])
		copy(b[33:], right[:])
		return sha256.Sum256(b[:])
	}
}

func randomLines(seed byte, n int) []byte {
	b := make([]byte, n*lineSize)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

const benchLines = 1_000_000

func BenchmarkPlainClose(b *testing.B) {
	lines := make([]plainLine, benchLines)
	unsorted := randomLines(1, benchLines)
	for b.Loop() {
		b.StopTimer()
		for i := range lines {
			lines[i] = plainLine(unsorted[i*lineSize:])
		}
		b.StartTimer()
		plainSort(lines)
		plainRoot(lines)
	}
}

func BenchmarkClose(b *testing.B) {
	unsorted := randomLines(1, benchLines)
	tags := make([]byte, len(unsorted))
	for b.Loop() {
		b.StopTimer()
		copy(tags, unsorted)
		b.StartTimer()
		l, err := NewList(Merge(tags, nil))
		if err != nil {
			b.Fatal(err)
		}
		l.Root(nil)
	}
}

func BenchmarkMerge(b *testing.B) {
	unsorted := randomLines(1, benchLines)
	tags := make([]byte, len(unsorted))
	for b.Loop() {
		b.StopTimer()
		copy(tags, unsorted)
		b.StartTimer()
		Merge(tags, nil)
	}
}

func BenchmarkAuditList(b *testing.B) {
	tags := Merge(randomLines(1, benchLines), nil)
	for b.Loop() {
		l, err := NewList(tags)
		if err != nil {
			b.Fatal(err)
		}
		l.Root(nil)
	}
}

func BenchmarkProve(b *testing.B) {
	l, err := NewList(Merge(randomLines(1, benchLines), nil))
	if err != nil {
		b.Fatal(err)
	}
	l.Root(nil)
	for i := int64(0); b.Loop(); i++ {
		if _, err := l.Prove(l.At(i * 7919 % l.Len()).Tag); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCircl is circl's evaluation of one element as it comes.
func BenchmarkCircl(b *testing.B) {
	key, err := oprf.GenerateKey(suite, seeded(1))
	if err != nil {
		b.Fatal(err)
	}
	server := oprf.NewVerifiableServer(suite, key)
	_, request, err := oprf.NewVerifiableClient(suite, key.Public()).Blind([][]byte{[]byte("input")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := server.Evaluate(request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	key, err := NewKey(seeded(1))
	if err != nil {
		b.Fatal(err)
	}
	element, err := Padding(seeded(1))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := key.Evaluate(element); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFinish(b *testing.B) {
	key, err := NewKey(seeded(1))
	if err != nil {
		b.Fatal(err)
	}
	input := []byte("input")
	blind, err := NewBlind(seeded(1))
	if err != nil {
		b.Fatal(err)
	}
	element, err := blind.Element(input)
	if err != nil {
		b.Fatal(err)
	}
	evaluation, err := key.Evaluate(element)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Finish(key.Public(), input, blind, evaluation); err != nil {
			b.Fatal(err)
		}
	}
}
