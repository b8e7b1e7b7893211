package main

import (
	"fmt"
	"strings"
	"time"
)

// decidesBy says by what a gateway that runs decides, and how old that is; "" of a
// desk, which decides nothing.
func decidesBy(s gatewayStatus) string {
	if s.Gateway == "" {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s decides ", s.Gateway)
	switch {
	case s.Policy == 0:
		out.WriteString("without a policy")
	case s.Trial:
		fmt.Fprintf(&out, "by version %d of the policy, which it tries", s.Policy)
	default:
		fmt.Fprintf(&out, "by version %d of the policy", s.Policy)
	}
	switch {
	case !s.Clock:
		out.WriteString("; its clock is not believed, so nobody knows how old its roster is")
	case s.RosterAge < 0:
		out.WriteString("; no issuer was ever heard")
	default:
		fmt.Fprintf(&out, "; the issuers were last heard %s ago", ageWords(time.Duration(s.RosterAge)*time.Second))
	}
	if len(s.Missing) > 0 {
		fmt.Fprintf(&out, "; not all is known of %s", strings.Join(s.Missing, ", "))
	}
	return out.String()
}
