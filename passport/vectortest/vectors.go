// Package vectortest reads annotated vectors for tests: call [Load] for a file of
// testdata/vectors. A file has cases, each a line "[name]" and lines "key value";
// indented lines carry a value on, a "#" starts a note, and spaces within a value
// do not count. A file without cases, a key given twice and a key that is missing
// end the test, and with [Whole] or [Case.Done] so does a key that the test never
// asked for: whatever the file annotates is checked.
package vectortest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Case is one vector. It belongs to the test that loaded it.
type Case struct {
	Name   string
	values map[string]string
	used   map[string]bool
}

// Load reads testdata/vectors/file; want is the number of cases in it, so that a
// lost case is noticed.
func Load(t testing.TB, file string, want int) []*Case {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("vectortest: no source position")
	}
	return LoadFrom(t, filepath.Join(filepath.Dir(here), "../../testdata/vectors", file), "", want)
}

// LoadFrom reads the cases of any file whose names begin with a prefix.
func LoadFrom(t testing.TB, path, prefix string, want int) []*Case {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []*Case
	key := ""
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line, _, _ := strings.Cut(s.Text(), "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case strings.HasPrefix(line, "["):
			name := strings.Trim(strings.TrimSpace(line), "[]")
			cases = append(cases, &Case{name, map[string]string{}, map[string]bool{}})
			key = ""
			continue
		case len(cases) == 0:
			t.Fatalf("%s:%d: a value before the first case", path, n)
		case line[0] != ' ':
			key, words = words[0], words[1:]
			if _, ok := cases[len(cases)-1].values[key]; ok {
				t.Fatalf("%s:%d: %s given twice", path, n, key)
			}
		case key == "":
			t.Fatalf("%s:%d: a value without a key", path, n)
		}
		cases[len(cases)-1].values[key] += strings.Join(words, "")
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	cases = slices.DeleteFunc(cases, func(c *Case) bool { return !strings.HasPrefix(c.Name, prefix) })
	if len(cases) != want || want == 0 {
		t.Fatalf("%s: %d cases %q instead of %d", path, len(cases), prefix, want)
	}
	return cases
}

// Whole is Done of each case when the test ends.
func Whole(t testing.TB, cases []*Case) []*Case {
	t.Cleanup(func() {
		for _, c := range cases {
			c.Done(t)
		}
	})
	return cases
}

// Text is the value as it stands, without spaces.
func (c *Case) Text(t testing.TB, key string) string {
	t.Helper()
	v, ok := c.values[key]
	if !ok || v == "" {
		t.Fatalf("%s: no value %s", c.Name, key)
	}
	c.used[key] = true
	return v
}

// Has tells whether the case has the value.
func (c *Case) Has(key string) bool { return c.values[key] != "" }

// Hex is the value's bytes; "empty" stands for none.
func (c *Case) Hex(t testing.TB, key string) []byte {
	t.Helper()
	text := c.Text(t, key)
	if text == "empty" {
		return []byte{}
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatalf("%s: %s: %v", c.Name, key, err)
	}
	return b
}

// Is asserts that the value is got.
func (c *Case) Is(t testing.TB, key string, got []byte) {
	t.Helper()
	if want := c.Hex(t, key); !bytes.Equal(got, want) {
		t.Errorf("%s: %s is\n%x, want\n%x", c.Name, key, got, want)
	}
}

// Hex32 is the value's 32 bytes.
func (c *Case) Hex32(t testing.TB, key string) [32]byte {
	t.Helper()
	b := c.Hex(t, key)
	if len(b) != 32 {
		t.Fatalf("%s: %s has %d bytes instead of 32", c.Name, key, len(b))
	}
	return [32]byte(b)
}

// Int is the value as a decimal number.
func (c *Case) Int(t testing.TB, key string) int64 {
	t.Helper()
	v, err := strconv.ParseInt(c.Text(t, key), 10, 64)
	if err != nil {
		t.Fatalf("%s: %s: %v", c.Name, key, err)
	}
	return v
}

// Uint is the value as a decimal number.
func (c *Case) Uint(t testing.TB, key string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(c.Text(t, key), 10, 64)
	if err != nil {
		t.Fatalf("%s: %s: %v", c.Name, key, err)
	}
	return v
}

// Done fails for every value that was not asked for.
func (c *Case) Done(t testing.TB) {
	t.Helper()
	for key := range c.values {
		if !c.used[key] {
			t.Errorf("%s: value %s was not checked", c.Name, key)
		}
	}
}
