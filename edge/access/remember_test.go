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
		{"tap+pin", access.Granted}, {"window+duress", access.Duress}, {"tap+pin", access.AwaitsEscort}, {"tap+pin", access.AwaitsSecond},
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
	locked("what is no PIN counts as none", false)
	typed("tap+pin", access.Interlock)
	typed("tap+duress", access.ZoneFull)
	typed("tap+wrong-pin", access.Interlock)
	last := s.now
	locked("a wrong one counts whatever refused it, and a right one not before all else agrees", true)
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
	s.forgive(7, s.now)
	locked("forgiven", false)
	s.now += second
	s.wrongPin(7)
	s.wrongPin(7)
	locked("forgiven are those before", false)
	s.wrongPin(7)
	locked("three since", true)
	s.boot()
	locked("a restart forgets none", true)

	// What is granted though it was typed wrongly, and is taken back, was typed once.
	s = tell(t)
	typed("tap+wrong-pin", access.Granted)
	s.seq--
	typed("tap+wrong-pin", access.NotRecorded)
	s.wrongPin(7)
	locked("two wrong ones, and three records", false)
	s.wrongPin(7)
	locked("three", true)
	s.seq++
	s.Apply(s.now, &ledger.Decision{Seq: s.seq, Door: "front", Mode: "tap+wrong-pin", Reason: access.UnknownKey.String()})
	if s.LockedOut(s.basis, 0, s.now) {
		t.Error("nobody was locked out")
	}
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

// TestFirstIn: nobody opens a door for others but who was let in by a level.
func TestFirstIn(t *testing.T) {
	t.Parallel()
	for r := access.Granted; r <= access.Again; r++ {
		if !r.Grants() {
			continue
		}
		s := tell(t)
		s.Apply(s.now, &ledger.Decision{Seq: 1, Door: "front", Exit: r == access.Exit, Mode: "tap", Granted: true, Reason: r.String(), Passport: 7})
		s.passes(1, "front", r == access.Exit, true)
		if got, want := s.EnteredAt("front") == s.now, r == access.Granted || r == access.PassbackNoted; got != want {
			t.Errorf("%v opens the door for all: %v", r, got)
		}
	}
}

// TestCrash: who was let in when a run broke off counts as gone in, by when they
// were let in; who was let out, as not gone; and nobody as the first of a day.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.grant(7, "front", false)
	s.enter(8, "front")
	first := s.now
	s.now += minute
	s.grant(8, "front", true)
	s.grant(9, "shed", true)
	s.boot()
	s.expectIn("let in", 7, "site", "house")
	s.expectIn("let out", 8, "site", "house")
	s.expectIn("let out who was nowhere", 9)
	if got := s.Entered(s.basis, s.zone("house"), "", 7, s.now); got != minute {
		t.Errorf("went in %d ms ago", got)
	}
	if s.EnteredAt("front") != first {
		t.Error("nobody knows whether the first came in")
	}
	s.forgive(7, s.now)
	s.expectIn("a steward knows better", 7)
	s.boot()
	s.expectIn("a run later", 7)

	// Of two the later.
	s = tell(t)
	s.grant(7, "front", false)
	s.grant(7, "vault", false)
	s.boot()
	s.expectIn("let in twice", 7, "site", "house", "vault")
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
