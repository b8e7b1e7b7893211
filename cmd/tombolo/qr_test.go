package main

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/console"
	"tombolo/passport"
	"tombolo/passport/qr"
)

// sampleCode is the text of a code with nothing but nines in it.
// quietZone is in modules (ISO/IEC 18004 §6.3.8).
const quietZone = 4

func sampleCode(t testing.TB) string {
	t.Helper()
	key, err := passport.GenerateSoftKey(passport.KindSoftware, bytes.NewReader(bytes.Repeat([]byte{9}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	w, err := passport.SignWindow(key, passport.WindowStatement{Community: passport.CommunityID{9}, Passport: 9, Target: passport.Target{9}, Start: 999, Length: 30})
	if err != nil {
		t.Fatal(err)
	}
	return qr.Encode(w)
}

func TestCodeIsVersion7(t *testing.T) {
	t.Parallel()
	code, err := console.Draw(sampleCode(t))
	if err != nil {
		t.Fatal(err)
	}
	// ISO/IEC 18004 §6.3.1: 17 + 4·version modules on a side.
	if code.Size != 17+4*7 {
		t.Errorf("%d modules on a side, want version 7's 45", code.Size)
	}
}

func TestBlocksShowEveryModule(t *testing.T) {
	t.Parallel()
	code, err := console.Draw(sampleCode(t))
	if err != nil {
		t.Fatal(err)
	}
	plain := console.Blocks(code, false)
	lines := strings.Split(strings.TrimSuffix(plain, "\n"), "\n")
	if want := (code.Size + 2*quietZone + 1) / 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for i, line := range lines {
		cells := []rune(line)
		if len(cells) != code.Size+2*quietZone {
			t.Fatalf("line %d has %d cells", i, len(cells))
		}
		for x, c := range cells {
			top, bottom := c == '█' || c == '▀', c == '█' || c == '▄'
			mx, my := x-quietZone, 2*i-quietZone
			if top != code.Black(mx, my) || bottom != code.Black(mx, my+1) {
				t.Fatalf("module %d,%d is shown as %q", mx, my, c)
			}
		}
	}
	coloured := console.Blocks(code, true)
	if got := strings.NewReplacer("\x1b[30;107m", "", "\x1b[0m", "").Replace(coloured); got != plain {
		t.Error("colours change the modules")
	}
}

// walker is a clock that sleeping moves.
type walker struct {
	now   time.Time
	slept []time.Duration
	stop  int // ends after so many sleeps
	each  func()
}

func (w *walker) sleep(_ context.Context, d time.Duration) error {
	w.each()
	w.slept = append(w.slept, d)
	w.now = w.now.Add(d)
	if len(w.slept) == w.stop {
		return context.Canceled
	}
	return nil
}

func TestFollow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := &walker{now: time.Unix(1_800_000_007, 0), stop: 3, each: func() {}}
	var out, errs bytes.Buffer
	run := func(args ...string) int {
		e := &env{Now: func() time.Time { return clock.now }, Sleep: clock.sleep, In: strings.NewReader(""), Out: &out, Err: &errs}
		return e.run(t.Context(), append([]string{"--dir", filepath.Join(dir, "f")}, args...))
	}
	key := filepath.Join(dir, "soft.key")
	for _, args := range [][]string{
		{"community", "new", "isla", "--chain-id", "1", "--registry", "0x00000000000000000000000000000000000000aa"},
		{"node", "new", "casa"},
		{"doorkey", "new", "--out", key},
	} {
		if code := run(args...); code != 0 {
			t.Fatalf("%v: %d, %s", args, code, errs.String())
		}
	}
	out.Reset()
	if code := run("doorkey", "qr", "--key", key, "--passport", "1", "--window", "20s", "--text", "--follow"); code != 0 {
		t.Fatalf("status %d: %s", code, errs.String())
	}
	var starts []uint32
	nonces := map[[16]byte]bool{}
	for line := range strings.Lines(out.String()) {
		w, err := qr.Decode([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		starts, nonces[w.Nonce] = append(starts, w.Start), true
	}
	if len(starts) != 3 || len(nonces) != 3 {
		t.Fatalf("%d codes with %d nonces, want 3", len(starts), len(nonces))
	}
	for i, s := range starts {
		if s != 1_800_000_000+20*uint32(i) {
			t.Errorf("window %d begins at %d", i, s)
		}
	}
	if clock.slept[0] != 13*time.Second || clock.slept[1] != 20*time.Second {
		t.Errorf("slept %v", clock.slept)
	}

	// The PNG is whole whenever anybody looks.
	file := filepath.Join(dir, "code.png")
	clock.slept = nil
	var seen [][]byte
	clock.each = func() {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, b)
	}
	if code := run("doorkey", "qr", "--key", key, "--passport", "1", "--png", file, "--follow"); code != 0 {
		t.Fatalf("status %d: %s", code, errs.String())
	}
	if len(seen) != 3 || bytes.Equal(seen[0], seen[1]) {
		t.Errorf("%d PNGs, the first two alike: %v", len(seen), bytes.Equal(seen[0], seen[1]))
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".code.png-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := sleep(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
}
