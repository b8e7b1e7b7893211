package access_test

import (
	"strings"
	"testing"

	"tombolo/edge/access"
)

// golden is every code that may stand in a door log, in the order of the
// constants. Logs are kept for years: a line of this list is never changed and
// never taken away. A new reason goes where its constant is.
var golden = strings.Fields(`
	none granted home exit
	unreadable other-community out-of-scope bad-signature unknown-key not-admitted disputed not-by-owner
	revoked wrong-mode key-not-yet key-expired expelled suspended passport-not-yet passport-expired
	no-class no-level no-codes door-codes-only clock-unknown code-early code-expired code-replayed
	code-before-start codes-full stale-roster no-policy not-recorded internal
`)

func TestStableCodes(t *testing.T) {
	t.Parallel()
	seen, texts := map[string]bool{}, map[string]bool{}
	for i, want := range golden {
		r := access.Reason(i)
		if r.String() != want {
			t.Errorf("reason %d is %q, and stands in logs as %q", i, r, want)
		}
		if seen[want] || texts[r.Text()] || r.Text() == "" || len(want) > 40 {
			t.Errorf("%q: used twice, without a text of its own, or too long for a record", want)
		}
		seen[want], texts[r.Text()] = true, true
		if access.TextOf(want) != r.Text() {
			t.Errorf("TextOf(%q) is %q", want, access.TextOf(want))
		}
	}
	next := access.Reason(len(golden))
	if next.String() != "reason-34" || next.Text() != next.String() {
		t.Errorf("there is a reason %q that the list of stable codes does not have", next)
	}
	if got := access.TextOf("a-code-of-later"); got != "a-code-of-later" {
		t.Errorf("an unknown code became %q", got)
	}
}
