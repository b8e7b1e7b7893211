package access_test

import (
	"fmt"
	"slices"
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// The site has a house with a vault in it and a shed beside it; the side door
// leads from the shed into the house, the gate into the site.
const sitePolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.site]
occupancy = 3
[zones.house]
within = "site"
antipassback = "hard"
forgive = "1h"
[zones.vault]
within = "house"
antipassback = "timed"
antipassback_time = "10m"
occupancy = 1
[zones.shed]
within = "site"
[doors.gate]
gateway = "gw1"
from = "street"
to = "site"
mechanical_exit = true
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[doors.side]
gateway = "gw1"
from = "shed"
to = "house"
mechanical_exit = true
[doors.vault]
gateway = "gw1"
from = "house"
to = "vault"
mechanical_exit = true
[doors.shed]
gateway = "gw1"
from = "site"
to = "shed"
mechanical_exit = true
[lockout]
after = 3
for = "5m"
`

var siteDoors = []string{"gate", "front", "side", "vault", "shed"}

func site(t testing.TB) *access.Basis {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(sitePolicy))
	if err != nil {
		t.Fatal(err)
	}
	return &access.Basis{Policy: p}
}

const (
	second = int64(1000)
	minute = 60 * second
)

// teller applies what happens at a site, minute after minute.
type teller struct {
	t testing.TB
	*access.Presence
	basis *access.Basis
	now   int64
	seq   uint64
}

func tell(t testing.TB) *teller {
	return &teller{t: t, Presence: access.NewPresence(), basis: site(t), now: now.UnixMilli()}
}

func (s *teller) zone(name string) *policy.Zone { return s.basis.Policy.Zones[name] }

// grant lets somebody in, or out, who has not passed yet.
func (s *teller) grant(who passport.ID, door string, exit bool) (seq uint64) {
	s.seq++
	s.Apply(s.now, &ledger.Decision{Seq: s.seq, Door: door, Exit: exit, Mode: "tap", Granted: true, Reason: "granted", Passport: uint64(who)})
	return s.seq
}

func (s *teller) passes(seq uint64, door string, exit, entered bool) {
	s.Apply(s.now, &ledger.Passage{Seq: seq, Door: door, Exit: exit, Entered: entered})
}

func (s *teller) enter(who passport.ID, door string) {
	s.passes(s.grant(who, door, false), door, false, true)
}
func (s *teller) leave(who passport.ID, door string) {
	s.passes(s.grant(who, door, true), door, true, true)
}

func (s *teller) wrongPin(who passport.ID) {
	s.seq++
	s.Apply(s.now, &ledger.Decision{Seq: s.seq, Door: "front", Mode: "tap+wrong-pin", Reason: access.WrongPin.String(), Passport: uint64(who)})
}

// boot starts the gateway again, with a clock that is known.
func (s *teller) boot() { s.Apply(s.now, &ledger.Boot{Clock: "ntp"}) }

func (s *teller) forgive(who passport.ID, before int64) {
	s.Apply(s.now, &ledger.Forgiven{Passport: uint64(who), Before: before})
}

// expectIn holds the zones that somebody is in, asked at no door of theirs.
func (s *teller) expectIn(what string, who passport.ID, zones ...string) {
	s.t.Helper()
	for _, zone := range []string{"site", "house", "vault", "shed"} {
		if got := s.Inside(s.basis, s.zone(zone), "elsewhere", who, s.now); got != slices.Contains(zones, zone) {
			s.t.Errorf("%s: passport %d in the %s: %v", what, who, zone, got)
		}
	}
}

func (s *teller) expectCount(what string, site, house, vault int) {
	s.t.Helper()
	for zone, want := range map[string]int{"site": site, "house": house, "vault": vault} {
		if got := s.Count(s.basis, s.zone(zone), s.now); got != want {
			s.t.Errorf("%s: %d in the %s, want %d", what, got, zone, want)
		}
	}
}

// TestInside: only who passed is anywhere, in the zone that they went to and in
// those around it.
func TestInside(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.expectIn("at the beginning", 7)
	s.enter(7, "front")
	s.expectIn("in the house", 7, "site", "house")
	s.enter(7, "vault")
	s.expectIn("in the vault", 7, "site", "house", "vault")
	s.leave(7, "vault")
	s.expectIn("back in the house", 7, "site", "house")
	s.leave(7, "side")
	s.expectIn("out to the shed", 7, "site", "shed")
	s.expectCount("one walks around", 1, 0, 0)
	s.leave(7, "gate")
	s.expectIn("gone", 7)
	s.expectCount("gone", 0, 0, 0)

	lapsed := s.grant(7, "front", false)
	s.expectIn("let in and not passed", 7, "site", "house")
	if s.Inside(s.basis, s.zone("house"), "front", 7, s.now) {
		t.Error("whoever stands at the door and presents again is not inside")
	}
	s.passes(lapsed, "front", false, false)
	s.expectIn("did not go in", 7)
	s.passes(lapsed, "front", false, true)
	s.expectIn("a grant is passed by once", 7)

	seq := s.grant(7, "front", false)
	s.Apply(s.now, &ledger.Decision{Seq: seq, Door: "front", Mode: "tap", Reason: "not-recorded", Passport: 7})
	s.expectIn("taken back", 7)
	s.passes(seq, "front", false, true)
	s.expectIn("and nobody passes by it", 7)

	seq = s.grant(7, "front", true)
	s.boot()
	s.passes(seq, "front", true, true)
	s.expectIn("nobody passes by a grant of another run", 7)

	s.seq++
	s.Apply(s.now, &ledger.Decision{Seq: s.seq, Door: "front", Exit: true, Mode: "rex", Granted: true, Reason: "exit"})
	s.enter(8, "front")
	s.passes(s.seq-1, "front", true, true)
	s.expectIn("a button says nothing of anybody", 8, "site", "house")

	s.enter(9, "gone-since")
	s.expectIn("a door that the policy has no more", 9)
	s.Apply(s.now, nil)
	s.Apply(s.now, &ledger.Line{Input: "fire", State: "active"})
}

// TestForgiveness: by the zone's own time, and by a steward's word.
func TestForgiveness(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.enter(7, "front")
	entered := s.now
	s.now = entered + 60*minute - 1
	s.expectIn("just before the zone forgives", 7, "site", "house")
	s.now++
	s.expectIn("forgiven in the house, not on the site, which forgives nothing", 7, "site")
	s.expectCount("forgiven", 1, 0, 0)

	for _, about := range []struct {
		who      passport.ID
		before   int64
		forgives bool
	}{{7, 0, true}, {0, 0, true}, {8, 0, false}, {7, -1, false}, {0, -1, false}} {
		s := tell(t)
		s.enter(7, "front")
		s.now += minute
		s.forgive(about.who, entered+about.before)
		if got := !s.Inside(s.basis, s.zone("house"), "elsewhere", 7, s.now); got != about.forgives {
			t.Errorf("%+v: %v", about, got)
		}
		if got := s.Entered(s.basis, s.zone("house"), "elsewhere", 7, s.now) == -1; got != about.forgives {
			t.Errorf("%+v: the entry is forgotten: %v", about, got)
		}
		s.enter(7, "front")
		s.expectIn("an entry after it counts", 7, "site", "house")
	}
}

// TestForgivenInOrder: a Forgive is of what stands before it in the log, and of
// nothing that follows, whatever the clock shows.
func TestForgivenInOrder(t *testing.T) {
	t.Parallel()
	s := tell(t)
	const ahead = 3 * 24 * 60 * minute
	s.forgive(7, s.now+ahead) // by an author whose clock is right
	s.enter(7, "front")
	s.expectIn("by a clock that is behind", 7, "site", "house")
	for range 3 {
		s.wrongPin(7)
	}
	locked := func(what string, want bool) {
		t.Helper()
		if got := s.LockedOut(s.basis, 7, s.now); got != want {
			t.Errorf("%s: locked out %v", what, got)
		}
	}
	locked("wrong PINs by a clock that is behind", true)
	s.forgive(7, s.now+ahead)
	locked("the same Forgive again", true)
	s.forgive(7, s.now+minute)
	if before, ok := s.Forgiven(7); !ok || before != s.now+minute {
		t.Errorf("forgiven up to %d, %v", before, ok)
	}
	locked("put right: its author's clock was ahead", true)
	s.forgive(7, s.now+2*minute)
	locked("another", false)
	s.expectIn("another", 7)

	// What came before something that is forgotten is forgotten, too.
	s = tell(t)
	s.now += ahead
	s.boot()
	s.enter(7, "vault")
	s.now -= ahead
	s.Apply(s.now, &ledger.Boot{Clock: "unknown"})
	s.enter(7, "front")
	s.now += minute
	s.enter(7, "gate")
	s.forgive(7, s.now-minute)
	if got := s.Entered(s.basis, s.zone("vault"), "", 7, s.now); got != -1 {
		t.Errorf("entered the vault %d ms ago", got)
	}
	s.expectIn("what came later is not", 7, "site")
	if _, ok := s.Forgiven(0); ok {
		t.Error("nobody has forgiven everybody")
	}
}

// TestEntered: when somebody last entered a zone, by whatever door, and whether
// or not they left since.
func TestEntered(t *testing.T) {
	t.Parallel()
	s := tell(t)
	ago := func(what, zone string, want int64) {
		t.Helper()
		if got := s.Entered(s.basis, s.zone(zone), "elsewhere", 7, s.now); got != want {
			t.Errorf("%s: %d ms ago, want %d", what, got, want)
		}
	}
	ago("never", "house", -1)
	s.enter(7, "front")
	s.now += minute
	ago("a minute ago", "house", minute)
	ago("and so the site", "site", minute)
	ago("not the vault", "vault", -1)
	s.leave(7, "side")
	ago("left since", "house", minute)
	s.enter(7, "shed")
	s.now += minute
	ago("another zone's entry hides none", "house", 2*minute)
	ago("the shed's own", "shed", minute)
	s.enter(7, "vault")
	ago("into the vault is into the house", "house", 0)
	seq := s.grant(7, "vault", false)
	s.now += minute
	if got := s.Entered(s.basis, s.zone("vault"), "vault", 7, s.now); got != minute {
		t.Errorf("a grant at this very door is no entry: %d", got)
	}
	ago("let in by another door", "vault", 0)
	s.passes(seq, "vault", false, false)
	ago("not gone in", "vault", minute)
	s.now -= 10 * minute
	ago("a clock that was set back", "vault", 0)
	s.now += 10 * minute

	// Of many doors only the latest few are remembered, and one door is one of them.
	for range 10 {
		s.enter(7, "shed")
	}
	ago("ten times by one door", "house", minute)
	for i := range access.MaxEntries {
		s.enter(7, fmt.Sprintf("door-%d", i))
	}
	ago("too many doors ago", "house", -1)
}

// TestCount: people, not presentations; those who were let in hold a place.
func TestCount(t *testing.T) {
	t.Parallel()
	s := tell(t)
	full := func(what, zone string, who passport.ID, want bool) {
		t.Helper()
		if got := s.Full(s.basis, s.zone(zone), s.now, who); got != want {
			t.Errorf("%s: the %s is full: %v", what, zone, got)
		}
	}
	s.enter(1, "front")
	s.enter(2, "gate")
	s.expectCount("two", 2, 1, 0)
	full("one place left", "site", 3, false)
	seq := s.grant(3, "front", false)
	s.expectCount("let in", 3, 2, 0)
	full("the last place is taken", "site", 4, true)
	full("not for who holds it", "site", 3, false)
	full("nor for who is inside", "site", 1, false)
	again := s.grant(3, "front", false)
	s.expectCount("presented twice, and one person", 3, 2, 0)
	inside := s.grant(1, "gate", false)
	s.expectCount("inside and let in again, and one person", 3, 2, 0)
	s.passes(inside, "gate", false, false)
	s.passes(seq, "front", false, false)
	s.expectCount("one of two grants lapses", 3, 2, 0)
	s.passes(again, "front", false, false)
	s.expectCount("both lapse", 2, 1, 0)
	full("and the place is free", "site", 4, false)

	s.enter(1, "vault")
	full("the vault holds one", "vault", 2, true)
	full("itself", "vault", 1, false)
	if s.Full(s.basis, s.zone("site"), s.now, 1, 2) || s.Full(s.basis, s.zone("site"), s.now, 1, 5) || !s.Full(s.basis, s.zone("site"), s.now, 5, 6) {
		t.Error("of several who want in together each takes a place, but for who is inside")
	}
	full("the house has no limit", "house", 2, false)
	out := s.grant(1, "vault", true)
	s.expectCount("about to leave is still there", 2, 1, 1)
	s.passes(out, "vault", true, true)
	s.expectCount("left the vault", 2, 1, 0)
	s.grant(1, "vault", true)
	s.boot()
	s.expectCount("a restart keeps who is inside", 2, 1, 0)
	s.grant(1, "vault", false)
	s.expectCount("moving within the house", 2, 1, 1)
	s.boot()
	s.expectCount("and they may have moved when it broke off", 2, 1, 1)
}
