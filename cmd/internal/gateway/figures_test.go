package gateway

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/sync/ledger"
)

// TestFaultFigure: a part works again once all is over that was wrong with it.
// What merely happened is counted; and no label holds an author's key.
func TestFaultFigure(t *testing.T) {
	t.Parallel()
	fault := func(part, what string) ledger.Body { return &ledger.Fault{Part: part, What: what} }
	over := func(part, what string) ledger.Body { return &ledger.Fault{Part: part, What: what, Cleared: true} }
	author := strings.Repeat("5e", 16)
	for _, tt := range []struct {
		name    string
		records []ledger.Body
		want    []string
	}{
		{"none", nil, nil},
		{"one", []ledger.Body{fault("journal", "full")}, []string{"journal"}},
		{"... and over, in other words", []ledger.Body{fault("journal", "full"), over("journal", "written again")}, nil},
		{"one of two is over", []ledger.Body{fault("wiring", "a"), fault("wiring", "b"), over("wiring", "a")}, []string{"wiring"}},
		{"... and the other", []ledger.Body{fault("wiring", "a"), fault("wiring", "b"), over("wiring", "a"), over("wiring", "b")}, nil},
		{"another is told before the first is over", []ledger.Body{fault("policy", "a"), fault("policy", "b"), over("policy", "a")}, []string{"policy"}},
		{"another part's end", []ledger.Body{fault("gpio", "a"), over("policy", "a")}, []string{"gpio"}},
		{"told twice", []ledger.Body{fault("gpio", "a"), fault("gpio", "a"), over("gpio", "a")}, nil},
		{"a code that opened two doors", []ledger.Body{fault("door/front/code", "a code of passport 7")}, nil},
		{"a door's relay", []ledger.Body{fault("door/front/relay", "a")}, []string{"door/front/relay"}},
		{"ledgers", []ledger.Body{fault("community/"+author+"/0102", "a"), fault("node/"+author+"/0102", "b"), fault("issuer "+author, "c")}, []string{"community", "issuer", "node"}},
		{"two ledgers, one of which is read again", []ledger.Body{fault("node/"+author+"/01", "a"), fault("node/"+author+"/02", "a"), over("node/"+author+"/01", "a")}, []string{"node"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFigures()
			for _, b := range tt.records {
				f.count(b, nil)
			}
			shown := f.copy()
			if got := slices.Sorted(maps.Keys(shown.faults)); !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	f := newFigures()
	for range 3 {
		f.count(fault("door/front/code", "a code of passport 7"), nil)
	}
	if n := f.copy().twice["front"]; n != 3 {
		t.Errorf("%d codes opened two doors", n)
	}
	for n := range 3 * maxFaults {
		f.count(fault("gpio", strings.Repeat("x", n)), nil)
	}
	if n := len(f.faults["gpio"]); n != maxFaults {
		t.Errorf("%d faults of one part are remembered", n)
	}
	f.count(nil, errors.New("no room"))
	if f.copy().lost != 1 {
		t.Error("a lost record is not counted")
	}
}

// TestRosterAge: without a clock nobody knows how old the roster is; least of all
// is it new.
func TestRosterAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	v := &roster.View{Basis: access.Basis{Fresh: now.Add(-time.Hour).Unix()}}
	if got := rosterAge(v, access.Clock{Now: now, Trust: access.TrustNTP}); got != time.Hour {
		t.Errorf("%v", got)
	}
	if got := rosterAge(v, access.Clock{Now: now.Add(-2 * time.Hour), Trust: access.TrustUnknown}); got >= 0 {
		t.Errorf("without a clock: %v", got)
	}
	if got := rosterAge(&roster.View{}, access.Clock{Now: now, Trust: access.TrustNTP}); got >= 0 {
		t.Errorf("never heard: %v", got)
	}
}

// TestFigureNames: the package's documentation names every figure, with its labels,
// and no other.
func TestFigureNames(t *testing.T) {
	t.Parallel()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	doc, _, _ := strings.Cut(read("gateway.go"), "\npackage gateway\n")
	var documented, made []string
	for _, m := range regexp.MustCompile(`tombolo_(\w+)(?:\{([\w,]+)\})?`).FindAllStringSubmatch(doc, -1) {
		documented = append(documented, m[1]+" "+m[2])
	}
	for _, m := range regexp.MustCompile(`desc\("(\w+)", "[^"]*"((?:, "\w+")*)\)`).FindAllStringSubmatch(read("metrics.go"), -1) {
		made = append(made, m[1]+" "+strings.Join(regexp.MustCompile(`\w+`).FindAllString(m[2], -1), ","))
	}
	slices.Sort(documented)
	slices.Sort(made)
	if len(made) < 20 || !slices.Equal(documented, made) {
		t.Errorf("documented are\n%s\nmade are\n%s", strings.Join(documented, "\n"), strings.Join(made, "\n"))
	}
}
