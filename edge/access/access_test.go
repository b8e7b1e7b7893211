package access_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
)

// TestEachFault shows every reason that Decide and Codes can give, and that the
// table above misses none of them.
func TestEachFault(t *testing.T) {
	t.Parallel()
	given := map[access.Reason]bool{}
	if v := newScene(t).decide(); v != (access.Verdict{Granted: true, Reason: access.Granted}) {
		t.Fatalf("a resident in order: %v", v)
	}
	given[access.Granted] = true
	for _, f := range faults {
		s := newScene(t)
		f.make(s)
		if v := s.decide(); v.Granted || v.Reason != f.reason {
			t.Errorf("%v: got %v, granted %v", f.reason, v.Reason, v.Granted)
		}
		given[f.reason] = true
	}
	s := newScene(t)
	s.p.Exit = true
	given[s.decide().Reason] = true
	s = newScene(t)
	s.tapAtHome()
	given[s.decide().Reason] = true
	for _, r := range []access.Reason{access.CodeReplayed, access.CodeBeforeStart, access.CodesFull} {
		given[r] = true // codes_test.go
	}
	for _, r := range []access.Reason{access.None, access.Unreadable, access.OtherCommunity, access.BadSignature, access.NoPolicy, access.NotRecorded, access.Internal} {
		given[r] = true // the controller's own
	}
	for r := range access.Reason(len(golden)) {
		if !given[r] {
			t.Errorf("no case gives %v", r)
		}
	}
}

// TestOrder puts every two faults together: the one of higher rank is given.
func TestOrder(t *testing.T) {
	t.Parallel()
	for i, first := range faults {
		for _, second := range faults[i+1:] {
			if exclude(first.reason, second.reason) {
				continue
			}
			s := newScene(t)
			first.make(s)
			second.make(s)
			want := first.reason
			if first.timed && second.reason == access.ClockUnknown {
				want = second.reason // without a clock no date is asked
			}
			if v := s.decide(); v.Granted || v.Reason != want {
				t.Errorf("%v and %v: got %v, want %v", first.reason, second.reason, v.Reason, want)
			}
		}
	}
}

// TestExitIsNeverDenied: whatever else holds, and all of it at once.
func TestExitIsNeverDenied(t *testing.T) {
	t.Parallel()
	exit := access.Verdict{Granted: true, Reason: access.Exit}
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t)
		s.view.LivesHere = rapid.Bool().Draw(rt, "lives here")
		if rapid.Bool().Draw(rt, "tap") {
			s.p.Mode = passport.ModeTap
		}
		for _, f := range faults {
			if rapid.Bool().Draw(rt, f.reason.String()) {
				f.make(s)
			}
		}
		s.p.Exit = true
		if v := s.decide(); v != exit {
			rt.Fatalf("the way out was %v", v)
		}
	})
	if v := access.Decide(now, access.Holder{}, access.Presentation{Exit: true}, access.View{}); v != exit {
		t.Errorf("without holder, policy and door: %v", v)
	}
}

// TestHome: by tap the people of a home come in whatever else holds, but for
// what makes it not their key for this door.
func TestHome(t *testing.T) {
	t.Parallel()
	not := map[access.Reason]bool{access.UnknownKey: true, access.WrongMode: true, access.OutOfScope: true}
	home := access.Verdict{Granted: true, Reason: access.Home}
	everything := newScene(t)
	everything.tapAtHome()
	for _, f := range faults {
		s := newScene(t)
		s.tapAtHome()
		f.make(s)
		if f.reason == access.NoLevel { // another door's levels, not this one's name
			s.view.Name = "front"
			s.holder.Class = "nobody"
		}
		v := s.decide()
		if not[f.reason] {
			if v.Granted || v.Reason != f.reason {
				t.Errorf("at home, %v: got %v", f.reason, v)
			}
			continue
		}
		if v != home {
			t.Errorf("at home, %v: got %v", f.reason, v)
		}
		if f.reason != access.NoLevel {
			f.make(everything)
		}
	}
	if v := everything.decide(); v != home {
		t.Errorf("at home, with everything else against it: %v", v)
	}
	for name, change := range map[string]func(*scene){
		"lives elsewhere":               func(s *scene) { s.view.LivesHere = false },
		"closed at home, and elsewhere": func(s *scene) { s.holder.ClosedAtHome = true },
	} {
		s := newScene(t)
		s.tapAtHome()
		s.holder.Revoked = true
		change(s)
		if v := s.decide(); v.Granted || v.Reason != access.Revoked {
			t.Errorf("%s: got %v", name, v)
		}
	}
	for name, change := range map[string]func(*scene){
		"the policy marks no home":     func(s *scene) { s.view.Door.Home = false },
		"the policy has no such door":  func(s *scene) { s.view.Door = nil },
		"there is no policy any more":  func(s *scene) { s.view.Door, s.view.Policy = nil, nil },
		"another gateway has the door": func(s *scene) { s.view.Door = nil },
	} {
		s := newScene(t)
		s.tapAtHome()
		change(s)
		if v := s.decide(); v != home {
			t.Errorf("%s: %v", name, v)
		}
	}
	s := newScene(t)
	s.view.LivesHere, s.holder.Suspended = true, true
	if v := s.decide(); v.Reason != access.Suspended {
		t.Errorf("a code at one's own home is a code: %v", v)
	}
}

// TestEdges are the first and last seconds of dates, windows and ages.
func TestEdges(t *testing.T) {
	t.Parallel()
	unix := now.Unix()
	for _, tt := range []struct {
		name   string
		change func(*scene)
		want   access.Reason
	}{
		{"key's first second", func(s *scene) { s.holder.Delegation.NotBefore = uint64(unix) }, access.Granted},
		{"key's last second", func(s *scene) { s.holder.Delegation.NotAfter = uint64(unix) + 1 }, access.Granted},
		{"passport's first second", func(s *scene) { s.holder.NotBefore = unix }, access.Granted},
		{"passport's last second", func(s *scene) { s.holder.NotAfter = unix + 1 }, access.Granted},
		{"passport without end", func(s *scene) { s.holder.NotAfter = forever }, access.Granted},
		{"one window before the code's", func(s *scene) { s.p.Window.Start = uint32(unix) + 20 }, access.Granted},
		{"a second earlier", func(s *scene) { s.p.Window.Start = uint32(unix) + 21 }, access.CodeEarly},
		{"one window after the code's", func(s *scene) { s.p.Window.Start = uint32(unix) - 39 }, access.Granted},
		{"a second later", func(s *scene) { s.p.Window.Start = uint32(unix) - 40 }, access.CodeExpired},
		{"roster as old as allowed", func(s *scene) { s.view.RosterAge = time.Hour }, access.Granted},
		{"roster a moment older", func(s *scene) { s.view.RosterAge = time.Hour + 1 }, access.StaleRoster},
		{"no issuer ever heard", func(s *scene) { s.view.RosterAge = -1 }, access.StaleRoster},
		{"a door that does not mind", func(s *scene) { s.view.Door.Stale, s.view.RosterAge = policy.StaleAllow, -1 }, access.Granted},
		{"a tap without a clock, roster or dates", func(s *scene) {
			s.p.Mode, s.view.ClockKnown, s.view.RosterAge = passport.ModeTap, false, -1
			s.holder.NotAfter, s.holder.Delegation.NotAfter = 0, 0
		}, access.Granted},
		{"a tap at a door without codes", func(s *scene) { s.p.Mode, s.view.Door.Codes = passport.ModeTap, policy.CodesNone }, access.Granted},
		{"a code for the door where only those open", func(s *scene) { s.p.ForDoor, s.view.Door.Codes = true, policy.CodesDoor }, access.Granted},
		{"a delegation for the node", func(s *scene) { s.holder.Delegation.Scope = passport.NodeTarget(node) }, access.Granted},
		{"a delegation for the door", func(s *scene) { s.holder.Delegation.Scope = passport.DoorTarget(node, "front") }, access.Granted},
		{"a delegation for another node", func(s *scene) { s.holder.Delegation.Scope = passport.NodeTarget(passport.NodeID{2}) }, access.OutOfScope},
		{"a key for taps, as a code", func(s *scene) { s.holder.Delegation.Mode = passport.ModeTap }, access.WrongMode},
		{"a key for codes, as a tap", func(s *scene) { s.holder.Delegation.Mode, s.p.Mode = passport.ModeWindow, passport.ModeTap }, access.WrongMode},
		{"a level of one's own, no class", func(s *scene) { s.holder.Class, s.holder.Delegation.Passport = "stranger", 9 }, access.Granted},
	} {
		s := newScene(t)
		tt.change(s)
		v := s.decide()
		if v.Reason != tt.want || v.Granted != (tt.want == access.Granted) {
			t.Errorf("%s: got %v, want %v", tt.name, v.Reason, tt.want)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	s := newScene(b)
	b.ReportAllocs()
	for b.Loop() {
		if !s.decide().Granted {
			b.Fatal("denied")
		}
	}
}
