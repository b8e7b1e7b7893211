package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"tombolo/cmd/internal/cli"
	"tombolo/sync/ledger"
)

// print prints v as one line of JSON, or the text for people.
func (e *env) print(v any, text string, args ...any) error {
	return cli.Print(e.Out, e.json, v, text, args...)
}

func (e *env) printJSON(v any) error { return cli.PrintJSON(e.Out, v) }

// table prints rows under a head, or each of the values as one line of JSON.
func table[T any](e *env, values []T, none string, head []string, row func(T) []string) error {
	return cli.Table(e.Out, e.json, values, none, head, row)
}

// warn tells a person something that stops nothing.
func (e *env) warn(format string, args ...any) { cli.Warn(e.Err, format, args...) }

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

func terminal(v any) bool { return cli.Terminal(v) }

// confirm asks before what cannot be undone.
func (e *env) confirm(yes bool, what string, args ...any) error {
	return cli.Confirm(e.In, e.Err, yes, what, args...)
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
