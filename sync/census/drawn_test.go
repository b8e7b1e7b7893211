package census

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

// drawnFrom is a list of so many lines that are easy to tell, and a draw from it.
func drawnFrom(n int, seed byte) (*List, *ledger.Draw) {
	b := make([]byte, n*ledger.TagSize)
	for i := range n {
		b[i*ledger.TagSize], b[i*ledger.TagSize+1] = byte(i>>8), byte(i)
	}
	l, err := NewList(b)
	if err != nil {
		panic(err)
	}
	return l, &ledger.Draw{Root: l.Root(nil), Size: uint64(n), Seed: [32]byte{seed}}
}

// TestDrawn: page by page the asker gets all of its own lines that were drawn, and
// no others.
func TestDrawn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l, d := drawnFrom(rapid.IntRange(1, 700).Draw(t, "lines"), rapid.Byte().Draw(t, "seed"))
		sample := rapid.Uint32Range(1, 300).Draw(t, "sample")
		third := rapid.Byte().Draw(t, "whose") % 3
		mine := func(t Tag) bool { return t[1]%3 == third }
		drawn := Indices(d.Seed, d.Root, d.Size, sample)
		var want, got []uint64
		for _, i := range drawn {
			if mine(l.At(int64(i)).Tag) {
				want = append(want, i)
			}
		}
		for after, more := int64(-1), true; more; {
			a, err := ParseDrawnAnswer(l.Drawn(drawn, mine, after).Marshal())
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Verify(d, sample, after); err != nil {
				t.Fatal(err)
			}
			for _, line := range a.Lines {
				got, after = append(got, uint64(line.Index)), line.Index
			}
			more = a.More
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestDrawnAnswerIsChecked(t *testing.T) {
	t.Parallel()
	l, d := drawnFrom(500, 1)
	drawn := Indices(d.Seed, d.Root, d.Size, 20)
	all := func(Tag) bool { return true }
	good := l.Drawn(drawn, all, -1)
	if len(good.Lines) != 20 || good.More {
		t.Fatalf("%d lines", len(good.Lines))
	}
	undrawn := uint64(0)
	for slices.Contains(drawn, undrawn) {
		undrawn++
	}
	other, _ := drawnFrom(501, 1)
	for what, c := range map[string]struct {
		a     DrawnAnswer
		after int64
		want  error
	}{
		"a line that was not drawn": {l.Drawn([]uint64{undrawn}, all, -1), -1, ErrNotDrawn},
		"a line that was answered":  {good, int64(drawn[0]), ErrNotDrawn},
		"another list":              {other.Drawn(drawn, all, -1), -1, ErrInclusion},
		"another line's proof": {DrawnAnswer{Lines: func() []Proof {
			p := good.Lines[0]
			p.Entry.Tag[5] ^= 1
			return []Proof{p}
		}()}, -1, ErrInclusion},
	} {
		if err := c.a.Verify(d, 20, c.after); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := l.Drawn([]uint64{undrawn}, all, -1).Verify(d, 500, -1); err != nil {
		t.Errorf("all are drawn: %v", err)
	}
}

func TestDrawnMalformed(t *testing.T) {
	t.Parallel()
	l, d := drawnFrom(500, 1)
	ask := DrawnAsk{Epoch: ledger.EpochID{1}, Seed: d.Seed, After: -1}
	answer := l.Drawn([]uint64{3, 5}, func(Tag) bool { return true }, -1)
	if got, err := ParseDrawnAsk(ask.Marshal()); err != nil || got != ask {
		t.Fatal(got, err)
	}
	reversed := DrawnAnswer{Lines: []Proof{answer.Lines[1], answer.Lines[0]}}
	twice := DrawnAnswer{Lines: []Proof{answer.Lines[0], answer.Lines[0]}}
	beyond := DrawnAnswer{Lines: []Proof{answer.Lines[0]}}
	beyond.Lines[0].Index = 500
	many := DrawnAnswer{}
	for i := range uint64(MaxDrawn + 1) {
		many.Lines = append(many.Lines, l.prove(int64(i)))
	}
	for what, b := range map[string][]byte{
		"nothing":              nil,
		"an ask":               ask.Marshal(),
		"cut short":            answer.Marshal()[:40],
		"with more behind":     append(answer.Marshal(), 0),
		"descending":           reversed.Marshal(),
		"a line twice":         twice.Marshal(),
		"beyond the list":      beyond.Marshal(),
		"too many":             many.Marshal(),
		"more, without a line": DrawnAnswer{More: true}.Marshal(),
		"another version":      bytes.Replace(answer.Marshal(), []byte{0x84, 1}, []byte{0x84, 2}, 1),
		"too large":            make([]byte, 1<<20),
	} {
		if _, err := ParseDrawnAnswer(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, b := range map[string][]byte{
		"nothing":              nil,
		"an answer":            answer.Marshal(),
		"before the beginning": DrawnAsk{After: -2}.Marshal(),
		"after any list":       DrawnAsk{After: 1 << 41}.Marshal(),
		"another ask":          OfferAsk{Number: 1, Opens: 1, Closes: 2, Audit: 3}.Marshal(),
		"cut short":            ask.Marshal()[:20],
	} {
		if _, err := ParseDrawnAsk(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("an ask: %s: %v", what, err)
		}
	}
}

// FuzzDrawn: what is read is written the same.
func FuzzDrawn(f *testing.F) {
	l, d := drawnFrom(40, 1)
	f.Add(DrawnAsk{Seed: d.Seed, After: 7}.Marshal())
	f.Add(l.Drawn([]uint64{3, 5}, func(Tag) bool { return true }, -1).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := ParseDrawnAsk(b); err == nil && !bytes.Equal(a.Marshal(), b) {
			t.Errorf("%x becomes %x", b, a.Marshal())
		}
		if a, err := ParseDrawnAnswer(b); err == nil && !bytes.Equal(a.Marshal(), b) {
			t.Errorf("%x becomes %x", b, a.Marshal())
		}
	})
}
