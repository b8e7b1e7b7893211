package card

import (
	"errors"
	"fmt"
	"io"

	"tombolo/passport"
)

// Asker is the gateway that asks a card for its answer.
type Asker struct {
	Gateway   [32]byte                                // the gateway's Ed25519 signing key
	Door      passport.Target                         // passport.DoorTarget of the door
	Challenge func(nonce [32]byte) passport.Challenge // edge.Controller.Challenge of the door; called once for each answer that is asked for
	Identity  *Identity                               // nil: phones are not asked, their applet is not selected
	Rand      io.Reader                               // crypto/rand.Reader
}

// Answer is a door key's answer, ready for edge.Controller.Tap. The key is a
// point of its curve and the signature is in range; whether it verifies has not
// been tried.
type Answer struct {
	Challenge passport.Challenge
	Key       passport.Key
	Signature passport.Signature
}

// ErrAsker is returned for a gateway that asks about another place than its
// own: a mistake of the program.
var ErrAsker = errors.New("the challenge is not for this gateway and door: report this as a defect")

// ErrUnasked stands beside [ErrUnknown] where the gateway has no Identity: it may
// have been a phone.
var ErrUnasked = errors.New("phones were not asked, for want of a credential to show them: `tombolod check` says what is missing")

// fresh makes a challenge of a random nonce.
func (a Asker) fresh() (passport.Challenge, error) {
	var nonce [32]byte
	if _, err := io.ReadFull(a.Rand, nonce[:]); err != nil {
		return passport.Challenge{}, fmt.Errorf("challenge for a card: %w", err)
	}
	ch := a.Challenge(nonce)
	if ch.Nonce != nonce || ch.Place != passport.TapPlace(a.Gateway, a.Door) {
		return passport.Challenge{}, ErrAsker
	}
	return ch, nil
}

// Tap finds out what the card is and has it answer a fresh challenge. It
// returns an error that wraps [ErrGone], [ErrUnknown] (with [ErrUnasked] where it
// is so), [ErrAnswer], a [*StatusError], [ErrAsker], or the Transceiver's or Rand's own.
func Tap(t Transceiver, a Asker) (answer Answer, err error) {
	err = ask(t, func(ap applet) bool { return ap.kind != passport.KindPhone || a.Identity != nil },
		func(ap applet, selected []byte) error {
			answer, err = ap.tap(t, selected, a)
			return err
		})
	if errors.Is(err, ErrUnknown) && a.Identity == nil {
		err = fmt.Errorf("%w; %w", err, ErrUnasked)
	}
	if err != nil {
		return Answer{}, err
	}
	return answer, nil
}
