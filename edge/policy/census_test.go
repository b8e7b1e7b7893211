package policy

import (
	"errors"
	"strings"
	"testing"

	"tombolo/edge/strict"
)

func TestCensus(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		publishing Publishing
		explained  string
	}{
		"":                                     {PublishCrowds, ""},
		"[census]\n":                           {PublishCrowds, ""},
		"[census]\noccupancy = \"crowds\"\n":   {PublishCrowds, ""},
		"[census]\noccupancy = \"never\"\n":    {PublishNever, "\nCensus:\n  How many are in a zone never leaves the node.\n"},
		"[census]\noccupancy = \"always\"\n\n": {PublishAlways, "\nCensus:\n  How many are in each zone is published, rounded to tens, also when few or none are there.\n"},
	} {
		p, err := Parse("policy.toml", []byte(base+text))
		if err != nil {
			t.Fatal(err)
		}
		if p.Census.Occupancy != want.publishing {
			t.Errorf("%q is %v", text, p.Census.Occupancy)
		}
		if got := Explain(p); strings.Contains(got, "Census") != (want.explained != "") || !strings.Contains(got, want.explained) {
			t.Errorf("%q is explained as\n%s", text, got)
		}
		noted := strings.Contains(strict.Errors(p.Warnings).Error(), "census.occupancy: everybody sees when few or none are in: people live behind front")
		if noted != (want.publishing == PublishAlways) {
			t.Errorf("%q: warnings %v", text, strict.Errors(p.Warnings))
		}
	}
	for p, want := range map[Publishing]string{PublishCrowds: "crowds", PublishNever: "never", PublishAlways: "always", 3: "unknown (3)"} {
		text, err := p.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%d is %q, %v", p, text, err)
		}
	}
}

func TestCensusMalformed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, text, key, msg string
		is                   error
	}{
		{"unknown", "[census]\noccupancy = \"sometimes\"", "census.occupancy", `want "crowds", "never" or "always", got "sometimes"`, nil},
		{"another case", "[census]\noccupancy = \"Never\"", "census.occupancy", `got "Never"`, nil},
		{"empty", "[census]\noccupancy = \"\"", "census.occupancy", `got ""`, nil},
		{"a switch", "[census]\noccupancy = false", "census.occupancy", "got false", strict.ErrValue},
		{"a number", "[census]\noccupancy = 20", "census.occupancy", "got 20", strict.ErrValue},
		{"a list", "[census]\noccupancy = [\"never\"]", "census.occupancy", "got a list", strict.ErrValue},
		{"misspelt", "[census]\noccupency = \"never\"", "census.occupency", `did you mean "occupancy"?`, strict.ErrUnknown},
		{"another case of the key", "[census]\nOccupancy = \"never\"", "census.Occupancy", "unknown key", strict.ErrUnknown},
		{"twice", "[census]\noccupancy = \"never\"\noccupancy = \"never\"", "census.occupancy", "line 28", strict.ErrDoubled},
		{"the table twice", "[census]\n[census]", "census", "line 27", strict.ErrDoubled},
		{"a list of tables", "[[census]]\noccupancy = \"never\"", "census", "want a table, got a list", strict.ErrValue},
		{"the gateway's", "[census]\ngrace = \"1m\"", "census.grace", "unknown key", strict.ErrUnknown},
		{"misspelt table", "[sensus]\noccupancy = \"never\"", "sensus", `did you mean "census"?`, strict.ErrUnknown},
	} {
		_, err := Parse("policy.toml", []byte(base+c.text+"\n"))
		var all strict.Errors
		if !errors.As(err, &all) || len(all) != 1 || all[0].Key != c.key || !strings.Contains(all[0].Msg, c.msg) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
