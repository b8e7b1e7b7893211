package card

import (
	"errors"
	"fmt"
	"io"

	"tombolo/passport"
)

// Sentinels of enrolment.
var (
	// ErrNotGenuine is what Info.Genuine wraps when the maker's chain does not
	// verify; the error says which link.
	ErrNotGenuine = errors.New("not proved genuine: do not enrol it, unless you made the card yourself")
	// ErrNoProof is what Info.Genuine wraps for a kind that has no such proof.
	ErrNoProof = errors.New("this kind of door key cannot prove what holds it")
	// ErrOtherCard is returned by Possess when the card's door key is another
	// than the one that Identify saw.
	ErrOtherCard = errors.New("this is another card than before: hold the first one to the reader again")
)

// The links of a chain that may not hold; each stands beside ErrNotGenuine.
var (
	errUnsigned  = errors.New("it holds no signature of its maker")
	errTooOld    = errors.New("its applet is too old to identify itself")
	errProofForm = errors.New("its maker's signature is in a form that is not known here")
	errRoot      = errors.New("its maker's signature is not by a root key of its maker")
	errImpostor  = errors.New("it did not sign a fresh challenge with the key that its maker signed")
	errFresh     = errors.New("it did not sign a fresh challenge with its door key")
	errTwoKeys   = errors.New("it names another door key than the one that signs")
	errMoved     = errors.New("its door key was brought in from outside, or has been copied out")
)

// Roots are the makers' keys that genuineness is checked against, as compressed
// secp256k1 points.
type Roots struct{ Halo, Keycard [][33]byte }

// MakersRoots gives Arx's and Status' published keys: ArxHaloSigningKey1 of
// 2024-03-21 (libhalo docs/scripts/verify_attest.ts), and the production key of
// Status' identity certificates, to which wallets for Keycards are pinned.
func MakersRoots() Roots {
	return Roots{
		Halo: [][33]byte{{
			0x02, 0x95, 0x02, 0xcb, 0x84, 0x9e, 0x4d, 0x9e, 0x45, 0x16, 0x87, 0xa2, 0x39, 0xf3, 0xfe, 0xee, 0x74,
			0xe0, 0xc0, 0xcd, 0xeb, 0xb1, 0x0d, 0xc8, 0xc2, 0xa0, 0x0b, 0x37, 0x44, 0xff, 0xda, 0xfb, 0x35,
		}},
		Keycard: [][33]byte{{
			0x02, 0x9a, 0xb9, 0x9e, 0xe1, 0xe7, 0xa7, 0x1b, 0xdf, 0x45, 0xb3, 0xf9, 0xc5, 0x8c, 0x99, 0x86, 0x6f,
			0xf1, 0x29, 0x4d, 0x2c, 0x1e, 0x30, 0x4e, 0x22, 0x8a, 0x86, 0xe1, 0x0c, 0x33, 0x43, 0x50, 0x1c,
		}},
	}
}

// Info is what a card is.
type Info struct {
	Key     passport.Key // the door key: kind and point
	Version string       // of the applet, "" if it does not say
	Genuine error        // nil: its maker's chain verified; else why not: wraps ErrNotGenuine or ErrNoProof
	Details []Detail     // for people
}

// Detail is something that a card says about itself, as "slot 1 key". Its value
// may be shown on a terminal.
type Detail struct{ Name, Value string }

// Identify finds out what the card is, and has it prove to fresh challenges
// that its maker vouches for it; the package doc says what that proves. It
// returns errors as [Tap] does. A phone says who it is only while its person
// enrols it.
func Identify(t Transceiver, roots Roots, rand io.Reader) (info Info, err error) {
	err = ask(t, func(applet) bool { return true }, func(ap applet, selected []byte) error {
		info, err = ap.identify(t, selected, roots, rand)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// Possess has the door key sign a delegation's digest: the signature is over
// passport.PossessionChallenge(digest) in the form of the key's kind, and
// verifies. key is what Identify said. It returns errors as [Tap] does, and
// [ErrOtherCard] for any other key's card.
func Possess(t Transceiver, key passport.Key, digest [32]byte) (sig passport.Signature, err error) {
	err = ask(t, func(ap applet) bool { return ap.kind == key.Kind }, func(ap applet, selected []byte) error {
		sig, err = ap.possess(t, selected, key, digest)
		return err
	})
	switch {
	case errors.Is(err, ErrUnknown):
		err = fmt.Errorf("%w (%w)", ErrOtherCard, err)
	case err != nil:
	default:
		if err = key.Verify(passport.PossessionChallenge(digest), sig); err != nil {
			err = fmt.Errorf("%w: %w", ErrAnswer, err)
		}
	}
	if err != nil {
		return passport.Signature{}, err
	}
	return sig, nil
}
