package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// Print prints v as one line of JSON, or the text for people.
func Print(w io.Writer, asJSON bool, v any, text string, args ...any) error {
	if asJSON {
		return PrintJSON(w, v)
	}
	_, err := fmt.Fprintf(w, text, args...)
	return err
}

// PrintJSON prints v as one line of JSON.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Table prints rows under a head, none if there are no values, or each of the
// values as one line of JSON.
func Table[T any](out io.Writer, asJSON bool, values []T, none string, head []string, row func(T) []string) error {
	if asJSON {
		for _, v := range values {
			if err := PrintJSON(out, v); err != nil {
				return err
			}
		}
		return nil
	}
	if len(values) == 0 {
		_, err := fmt.Fprintln(out, none)
		return err
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, v := range values {
		fmt.Fprintln(w, strings.Join(row(v), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// Warn tells a person something that stops nothing.
func Warn(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "warning: "+format+"\n", args...)
}

// Logger is a daemon's.
func Logger(w io.Writer, asJSON bool, level slog.Level) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// Terminal tells whether a reader or writer is one.
func Terminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Confirm asks before what cannot be undone, which the text says. Where nobody can
// be asked it wants --yes, which is yes.
func Confirm(in io.Reader, out io.Writer, yes bool, text string, args ...any) error {
	if yes {
		return nil
	}
	text = fmt.Sprintf(text, args...)
	if !Terminal(in) {
		return fmt.Errorf("%s\nThis cannot be undone; add --yes to do it", text)
	}
	fmt.Fprintf(out, "%s\nThis cannot be undone. Type yes to do it: ", text)
	line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// Count is a number of things in words: "1 door", "2 doors".
func Count[N int | int64 | uint32 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
