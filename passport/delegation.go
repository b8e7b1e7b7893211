package passport

import (
	"errors"
	"fmt"
)

// Sentinels of delegations.
var (
	// ErrPassport is returned for passport number 0.
	ErrPassport = errors.New("passport numbers start at 1")
	// ErrValidity is returned when notBefore is not before notAfter.
	ErrValidity = errors.New("delegation ends before it begins: notBefore must be less than notAfter")
	// ErrMode is returned for a mode that is empty or not known.
	ErrMode = errors.New("unknown mode: use tap, window or tap+window")
	// ErrCardWindow is returned for a card's key delegated to windows:
	// whoever holds a card for a second could make codes for the future.
	ErrCardWindow = errors.New("a card's key cannot make window codes: delegate it for tap only")
)

// Mode is the set of presentations that a delegation allows. The numbers are
// stored and the names signed: both stay, and a new bit brings its own names.
type Mode uint8

// The modes.
const (
	ModeTap    Mode = 1 << iota // answers to a gateway's challenge
	ModeWindow                  // codes for a window of time
)

var modeNames = [...]string{ModeTap: "tap", ModeWindow: "window", ModeTap | ModeWindow: "tap+window"}

// ParseMode is the inverse of [Mode.String]; it returns [ErrMode].
func ParseMode(s string) (Mode, error) {
	for m := ModeTap; m.known(); m++ {
		if modeNames[m] == s {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%w (not %.20q)", ErrMode, s)
}

func (m Mode) known() bool { return m >= ModeTap && m <= ModeTap|ModeWindow }

// String is the mode as a wallet shows it, or "mode(n)".
func (m Mode) String() string {
	if !m.known() {
		return fmt.Sprintf("mode(%d)", uint8(m))
	}
	return modeNames[m]
}

// Has tells whether every presentation in want is allowed.
func (m Mode) Has(want Mode) bool { return m&want == want }

// Delegation is the statement of a passport's wallet that a door key speaks for
// the passport. It is signed as EIP-712 typed data, see [Delegation.Digest],
// with the words of kind and mode, so that a wallet shows what is signed.
//
// The fields, their order and their types are the type string, and so the hash:
// none may be added, renamed or read otherwise. Another delegation is another
// type string, or version "2" of the domain, and another version byte of
// [SignedDelegation].
type Delegation struct {
	Passport  ID
	Key       Key
	NotBefore uint64 // Unix seconds, first second of validity
	NotAfter  uint64 // Unix seconds, first second after it
	Scope     Target // zero: every node and door of the community
	Mode      Mode
}

// Validate returns [ErrPassport], [ErrKeyKind], [ErrPoint], [ErrValidity],
// [ErrMode] or [ErrCardWindow].
func (d Delegation) Validate() error {
	if d.Passport == 0 {
		return ErrPassport
	}
	if err := d.Key.Validate(); err != nil {
		return err
	}
	if d.NotBefore >= d.NotAfter {
		return fmt.Errorf("%w (%d, %d)", ErrValidity, d.NotBefore, d.NotAfter)
	}
	if !d.Mode.known() {
		return fmt.Errorf("%w (number %d)", ErrMode, uint8(d.Mode))
	}
	if d.Key.Kind.Card() && d.Mode.Has(ModeWindow) {
		return fmt.Errorf("%w (%s)", ErrCardWindow, d.Key.Kind)
	}
	return nil
}

// Covers tells whether the scope takes in a door: it is the whole community, the
// door's node, or the door.
func (d Delegation) Covers(node NodeID, door string) bool {
	return d.Scope == Target{} || d.Scope == NodeTarget(node) || d.Scope == DoorTarget(node, door)
}
