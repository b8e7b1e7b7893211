package panel_test

import (
	"slices"
	"strings"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/edge/schedule"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simAsk is one question at a door, with all that its answer may depend on.
type simAsk struct {
	*simModel
	*panel.Presented
	d      *simDoor
	p      *policy.Policy
	door   *policy.Door // nil where no policy gives it to the gateway
	second bool         // another person is there
	escort bool
	own    ledger.PassID // an entry of it has been spent for this one already
	beside passport.ID   // who goes in together with this one, or 0
}

type simVerdict struct {
	reason access.Reason
	pass   ledger.PassID
}

// simRules are the grounds on which an entry is refused, in the order of their
// rank: the first that holds is the reason. The design's "What a decision obeys".
var simRules = []struct {
	reason access.Reason
	holds  func(simAsk) bool
}{
	{access.NoPolicy, func(a simAsk) bool { return a.door == nil }},
	{access.Lockdown, func(a simAsk) bool { return a.d.isDown(a.simModel) && a.byLevel() != access.Granted }},
	{access.Barred, func(a simAsk) bool { return a.reached() < a.basis.Bars[a.who()] }},
	{access.UnknownKey, func(a simAsk) bool { return !a.Holder.Known }},
	{access.Revoked, func(a simAsk) bool { return a.Holder.Revoked }},
	{access.NotAdmitted, func(a simAsk) bool { return !a.Holder.Admitted }},
	{access.Disputed, func(a simAsk) bool { return a.Holder.Disputed }},
	{access.NotByOwner, func(a simAsk) bool { return !a.Holder.ByOwner }},
	{access.Expelled, func(a simAsk) bool { return a.Holder.Expelled }},
	{access.Suspended, func(a simAsk) bool { return a.Holder.Suspended }},
	{access.WrongMode, func(a simAsk) bool { return a.Holder.Delegation.Mode&a.Presentation.Mode == 0 }},
	{access.OutOfScope, func(a simAsk) bool { return !a.covers() }},
	{access.KeyNotYet, func(a simAsk) bool { return a.timed() && a.now() < int64(a.Holder.Delegation.NotBefore) }},
	{access.KeyExpired, func(a simAsk) bool { return a.timed() && a.now() >= int64(a.Holder.Delegation.NotAfter) }},
	{access.PassportNotYet, func(a simAsk) bool { return a.timed() && a.now() < a.Holder.NotBefore }},
	{access.PassportExpired, func(a simAsk) bool { return a.timed() && a.now() >= a.Holder.NotAfter }},
	{access.NoCodes, func(a simAsk) bool { return a.isCode() && a.door.Codes == policy.CodesNone }},
	{access.DoorCodesOnly, func(a simAsk) bool { return a.isCode() && a.door.Codes == policy.CodesDoor && !a.ForDoor }},
	{access.ClockUnknown, func(a simAsk) bool { return a.isCode() && !a.trusted() }},
	{access.CodeEarly, func(a simAsk) bool { return a.isCode() && a.now() < int64(a.Window.Start)-int64(a.Window.Length) }},
	{access.CodeExpired, func(a simAsk) bool { return a.isCode() && a.now() >= int64(a.Window.Start)+2*int64(a.Window.Length) }},
	{levelDenies, func(a simAsk) bool { return !a.byLevelOrPass().reason.Grants() }},
	{access.Passback, func(a simAsk) bool { return a.zonesAsk() == access.Passback }},
	{access.PassbackTimed, func(a simAsk) bool { return a.zonesAsk() == access.PassbackTimed }},
	{access.ZoneFull, func(a simAsk) bool { return a.zonesAsk() == access.ZoneFull }},
	{access.Interlock, func(a simAsk) bool { return a.partnerIsOpen() }},
	{access.StaleRoster, func(a simAsk) bool {
		return a.timed() && a.door.Stale == policy.StaleDeny && (a.m.Age < 0 || a.m.Age > a.door.MaxAge)
	}},
	{access.AwaitsPin, func(a simAsk) bool { return a.pinDue() && a.Pin == access.PinNotAsked }},
	{access.PinLate, func(a simAsk) bool { return a.pinDue() && a.Pin == access.PinTooLate }},
	{access.LockedOutDuress, func(a simAsk) bool { return a.pinDue() && a.Pin == access.PinDuress && a.lockedOut() }},
	{access.LockedOut, func(a simAsk) bool { return a.pinDue() && a.lockedOut() }},
	{access.NoPin, func(a simAsk) bool { return a.pinDue() && a.Pin == access.PinMissing }},
	{access.WrongPin, func(a simAsk) bool { return a.pinDue() && a.Pin == access.PinWrong }},
	{access.AwaitsEscort, func(a simAsk) bool { return a.attributes().Escorted && !a.escort }},
	{access.AwaitsSecond, func(a simAsk) bool { return a.door.TwoPerson && !a.second }},
}

// levelDenies stands in the table for the reason that byLevelOrPass has.
const levelDenies = access.None

// answer is what has to become of a question.
func (a simAsk) answer() simVerdict {
	switch {
	case a.Exit:
		return simVerdict{reason: access.Exit}
	case a.Refused != access.None:
		return simVerdict{reason: a.Refused}
	case a.atHome():
		return simVerdict{reason: access.Home}
	}
	for _, rule := range simRules {
		switch {
		case !rule.holds(a):
		case rule.reason == levelDenies:
			return simVerdict{reason: a.byLevelOrPass().reason}
		default:
			return simVerdict{reason: rule.reason}
		}
	}
	if a.isCode() {
		if r := a.codeUsed(); r != access.None {
			return simVerdict{reason: r}
		}
	}
	v := a.byLevelOrPass()
	switch {
	case a.Pin == access.PinDuress:
		v.reason = access.Duress
	case slices.ContainsFunc(a.zones(), func(z *policy.Zone) bool { return z.Antipassback == policy.AntipassbackSoft && a.inside(z) }):
		v.reason = access.PassbackNoted
	}
	return v
}

func (a simAsk) who() passport.ID { return a.Holder.Delegation.Passport }
func (a simAsk) now() int64       { return a.m.Clock.Now.Unix() }
func (a simAsk) timed() bool      { return a.m.Clock.Trust != access.TrustUnknown }
func (a simAsk) isCode() bool     { return a.Presentation.Mode == passport.ModeWindow }

// zones are those that the door leads into from without, the innermost first.
func (a simAsk) zones() (all []*policy.Zone) {
	for place := a.door.To; place != ""; place = a.p.Zones[place].Within {
		if !within(a.p, a.door.From, place) {
			all = append(all, a.p.Zones[place])
		}
	}
	return all
}

// zonesAsk is what the first zone that refuses says.
func (a simAsk) zonesAsk() access.Reason {
	for _, z := range a.zones() {
		switch {
		case z.Antipassback == policy.AntipassbackHard && a.inside(z):
			return access.Passback
		case a.hasJustEntered(z):
			return access.PassbackTimed
		case a.isFull(z):
			return access.ZoneFull
		}
	}
	return access.None
}
func (a simAsk) lockedOut() bool {
	return a.memory.lockedOut(a.p.Lockout, a.who(), a.m.MS())
}
func (a simAsk) attributes() policy.Attributes { return simAttributes(a.p, a.Presented) }

func simAttributes(p *policy.Policy, e *panel.Presented) policy.Attributes {
	if p == nil {
		return policy.Attributes{}
	}
	return p.Attributes(e.Holder.Class, uint64(e.Holder.Delegation.Passport))
}

// trusted: the clock is one that the door decides by.
func (a simAsk) trusted() bool { return clockIs(a.m.Clock.Trust, a.door.Clock) }

func clockIs(t access.Trust, least policy.ClockTrust) bool {
	return int(t)-int(access.TrustFloor) >= int(least)-int(policy.TrustFloor)
}

func (a simAsk) atHome() bool {
	end, lives := a.basis.Homes[a.d.name][access.Resident{Passport: a.who(), Wallet: a.Holder.Wallet}]
	return lives && (!a.timed() || a.now() < end) && a.Presentation.Mode == passport.ModeTap && a.Holder.Known &&
		!a.Holder.ClosedAtHome && a.Holder.Delegation.Mode&passport.ModeTap != 0 && a.covers()
}

func (a simAsk) covers() bool {
	switch a.Holder.Delegation.Scope {
	case passport.Target{}, passport.NodeTarget(simNode), passport.DoorTarget(simNode, a.d.name):
		return true
	}
	return false
}

// byLevel is what the levels of a class and of a passport say.
func (a simAsk) byLevel() access.Reason {
	c, own := a.p.Classes[a.Holder.Class], a.p.Passports[uint64(a.who())]
	var levels []string
	if c != nil {
		levels = append(levels, c.Levels...)
	}
	if own != nil {
		levels = append(levels, own.Levels...)
	}
	if c == nil && own == nil {
		return access.NoClass
	}
	return a.levels(levels)
}

// levels is what levels say together: what comes nearest to a grant.
func (a simAsk) levels(names []string) access.Reason {
	nearest := []access.Reason{access.NoLevel, access.OutsideHours, access.ClockUnknown, access.Lockdown, access.Granted}
	best := 0
	for _, name := range names {
		l := a.p.Levels[name]
		if !slices.Contains(l.Doors, a.d.name) {
			continue
		}
		r := access.Granted
		switch {
		case !l.Schedule.Always() && !a.trusted():
			r = access.ClockUnknown
		case !a.holds(l.Schedule):
			r = access.OutsideHours
		case a.d.isDown(a.simModel) && !l.DuringLockdown:
			r = access.Lockdown
		}
		best = max(best, slices.Index(nearest, r))
	}
	return nearest[best]
}

// simStretch is a stretch of time in which a schedule holds, or does not.
type simStretch struct {
	from, until int64 // Unix seconds
	open        bool
}

// holds tells whether a schedule holds now. Schedules are slow to say so, and
// asked often.
func (m *simModel) holds(s *schedule.Schedule) bool {
	now := m.m.Clock.Now.Unix()
	if k, ok := m.stretches[s]; ok && k.from <= now && now < k.until {
		return k.open
	}
	open, until := s.At(m.m.Clock.Now)
	k := simStretch{now, now + 1, open}
	if !until.IsZero() {
		k.until = until.Unix()
	}
	m.stretches[s] = k
	return open
}

func (a simAsk) byLevelOrPass() simVerdict {
	v := simVerdict{reason: a.byLevel()}
	if v.reason == access.Granted {
		return v
	}
	for _, pass := range a.basis.Passes[a.who()] {
		switch r := a.levels(pass.Levels); {
		case r == access.NoLevel:
		case !a.trusted():
			v.reason = access.ClockUnknown
		case a.now() < pass.NotBefore:
			v.reason = access.PassNotYet
		case a.now() >= pass.NotAfter:
			v.reason = access.PassOver
		case r != access.Granted:
			v.reason = r
		case pass.Uses > 0 && a.spentBut(pass.ID) >= pass.Uses:
			v.reason = access.PassUsedUp
		case pass.Uses == 0: // nothing is counted
			return simVerdict{reason: access.Guest}
		default:
			return simVerdict{access.Guest, pass.ID}
		}
	}
	return v
}

func (a simAsk) inside(z *policy.Zone) bool {
	if a.others(z) {
		return a.isIn(z, a.who()) || a.isComing(z)
	}
	return a.memory.isIn(a.p, z, a.who(), a.m.MS()) || a.isComing(z)
}

func (a simAsk) hasJustEntered(z *policy.Zone) bool {
	if z.Antipassback != policy.AntipassbackTimed || !a.timed() {
		return false
	}
	since := a.cameIn(z)
	return a.isComing(z) || since >= 0 && since < z.AntipassbackTime.Milliseconds()
}

func (a simAsk) isFull(z *policy.Zone) bool {
	if z.Occupancy == 0 {
		return false
	}
	crowd := a.people(z)
	crowd[a.who()] = true
	if a.beside != 0 {
		crowd[a.beside] = true
	}
	return len(crowd) > z.Occupancy
}

// partnerIsOpen: open, unlocked, waiting for a record to be unlocked, or on a
// broken line, so that nobody knows.
func (a simAsk) partnerIsOpen() bool {
	for _, lock := range a.p.Interlocks {
		if !slices.Contains(lock.Doors, a.d.name) {
			continue
		}
		for _, name := range lock.Doors {
			partner := a.doors[name]
			if name == a.d.name || partner == nil {
				continue
			}
			if partner.wires[panel.Contact].said != door.LineNormal || a.m.Up < partner.shunt {
				return true // it moves, or somebody who asked to leave may open it
			}
			if partner.open || partner.unlocked() || a.awaitsRecord(partner) || partner.wires[panel.Contact].broken() {
				return true
			}
		}
	}
	return false
}

func (a simAsk) pinDue() bool {
	if !a.trusted() {
		return !a.door.Pin.Never()
	}
	return a.holds(a.door.Pin)
}

// codeUsed tells why a code that is good otherwise opens nothing, or None.
func (a simAsk) codeUsed() access.Reason {
	if r := a.codeUsedHere(); r != access.None || !a.told.used[a.Window.Nonce] {
		return r
	}
	a.tally.there++
	return access.CodeReplayed
}

func (a simAsk) codeUsedHere() access.Reason {
	for _, o := range a.awaiting {
		for _, p := range o.people {
			if p.e.Presentation.Mode == passport.ModeWindow && p.e.Window.Nonce == a.Window.Nonce {
				return access.CodeReplayed
			}
		}
	}
	started := max(a.m.Clock.Now.Add(-a.m.Up).Unix(), a.startReached.Unix())
	switch _, used := a.used[a.Window.Nonce]; {
	case used:
		return access.CodeReplayed
	case int64(a.Window.Start) <= started+int64(a.Window.Length):
		return access.CodeBeforeStart
	}
	return access.None
}

// ask is a question with the people who are at the door beside the one who asks.
func (m *simModel) ask(d *simDoor, e *panel.Presented, p *policy.Policy) simAsk {
	a := simAsk{simModel: m, Presented: e, d: d, p: p, door: ownDoor(p, d.name)}
	a.escort = a.hadEscort()
	w := d.company
	switch {
	case w == nil:
	case w.who() != a.who():
		if a.other().answer().reason.Grants() {
			a.second, a.escort = true, a.escort || simAsk{simModel: m, Presented: w.Presented, d: d, p: p}.mayEscort()
		}
	case w.with.who != 0 && w.with.at == m.m.Up:
		a.second, a.escort = true, a.escort || w.with.escorts
	}
	return a
}

// ownDoor is the door in a policy, if that gives it to the gateway.
func ownDoor(p *policy.Policy, name string) *policy.Door {
	if p == nil || p.Doors[name] == nil || p.Doors[name].Gateway != "gw1" {
		return nil
	}
	return p.Doors[name]
}

// hadEscort: an escort was let in just now by this door.
func (a simAsk) hadEscort() bool {
	d := a.d
	return a.door != nil && d.escort.who != 0 && d.escort.who != a.who() && a.m.Up-d.escort.at < a.door.CompanyTime
}

// other is whoever waits here, if this one goes in.
func (a simAsk) other() simAsk {
	w := simAsk{simModel: a.simModel, Presented: a.d.company.Presented, d: a.d, p: a.p, door: a.door, second: true, beside: a.who()}
	w.escort = a.mayEscort() || w.hadEscort()
	return w
}

// mode is how a presentation stands in the log.
func (a simAsk) mode() string {
	typed := map[access.Pin]string{
		access.PinRight: "+pin", access.PinWrong: "+wrong-pin", access.PinDuress: "+duress", access.PinMissing: "+no-pin", access.PinTooLate: "+late",
	}
	return a.Presented.Mode + typed[a.Pin]
}

// spoken is a mode without what was typed.
func spoken(mode string) string {
	mode, _, _ = strings.Cut(mode, "+")
	return mode
}
