package access_test

import (
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestRules are the edges of what a node orders and asks: the last case that is
// let in beside the first that is not.
func TestRules(t *testing.T) {
	t.Parallel()
	const spent = true
	unix := now.Unix()
	lockdown := func(s *scene, ends int64) { s.view.Basis.Lockdowns["front"] = ends }
	for _, tt := range []struct {
		name   string
		change func(*scene)
		want   access.Reason
		spends bool // an entry of the guest pass
	}{
		// A lockdown.
		{"a lockdown's last second", func(s *scene) { lockdown(s, unix+1) }, access.Lockdown, false},
		{"a lockdown that is over", func(s *scene) { lockdown(s, unix) }, access.Granted, false},
		{"another door's", func(s *scene) { s.view.Basis.Lockdowns["vault"] = forever }, access.Granted, false},
		{"a level that goes through it", func(s *scene) { lockdown(s, forever); s.holder.Class = "rescuer" }, access.Granted, false},
		{"... and a suspended passport of it", func(s *scene) { lockdown(s, forever); s.holder.Class, s.holder.Suspended = "rescuer", true }, access.Suspended, false},
		{"a guest's pass does not", func(s *scene) { lockdown(s, forever); s.guest(nil) }, access.Lockdown, false},
		{"nobody learns in a lockdown whether a key is known", func(s *scene) { lockdown(s, forever); s.holder = access.Holder{} }, access.Lockdown, false},
		{"its end has come by the authors' word alone", func(s *scene) {
			lockdown(s, unix)
			s.view.Clock.Trust, s.p.Mode, s.view.Basis.Floor = access.TrustUnknown, passport.ModeTap, unix
		}, access.Granted, false},
		{"... and not yet", func(s *scene) {
			lockdown(s, unix+1)
			s.view.Clock.Trust, s.p.Mode, s.view.Basis.Floor = access.TrustUnknown, passport.ModeTap, unix
		}, access.Lockdown, false},

		// A bar.
		{"a bar's last second", func(s *scene) { s.view.Basis.Bars[7] = unix + 1 }, access.Barred, false},
		{"a bar that is over", func(s *scene) { s.view.Basis.Bars[7] = unix }, access.Granted, false},
		{"somebody else's bar", func(s *scene) { s.view.Basis.Bars[8] = forever }, access.Granted, false},
		{"a barred rescuer", func(s *scene) { lockdown(s, forever); s.view.Basis.Bars[7] = forever; s.holder.Class = "rescuer" }, access.Barred, false},

		// Hours.
		{"within the level's hours", func(s *scene) { s.holder.Class = "worker" }, access.Granted, false},
		{"at another hour", func(s *scene) { s.holder.Class = "cleaner" }, access.OutsideHours, false},
		{"hours without a clock", func(s *scene) {
			s.holder.Class, s.p.Mode, s.view.Clock.Trust = "worker", passport.ModeTap, access.TrustUnknown
		}, access.ClockUnknown, false},
		{"hours by a clock that the door does not trust", func(s *scene) {
			s.holder.Class, s.p.Mode, s.view.Clock.Trust, s.view.Door.Clock = "worker", passport.ModeTap, access.TrustRTC, policy.TrustNTP
		}, access.ClockUnknown, false},
		{"a code by such a clock", func(s *scene) { s.view.Clock.Trust, s.view.Door.Clock = access.TrustFloor, policy.TrustRTC }, access.ClockUnknown, false},
		{"a code by a clock just good enough", func(s *scene) { s.view.Clock.Trust, s.view.Door.Clock = access.TrustRTC, policy.TrustRTC }, access.Granted, false},
		{"a tap needs no clock", func(s *scene) {
			s.p.Mode, s.view.Clock.Trust, s.view.Door.Clock = passport.ModeTap, access.TrustFloor, policy.TrustNTP
		}, access.Granted, false},
		{"... but a key's end counts by any", func(s *scene) {
			s.p.Mode, s.view.Clock.Trust, s.view.Door.Clock = passport.ModeTap, access.TrustFloor, policy.TrustNTP
			s.holder.Delegation.NotAfter = uint64(unix)
		}, access.KeyExpired, false},

		// Guest passes.
		{"a guest", func(s *scene) { s.guest(nil) }, access.Guest, spent},
		{"a pass that begins now", func(s *scene) { s.guest(func(p *access.Pass) { p.NotBefore = unix }) }, access.Guest, spent},
		{"... in a second", func(s *scene) { s.guest(func(p *access.Pass) { p.NotBefore = unix + 1 }) }, access.PassNotYet, false},
		{"a pass in its last second", func(s *scene) { s.guest(func(p *access.Pass) { p.NotAfter = unix + 1 }) }, access.Guest, spent},
		{"... and after it", func(s *scene) { s.guest(func(p *access.Pass) { p.NotAfter = unix }) }, access.PassOver, false},
		{"the last entry", func(s *scene) { s.guest(func(p *access.Pass) { p.Uses = 3 }) }, access.Guest, spent},
		{"no entry left", func(s *scene) { s.guest(func(p *access.Pass) { p.Uses = 2 }) }, access.PassUsedUp, false},
		{"any number of entries", func(s *scene) { s.guest(func(p *access.Pass) { p.Uses = 0 }) }, access.Guest, !spent},
		{"nobody counts", func(s *scene) { s.guest(func(p *access.Pass) { p.Uses = 1 }); s.view.Around.Used = nil }, access.Guest, spent},
		{"another door's pass says nothing", func(s *scene) { s.guest(func(p *access.Pass) { p.Levels = []string{"vault"} }) }, access.NoClass, false},
		{"a level that is no more", func(s *scene) { s.guest(func(p *access.Pass) { p.Levels = []string{"gone"} }) }, access.NoClass, false},
		{"a pass at another hour", func(s *scene) { s.guest(func(p *access.Pass) { p.Levels = []string{"night"} }) }, access.OutsideHours, false},
		{"a pass without a clock", func(s *scene) { s.guest(nil); s.p.Mode, s.view.Clock.Trust = passport.ModeTap, access.TrustUnknown }, access.ClockUnknown, false},
		{"the second of two passes", func(s *scene) { s.guest(func(p *access.Pass) { p.ID[0], p.NotAfter = 1, unix }); s.guest(nil) }, access.Guest, spent},
		{"the first of two", func(s *scene) { s.guest(nil); s.guest(func(p *access.Pass) { p.ID[0] = 1 }) }, access.Guest, spent},
		{"the class's level spends nothing", func(s *scene) { s.guest(nil); s.holder.Class = "resident" }, access.Granted, false},
		{"a pass beside a class that is outside its hours", func(s *scene) { s.guest(nil); s.holder.Class = "cleaner" }, access.Guest, spent},
		{"somebody else's pass", func(s *scene) { s.guest(nil); s.holder.Delegation.Passport = 8 }, access.NoClass, false},
		{"a guest whom the zone does not let in", func(s *scene) { s.guest(nil); s.zone().Occupancy, s.view.Around.Full = 1, true }, access.ZoneFull, false},

		// The zone.
		{"inside, and nobody minds", func(s *scene) { s.view.Around.Inside = true }, access.Granted, false},
		{"inside, soft", func(s *scene) { s.zone().Antipassback, s.view.Around.Inside = policy.AntipassbackSoft, true }, access.PassbackNoted, false},
		{"outside, soft", func(s *scene) { s.zone().Antipassback = policy.AntipassbackSoft }, access.Granted, false},
		{"inside, hard", func(s *scene) { s.zone().Antipassback, s.view.Around.Inside = policy.AntipassbackHard, true }, access.Passback, false},
		{"outside, hard", func(s *scene) { s.zone().Antipassback = policy.AntipassbackHard }, access.Granted, false},
		{"timed, a moment too early", func(s *scene) {
			s.zone().Antipassback, s.zone().AntipassbackTime, s.view.Around.Entered = policy.AntipassbackTimed, time.Minute, time.Minute-1
		}, access.PassbackTimed, false},
		{"timed, on the moment, though inside", func(s *scene) {
			s.zone().Antipassback, s.zone().AntipassbackTime, s.view.Around.Entered = policy.AntipassbackTimed, time.Minute, time.Minute
			s.view.Around.Inside = true
		}, access.Granted, false},
		{"timed, never entered", func(s *scene) { s.zone().Antipassback, s.zone().AntipassbackTime = policy.AntipassbackTimed, time.Hour }, access.Granted, false},
		{"full, without a limit", func(s *scene) { s.view.Around.Full = true }, access.Granted, false},
		{"a limit, and room", func(s *scene) { s.zone().Occupancy = 1 }, access.Granted, false},
		{"a guest inside, soft", func(s *scene) {
			s.guest(nil)
			s.zone().Antipassback, s.view.Around.Inside = policy.AntipassbackSoft, true
		}, access.PassbackNoted, spent},

		// The zones around it, where the door leads into these as well.
		{"an outer zone, inside, hard", func(s *scene) { s.outer(policy.Zone{Antipassback: policy.AntipassbackHard}, -1) }, access.Passback, false},
		{"an outer zone, inside, soft", func(s *scene) { s.outer(policy.Zone{Antipassback: policy.AntipassbackSoft}, -1) }, access.PassbackNoted, false},
		{"an outer zone, inside, and nobody minds", func(s *scene) { s.outer(policy.Zone{}, 0) }, access.Granted, false},
		{"an outer zone, timed, a moment too early", func(s *scene) {
			s.outer(policy.Zone{Antipassback: policy.AntipassbackTimed, AntipassbackTime: time.Minute}, time.Minute-1)
		}, access.PassbackTimed, false},
		{"an outer zone, timed, on the moment", func(s *scene) {
			s.outer(policy.Zone{Antipassback: policy.AntipassbackTimed, AntipassbackTime: time.Minute}, time.Minute)
		}, access.Granted, false},
		{"an outer zone, full", func(s *scene) { s.outer(policy.Zone{Occupancy: 9}, -1) }, access.ZoneFull, false},
		{"the inner zone is asked before the outer", func(s *scene) {
			s.outer(policy.Zone{Antipassback: policy.AntipassbackHard}, -1)
			s.zone().Occupancy, s.view.Around.Full = 1, true
		}, access.ZoneFull, false},
		{"the outer before the interlock", func(s *scene) {
			s.outer(policy.Zone{Antipassback: policy.AntipassbackHard}, -1)
			s.view.Around.PartnerOpen = true
		}, access.Passback, false},

		// The PIN.
		{"the right PIN", func(s *scene) { s.pin(access.PinRight) }, access.Granted, false},
		{"duress", func(s *scene) { s.pin(access.PinDuress) }, access.Duress, false},
		{"duress, inside, soft: the danger is what is told", func(s *scene) {
			s.pin(access.PinDuress)
			s.zone().Antipassback, s.view.Around.Inside = policy.AntipassbackSoft, true
		}, access.Duress, false},
		{"a guest under duress", func(s *scene) { s.guest(nil); s.pin(access.PinDuress) }, access.Duress, spent},
		{"a wrong one", func(s *scene) { s.pin(access.PinWrong) }, access.WrongPin, false},
		{"none here", func(s *scene) { s.pin(access.PinMissing) }, access.NoPin, false},
		{"not yet", func(s *scene) { s.pin(access.PinNotAsked) }, access.AwaitsPin, false},
		{"too late", func(s *scene) { s.pin(access.PinTooLate) }, access.PinLate, false},
		{"locked out: the question comes all the same", func(s *scene) { s.pin(access.PinNotAsked); s.view.Around.LockedOut = true }, access.AwaitsPin, false},
		{"locked out, a wrong one", func(s *scene) { s.pin(access.PinWrong); s.view.Around.LockedOut = true }, access.LockedOut, false},
		{"locked out, the right one", func(s *scene) { s.pin(access.PinRight); s.view.Around.LockedOut = true }, access.LockedOut, false},
		{"locked out, none here", func(s *scene) { s.pin(access.PinMissing); s.view.Around.LockedOut = true }, access.LockedOut, false},
		{"locked out, duress", func(s *scene) { s.pin(access.PinDuress); s.view.Around.LockedOut = true }, access.LockedOutDuress, false},
		{"locked out, at a door that asks for none", func(s *scene) { s.view.Around.LockedOut = true }, access.Granted, false},
		{"typed where none is asked for", func(s *scene) { s.p.Pin = access.PinDuress }, access.Duress, false},
		{"within the PIN's hours", func(s *scene) { s.view.Door.Pin = s.view.Basis.Policy.Schedules["day"] }, access.AwaitsPin, false},
		{"at another hour", func(s *scene) { s.view.Door.Pin = s.view.Basis.Policy.Schedules["night"] }, access.Granted, false},
		{"at an hour that nobody knows", func(s *scene) {
			s.view.Door.Pin, s.view.Clock.Trust, s.p.Mode = s.view.Basis.Policy.Schedules["night"], access.TrustUnknown, passport.ModeTap
		}, access.AwaitsPin, false},
		{"duress at an hour that nobody knows", func(s *scene) {
			s.view.Door.Pin, s.view.Clock.Trust, s.p.Mode = s.view.Basis.Policy.Schedules["night"], access.TrustUnknown, passport.ModeTap
			s.p.Pin = access.PinDuress
		}, access.Duress, false},

		// Company.
		{"two persons", func(s *scene) { s.view.Door.TwoPerson, s.view.Around.Second = true, true }, access.Granted, false},
		{"one of two", func(s *scene) { s.view.Door.TwoPerson = true }, access.AwaitsSecond, false},
		{"with an escort", func(s *scene) { s.escorted(); s.view.Around.Escort = true }, access.Granted, false},
		{"without", func(s *scene) { s.escorted() }, access.AwaitsEscort, false},
		{"an escort is no second person by itself", func(s *scene) { s.escorted(); s.view.Door.TwoPerson, s.view.Around.Escort = true, true }, access.AwaitsSecond, false},
		{"a second person is no escort by itself", func(s *scene) { s.escorted(); s.view.Door.TwoPerson, s.view.Around.Second = true, true }, access.AwaitsEscort, false},
		{"a guest who waits spends nothing", func(s *scene) { s.guest(nil); s.view.Door.TwoPerson = true }, access.AwaitsSecond, false},

		// The interlock.
		{"the partner is open", func(s *scene) { s.view.Around.PartnerOpen = true }, access.Interlock, false},
		{"... for a guest", func(s *scene) { s.guest(nil); s.view.Around.PartnerOpen = true }, access.Interlock, false},
	} {
		s := newScene(t)
		tt.change(s)
		want := access.Verdict{Reason: tt.want}
		if tt.spends {
			want.Pass = pass
		}
		if v := s.decide(); v != want {
			t.Errorf("%s: got %v, want %v", tt.name, v, want)
		}
	}
}

// TestDenialSpendsNothing: whatever is refused names no pass that it would spend.
func TestDenialSpendsNothing(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		if f.group == "level" {
			continue
		}
		s := newScene(t)
		s.guest(nil)
		f.make(s)
		if v := s.decide(); v.Granted() || v.Pass != (ledger.PassID{}) {
			t.Errorf("%v: %v", f.reason, v)
		}
	}
}
