package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxErrors bounds how many errors one file can cause; what comes after is
// counted in a last Error without a key.
const MaxErrors = 100

// Sentinels for what is wrong with a file as a whole; errors.Is finds them in
// what Decode returns.
var (
	ErrTooLarge = errors.New("file too large")
	ErrUTF8     = errors.New("not UTF-8")
	ErrSyntax   = errors.New("not TOML")
	ErrUnknown  = errors.New("unknown key")
	ErrMissing  = errors.New("missing key")
	ErrDoubled  = errors.New("key set twice")
	ErrValue    = errors.New("wrong kind of value or out of range")
	ErrRefused  = errors.New("refused") // a key or a value that is known, and must not be used
)

// Error is one mistake in a file.
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line"`          // from 1; 0: the file as a whole
	Column int    `json:"column"`        // from 1, in characters
	Key    string `json:"key,omitempty"` // dotted path, list elements as name[0]
	Msg    string `json:"message"`       // what was expected and what was there
	Err    error  `json:"-"`             // what it is for errors.Is; may be nil
}

// Error is "file:line:column: key: message".
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key)
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Unwrap gives the sentinel.
func (e Error) Unwrap() error { return e.Err }

// Errors are the mistakes of one file, sorted by position. It is never empty
// when it is returned as an error.
type Errors []Error

// Error has one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is and errors.As see each Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
}

// Path leads to a value: table keys, and indexes of list elements in decimal.
type Path []string

// With is the path with more parts, in memory of its own.
func (p Path) With(parts ...string) Path {
	return slices.Concat(p, parts)
}

// At is the path to element i of the list at p.
func (p Path) At(i int) Path { return p.With(strconv.Itoa(i)) }

// maxShown bounds how much of a value an error repeats, in bytes.
const maxShown = 64

// Quote shows a string from a file in an error: escaped, and cut to 64 bytes.
func Quote(s string) string {
	if len(s) > maxShown {
		return strconv.Quote(strings.ToValidUTF8(s[:maxShown], "")) + "…"
	}
	return strconv.Quote(s)
}

// bareKey tells whether TOML lets a key stand without quotes (TOML v1.0.0, Keys).
func bareKey(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxShown
}
