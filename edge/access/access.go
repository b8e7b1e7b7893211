// Package access answers the one question of a door: may this door key's
// holder pass, here and now? [Decide] is pure; what it reads was gathered
// before (package edge/roster says who the holder is, [Basis] what the ledgers
// say beside, package edge/policy what the node allows, [Around] what is so at
// the door) and what it answers is a value: a denial is a [Reason], never an
// error. [Codes] is what a gateway remembers so that a code opens once,
// [Presence] what it remembers of people, [Siblings] what the node's other
// gateways tell of them, and [Crowd] both together.
package access

import (
	"slices"
	"time"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Holder is what the roster says of a door key and of the passport that it
// speaks for. The zero value is a key that nobody delegated.
type Holder struct {
	Known      bool // the roster holds a delegation of the key
	KeyID      passport.KeyID
	Delegation passport.Delegation
	// ByOwner: the wallet that signed the delegation owns the passport by every
	// issuer's word.
	ByOwner bool
	Wallet  [20]byte // that signed the delegation
	Revoked bool
	// ClosedAtHome: revoked in a way that counts at the holder's own door: by
	// the wallet, or while another key was left.
	ClosedAtHome bool

	Admitted  bool // by some issuer
	Disputed  bool // issuers name different owners or classes
	Class     string
	NotBefore int64 // of the passport, Unix seconds; the latest of all issuers
	NotAfter  int64 // the earliest
	Suspended bool  // by some issuer, and not reinstated by the same
	Expelled  bool
}

// Presentation is what was presented, once its signature was verified against
// the holder's key.
type Presentation struct {
	Mode   passport.Mode // ModeTap or ModeWindow
	Exit   bool          // at a reader on the way out
	Window passport.Window
	// ForDoor: the code names this door, not the whole node.
	ForDoor bool
	Pin     Pin
}

// Pin is what came of asking for a PIN.
type Pin uint8

// The zero value: nobody has asked yet.
const (
	PinNotAsked Pin = iota
	PinRight
	PinWrong
	PinDuress  // the other right one
	PinMissing // the gateway has none of this passport
	PinTooLate // nothing was typed in time
)

// View is the door, and what the gateway knows, at the moment of the decision.
type View struct {
	Node      passport.NodeID
	Basis     *Basis
	Name      string        // the door's
	Door      *policy.Door  // nil when no policy gives this gateway the door
	Clock     Clock         // without one nothing that depends on a time is decided by it
	RosterAge time.Duration // since the issuers were last heard; negative if never, or without a clock
	Around    Around
}

// Around is what is so at the door at this moment. The zero value is an empty
// place.
type Around struct {
	Inside      bool                       // the holder is in the zone that the door leads to, by the gateway's knowledge
	Entered     time.Duration              // since the holder last entered it; negative if that is not known
	Full        bool                       // as many are in the zone as may be
	Outer       []Place                    // the zones around that one which the door leads into as well
	PartnerOpen bool                       // a door of the same interlock is open or unlocked
	LockedOut   bool                       // by wrong PINs
	Second      bool                       // another person has presented a passport, for the two-person rule
	Escort      bool                       // somebody who may escort has
	Used        func(ledger.PassID) uint32 // entries that a pass was spent on; nil: none
}

// Place is what is so in a zone for the holder: see Around.
type Place struct {
	Zone         *policy.Zone
	Inside, Full bool
	Entered      time.Duration
}

// Verdict is the answer.
type Verdict struct {
	Reason Reason
	Pass   ledger.PassID // the counted guest pass that a grant spends an entry of, or zero
}

// Granted reports whether the holder may pass.
func (v Verdict) Granted() bool { return v.Reason.Grants() }

// Decide applies the rules in the order of their rank: the way out, home,
// lockdown and bar, whose key it is, revocation, suspension, validity, the
// code's own terms, the levels and guest passes, the zone's rules, the roster's
// age, and what more the door asks of those before it. Whether a code was used
// before is asked last, of Codes, by the caller: only a grant uses it up.
func Decide(now time.Time, h Holder, p Presentation, v View) Verdict {
	verdict := Admits(now, h, p, v)
	if !verdict.Granted() || verdict.Reason == Home || verdict.Reason == Exit {
		return verdict
	}
	for _, r := range [...]Reason{pin(now, p, v), company(h, v)} {
		if r != None {
			return Verdict{Reason: r}
		}
	}
	switch {
	case p.Pin == PinDuress: // whether one is still asked for or not
		verdict.Reason = Duress
	case v.noted():
		verdict.Reason = PassbackNoted
	}
	return verdict
}

// Admits is Decide but for what those at the door have to do beside presenting: no
// PIN is asked for, and no company.
func Admits(now time.Time, h Holder, p Presentation, v View) Verdict {
	if p.Exit {
		return Verdict{Reason: Exit} // never denied, only recorded
	}
	if AtHome(h, p, v) {
		return Verdict{Reason: Home}
	}
	if v.Door == nil {
		return Verdict{Reason: NoPolicy}
	}
	ask := policy.Ask{
		Door: v.Name, Class: h.Class, Passport: uint64(h.Delegation.Passport),
		Now: now, TimeKnown: v.trusted(), Lockdown: v.Basis.LockedDown(v.Name, v.Clock),
	}
	for _, r := range [...]Reason{
		orders(h, v, ask), Standing(h), validity(now, h, p, v), codeTerms(now, p, v),
	} {
		if r != None {
			return Verdict{Reason: r}
		}
	}
	verdict := levels(now, h, v, ask)
	if !verdict.Granted() {
		return verdict
	}
	for _, r := range [...]Reason{zone(v), freshness(v)} {
		if r != None {
			return Verdict{Reason: r}
		}
	}
	return verdict
}

// trusted reports whether the clock is good enough for the door.
func (v View) trusted() bool { return v.Clock.Trust.Meets(v.Door.Clock) }

// zone is the one that the door leads to.
func (v View) zone() *policy.Zone { return v.Basis.Policy.Zones[v.Door.To] }

// AtHome: a home's people open its door by tap whatever else holds. Who lives
// there is said by Home and HomeEnded alone: a policy that no longer marks the
// door, or names it, evicts nobody. Neither
// the key's dates nor the clock count, so that no wrong clock shuts a family
// out; a lost card is closed by its revocation. Of the view it reads Node, Name,
// Basis and Clock.
func AtHome(h Holder, p Presentation, v View) bool {
	return p.Mode == passport.ModeTap &&
		h.Known && !h.ClosedAtHome &&
		v.Basis.LivesHere(v.Name, h.Delegation.Passport, h.Wallet, v.Clock) &&
		h.Delegation.Mode.Has(passport.ModeTap) &&
		h.Delegation.Covers(v.Node, v.Name)
}

// orders are a steward's: a lockdown, but for the levels that it lets through,
// and a bar.
func orders(h Holder, v View, ask policy.Ask) Reason {
	switch {
	case ask.Lockdown && v.Basis.Policy.Allows(ask) != policy.Granted:
		return Lockdown
	case h.Known && v.Basis.Barred(h.Delegation.Passport, v.Clock):
		return Barred
	}
	return None
}

// Standing is what holds of key and passport at every door and at all times.
func Standing(h Holder) Reason {
	switch {
	case !h.Known:
		return UnknownKey
	case h.Revoked:
		return Revoked
	case !h.Admitted:
		return NotAdmitted
	case h.Disputed:
		return Disputed
	case !h.ByOwner:
		return NotByOwner
	case h.Expelled:
		return Expelled
	case h.Suspended:
		return Suspended
	}
	return None
}

// validity is the delegation's terms, then the passport's.
func validity(now time.Time, h Holder, p Presentation, v View) Reason {
	d := h.Delegation
	switch {
	case !d.Mode.Has(p.Mode):
		return WrongMode
	case !d.Covers(v.Node, v.Name):
		return OutOfScope
	case !v.Clock.Known():
		return None
	case now.Unix() < int64(d.NotBefore):
		return KeyNotYet
	case now.Unix() >= int64(d.NotAfter):
		return KeyExpired
	case now.Unix() < h.NotBefore:
		return PassportNotYet
	case now.Unix() >= h.NotAfter:
		return PassportExpired
	}
	return None
}

func codeTerms(now time.Time, p Presentation, v View) Reason {
	if p.Mode != passport.ModeWindow {
		return None
	}
	switch {
	case v.Door.Codes == policy.CodesNone:
		return NoCodes
	case v.Door.Codes == policy.CodesDoor && !p.ForDoor:
		return DoorCodesOnly
	case !v.trusted():
		return ClockUnknown
	}
	switch p.Window.At(now.Unix()) {
	case passport.WindowEarly:
		return CodeEarly
	case passport.WindowOver:
		return CodeExpired
	}
	return None
}

// levels asks the policy, and where it says no, the passport's guest passes.
func levels(now time.Time, h Holder, v View, ask policy.Ask) Verdict {
	granted := v.Basis.Policy.Allows(ask)
	if granted == policy.Granted {
		return Verdict{Reason: Granted}
	}
	denied := Verdict{Reason: levelReasons[granted]}
	for _, pass := range v.Basis.Passes[h.Delegation.Passport] {
		r := passRules(now, pass, v, ask)
		if r == Guest {
			if pass.Uses == 0 {
				return Verdict{Reason: Guest} // nothing to count, so nothing that must be on disk first
			}
			return Verdict{Reason: Guest, Pass: pass.ID}
		}
		if r != None {
			denied = Verdict{Reason: r}
		}
	}
	return denied
}

var levelReasons = [...]Reason{
	policy.UnknownDoor:  NoLevel,
	policy.UnknownClass: NoClass,
	policy.NoLevel:      NoLevel,
	policy.OutsideHours: OutsideHours,
	policy.NoClock:      ClockUnknown,
	policy.LockedDown:   Lockdown,
}

// passRules is Guest if the pass lets its holder in, None if it does not concern
// the door, and otherwise why not.
func passRules(now time.Time, pass Pass, v View, ask policy.Ask) Reason {
	granted := v.Basis.Policy.LevelsAllow(pass.Levels, ask)
	switch {
	case granted == policy.NoLevel || granted == policy.UnknownDoor:
		return None
	case !v.trusted():
		return ClockUnknown
	case now.Unix() < pass.NotBefore:
		return PassNotYet
	case now.Unix() >= pass.NotAfter:
		return PassOver
	case granted != policy.Granted:
		return levelReasons[granted]
	case pass.Uses > 0 && v.Around.Used != nil && v.Around.Used(pass.ID) >= pass.Uses:
		return PassUsedUp
	}
	return Guest
}

// zone is what the space behind the door asks, or None.
func zone(v View) Reason {
	if r := v.place().asks(); r != None {
		return r
	}
	for _, outer := range v.Around.Outer {
		if r := outer.asks(); r != None {
			return r
		}
	}
	if v.Around.PartnerOpen {
		return Interlock
	}
	return None
}

// place is the one behind the door.
func (v View) place() Place {
	return Place{Zone: v.zone(), Inside: v.Around.Inside, Full: v.Around.Full, Entered: v.Around.Entered}
}

func (p Place) asks() Reason {
	switch z := p.Zone; {
	case z.Antipassback == policy.AntipassbackHard && p.Inside:
		return Passback
	case z.Antipassback == policy.AntipassbackTimed && p.Entered >= 0 && p.Entered < z.AntipassbackTime:
		return PassbackTimed
	case z.Occupancy > 0 && p.Full:
		return ZoneFull
	}
	return None
}

// noted: a zone that the door leads into has the holder inside, and only notes it.
func (v View) noted() bool {
	soft := func(p Place) bool { return p.Zone.Antipassback == policy.AntipassbackSoft && p.Inside }
	return soft(v.place()) || slices.ContainsFunc(v.Around.Outer, soft)
}

func freshness(v View) Reason {
	// Without a clock there is no age: taps work, and codes were refused above.
	if v.Clock.Known() && v.Door.Stale == policy.StaleDeny && (v.RosterAge < 0 || v.RosterAge > v.Door.MaxAge) {
		return StaleRoster
	}
	return None
}

// pinDue: without a time that the door trusts it asks for the PIN.
func pinDue(now time.Time, v View) bool {
	if !v.trusted() {
		return !v.Door.Pin.Never()
	}
	due, _ := v.Door.Pin.At(now)
	return due
}

// pin comes after all else, so that nobody learns from the question who would
// be let in by the wrong card. A lockout answers only then, and to every PIN
// alike.
func pin(now time.Time, p Presentation, v View) Reason {
	if !pinDue(now, v) {
		return None
	}
	switch {
	case p.Pin == PinNotAsked:
		return AwaitsPin
	case p.Pin == PinTooLate:
		return PinLate
	case v.Around.LockedOut && p.Pin == PinDuress:
		return LockedOutDuress
	case v.Around.LockedOut:
		return LockedOut
	case p.Pin == PinMissing:
		return NoPin
	case p.Pin == PinWrong:
		return WrongPin
	}
	return None
}

func company(h Holder, v View) Reason {
	switch a := v.Basis.Policy.Attributes(h.Class, uint64(h.Delegation.Passport)); {
	case a.Escorted && !v.Around.Escort:
		return AwaitsEscort
	case v.Door.TwoPerson && !v.Around.Second:
		return AwaitsSecond
	}
	return None
}
