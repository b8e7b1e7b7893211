package wiring

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tombolo/edge/strict"
)

const censusBase = `[sim]
socket = "s"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
`

func TestCensus(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Census{
		"":                             {},
		"[census]\n":                   {},
		"[census]\ngrace = \"1s\"\n":   {Grace: time.Second},
		"[census]\npatience = \"1h\"":  {Patience: time.Hour},
		"[census]\ngrace = \"1d\"\n\n": {Grace: 24 * time.Hour},
	} {
		w, err := Parse("gateway.toml", []byte(censusBase+text))
		if err != nil || w.Census != want {
			t.Errorf("%q: %+v, %v", text, w.Census, err)
		}
	}
}

func TestCensusMalformed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, text, key, msg string
		is                   error
	}{
		{"no duration", `grace = "soon"`, "census.grace", `from 1s to 1d, got "soon"`, strict.ErrDuration},
		{"none at all", `grace = "0s"`, "census.grace", `got "0s"`, strict.ErrDuration},
		{"negative", `grace = "-1m"`, "census.grace", `got "-1m"`, strict.ErrDuration},
		{"too long", `grace = "25h"`, "census.grace", `got "25h"`, strict.ErrDuration},
		{"a number", `grace = 600`, "census.grace", `got 600`, strict.ErrValue},
		{"finer than a second", `patience = "10ms"`, "census.patience", `got "10ms"`, strict.ErrDuration},
		{"patience too long", `patience = "2d"`, "census.patience", `got "2d"`, strict.ErrDuration},
		{"patience as a list", `patience = ["1m"]`, "census.patience", "want a duration", strict.ErrValue},
		{"twice", "grace = \"1m\"\ngrace = \"1m\"", "census.grace", "", strict.ErrDoubled},
		{"misspelt", `patiense = "1m"`, "census.patiense", `did you mean "patience"?`, strict.ErrUnknown},
		{"the policy's", `occupancy = "never"`, "census.occupancy", "unknown key", strict.ErrUnknown},
	} {
		_, err := Parse("gateway.toml", []byte(censusBase+"[census]\n"+c.text+"\n"))
		var all strict.Errors
		if !errors.As(err, &all) || len(all) != 1 || all[0].Key != c.key || !strings.Contains(all[0].Msg, c.msg) || !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
