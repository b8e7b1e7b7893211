package access_test

import (
	"math"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var (
	now  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) // a Friday
	node = passport.NodeID{1}
	pass = ledger.PassID{15: 1}
)

const policyFile = `version = 1
node = "casa"
[schedules.day]
week = ["mon-fri 08:00-18:00"]
[schedules.night]
week = ["mon-fri 20:00-22:00"]
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
home = true
max_age = "1h"
mechanical_exit = true
[doors.vault]
gateway = "gw1"
from = "street"
to = "house"
mechanical_exit = true
[levels.house]
doors = ["front"]
[levels.day]
doors = ["front"]
schedule = "day"
[levels.night]
doors = ["front"]
schedule = "night"
[levels.vault]
doors = ["vault"]
[levels.rescue]
doors = ["front"]
during_lockdown = true
[classes.resident]
levels = ["house"]
[classes.guest]
levels = ["house"]
[classes.worker]
levels = ["day"]
[classes.cleaner]
levels = ["night"]
[classes.banker]
levels = ["vault"]
[classes.rescuer]
levels = ["rescue"]
[passports.9]
levels = ["house"]
`

func parsePolicy(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(policyFile))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scene is all that one decision reads, and may be changed at will. Made by
// newScene it is a resident with a node-scoped code that is valid now, at a door
// that takes it.
type scene struct {
	now    time.Time
	holder access.Holder
	p      access.Presentation
	view   access.View
}

func newScene(t testing.TB) *scene {
	p := parsePolicy(t)
	return &scene{
		now: now,
		holder: access.Holder{
			Known: true, ByOwner: true, Admitted: true, Class: "resident", Wallet: [20]byte{7},
			NotBefore: now.Add(-time.Hour).Unix(), NotAfter: now.Add(time.Hour).Unix(),
			Delegation: passport.Delegation{
				Passport: 7, NotBefore: uint64(now.Add(-time.Hour).Unix()), NotAfter: uint64(now.Add(time.Hour).Unix()),
				Mode: passport.ModeTap | passport.ModeWindow,
			},
		},
		p: access.Presentation{
			Mode:   passport.ModeWindow,
			Window: passport.Window{Passport: 7, Start: uint32(now.Unix()), Length: 20},
		},
		view: access.View{
			Node: node, Name: "front", Door: p.Doors["front"], Clock: access.Clock{Now: now, Trust: access.TrustNTP},
			RosterAge: time.Minute, Around: access.Around{Entered: -1},
			Basis: &access.Basis{Policy: p, Homes: map[string]map[access.Resident]int64{}, Lockdowns: map[string]int64{},
				Bars: map[passport.ID]int64{}, Passes: map[passport.ID][]access.Pass{}},
		},
	}
}

func (s *scene) decide() access.Verdict { return access.Decide(s.now, s.holder, s.p, s.view) }

// tapAtHome makes it a tap by somebody who lives behind the door.
func (s *scene) tapAtHome() {
	s.p = access.Presentation{Mode: passport.ModeTap}
	s.livesHere()
}

func (s *scene) livesHere() {
	s.view.Basis.Homes["front"] = map[access.Resident]int64{{Passport: 7, Wallet: [20]byte{7}}: access.Forever}
}

// zone is the one behind the door.
func (s *scene) zone() *policy.Zone { return s.view.Basis.Policy.Zones["house"] }

// outer lays a zone around it in which the holder is, and which is full.
func (s *scene) outer(z policy.Zone, entered time.Duration) {
	s.view.Around.Outer = append(s.view.Around.Outer, access.Place{Zone: &z, Inside: true, Full: true, Entered: entered})
}

// pin makes the door ask for a PIN at all times, and says what came of it.
func (s *scene) pin(p access.Pin) {
	s.view.Door.Pin = s.view.Basis.Policy.Schedules["always"]
	s.p.Pin = p
}

// guest gives the passport a pass that is good now, and takes its class's level.
func (s *scene) guest(change func(*access.Pass)) {
	s.holder.Class = "stranger"
	p := access.Pass{ID: pass, Levels: []string{"house"}, NotBefore: now.Unix(), NotAfter: now.Unix() + 1, Uses: 3}
	if change != nil {
		change(&p)
	}
	s.view.Basis.Passes[7] = append(s.view.Basis.Passes[7], p)
	s.view.Around.Used = func(id ledger.PassID) uint32 { return map[ledger.PassID]uint32{pass: 2}[id] }
}

// escorted makes the passport one that comes with an escort.
func (s *scene) escorted() {
	s.view.Basis.Policy.Passports[7] = &policy.Grantee{Attributes: policy.Attributes{Escorted: true}}
}

// fault is one thing that keeps a code out, in the order of the rules.
type fault struct {
	reason access.Reason
	make   func(*scene)
	timed  bool   // asked only of a clock that is known
	group  string // of several that are about one and the same value, one holds
}

var faults = []fault{
	{access.Lockdown, func(s *scene) { s.view.Basis.Lockdowns["front"] = now.Unix() + 1 }, false, ""},
	{access.Barred, func(s *scene) { s.view.Basis.Bars[7] = now.Unix() + 1 }, false, ""},
	{access.UnknownKey, func(s *scene) { s.holder.Known = false }, false, ""},
	{access.Revoked, func(s *scene) { s.holder.Revoked = true }, false, ""},
	{access.NotAdmitted, func(s *scene) { s.holder.Admitted = false }, false, ""},
	{access.Disputed, func(s *scene) { s.holder.Disputed = true }, false, ""},
	{access.NotByOwner, func(s *scene) { s.holder.ByOwner = false }, false, ""},
	{access.Expelled, func(s *scene) { s.holder.Expelled = true }, false, ""},
	{access.Suspended, func(s *scene) { s.holder.Suspended = true }, false, ""},
	{access.WrongMode, func(s *scene) { s.holder.Delegation.Mode = 0 }, false, ""},
	{access.OutOfScope, func(s *scene) { s.holder.Delegation.Scope = passport.NodeTarget(passport.NodeID{2}) }, false, ""},
	{access.KeyNotYet, func(s *scene) { s.holder.Delegation.NotBefore = uint64(now.Unix()) + 1 }, true, ""},
	{access.KeyExpired, func(s *scene) { s.holder.Delegation.NotAfter = uint64(now.Unix()) }, true, ""},
	{access.PassportNotYet, func(s *scene) { s.holder.NotBefore = now.Unix() + 1 }, true, ""},
	{access.PassportExpired, func(s *scene) { s.holder.NotAfter = now.Unix() }, true, ""},
	{access.NoCodes, func(s *scene) { s.view.Door.Codes = policy.CodesNone }, false, "codes"},
	{access.DoorCodesOnly, func(s *scene) { s.view.Door.Codes = policy.CodesDoor }, false, "codes"},
	{access.ClockUnknown, func(s *scene) { s.view.Clock.Trust = access.TrustUnknown }, false, ""},
	{access.CodeEarly, func(s *scene) { s.p.Window.Start = uint32(now.Unix()) + 21 }, true, "window"},
	{access.CodeExpired, func(s *scene) { s.p.Window.Start = uint32(now.Unix()) - 40 }, true, "window"},
	{access.NoClass, func(s *scene) { s.holder.Class = "stranger" }, false, "level"},
	{access.NoLevel, func(s *scene) { s.holder.Class = "banker" }, false, "level"},
	{access.OutsideHours, func(s *scene) { s.holder.Class = "cleaner" }, true, "level"},
	{access.PassNotYet, func(s *scene) { s.guest(func(p *access.Pass) { p.NotBefore = now.Unix() + 1 }) }, true, "level"},
	{access.PassOver, func(s *scene) { s.guest(func(p *access.Pass) { p.NotAfter = now.Unix() }) }, true, "level"},
	{access.PassUsedUp, func(s *scene) { s.guest(func(p *access.Pass) { p.Uses = 2 }) }, true, "level"},
	{access.Passback, func(s *scene) { s.zone().Antipassback, s.view.Around.Inside = policy.AntipassbackHard, true }, false, "passback"},
	{access.PassbackTimed, func(s *scene) {
		s.zone().Antipassback, s.zone().AntipassbackTime, s.view.Around.Entered = policy.AntipassbackTimed, time.Minute, time.Minute-1
	}, false, "passback"},
	{access.ZoneFull, func(s *scene) { s.zone().Occupancy, s.view.Around.Full = 1, true }, false, ""},
	{access.Interlock, func(s *scene) { s.view.Around.PartnerOpen = true }, false, ""},
	{access.StaleRoster, func(s *scene) { s.view.RosterAge = s.view.Door.MaxAge + 1 }, true, ""},
	{access.AwaitsPin, func(s *scene) { s.pin(access.PinNotAsked) }, false, "pin"},
	{access.PinLate, func(s *scene) { s.pin(access.PinTooLate); s.view.Around.LockedOut = true }, false, "pin"},
	{access.LockedOutDuress, func(s *scene) { s.pin(access.PinDuress); s.view.Around.LockedOut = true }, false, "pin"},
	{access.LockedOut, func(s *scene) { s.pin(access.PinRight); s.view.Around.LockedOut = true }, false, "pin"},
	{access.NoPin, func(s *scene) { s.pin(access.PinMissing) }, false, "pin"},
	{access.WrongPin, func(s *scene) { s.pin(access.PinWrong) }, false, "pin"},
	{access.AwaitsEscort, (*scene).escorted, false, ""},
	{access.AwaitsSecond, func(s *scene) { s.view.Door.TwoPerson = true }, false, ""},
}

// exclude says that two faults are about one and the same value.
func exclude(a, b fault) bool { return a.group != "" && a.group == b.group }

const forever = math.MaxInt64
