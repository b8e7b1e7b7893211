package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"tombolo/sync/ledger"
)

// print prints v as one line of JSON, or the text for people.
func (e *env) print(v any, text string, args ...any) error {
	if e.json {
		return e.printJSON(v)
	}
	_, err := fmt.Fprintf(e.Out, text, args...)
	return err
}

func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints rows under a head, or each of the values as one line of JSON.
func table[T any](e *env, values []T, none string, head []string, row func(T) []string) error {
	if e.json {
		for _, v := range values {
			if err := e.printJSON(v); err != nil {
				return err
			}
		}
		return nil
	}
	if len(values) == 0 {
		_, err := fmt.Fprintln(e.Out, none)
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
		if _, err := fmt.Fprintln(e.Out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// warn tells a person something that stops nothing.
func (e *env) warn(format string, args ...any) {
	fmt.Fprintf(e.Err, "warning: "+format+"\n", args...)
}

// when is a time as people here read it.
func when(t time.Time) string { return whenIn(t, time.Local) }

// whenIn is a time in a zone, which it names: what is ordered at a node is read
// and told in the node's, wherever the desk is.
func whenIn(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

func unix(s int64) time.Time { return time.Unix(s, 0) }

// stamp is a time as programs read it: RFC 3339 in UTC, null when zero.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.UTC())
}

// hexBytes is bytes in JSON.
type hexBytes []byte

func (h hexBytes) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(h)) }

func terminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks before what cannot be undone.
func (e *env) confirm(yes bool, what string, args ...any) error {
	if yes {
		return nil
	}
	what = fmt.Sprintf(what, args...)
	if !terminal(e.In) {
		return fmt.Errorf("%s\nThis cannot be undone; add --yes to do it", what)
	}
	fmt.Fprintf(e.Err, "%s\nThis cannot be undone. Type yes to do it: ", what)
	line, err := bufio.NewReader(io.LimitReader(e.In, 100)).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// askSecret has a line typed on the terminal, without an echo. Without a terminal
// it says what there is instead.
func (e *env) askSecret(prompt, instead string) (string, error) {
	in, ok := e.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errors.New(instead)
	}
	fmt.Fprint(e.Err, prompt)
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(e.Err)
	return string(b), err
}

// progress draws how far long work on a ledger is, on a terminal.
func (e *env) progress() func(ledger.Origin, int64, int64) {
	if !terminal(e.Err) {
		return nil
	}
	shown := time.Time{}
	return func(o ledger.Origin, done, total int64) {
		// What is done before anybody can read is not drawn.
		if now := time.Now(); total > 20*ledger.ChunkSize && (now.Sub(shown) > 100*time.Millisecond || done == total) {
			shown = now
			const width = 30
			full := int(done * width / total)
			fmt.Fprintf(e.Err, "\r%-9s [%s%s] %d of %d entries", o.Kind, strings.Repeat("#", full), strings.Repeat(".", width-full), done, total)
			if done == total {
				fmt.Fprint(e.Err, "\r\x1b[K")
			}
		}
	}
}

func asTime(s stamp) time.Time { return time.Time(s) }
