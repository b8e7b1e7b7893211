package console

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestScreen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, want string
		err            error
	}{
		{"a line", "123456\n", "123456", nil},
		{"spaces about it", "  123 456 \r\n", "123 456", nil},
		{"the end in place of a newline", "123456", "123456", nil},
		{"nothing", "", "", io.EOF},
		{"too much", strings.Repeat("1", 200), "", errLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			got, err := Screen{In: strings.NewReader(c.in), Out: &out, Other: "gateway"}.Type(t.Context())
			if got != c.want || !errors.Is(err, c.err) || !strings.Contains(out.String(), "gateway") {
				t.Errorf("typed %q: %q, %v, asked %q", c.in, got, err, out.String())
			}
		})
	}
}

func TestScreenGivesUp(t *testing.T) {
	t.Parallel()
	in, keyboard := io.Pipe()
	defer keyboard.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := (Screen{In: in, Out: io.Discard}).Type(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("nobody types, and the other side is gone: ", err)
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	c, err := Draw("tombolo")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(Blocks(c, false), "\n"), "\n")
	if want := (c.Size + 2*quiet + 1) / 2; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	for _, l := range lines {
		if n := len([]rune(l)); n != c.Size+2*quiet {
			t.Errorf("a line of %d modules, want %d", n, c.Size+2*quiet)
		}
	}
}
