package policy

import (
	"fmt"
	"slices"
	"strings"
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

var (
	staleNames = []string{"deny", "allow"}
	codesNames = []string{"node", "door", "none"}
	rexNames   = []string{"unlock", "shunt"}
)

func (s Stale) String() string { return name(s, staleNames) }
func (c Codes) String() string { return name(c, codesNames) }
func (r Rex) String() string   { return name(r, rexNames) }

// MarshalText is String.
func (s Stale) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String.
func (c Codes) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText is String.
func (r Rex) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText takes "deny" or "allow".
func (s *Stale) UnmarshalText(text []byte) error { return parse(s, text, staleNames) }

// UnmarshalText takes "node", "door" or "none".
func (c *Codes) UnmarshalText(text []byte) error { return parse(c, text, codesNames) }

// UnmarshalText takes "unlock" or "shunt".
func (r *Rex) UnmarshalText(text []byte) error { return parse(r, text, rexNames) }

// Want completes "want …".
func (Stale) Want() string { return choice(staleNames) }

// Want completes "want …".
func (Codes) Want() string { return choice(codesNames) }

// Want completes "want …".
func (Rex) Want() string { return choice(rexNames) }

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
