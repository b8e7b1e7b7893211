package policy

import (
	"fmt"
	"slices"
	"strings"

	"tombolo/edge/strict"
)

// Stale is what a door does once the roster is older than the door allows.
// Homes are not concerned.
type Stale uint8

// The zero value denies.
const (
	StaleDeny Stale = iota
	StaleAllow
)

// Codes says which presentations by code (QR) a door takes.
type Codes uint8

// The zero value takes codes made for the node and codes made for this door.
const (
	CodesNode Codes = iota
	CodesDoor       // made for this door alone
	CodesNone
)

// Rex is what a request to exit does. It never decides whether anybody gets
// out: every door has a mechanical way out.
type Rex uint8

// The zero value energises the strike.
const (
	RexUnlock Rex = iota
	RexShunt      // only keeps the opening from being reported as forced
)

// Relock says when the lock goes shut after a grant. It is never later than the
// grant's time allows.
type Relock uint8

// The zero value waits until the time is over.
const (
	RelockTimer Relock = iota
	RelockOpen         // or until the door was opened
	RelockClose        // or until it was opened and closed again
)

// Operator says for whom the automatic door operator swings, where one is
// wired.
type Operator uint8

// The zero value swings for everybody.
const (
	OperatorAll Operator = iota
	OperatorExtended
	OperatorNever
)

// ClockTrust is the least that a door wants of the clock before it decides by
// time.
type ClockTrust uint8

// The zero value takes any clock that is known at all.
const (
	TrustFloor ClockTrust = iota // no earlier than signed entries say
	TrustRTC                     // kept by a battery
	TrustNTP                     // set by the network
)

// Antipassback is what happens to an entry by somebody who is inside already.
type Antipassback uint8

// The zero value asks nobody.
const (
	AntipassbackNone  Antipassback = iota
	AntipassbackSoft               // let in, and recorded
	AntipassbackHard               // refused until they have left
	AntipassbackTimed              // refused for some time, wherever they are
)

var (
	staleNames        = []string{"deny", "allow"}
	codesNames        = []string{"node", "door", "none"}
	rexNames          = []string{"unlock", "shunt"}
	relockNames       = []string{"timer", "open", "close"}
	operatorNames     = []string{"all", "extended", "never"}
	clockNames        = []string{"floor", "rtc", "ntp"}
	antipassbackNames = []string{"none", "soft", "hard", "timed"}
)

func (s Stale) String() string        { return name(s, staleNames) }
func (c Codes) String() string        { return name(c, codesNames) }
func (r Rex) String() string          { return name(r, rexNames) }
func (r Relock) String() string       { return name(r, relockNames) }
func (o Operator) String() string     { return name(o, operatorNames) }
func (c ClockTrust) String() string   { return name(c, clockNames) }
func (a Antipassback) String() string { return name(a, antipassbackNames) }

// MarshalText is String.
func (s Stale) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String.
func (c Codes) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText is String.
func (r Rex) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText is String.
func (r Relock) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText is String.
func (o Operator) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalText is String.
func (c ClockTrust) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText is String.
func (a Antipassback) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText takes "deny" or "allow".
func (s *Stale) UnmarshalText(text []byte) error { return parse(s, text, staleNames) }

// UnmarshalText takes "node", "door" or "none".
func (c *Codes) UnmarshalText(text []byte) error { return parse(c, text, codesNames) }

// UnmarshalText takes "unlock" or "shunt". "none" is refused by name: whoever
// writes it means to take away a way out.
func (r *Rex) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		return fmt.Errorf("%w: "+neverHeld+`; want %s`, strict.ErrRefused, choice(rexNames))
	}
	return parse(r, text, rexNames)
}

// UnmarshalText takes "timer", "open" or "close".
func (r *Relock) UnmarshalText(text []byte) error { return parse(r, text, relockNames) }

// UnmarshalText takes "all", "extended" or "never".
func (o *Operator) UnmarshalText(text []byte) error { return parse(o, text, operatorNames) }

// UnmarshalText takes "floor", "rtc" or "ntp".
func (c *ClockTrust) UnmarshalText(text []byte) error { return parse(c, text, clockNames) }

// UnmarshalText takes "none", "soft", "hard" or "timed".
func (a *Antipassback) UnmarshalText(text []byte) error { return parse(a, text, antipassbackNames) }

// Want completes "want …".
func (Stale) Want() string { return choice(staleNames) }

// Want completes "want …".
func (Codes) Want() string { return choice(codesNames) }

// Want completes "want …".
func (Rex) Want() string { return choice(rexNames) }

// Want completes "want …".
func (Relock) Want() string { return choice(relockNames) }

// Want completes "want …".
func (Operator) Want() string { return choice(operatorNames) }

// Want completes "want …".
func (ClockTrust) Want() string { return choice(clockNames) }

// Want completes "want …".
func (Antipassback) Want() string { return choice(antipassbackNames) }

func name[T ~uint8](v T, names []string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown (%d)", v)
}

func parse[T ~uint8](v *T, text []byte, names []string) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("want %s", choice(names))
	}
	*v = T(i)
	return nil
}

// choice is `"a", "b" or "c"`.
func choice(names []string) string {
	last := len(names) - 1
	return `"` + strings.Join(names[:last], `", "`) + `" or "` + names[last] + `"`
}
