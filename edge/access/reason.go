package access

import "fmt"

// Reason is why a door opened or stayed shut. Its code, which String gives,
// stands in door logs for good: a code is never changed or used again for
// something else. The numbers are not stored.
type Reason uint8

// The reasons.
const (
	None Reason = iota
	Granted
	Home
	Exit

	Unreadable
	OtherCommunity
	OutOfScope
	BadSignature
	UnknownKey
	NotAdmitted
	Disputed
	NotByOwner
	Revoked
	WrongMode
	KeyNotYet
	KeyExpired
	Expelled
	Suspended
	PassportNotYet
	PassportExpired
	NoClass
	NoLevel
	NoCodes
	DoorCodesOnly
	ClockUnknown
	CodeEarly
	CodeExpired
	CodeReplayed
	CodeBeforeStart
	CodesFull
	StaleRoster
	NoPolicy
	NotRecorded
	Internal

	PassbackNoted
	Guest
	Duress

	Lockdown
	Barred
	OutsideHours
	PassNotYet
	PassOver
	PassUsedUp
	Passback
	PassbackTimed
	ZoneFull
	Interlock
	AwaitsPin
	NoPin
	WrongPin
	PinLate
	LockedOut
	LockedOutDuress
	AwaitsSecond
	AwaitsEscort
	Again

	Remote
	OrderStale
	OrderAhead
)

var reasons = [...]struct{ code, text string }{
	None:            {"none", "no reason"},
	Granted:         {"granted", "the policy lets this passport in"},
	Home:            {"home", "lives here"},
	Exit:            {"exit", "the way out is never denied"},
	Unreadable:      {"unreadable", "not a code of ours"},
	OtherCommunity:  {"other-community", "made for another community"},
	OutOfScope:      {"out-of-scope", "made for another place"},
	BadSignature:    {"bad-signature", "the signature is not the key's"},
	UnknownKey:      {"unknown-key", "no passport has delegated this key"},
	NotAdmitted:     {"not-admitted", "no issuer has admitted the passport"},
	Disputed:        {"disputed", "issuers disagree about the passport; a person has to settle it"},
	NotByOwner:      {"not-by-owner", "the delegation is not signed by the passport's wallet"},
	Revoked:         {"revoked", "the door key was revoked"},
	WrongMode:       {"wrong-mode", "the key may not be used in this way"},
	KeyNotYet:       {"key-not-yet", "the delegation begins later"},
	KeyExpired:      {"key-expired", "the delegation has ended"},
	Expelled:        {"expelled", "the passport was expelled"},
	Suspended:       {"suspended", "the passport is suspended"},
	PassportNotYet:  {"passport-not-yet", "the passport begins later"},
	PassportExpired: {"passport-expired", "the passport has ended"},
	NoClass:         {"no-class", "the policy does not know the passport's class"},
	NoLevel:         {"no-level", "no level of this passport has the door"},
	NoCodes:         {"no-codes", "the door takes no codes"},
	DoorCodesOnly:   {"door-codes-only", "the door takes only codes made for it alone"},
	ClockUnknown:    {"clock-unknown", "the gateway does not know the time; a tap works"},
	CodeEarly:       {"code-early", "the code's time has not come"},
	CodeExpired:     {"code-expired", "the code's time is over"},
	CodeReplayed:    {"code-replayed", "the code has opened a door before"},
	CodeBeforeStart: {"code-before-start", "the code may have been used before the gateway started; the next one works"},
	CodesFull:       {"codes-full", "too many codes at once; try again in a minute"},
	StaleRoster:     {"stale-roster", "the issuers were not heard for longer than the door allows"},
	NoPolicy:        {"no-policy", "no signed policy names this door"},
	NotRecorded:     {"not-recorded", "the door opens only once it is recorded, and that failed"},
	Internal:        {"internal", "the gateway could not decide"},

	PassbackNoted: {"passback-noted", "let in, though the passport is inside already"},
	Guest:         {"guest", "a guest pass lets this passport in"},
	Duress:        {"duress", "let in by a duress PIN: somebody may be in danger"},

	Lockdown:        {"lockdown", "the door is under a lockdown"},
	Barred:          {"barred", "a steward has barred the passport from this node"},
	OutsideHours:    {"outside-hours", "the passport's levels have the door at other hours"},
	PassNotYet:      {"pass-not-yet", "the guest pass begins later"},
	PassOver:        {"pass-over", "the guest pass has ended"},
	PassUsedUp:      {"pass-used-up", "the guest pass has no entry left"},
	Passback:        {"passback", "the passport is inside already"},
	PassbackTimed:   {"passback-timed", "the passport has just entered"},
	ZoneFull:        {"zone-full", "as many people are inside as may be"},
	Interlock:       {"interlock", "another door of the interlock is open or unlocked"},
	AwaitsPin:       {"awaits-pin", "the PIN is to be typed"},
	NoPin:           {"no-pin", "the door asks for a PIN and the passport has none at this gateway"},
	WrongPin:        {"wrong-pin", "the PIN was wrong"},
	PinLate:         {"pin-late", "no PIN was typed in time"},
	LockedOut:       {"locked-out", "too many wrong PINs; wait, or ask a steward"},
	LockedOutDuress: {"locked-out-duress", "too many wrong PINs, and then a duress PIN: somebody may be in danger"},
	AwaitsSecond:    {"awaits-second", "a second person has to present a passport"},
	Again:           {"again", "the rules changed in between; present it again"},
	AwaitsEscort:    {"awaits-escort", "the escort has to present a passport"},

	Remote:     {"remote", "a steward opened the door from afar"},
	OrderStale: {"order-stale", "the order to open came too late"},
	OrderAhead: {"order-ahead", "the order to open is dated ahead: the steward's clock, or the gateway's, is wrong"},
}

// Grants reports whether a verdict with this reason lets somebody pass.
func (r Reason) Grants() bool {
	switch r {
	case Granted, Home, Exit, PassbackNoted, Guest, Duress, Remote:
		return true
	}
	return false
}

// Waits reports whether something more is to come from those at the door.
func (r Reason) Waits() bool { return r == AwaitsPin || r == AwaitsSecond || r == AwaitsEscort }

// ParseReason finds the reason of a stored code.
func ParseReason(code string) (Reason, bool) {
	for i, r := range reasons {
		if r.code == code {
			return Reason(i), true
		}
	}
	return None, false
}

// String is the stable code.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r].code
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// Text says it in words, for a screen or a log that people read.
func (r Reason) Text() string {
	if int(r) < len(reasons) {
		return reasons[r].text
	}
	return r.String()
}

// TextOf is Text for a stored code; an unknown one is returned as it is.
func TextOf(code string) string {
	if r, ok := ParseReason(code); ok {
		return r.Text()
	}
	return code
}
