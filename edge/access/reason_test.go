package access_test

import (
	"fmt"
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
	passback-noted guest duress
	lockdown barred outside-hours pass-not-yet pass-over pass-used-up passback passback-timed zone-full interlock
	awaits-pin no-pin wrong-pin pin-late locked-out locked-out-duress awaits-second awaits-escort again
	remote order-stale order-ahead
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
		if back, ok := access.ParseReason(want); !ok || back != r {
			t.Errorf("ParseReason(%q) is %v, %v", want, back, ok)
		}
	}
	next := access.Reason(len(golden))
	if next.String() != fmt.Sprintf("reason-%d", len(golden)) || next.Text() != next.String() {
		t.Errorf("there is a reason %q that the list of stable codes does not have", next)
	}
	if _, ok := access.ParseReason(next.String()); ok {
		t.Error("a code that no reason has was parsed")
	}
	if got := access.TextOf("a-code-of-later"); got != "a-code-of-later" {
		t.Errorf("an unknown code became %q", got)
	}
}

// TestGrants: what lets in, what waits, and that nothing else does.
func TestGrants(t *testing.T) {
	t.Parallel()
	grants, waits := "", ""
	for i := range golden {
		r := access.Reason(i)
		if r.Grants() {
			grants += " " + r.String()
		}
		if r.Waits() {
			waits += " " + r.String()
		}
		if (access.Verdict{Reason: r}).Granted() != r.Grants() {
			t.Errorf("a verdict for %v", r)
		}
	}
	if want := " granted home exit passback-noted guest duress remote"; grants != want {
		t.Errorf("granted by%s, want%s", grants, want)
	}
	if want := " awaits-pin awaits-second awaits-escort"; waits != want {
		t.Errorf("waiting%s, want%s", waits, want)
	}
}
