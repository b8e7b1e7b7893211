package access_test

import (
	"math"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
)

var (
	now  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	node = passport.NodeID{1}
)

const policyFile = `version = 1
node = "casa"
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
[classes.resident]
levels = ["house"]
[classes.guest]
levels = ["house"]
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

// scene is all that one decision reads. Made by newScene it is a resident with a
// node-scoped code that is valid now, at a door that takes it.
type scene struct {
	now    time.Time
	holder access.Holder
	p      access.Presentation
	view   access.View
}

func newScene(t testing.TB) *scene {
	p := parsePolicy(t)
	front := *p.Doors["front"]
	return &scene{
		now: now,
		holder: access.Holder{
			Known: true, ByOwner: true, Admitted: true, Class: "resident",
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
		view: access.View{Node: node, Policy: p, Name: "front", Door: &front, ClockKnown: true, RosterAge: time.Minute},
	}
}

func (s *scene) decide() access.Verdict { return access.Decide(s.now, s.holder, s.p, s.view) }

// tapAtHome makes it a tap by somebody who lives behind the door.
func (s *scene) tapAtHome() {
	s.p = access.Presentation{Mode: passport.ModeTap}
	s.view.LivesHere = true
}

// fault is one thing that keeps a code out, in the order of the rules.
type fault struct {
	reason access.Reason
	make   func(*scene)
	timed  bool // asked only of a clock that is known
}

var faults = []fault{
	{access.UnknownKey, func(s *scene) { s.holder.Known = false }, false},
	{access.Revoked, func(s *scene) { s.holder.Revoked = true }, false},
	{access.NotAdmitted, func(s *scene) { s.holder.Admitted = false }, false},
	{access.Disputed, func(s *scene) { s.holder.Disputed = true }, false},
	{access.NotByOwner, func(s *scene) { s.holder.ByOwner = false }, false},
	{access.Expelled, func(s *scene) { s.holder.Expelled = true }, false},
	{access.Suspended, func(s *scene) { s.holder.Suspended = true }, false},
	{access.WrongMode, func(s *scene) { s.holder.Delegation.Mode = 0 }, false},
	{access.OutOfScope, func(s *scene) { s.holder.Delegation.Scope = passport.NodeTarget(passport.NodeID{2}) }, false},
	{access.KeyNotYet, func(s *scene) { s.holder.Delegation.NotBefore = uint64(now.Unix()) + 1 }, true},
	{access.KeyExpired, func(s *scene) { s.holder.Delegation.NotAfter = uint64(now.Unix()) }, true},
	{access.PassportNotYet, func(s *scene) { s.holder.NotBefore = now.Unix() + 1 }, true},
	{access.PassportExpired, func(s *scene) { s.holder.NotAfter = now.Unix() }, true},
	{access.NoCodes, func(s *scene) { s.view.Door.Codes = policy.CodesNone }, false},
	{access.DoorCodesOnly, func(s *scene) { s.view.Door.Codes = policy.CodesDoor }, false},
	{access.ClockUnknown, func(s *scene) { s.view.ClockKnown = false }, false},
	{access.CodeEarly, func(s *scene) { s.p.Window.Start = uint32(now.Unix()) + 21 }, true},
	{access.CodeExpired, func(s *scene) { s.p.Window.Start = uint32(now.Unix()) - 40 }, true},
	{access.NoClass, func(s *scene) { s.holder.Class = "stranger" }, false},
	{access.NoLevel, func(s *scene) { s.view.Name = "vault" }, false},
	{access.StaleRoster, func(s *scene) { s.view.RosterAge = s.view.Door.MaxAge + 1 }, true},
}

// exclude says that two faults are about one and the same value.
func exclude(a, b access.Reason) bool {
	type pair [2]access.Reason
	switch (pair{a, b}) {
	case pair{access.NoCodes, access.DoorCodesOnly}, pair{access.CodeEarly, access.CodeExpired}:
		return true
	}
	return false
}

const forever = math.MaxInt64
