package firmware_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// unit is a service: the values of each key, in order.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: %q", name, line)
		}
		u[key] = append(u[key], value)
	}
	return u
}

func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("the unit has %d times %s", len(u[key]), key)
	}
	return u[key][0]
}

// environment is what the manager gives the daemon (systemd.unit(5): %t is /run).
func (u unit) environment(t *testing.T) (out []string) {
	t.Helper()
	for _, e := range u["Environment"] {
		out = append(out, strings.ReplaceAll(e, "%t", "/run"))
	}
	return out
}

func (u unit) microseconds(t *testing.T, key string) string {
	t.Helper()
	d, err := time.ParseDuration(u.one(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(d.Microseconds(), 10)
}
