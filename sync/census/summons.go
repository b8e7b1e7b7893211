package census

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// A summons asks the person behind a drawn tag to tap a fresh challenge before
// the auditor: what was opened then shows that somebody still holds the door key.

// ErrSummons means that what was tapped does not answer the summons.
var ErrSummons = errors.New("this is not the drawn passport's answer to the summons")

// SummonsDoor is the door that a summons' challenge names, and that is none:
// SHA-256("tombolo/v1/census/summons\n" ‖ epoch[32] ‖ tag[32]).
func SummonsDoor(epoch ledger.EpochID, tag Tag) passport.Target {
	return sha256.Sum256(append(append([]byte("tombolo/v1/census/summons\n"), epoch[:]...), tag[:]...))
}

// SummonsPlace is the place that a summons' challenge names, in the form that cards
// are asked in: the auditor stands in a gateway's place, so that the answer opens no
// door, and is good for nobody else and no other tag.
func SummonsPlace(epoch ledger.EpochID, tag Tag, auditor [32]byte) passport.Target {
	return passport.TapPlace(auditor, SummonsDoor(epoch, tag))
}

// NewSummons makes the challenge, at a time in Unix seconds.
func NewSummons(rnd io.Reader, community ledger.CharterID, epoch ledger.EpochID, tag Tag, auditor [32]byte, now uint64) (passport.Challenge, error) {
	c := passport.Challenge{Community: passport.CommunityID(community), Place: SummonsPlace(epoch, tag, auditor), Time: now}
	if _, err := io.ReadFull(rnd, c.Nonce[:]); err != nil {
		return c, fmt.Errorf("a summons: %w", err)
	}
	return c, nil
}

// CanTap reports whether the key of an opening can answer a summons: one that was
// delegated for codes alone cannot. Errors: ErrDelegation.
func (o Opening) CanTap() (bool, error) {
	s, err := passport.ParseSignedDelegation(o.Delegation)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrDelegation, err)
	}
	return s.Delegation.Mode.Has(passport.ModeTap), nil
}

// CheckSummons verifies that a tap answers a summons for the opening of the
// list's entry: the opening holds, the tap answers this very challenge, and its
// key is the opening's or another that the same wallet delegated to the same
// passport. Errors: those of [Opening.Verify], ErrSummons.
func CheckSummons(r Rules, listed Entry, o Opening, auditor [32]byte, c passport.Challenge, tap passport.Tap, others ...[]byte) error {
	if err := o.Verify(r, listed); err != nil {
		return err
	}
	if c.Community != passport.CommunityID(r.Community) || c.Place != SummonsPlace(o.Epoch, o.Tag, auditor) {
		return fmt.Errorf("%w: the challenge is another's", ErrSummons)
	}
	if tap.Nonce != c.Nonce || tap.Time != c.Time {
		return fmt.Errorf("%w: it answers another challenge", ErrSummons)
	}
	if err := r.speaks(o, tap.Key, others); err != nil {
		return fmt.Errorf("%w: %w", ErrSummons, err)
	}
	if err := tap.Verify(tap.Key.Once(), c.Community, c.Place); err != nil {
		return fmt.Errorf("%w: %w", ErrSummons, err)
	}
	return nil
}

// speaks checks that a verified opening's wallet let a key tap for the passport.
func (r Rules) speaks(o Opening, key passport.Key, others [][]byte) error {
	var owner [20]byte
	for i, b := range append([][]byte{o.Delegation}, others...) {
		s, err := passport.ParseSignedDelegation(b)
		if err != nil {
			return err
		}
		wallet, err := s.Verify(r.domains())
		if err != nil {
			return err
		}
		if i == 0 {
			owner = wallet
		}
		d := s.Delegation
		if d.Key == key && uint64(d.Passport) == o.Passport && wallet == owner && d.Mode.Has(passport.ModeTap) {
			return nil
		}
	}
	return errors.New("the key was not delegated to tap for this passport")
}

// Summoned is what a report keeps of a summons. It names nobody: Proof is the
// SHA-256 of the tap behind a separator, whose random nonce keeps it from being
// searched; the auditor keeps the tap.
type Summoned struct {
	Index uint64 `json:"index"` // of the tag in the list
	Tag   string `json:"tag"`   // hexadecimal, as all that follows
	Time  uint64 `json:"time"`  // Unix seconds
	Came  bool   `json:"came"`
	Proof string `json:"proof,omitempty"`
}

// Came records an answer that CheckSummons found good.
func Came(index uint64, tag Tag, tap passport.Tap) Summoned {
	b, _ := tap.AppendBinary([]byte("tombolo/v1/census/came\n")) // it returns no error
	proof := sha256.Sum256(b)
	return Summoned{Index: index, Tag: hex.EncodeToString(tag[:]), Time: tap.Time, Came: true, Proof: hex.EncodeToString(proof[:])}
}

// Absent records that nobody came, at a time in Unix seconds.
func Absent(index uint64, tag Tag, now uint64) Summoned {
	return Summoned{Index: index, Tag: hex.EncodeToString(tag[:]), Time: now}
}
