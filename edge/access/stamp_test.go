package access_test

import (
	"testing"

	"tombolo/edge/access"
	"tombolo/sync/ledger"
)

// clocks is a site whose clock is set, with what it remembers of passport 7: who
// went in by the front door and typed three wrong PINs.
type clocks struct{ *teller }

func (c clocks) visit() {
	c.enter(7, "front")
	for range 3 {
		c.wrongPin(7)
	}
}

// set sets the clock, by so much.
func (c clocks) set(by int64) {
	from := c.now
	c.now += by
	c.Apply(c.now, &ledger.ClockStep{From: from, To: c.now})
}

// expect holds how long ago all of it was.
func (c clocks) expect(what string, ago int64) {
	c.t.Helper()
	if got := c.Entered(c.basis, c.zone("house"), "", 7, c.now); got != max(0, ago) {
		c.t.Errorf("%s: entered %d ms ago, want %d", what, got, max(0, ago))
	}
	if got := c.now - c.EnteredAt("front"); got != ago {
		c.t.Errorf("%s: came in %d ms ago, want %d", what, got, ago)
	}
	if got := c.LockedOut(c.basis, 7, c.now); got != (ago < 5*minute) {
		c.t.Errorf("%s: locked out %v", what, got)
	}
	if got := c.Inside(c.basis, c.zone("house"), "", 7, c.now); got != (ago < 60*minute) {
		c.t.Errorf("%s: inside %v", what, got)
	}
}

const day = 24 * 60 * minute

// TestClockSet: what one run wrote is as long ago as it was, however its clock is
// set; what earlier runs wrote is never to come.
func TestClockSet(t *testing.T) {
	t.Parallel()
	for _, by := range []int64{-1000 * day, -minute, minute, 1000 * day} {
		c := clocks{tell(t)}
		c.boot()
		c.visit()
		c.now += minute
		c.set(by)
		c.expect("set", minute)
		c.set(-by / 2)
		c.expect("and set again", minute)
		c.now += 4 * minute
		c.expect("a lockout's end", 5*minute)
		c.now += 55 * minute
		c.expect("the zone forgives", 60*minute)
	}

	c := clocks{tell(t)}
	c.boot()
	c.visit()
	c.now += minute
	c.boot()
	c.set(-day)
	c.expect("an earlier run's, set back", 0)
	c.set(3 * minute)
	c.expect("an earlier run's, set forward", 3*minute)
	c.set(-minute)
	c.expect("it was before that", 2*minute)

	// Somebody who was let in passes.
	c = clocks{tell(t)}
	c.boot()
	c.grant(7, "front", false)
	c.set(-day)
	c.boot()
	c.now += minute
	if got := c.Entered(c.basis, c.zone("house"), "", 7, c.now); got != minute {
		t.Errorf("pending when the clock was set, and then at a crash: %d ms ago", got)
	}
}

// TestBootClock: at a start with a clock nothing that is remembered is to come;
// at one without, from when there is one.
func TestBootClock(t *testing.T) {
	t.Parallel()
	for _, clock := range []string{"floor", "rtc", "ntp", "known"} { // the first version wrote known
		c := clocks{tell(t)}
		c.now += 4 * 365 * day
		c.boot()
		c.visit()
		c.now -= 4 * 365 * day
		c.Apply(c.now, &ledger.Boot{Clock: clock})
		c.expect(clock, 0)
		c.now += 60 * minute
		c.expect(clock+", an hour later", 60*minute)
	}

	unknown := func() clocks {
		c := clocks{tell(t)}
		c.boot()
		c.visit()
		c.now -= 100 * day
		c.Apply(c.now, &ledger.Boot{Clock: "unknown"})
		c.Apply(c.now, &ledger.Basis{Clock: "unknown"})
		c.expect("a clock that began behind it", -100*day)
		c.set(day)
		c.expect("set, and not known yet", -99*day)
		return c
	}
	c := unknown()
	c.set(100 * day)
	c.Apply(c.now, &ledger.Basis{Clock: "ntp"})
	c.expect("known again", day)
	c.Apply(c.now, &ledger.Basis{Clock: "unknown"})
	c.now -= 2 * day // no clock was set: nothing that an owner of the log writes
	c.Apply(c.now, &ledger.Basis{Clock: "floor"})
	c.expect("known again, and behind", 0)

	c = unknown()
	c.Apply(c.now, &ledger.Basis{Clock: "rtc"})
	c.expect("believed as it is: an author's word", 0)
	c.now += minute
	c.Apply(c.now, &ledger.Basis{Clock: "ntp"})
	c.expect("a better one of the same time", minute)
}

// TestRemembered: what a fold may pass over changes nothing.
func TestRemembered(t *testing.T) {
	t.Parallel()
	for _, b := range []ledger.Body{
		&ledger.DoorState{Door: "front", State: "open"}, &ledger.Line{Input: "fire", State: "active"}, &ledger.Opening{Seq: 1, Door: "front"},
		&ledger.Fault{Part: "journal", What: "slow"}, &ledger.Input{Door: "front", Input: "rex"}, &ledger.ForkSeen{}, &ledger.Begin{}, &ledger.Dropped{},
	} {
		p := access.NewPresence()
		before := remembered(t, p)
		p.Apply(1, b)
		if access.Remembered(b.Kind()) || remembered(t, p) != before {
			t.Errorf("a %v is remembered", b.Kind())
		}
	}
	for _, b := range []ledger.Body{
		&ledger.Boot{Clock: "ntp"}, &ledger.Basis{Clock: "ntp"}, &ledger.ClockStep{From: 1, To: 2}, &ledger.Forgiven{Passport: 7, Before: 1},
		&ledger.Decision{Seq: 2, Door: "front", Mode: "tap", Granted: true, Passport: 7}, &ledger.Passage{Seq: 1, Door: "front", Entered: true},
		&ledger.PassUsed{Pass: pass},
	} {
		p := access.NewPresence()
		p.Apply(1, &ledger.Decision{Seq: 1, Door: "front", Mode: "tap", Granted: true, Passport: 7})
		before := remembered(t, p)
		p.Apply(1, b)
		if !access.Remembered(b.Kind()) || remembered(t, p) == before {
			t.Errorf("a %v is not remembered", b.Kind())
		}
	}
	for _, k := range ledger.KnownKinds() {
		if access.Remembered(k) && !k.In(ledger.DoorLog) {
			t.Errorf("a %v is in no door log", k)
		}
	}
}
