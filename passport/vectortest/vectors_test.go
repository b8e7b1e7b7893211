package vectortest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that notes how it fails.
type recorder struct {
	testing.TB
	said    []string
	cleanup []func()
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Errorf(f string, a ...any) { r.said = append(r.said, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatal(a ...any)            { r.Errorf("%s", fmt.Sprint(a...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...); runtime.Goexit() }

// Whatever is wrong with a file or with what a test makes of it fails the test.
func TestFails(t *testing.T) {
	t.Parallel()
	const good = "# a note\n[one]\nkey 01 02\n  03 # carried on\nnone empty\nn 7\n[two]\nkey 04\n"
	for name, tt := range map[string]struct {
		text, prefix string
		cases        int
		ask          func(t testing.TB, c *Case)
		want         string
	}{
		"nothing is":          {good, "one", 1, func(t testing.TB, c *Case) { c.Is(t, "key", []byte{1, 2, 3}); c.Is(t, "none", nil); c.Uint(t, "n") }, ""},
		"no file":             {"", "", 1, nil, "no such file"},
		"no case":             {"# a note\n", "", 0, nil, "0 cases"},
		"a case fewer":        {good, "", 3, nil, "2 cases"},
		"no such case":        {good, "three", 1, nil, `0 cases "three"`},
		"a value before all":  {"key 01\n[one]\n", "", 1, nil, ":1: a value before the first case"},
		"a value of no key":   {"[one]\n  01\n", "", 1, nil, ":2: a value without a key"},
		"a key given twice":   {"[one]\nkey 01\nkey 02\n", "", 1, nil, ":3: key given twice"},
		"a key that misses":   {good, "two", 1, func(t testing.TB, c *Case) { c.Hex(t, "n") }, "two: no value n"},
		"a key not asked for": {good, "two", 1, nil, "two: value key was not checked"},
		"another value":       {good, "two", 1, func(t testing.TB, c *Case) { c.Is(t, "key", []byte{5}) }, "two: key is\n05, want\n04"},
		"no hexadecimal":      {"[one]\nkey 0g\n", "", 1, func(t testing.TB, c *Case) { c.Hex(t, "key") }, "one: key: encoding/hex"},
		"not 32 bytes":        {good, "two", 1, func(t testing.TB, c *Case) { c.Hex32(t, "key") }, "1 bytes instead of 32"},
		"no number":           {"[one]\nn x\n", "", 1, func(t testing.TB, c *Case) { c.Int(t, "n") }, "one: n: strconv"},
	} {
		path := filepath.Join(t.TempDir(), "vectors.txt")
		if tt.text != "" {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, done := &recorder{}, make(chan struct{})
		go func() {
			defer close(done)
			all := Whole(r, LoadFrom(r, path, tt.prefix, tt.cases))
			if tt.ask != nil {
				tt.ask(r, all[0])
			}
		}()
		<-done
		for _, f := range r.cleanup {
			f()
		}
		if got := strings.Join(r.said, "; "); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
