package card

import (
	"errors"
	"fmt"
	"io"

	"tombolo/passport"
)

// applet is something that a card may hold. Each function begins where the
// applet has been selected; selected is what that SELECT replied.
type applet struct {
	name     string
	kind     passport.KeyKind
	aid      []byte
	tap      func(t Transceiver, selected []byte, a Asker) (Answer, error)
	identify func(t Transceiver, selected []byte, roots Roots, rand io.Reader) (Info, error)
	possess  func(t Transceiver, selected []byte, key passport.Key, digest [32]byte) (passport.Signature, error)
}

// applets stand in the order of their SELECTs; each that is not there costs an
// exchange, some milliseconds of the card's time. HaLo chips are what communities
// hand out and sign slowly, so nothing comes before them. Phones are next, the
// other thing that many carry; whoever carries a Keycard waits for two misses.
// The cash applet comes after the Keycard applet that it usually stands beside:
// the key that was chosen for the door is the pinless path's, and the cash key is
// what a card without such a path has. The older HaLo AID is on the oldest chips.
var applets = []applet{
	{"HaLo", passport.KindHalo, haloAID, haloTap, haloIdentify, haloPossess},
	{"phone", passport.KindPhone, phoneAID, phoneTap,
		func(t Transceiver, selected []byte, _ Roots, _ io.Reader) (Info, error) {
			return phoneIdentify(t, selected)
		}, phonePossess},
	{"Keycard", passport.KindKeycard, keycardAID, keycardSign.tap, keycardSign.identify, keycardSign.possess},
	{"Keycard cash", passport.KindKeycard, cashAID, cashSign.tap, cashSign.identify, cashSign.possess},
	{"older HaLo", passport.KindHalo, oldHaloAID, haloTap, haloIdentify, haloPossess},
}

// ask selects the wanted applets in turn and calls f for each that is there,
// until one neither refuses (a [*StatusError]) nor turns out to hold another key
// ([ErrOtherCard]). If none is left it returns the latter, else the first
// refusal, else [ErrUnknown]. Any status word but 9000 to a SELECT means that the
// applet is not there: cards say so in many ways, and a Java Card with an applet
// selected leaves the answer to that.
func ask(t Transceiver, want func(applet) bool, f func(ap applet, selected []byte) error) error {
	var refused, blocked error
	for _, ap := range applets {
		if !want(ap) {
			continue
		}
		what := ap.name + " SELECT"
		selected, sw, err := transmit(t, what, 0x00, 0xa4, 0x04, 0x00, ap.aid) // ISO 7816-4 §7.1.1, by name
		if err != nil {
			return err
		}
		if sw != 0x9000 {
			if sw>>8 == 0x62 && blocked == nil { // there, but deactivated or terminated
				blocked = &StatusError{what, sw}
			}
			continue
		}
		err = f(ap, selected)
		other := errors.Is(err, ErrOtherCard)
		if _, ok := errors.AsType[*StatusError](err); !ok && !other {
			return err
		}
		if refused == nil || other {
			refused = err
		}
	}
	switch {
	case refused != nil:
		return refused
	case blocked != nil:
		return fmt.Errorf("%w: %w", ErrUnknown, blocked)
	}
	return ErrUnknown
}
