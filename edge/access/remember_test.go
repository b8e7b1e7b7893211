package access_test

import (
	"fmt"
	"math"
	"testing"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestLockout: so many wrong PINs in a row, for so long after the last.
func TestLockout(t *testing.T) {
	t.Parallel()
	s := tell(t)
	locked := func(what string, want bool) {
		t.Helper()
		if got := s.LockedOut(s.basis, 7, s.now); got != want {
			t.Errorf("%s: locked out %v", what, got)
		}
	}
	typed := func(mode string, r access.Reason) {
		s.seq++
		s.Apply(s.now, &ledger.Decision{Seq: s.seq, Door: "front", Mode: mode, Granted: r.Grants(), Reason: r.String(), Passport: 7})
	}
	locked("at the beginning", false)
	s.wrongPin(7)
	s.wrongPin(7)
	s.wrongPin(8)
	locked("two wrong ones", false)
	for _, right := range []struct {
		mode   string
		reason access.Reason
	}{
		{"tap+pin", access.Granted}, {"window+duress", access.Duress}, {"tap+pin", access.ZoneFull}, {"tap+pin", access.AwaitsSecond},
	} {
		typed(right.mode, right.reason)
		s.wrongPin(7)
		s.wrongPin(7)
		locked(fmt.Sprintf("a right one in between, %v", right.reason), false)
	}
	s.enter(7, "front")
	s.leave(7, "front")
	typed("tap+late", access.PinLate)
	typed("tap+no-pin", access.NoPin)
	s.wrongPin(7)
	last := s.now
	locked("what is no PIN counts as none, wrong or right", true)
	typed("tap+pin", access.LockedOut)
	typed("tap+duress", access.LockedOutDuress)
	locked("the right one of who is locked out is none", true)
	typed("tap+wrong-pin", access.LockedOut)
	s.now = last + 5*minute - 1
	locked("to the end", true)
	s.now++
	locked("and no longer, whatever was typed in between", false)
	s.wrongPin(7)
	locked("in a row still: one more", true)
	if s.LockedOut(s.basis, 8, s.now) {
		t.Error("somebody else was locked out")
	}
	s.basis.Forgiven[7] = s.now
	locked("forgiven", false)
	s.now += second
	s.wrongPin(7)
	s.wrongPin(7)
	locked("forgiven are those before", false)
	s.wrongPin(7)
	locked("three since", true)
	s.Apply(s.now, &ledger.Boot{})
	locked("a restart forgets none", true)
}

// TestSpentAndEntered: the rest of what is remembered.
func TestSpentAndEntered(t *testing.T) {
	t.Parallel()
	s := tell(t)
	other := ledger.PassID{1}
	for range 3 {
		s.Apply(s.now, &ledger.PassUsed{Pass: pass, Seq: 1})
	}
	if s.Used(pass) != 3 || s.Used(other) != 0 {
		t.Errorf("used %d and %d times", s.Used(pass), s.Used(other))
	}
	seq := s.grant(7, "front", false)
	if s.EnteredAt("front") != 0 {
		t.Error("let in is not yet in")
	}
	s.passes(seq, "front", false, false)
	s.leave(7, "front")
	if s.EnteredAt("front") != 0 {
		t.Error("nobody came in by the door")
	}
	s.now += second
	s.enter(7, "front")
	s.now += second
	s.leave(7, "front")
	if s.EnteredAt("front") != s.now-second || s.EnteredAt("side") != 0 {
		t.Errorf("came in at %d", s.EnteredAt("front"))
	}
}

// TestClockSet: a clock that was ahead makes nothing last for as long as it was,
// and one that is set forward nothing shorter than by its new time.
func TestClockSet(t *testing.T) {
	t.Parallel()
	const ahead = 4 * 365 * 24 * 60 * minute
	s := tell(t)
	s.now += ahead
	s.enter(7, "front")
	for range 3 {
		s.wrongPin(7)
	}
	s.now -= ahead
	s.Apply(s.now, &ledger.ClockStep{From: s.now + ahead, To: s.now})
	s.expectIn("still inside", 7, "site", "house")
	if !s.LockedOut(s.basis, 7, s.now) || s.Entered(s.basis, s.zone("house"), "", 7, s.now) != 0 || s.EnteredAt("front") != s.now {
		t.Error("what was before is not now")
	}
	s.basis.Forgiven[7] = s.now
	s.expectIn("a steward's word counts again", 7)
	s.basis.Forgiven = nil
	s.now += 5 * minute
	if s.LockedOut(s.basis, 7, s.now) {
		t.Error("locked out for years")
	}
	s.now += 55 * minute
	s.expectIn("forgiven in time", 7, "site")
	s.enter(7, "front")
	entered := s.now
	s.now += 10 * minute
	s.Apply(s.now, &ledger.ClockStep{From: entered, To: s.now})
	s.expectIn("set forward", 7, "site", "house")
	if got := s.Entered(s.basis, s.zone("house"), "", 7, s.now); got != 10*minute {
		t.Errorf("entered %d ms ago by the new time", got)
	}
}

// TestBounds: what is remembered has an end, and where it forgets it does so in a
// way that gives nobody more than is theirs.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := tell(t)
	for i := range passport.ID(access.MaxSeen) {
		s.enter(i+1, "gate")
		s.now++
	}
	s.enter(1, "front") // not the oldest any more
	s.enter(access.MaxSeen+1, "gate")
	s.expectIn("who was seen again", 1, "site", "house")
	s.expectIn("who was seen longest ago", 2)
	s.expectIn("the next", 3, "site")
	if s.Entered(s.basis, s.zone("site"), "", 2, s.now) != -1 {
		t.Error("the forgotten one's entries are remembered")
	}
	for i := range access.MaxEntered + 10 {
		s.enter(6, fmt.Sprintf("d%d", i))
	}
	for i := range access.MaxPasses {
		s.Apply(s.now, &ledger.PassUsed{Pass: ledger.PassID{byte(i), byte(i >> 8), byte(i >> 16), 1}})
	}
	s.Apply(s.now, &ledger.PassUsed{Pass: ledger.PassID{0, 0, 0, 1}})
	if n := s.Used(ledger.PassID{0, 0, 0, 1}); n != 2 {
		t.Errorf("a pass that was used before there was no room: %d", n)
	}
	s.Apply(s.now, &ledger.PassUsed{Pass: pass})
	if n := s.Used(pass); n != math.MaxUint32 {
		t.Errorf("a pass for which there is no room is used up, not %d times used", n)
	}
	for range access.MaxWrong + 10 {
		s.wrongPin(7)
	}
	for i := range passport.ID(access.MaxSeen) {
		s.wrongPin(i + 8)
		s.now++
	}
	if s.LockedOut(s.basis, 7, s.now) {
		t.Error("the first of too many was not forgotten")
	}
	for range access.MaxDue + 10 {
		s.grant(5, "shed", true)
	}
	seen, wrong, passes, entered, due := s.Sizes()
	got := [...]int{seen, wrong, passes, entered, due}
	if want := [...]int{access.MaxSeen, access.MaxSeen, access.MaxPasses, access.MaxEntered, access.MaxDue}; got != want {
		t.Errorf("remembered %v, want %v", got, want)
	}
}
