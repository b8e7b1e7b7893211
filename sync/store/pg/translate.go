package pg

import (
	"strconv"
	"strings"
	"sync"
)

// translated are statements as PostgreSQL takes them. There are as many as package
// store has.
type translated struct{ by sync.Map }

func (t *translated) of(query string) string {
	if done, ok := t.by.Load(query); ok {
		return done.(string)
	}
	done := translate(query)
	t.by.Store(query, done)
	return done
}

// translate writes a statement of SQLite's in PostgreSQL's: parameters ? and ?1 as
// $1 and blobs x'01' as bytes. As in SQLite a ? without a number is the one after
// the largest so far (https://sqlite.org/lang_expr.html#parameters).
func translate(query string) string {
	var b strings.Builder
	last := 0
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c == '\'':
			end := i + 1 + literal(query[i+1:])
			b.WriteString(query[i:end])
			i = end - 1
		case c == 'x' && strings.HasPrefix(query[i+1:], "'") && (i == 0 || !word(query[i-1])):
			end := i + 2 + literal(query[i+2:])
			b.WriteString(`'\x` + query[i+2:end] + "::bytea")
			i = end - 1
		case c == '?':
			end := i + 1
			for end < len(query) && '0' <= query[end] && query[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(query[i+1 : end])
			if err != nil {
				n = last + 1
			}
			last = max(last, n)
			b.WriteString("$" + strconv.Itoa(n))
			i = end - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// literal is the length of the rest of a quoted literal, its end included. A quote
// within it is two.
func literal(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 == len(s) || s[i+1] != '\'' {
			return i + 1
		}
		i++
	}
	return len(s)
}

func word(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
