package access_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestEachFault shows every reason that Decide and Codes can give, and that the
// table of faults misses none of them.
func TestEachFault(t *testing.T) {
	t.Parallel()
	given := map[access.Reason]bool{}
	give := func(change func(*scene)) {
		s := newScene(t)
		change(s)
		given[s.decide().Reason] = true
	}
	if v := newScene(t).decide(); v != (access.Verdict{Reason: access.Granted}) {
		t.Fatalf("a resident in order: %v", v)
	}
	for _, f := range faults {
		s := newScene(t)
		f.make(s)
		if v := s.decide(); v.Granted() || v.Reason != f.reason || v.Pass != (ledger.PassID{}) {
			t.Errorf("%v: got %v", f.reason, v)
		}
		given[f.reason] = true
	}
	give(func(*scene) {})
	give(func(s *scene) { s.p.Exit = true })
	give((*scene).tapAtHome)
	give(func(s *scene) { s.view.Door = nil })
	give(func(s *scene) { s.guest(nil) })
	give(func(s *scene) { s.pin(access.PinDuress) })
	give(func(s *scene) { s.zone().Antipassback, s.view.Around.Inside = policy.AntipassbackSoft, true })
	for _, r := range []access.Reason{access.CodeReplayed, access.CodeBeforeStart, access.CodesFull} {
		given[r] = true // codes_test.go
	}
	for _, r := range []access.Reason{access.None, access.Unreadable, access.OtherCommunity, access.BadSignature, access.NotRecorded, access.Internal, access.Again,
		access.Remote, access.OrderStale, access.OrderAhead} {
		given[r] = true // the panel's and the controller's own
	}
	for r := range access.Reason(len(golden)) {
		if !given[r] {
			t.Errorf("no case gives %v", r)
		}
	}
}

// pairs are every two faults that can hold together, and all that do at once.
func pairs(f func(first, second fault)) {
	for i, first := range faults {
		for _, second := range faults[i+1:] {
			if !exclude(first, second) {
				f(first, second)
			}
		}
	}
}

// TestOrder puts every two faults together: the one of higher rank is given.
func TestOrder(t *testing.T) {
	t.Parallel()
	n := 0
	pairs(func(first, second fault) {
		s := newScene(t)
		first.make(s)
		second.make(s)
		want := first.reason
		switch {
		case first.timed && second.reason == access.ClockUnknown:
			want = second.reason // without a clock no date is asked
		case first.reason == access.Barred && second.reason == access.UnknownKey:
			want = second.reason // nobody is named who could be barred
		}
		if v := s.decide(); v.Granted() || v.Reason != want {
			t.Errorf("%v and %v: got %v, want %v", first.reason, second.reason, v.Reason, want)
		}
		n++
	})
	if n < 600 {
		t.Errorf("only %d pairs", n)
	}
}

// TestExitIsNeverDenied: whatever else holds, each, each two, and any of it at
// once.
func TestExitIsNeverDenied(t *testing.T) {
	t.Parallel()
	exit := access.Verdict{Reason: access.Exit}
	for _, f := range faults {
		s := newScene(t)
		f.make(s)
		s.p.Exit = true
		if v := s.decide(); v != exit {
			t.Errorf("%v: the way out was %v", f.reason, v)
		}
	}
	pairs(func(first, second fault) {
		s := newScene(t)
		first.make(s)
		second.make(s)
		s.p.Exit = true
		if v := s.decide(); v != exit {
			t.Errorf("%v and %v: the way out was %v", first.reason, second.reason, v)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t)
		if rapid.Bool().Draw(rt, "lives here") {
			s.livesHere()
		}
		if rapid.Bool().Draw(rt, "tap") {
			s.p.Mode = passport.ModeTap
		}
		for _, f := range faults {
			if rapid.Bool().Draw(rt, f.reason.String()) {
				f.make(s)
			}
		}
		if rapid.Bool().Draw(rt, "no door") {
			s.view.Door = nil
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

// notMine are the faults that make a key no key of its home's door.
var notMine = map[access.Reason]bool{access.UnknownKey: true, access.WrongMode: true, access.OutOfScope: true}

// TestHome: by tap the people of a home come in whatever else holds, but for
// what makes it not their key for this door.
func TestHome(t *testing.T) {
	t.Parallel()
	home := access.Verdict{Reason: access.Home}
	for _, f := range faults {
		s := newScene(t)
		s.tapAtHome()
		f.make(s)
		switch v := s.decide(); {
		case notMine[f.reason] && (v.Granted() || v.Reason != f.reason):
			t.Errorf("at home, %v: got %v", f.reason, v)
		case !notMine[f.reason] && v != home:
			t.Errorf("at home, %v: got %v", f.reason, v)
		}
	}
	pairs(func(first, second fault) {
		if notMine[first.reason] || notMine[second.reason] {
			return
		}
		s := newScene(t)
		s.tapAtHome()
		first.make(s)
		second.make(s)
		if v := s.decide(); v != home {
			t.Errorf("at home, %v and %v: got %v", first.reason, second.reason, v)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(t)
		s.tapAtHome()
		for _, f := range faults {
			if !notMine[f.reason] && rapid.Bool().Draw(rt, f.reason.String()) {
				f.make(s)
			}
		}
		if rapid.Bool().Draw(rt, "no policy") {
			s.view.Door, s.view.Basis.Policy = nil, nil
		}
		if v := s.decide(); v != home {
			rt.Fatalf("at home: %v", v)
		}
	})
	for name, change := range map[string]func(*scene){
		"lives elsewhere": func(s *scene) { s.view.Basis.Homes = nil },
		"at another door of the node": func(s *scene) {
			s.view.Basis.Homes["vault"], s.view.Basis.Homes["front"] = s.view.Basis.Homes["front"], nil
		},
		"somebody else lives here":      func(s *scene) { s.holder.Delegation.Passport = 8 },
		"the wallet is another one now": func(s *scene) { s.holder.Wallet[0]++ },
		"the notice is over": func(s *scene) {
			s.view.Basis.Homes["front"][access.Resident{Passport: 7, Wallet: [20]byte{7}}] = now.Unix()
		},
		"closed at home, and elsewhere": func(s *scene) { s.holder.ClosedAtHome = true },
	} {
		s := newScene(t)
		s.tapAtHome()
		s.holder.Revoked = true
		change(s)
		if v := s.decide(); v.Granted() || v.Reason != access.Revoked {
			t.Errorf("%s: got %v", name, v)
		}
	}
	for name, change := range map[string]func(*scene){
		"the policy marks no home":     func(s *scene) { s.view.Door.Home = false },
		"there is no policy any more":  func(s *scene) { s.view.Door, s.view.Basis.Policy = nil, nil },
		"another gateway has the door": func(s *scene) { s.view.Door = nil },
		"the notice's last second": func(s *scene) {
			s.view.Basis.Homes["front"][access.Resident{Passport: 7, Wallet: [20]byte{7}}] = now.Unix() + 1
		},
		"the notice is over, and nobody knows the time": func(s *scene) {
			s.view.Basis.Homes["front"][access.Resident{Passport: 7, Wallet: [20]byte{7}}] = now.Unix()
			s.view.Clock.Trust = access.TrustUnknown
		},
	} {
		s := newScene(t)
		s.tapAtHome()
		change(s)
		if v := s.decide(); v != home {
			t.Errorf("%s: %v", name, v)
		}
	}
	s := newScene(t)
	s.livesHere()
	s.holder.Suspended = true
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
			s.p.Mode, s.view.Clock.Trust, s.view.RosterAge = passport.ModeTap, access.TrustUnknown, -1
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
		if v.Reason != tt.want || v.Granted() != (tt.want == access.Granted) {
			t.Errorf("%s: got %v, want %v", tt.name, v.Reason, tt.want)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	s := newScene(b)
	if n := testing.AllocsPerRun(100, func() { s.decide() }); n > 0 {
		b.Errorf("%v allocations", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !s.decide().Granted() {
			b.Fatal("denied")
		}
	}
}
