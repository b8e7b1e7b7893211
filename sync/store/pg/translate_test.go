package pg

import (
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"", ""},
		{"SELECT 1", "SELECT 1"},
		{"a = ?", "a = $1"},
		{"a = ? AND b = ?", "a = $1 AND b = $2"},
		{"(?1, ?2 + 7, ?, ?)", "($1, $2 + 7, $3, $4)"},
		{"?2, ?, ?1, ?", "$2, $3, $1, $4"},
		{"?10, ?", "$10, $11"},
		{"x''", `'\x'::bytea`},
		{"(x'840101', x'84011818')", `('\x840101'::bytea, '\x84011818'::bytea)`},
		{"idx'", "idx'"}, // no blob, and no end either
		{"'x''?'", "'x''?'"},
		{"'it''s ?' || ?", "'it''s ?' || $1"},
		{"max'?'?", "max'?'$1"},
		{"'?", "'?"},
		{"unnest(?::int[])", "unnest($1::int[])"},
		{"unixepoch('subsec') + ?", "unixepoch('subsec') + $1"},
	} {
		var words translated
		for range 2 {
			if got := words.of(c[0]); got != c[1] {
				t.Errorf("%q: %q, want %q", c[0], got, c[1])
			}
		}
	}
}

// Whatever stands in quotes stays as it is, and no parameter is left.
func FuzzTranslate(f *testing.F) {
	f.Add("a = ? AND b = 'it''s ?' OR c = x'00' AND d = ?3")
	f.Add("'")
	f.Add("x'")
	f.Fuzz(func(t *testing.T, query string) {
		got := translate(query)
		if !strings.ContainsAny(query, "'?") && got != query {
			t.Errorf("%q: %q", query, got)
		}
		if !strings.Contains(query, "'") && strings.Contains(got, "?") {
			t.Errorf("%q: %q", query, got)
		}
	})
}
