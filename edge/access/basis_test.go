package access_test

import (
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
)

func TestBasis(t *testing.T) {
	t.Parallel()
	unix := now.Unix()
	wallet := [20]byte{7}
	b := &access.Basis{
		Floor:     unix - 100,
		Homes:     map[string]map[access.Resident]int64{"front": {{Passport: 7, Wallet: wallet}: unix}},
		Lockdowns: map[string]int64{"front": unix, "vault": unix - 100},
		Bars:      map[passport.ID]int64{7: unix, 8: unix - 100},
	}
	known := func(seconds int64) access.Clock {
		return access.Clock{Now: now.Add(time.Duration(seconds) * time.Second), Trust: access.TrustFloor}
	}
	unknown := access.Clock{Now: now.Add(1e6 * time.Second)}
	for _, tt := range []struct {
		name string
		got  bool
		want bool
	}{
		{"home until its end", b.LivesHere("front", 7, wallet, known(-1)), true},
		{"not at its end", b.LivesHere("front", 7, wallet, known(0)), false},
		{"without a clock no home has ended", b.LivesHere("front", 7, wallet, unknown), true},
		{"at no other door", b.LivesHere("vault", 7, wallet, known(-1)), false},
		{"no other passport", b.LivesHere("front", 8, wallet, known(-1)), false},
		{"no other wallet", b.LivesHere("front", 7, [20]byte{8}, known(-1)), false},
		{"a lockdown until its end", b.LockedDown("front", known(-1)), true},
		{"not at its end", b.LockedDown("front", known(0)), false},
		{"without a clock it goes on", b.LockedDown("front", unknown), true},
		{"... until somebody signed something later", b.LockedDown("vault", unknown), false},
		{"a clock behind the authors ends it too", b.LockedDown("vault", known(-1000)), false},
		{"a door that nobody shut", b.LockedDown("side", known(0)), false},
		{"a bar until its end", b.Barred(7, known(-1)), true},
		{"not at its end", b.Barred(7, known(0)), false},
		{"without a clock it goes on", b.Barred(7, unknown), true},
		{"... until somebody signed something later", b.Barred(8, unknown), false},
		{"nobody barred them", b.Barred(9, known(0)), false},
		{"the zero value knows no home", new(access.Basis).LivesHere("front", 7, wallet, unknown), false},
		{"... no lockdown", new(access.Basis).LockedDown("front", unknown), false},
		{"... and no bar", new(access.Basis).Barred(7, unknown), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fresh int64
		want  time.Duration
	}{
		{"never heard", 0, -1},
		{"now", now.Unix(), 0},
		{"an hour ago", now.Add(-time.Hour).Unix(), time.Hour},
		{"a moment ahead is now", now.Add(time.Minute).Unix(), 0},
		{"a day ahead is now", now.Add(24 * time.Hour).Unix(), 0},
		{"a second more is never", now.Add(24*time.Hour).Unix() + 1, -1},
		{"long ago", 1, time.Duration(now.Unix()-1) * time.Second},
	} {
		if got := (&access.Basis{Fresh: tt.fresh}).Age(now); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	// Whole seconds, whatever the clock's fraction.
	if got := (&access.Basis{Fresh: now.Unix()}).Age(now.Add(1999 * time.Millisecond)); got != time.Second {
		t.Errorf("a fraction: %v", got)
	}
}

// TestTrust: the order of trust, its words, and what a door wants of it.
func TestTrust(t *testing.T) {
	t.Parallel()
	all := []access.Trust{access.TrustUnknown, access.TrustFloor, access.TrustRTC, access.TrustNTP}
	for i, trust := range all {
		word := []string{"unknown", "floor", "rtc", "ntp"}[i]
		if trust.String() != word || access.ParseTrust(word) != trust {
			t.Errorf("%v is %q", trust, word)
		}
		if (access.Clock{Trust: trust}).Known() != (i > 0) {
			t.Errorf("a clock with trust %v is known", trust)
		}
		for least, want := range map[policy.ClockTrust]bool{policy.TrustFloor: i >= 1, policy.TrustRTC: i >= 2, policy.TrustNTP: i >= 3} {
			if trust.Meets(least) != want {
				t.Errorf("%v meets %v: %v", trust, least, !want)
			}
		}
	}
	for _, word := range []string{"", "NTP", "gps", "trust-4"} {
		if got := access.ParseTrust(word); got != access.TrustUnknown {
			t.Errorf("%q is %v", word, got)
		}
	}
	if got := access.Trust(4).String(); got != "trust-4" {
		t.Error(got)
	}
}
