package main

import (
	"strings"
	"testing"
)

// TestDecidesBy is what a steward reads of a gateway's freshness.
func TestDecidesBy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		s    gatewayStatus
		want string
	}{
		{"a desk", gatewayStatus{RosterAge: -1}, ""},
		{"fresh", gatewayStatus{Gateway: "gw1", Policy: 3, Clock: true, RosterAge: 42}, "gw1 decides by version 3 of the policy; the issuers were last heard 42s ago"},
		{"just now", gatewayStatus{Gateway: "gw1", Policy: 3, Clock: true}, "gw1 decides by version 3 of the policy; the issuers were last heard 0s ago"},
		{"old, on trial", gatewayStatus{Gateway: "gw1", Policy: 4, Trial: true, Clock: true, RosterAge: 3 * 24 * 3600}, "gw1 decides by version 4 of the policy, which it tries; the issuers were last heard 3d ago"},
		{"never heard, nothing signed", gatewayStatus{Gateway: "gw1", Clock: true, RosterAge: -1}, "gw1 decides without a policy; no issuer was ever heard"},
		{"no clock, cut off", gatewayStatus{Gateway: "gw1", Policy: 3, RosterAge: -1, Missing: []string{"gw2", "gw3"}}, "gw1 decides by version 3 of the policy; its clock is not believed, so nobody knows how old its roster is; not all is known of gw2, gw3"},
	} {
		if got := decidesBy(tt.s); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestUndone: whoever is left with exit status 1 hears what to do.
func TestUndone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    reached
		want string
	}{
		{reached{Reached: []string{"a"}}, ""},
		{reached{Reached: []string{"a"}, Kept: []string{"a"}}, "with `own = true`, to links.toml"},
		{reached{Missing: []string{"a"}, Links: []string{"hub: refused"}}, "not every link is up"},
		{reached{Missing: []string{"a"}}, "not every gateway has it all"},
	} {
		err := c.r.undone()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.r, err, c.want)
		}
	}
}
