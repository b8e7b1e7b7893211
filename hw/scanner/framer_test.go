package scanner

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const gap = 50 * time.Millisecond

// step is bytes that come some time after the step before.
type step struct {
	after time.Duration
	bytes string
}

// frames pushes steps through a framer, lets the gap pass, and gives what came
// out: frames as they are, refusals as "!" and the error.
func frames(f *Framer, steps ...step) (got []string, errs []error) {
	emit := func(frame []byte, err error) {
		if err != nil {
			errs = append(errs, err)
			got = append(got, "!"+err.Error())
			return
		}
		got = append(got, string(frame))
	}
	var now time.Time
	for _, s := range steps {
		now = now.Add(s.after)
		f.Push(now, []byte(s.bytes), emit)
	}
	if d, open := f.Wait(now); open {
		f.Expire(now.Add(d), emit)
	}
	return got, errs
}

func TestFramer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", MaxFrame)
	for _, c := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"CR", []step{{0, "ONE\rTWO\r"}}, []string{"ONE", "TWO"}},
		{"LF", []step{{0, "ONE\nTWO\n"}}, []string{"ONE", "TWO"}},
		{"CRLF", []step{{0, "ONE\r\nTWO\r\n"}}, []string{"ONE", "TWO"}},
		{"CRLF split between reads", []step{{0, "ONE\r"}, {gap * 3, "\nTWO\r"}, {1, "\n"}}, []string{"ONE", "TWO"}},
		{"endings mixed", []step{{0, "ONE\nTWO\rTHREE\r\nFOUR\n\rFIVE\r"}}, []string{"ONE", "TWO", "THREE", "FOUR", "FIVE"}},
		{"empty lines", []step{{0, "\r\n\r\n\n\nONE\r\r\r"}}, []string{"ONE"}},
		{"a byte a read", []step{{0, "O"}, {gap - 1, "N"}, {gap - 1, "E"}, {gap - 1, "\r"}}, []string{"ONE"}},
		{"no ending", []step{{0, "ONE"}, {gap, "TWO"}}, []string{"ONE", "TWO"}},
		{"no ending, in pieces", []step{{0, "O"}, {gap / 2, "NE"}, {gap, "TWO"}}, []string{"ONE", "TWO"}},
		{"space and tilde are printable", []step{{0, " ~\r"}}, []string{" ~"}},
		{"as long as may be", []step{{0, long + "\r"}}, []string{long}},
		{"as long as may be, no ending", []step{{0, long}}, []string{long}},
	} {
		if got, _ := frames(&Framer{Idle: gap}, c.steps...); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %.60q, want %.60q", c.name, got, c.want)
		}
	}
}

func TestFramerWithoutGap(t *testing.T) {
	t.Parallel()
	var f Framer
	if got, _ := frames(&f, step{0, "ON"}, step{time.Hour, "E\rTW"}); !slices.Equal(got, []string{"ONE"}) {
		t.Errorf("got %q", got)
	}
	if _, open := f.Wait(time.Time{}); open {
		t.Error("a frame would end by itself")
	}
}

// TestFramerRefuses checks for each malformed frame which error it is, where,
// that it is reported once, and that nothing of it is taken for a frame while
// the good one behind it is.
func TestFramerRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", MaxFrame)
	for _, c := range []struct {
		name  string
		steps []step // "GOOD\r" follows
		want  FrameError
	}{
		{"one too long", []step{{0, long + "B\r"}}, FrameError{ErrTooLong, MaxFrame, 'B'}},
		{"5,000 characters", []step{{0, strings.Repeat("A", 5000) + "\n"}}, FrameError{ErrTooLong, MaxFrame, 'A'}},
		{"5,000 in pieces", slices.Repeat([]step{{1, strings.Repeat("A", 100)}}, 50), FrameError{ErrTooLong, MaxFrame, 'A'}},
		{"a million", []step{{0, strings.Repeat("A", 1e6) + "\r\n"}}, FrameError{ErrTooLong, MaxFrame, 'A'}},
		{"too long and then garbage", []step{{0, long + "A\x00\x01\r"}}, FrameError{ErrTooLong, MaxFrame, 'A'}},
		{"NUL", []step{{0, "\x00ONE\r"}}, FrameError{ErrNotPrintable, 0, 0}},
		{"break in the middle", []step{{0, "ON\x00E\r"}}, FrameError{ErrNotPrintable, 2, 0}},
		{"tab", []step{{0, "ON\tE\r"}}, FrameError{ErrNotPrintable, 2, '\t'}},
		{"STX and ETX around", []step{{0, "\x02ONE\x03\r"}}, FrameError{ErrNotPrintable, 0, 2}},
		{"escape", []step{{0, "\x1b[2J\n"}}, FrameError{ErrNotPrintable, 0, 0x1b}},
		{"DEL", []step{{0, "ONE\x7f\r"}}, FrameError{ErrNotPrintable, 3, 0x7f}},
		{"Latin-1", []step{{0, "caf\xe9\r"}}, FrameError{ErrNotPrintable, 3, 0xe9}},
		{"UTF-8", []step{{0, "café\r"}}, FrameError{ErrNotPrintable, 3, 0xc3}},
		{"wrong baud rate", []step{{0, "\xff\xfe\x80\xf8\x00\r"}}, FrameError{ErrNotPrintable, 0, 0xff}},
		{"bad in the next read", []step{{0, "ON"}, {1, "E"}, {1, "\x80TWO\r"}}, FrameError{ErrNotPrintable, 3, 0x80}},
		{"bad twice", []step{{0, "\x01A\x02B\x03\r"}}, FrameError{ErrNotPrintable, 0, 1}},
		{"bad, no ending", []step{{0, "ON\x01E"}, {gap, ""}}, FrameError{ErrNotPrintable, 2, 1}},
	} {
		steps := c.steps
		if last := steps[len(steps)-1].bytes; !strings.HasSuffix(last, "\r") && !strings.HasSuffix(last, "\n") && last != "" {
			steps = append(slices.Clone(steps), step{1, "\r"})
		}
		got, errs := frames(&Framer{Idle: gap}, append(slices.Clone(steps), step{1, "GOOD\r"})...)
		if len(got) != 2 || got[1] != "GOOD" || len(errs) != 1 {
			t.Errorf("%s: got %.80q", c.name, got)
			continue
		}
		fe, ok := errors.AsType[*FrameError](errs[0])
		if !ok || *fe != c.want || !errors.Is(errs[0], c.want.Err) {
			t.Errorf("%s: got %v, want %v", c.name, errs[0], &c.want)
		}
	}
}

// TestFramerSplits: how the bytes are cut into reads changes nothing.
func TestFramerSplits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.SampledFrom([]byte("AZ09 ~\r\n\r\n\x00\x80")), 0, 60).Draw(t, "bytes")
		whole, _ := frames(&Framer{Idle: gap}, step{0, string(in)})
		var steps []step
		for len(in) > 0 {
			n := rapid.IntRange(1, len(in)).Draw(t, "read")
			steps = append(steps, step{gap - 1, string(in[:n])})
			in = in[n:]
		}
		if cut, _ := frames(&Framer{Idle: gap}, steps...); !slices.Equal(cut, whole) {
			t.Fatalf("whole %q, cut %q", whole, cut)
		}
	})
}

func TestFramerGivesItsSliceAway(t *testing.T) {
	t.Parallel()
	f := Framer{Idle: gap}
	var kept [][]byte
	for i := range 3 {
		f.Push(time.Time{}, fmt.Appendf(nil, "CODE%d\r", i), func(b []byte, _ error) { kept = append(kept, b) })
	}
	for i, b := range kept {
		if want := fmt.Sprintf("CODE%d", i); string(b) != want {
			t.Errorf("frame %d became %q", i, b)
		}
	}
}

// FuzzFramer: frames are bounded, printable and not empty; written back with an
// ending each, they frame to themselves; and reads may be cut anywhere.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("ONE\r\nTWO\n"), uint16(3))
	f.Add([]byte("\x00\xff\r\r\n~ "), uint16(1))
	f.Add(bytes.Repeat([]byte("A"), 5000), uint16(4296))
	f.Add(append(bytes.Repeat([]byte("A"), 4297), "\rB\r"...), uint16(4297))
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		n := min(int(cut), len(in))
		got, errs := frames(&Framer{Idle: gap}, step{0, string(in[:n])}, step{gap - 1, string(in[n:])})
		whole, _ := frames(&Framer{Idle: gap}, step{0, string(in)})
		if !slices.Equal(got, whole) {
			t.Fatalf("cut at %d %q, whole %q", n, got, whole)
		}
		var good []string
		for _, g := range got {
			if strings.HasPrefix(g, "!scanner: ") {
				continue
			}
			good = append(good, g)
			if len(g) == 0 || len(g) > MaxFrame || strings.ContainsFunc(g, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("frame %q", g)
			}
		}
		for _, err := range errs {
			if !errors.Is(err, ErrTooLong) && !errors.Is(err, ErrNotPrintable) {
				t.Fatal(err)
			}
		}
		if again, _ := frames(&Framer{Idle: gap}, step{0, strings.Join(good, "\r") + "\r"}); !slices.Equal(again, good) {
			t.Fatalf("%q frames to %q", good, again)
		}
	})
}
