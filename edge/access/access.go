// Package access answers the one question of a door: may this door key's
// holder pass, here and now? [Decide] is pure; what it reads was gathered
// before (package edge/roster says who the holder is, package edge/policy what
// the node allows) and what it answers is a value: a denial is a [Reason], never
// an error. [Codes] is what a gateway remembers so that a code opens once.
package access

import (
	"time"

	"tombolo/edge/policy"
	"tombolo/passport"
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
}

// View is the door, and what the gateway knows, at the moment of the decision.
type View struct {
	Node       passport.NodeID
	Policy     *policy.Policy
	Name       string        // the door's
	Door       *policy.Door  // nil when no policy gives this gateway the door
	LivesHere  bool          // the passport has its home behind this door, by the holder's wallet
	ClockKnown bool          // without a clock nothing that depends on one is decided by it
	RosterAge  time.Duration // since the issuers were last heard; negative if never, or without a clock
}

// Verdict is the answer.
type Verdict struct {
	Granted bool
	Reason  Reason
}

func deny(r Reason) Verdict  { return Verdict{Reason: r} }
func grant(r Reason) Verdict { return Verdict{Granted: true, Reason: r} }

// Decide applies the rules in the order of their rank: the way out, home, whose
// key it is, revocation, suspension, validity, the code's own terms, the level,
// and the roster's age. Whether a code was used before is asked last, of Codes,
// by the caller: only a grant uses it up.
func Decide(now time.Time, h Holder, p Presentation, v View) Verdict {
	if p.Exit {
		return grant(Exit) // never denied, only recorded
	}
	if atHome(h, p, v) {
		return grant(Home)
	}
	if v.Door == nil {
		return deny(NoPolicy)
	}
	for _, rule := range [...]func(time.Time, Holder, Presentation, View) Reason{
		standing, validity, codeRules, levelRules, rosterRules,
	} {
		if r := rule(now, h, p, v); r != None {
			return deny(r)
		}
	}
	return grant(Granted)
}

// atHome: a home's people open its door by tap whatever else holds. Who lives
// there is said by Home and HomeEnded alone: a policy that no longer marks the
// door, or names it, evicts nobody. Neither
// the key's dates nor the clock count, so that no wrong clock shuts a family
// out; a lost card is closed by its revocation.
func atHome(h Holder, p Presentation, v View) bool {
	return v.LivesHere && p.Mode == passport.ModeTap &&
		h.Known && !h.ClosedAtHome &&
		h.Delegation.Mode.Has(passport.ModeTap) &&
		h.Delegation.Covers(v.Node, v.Name)
}

// standing is what holds of key and passport at every door and at all times.
func standing(_ time.Time, h Holder, _ Presentation, _ View) Reason {
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
	case !v.ClockKnown:
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

func codeRules(now time.Time, _ Holder, p Presentation, v View) Reason {
	if p.Mode != passport.ModeWindow {
		return None
	}
	switch {
	case v.Door.Codes == policy.CodesNone:
		return NoCodes
	case v.Door.Codes == policy.CodesDoor && !p.ForDoor:
		return DoorCodesOnly
	case !v.ClockKnown:
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

func levelRules(_ time.Time, h Holder, _ Presentation, v View) Reason {
	switch v.Policy.Allows(v.Name, h.Class, uint64(h.Delegation.Passport)) {
	case policy.Granted:
		return None
	case policy.UnknownClass:
		return NoClass
	}
	return NoLevel
}

func rosterRules(_ time.Time, _ Holder, _ Presentation, v View) Reason {
	// Without a clock there is no age: taps work, and codes were refused above.
	if v.ClockKnown && v.Door.Stale == policy.StaleDeny && (v.RosterAge < 0 || v.RosterAge > v.Door.MaxAge) {
		return StaleRoster
	}
	return None
}
