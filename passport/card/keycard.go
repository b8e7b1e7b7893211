package card

import (
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

// The Keycard applet's first instance and the cash applet's, as
// status-im/keycard-go names them. The cash applet has one key of its own, made
// in the card, and signs with it without a PIN. Of a Keycard applet from 4.0 on,
// which has neither a pinless path nor IDENTIFY (status-im/keycard-cli), only
// the cash applet beside it can be a door key.
var (
	keycardAID = []byte{0xa0, 0x00, 0x00, 0x08, 0x04, 0x00, 0x01, 0x01, 0x01}
	cashAID    = []byte{0xa0, 0x00, 0x00, 0x08, 0x04, 0x00, 0x01, 0x03, 0x01}
)

// What the applets are asked for: class, instruction, P1, P2; keycard-go
// commands.go. P2 of SIGN is 01 as there; older applets do not read it.
var (
	keycardSign     = keycardCommand{"Keycard SIGN without a PIN (applets below 4.0)", [4]byte{0x80, 0xc0, 0x03, 0x01}}
	cashSign        = keycardCommand{"Keycard cash SIGN", [4]byte{0x80, 0xc0, 0x00, 0x01}}
	keycardIdentify = keycardCommand{"Keycard IDENTIFY", [4]byte{0x80, 0x14, 0x00, 0x00}}
)

type keycardCommand struct {
	what   string
	header [4]byte
}

// Tags, status-keycard KeycardApplet.java and IdentApplet.java.
const (
	tagSignatureTemplate = 0xa0
	tagInfoTemplate      = 0xa4
	tagPoint             = 0x80 // in the signature template; alone it is r ‖ s ‖ v
	tagUID               = 0x8f
	tagCertificate       = 0x8a
	tagInteger           = 0x02
)

func (c keycardCommand) send(t Transceiver, data [32]byte) ([]byte, error) {
	return expectOK(t, c.what, c.header[0], c.header[1], c.header[2], c.header[3], data[:])
}

// sign has the door key sign a bare digest.
func (c keycardCommand) sign(t Transceiver, digest [32]byte) (passport.Key, passport.Signature, error) {
	b, err := c.send(t, digest)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	key, sig, err := parseKeycardSignature(b, digest)
	if err != nil {
		return passport.Key{}, passport.Signature{}, fmt.Errorf("%s: %w", c.what, err)
	}
	return key, sig, nil
}

func (c keycardCommand) tap(t Transceiver, _ []byte, a Asker) (Answer, error) {
	ch, err := a.fresh()
	if err != nil {
		return Answer{}, err
	}
	key, sig, err := c.sign(t, ch.Sum())
	if err != nil {
		return Answer{}, err
	}
	return Answer{ch, key, sig}, nil
}

func (c keycardCommand) possess(t Transceiver, _ []byte, key passport.Key, digest [32]byte) (passport.Signature, error) {
	got, sig, err := c.sign(t, passport.PossessionChallenge(digest))
	if err != nil {
		return passport.Signature{}, err
	}
	if got != key {
		return passport.Signature{}, ErrOtherCard
	}
	return sig, nil
}

// parseKeycardSignature reads either reply to SIGN: A0 {80 41 point ‖ DER} of
// the applets up to 3.1, or 80 41 r ‖ s ‖ v, from which the key is recovered. A
// recovered key says nothing by itself: every signature is some key's. It
// returns [ErrAnswer].
func parseKeycardSignature(b []byte, digest [32]byte) (passport.Key, passport.Signature, error) {
	tag, value, rest, err := readTLV(b)
	switch {
	case err != nil:
	case len(rest) != 0:
		err = fmt.Errorf("%w (%d bytes after the signature)", errTrailing, len(rest))
	case tag == tagPoint:
		return recoverKey(value, digest)
	case tag != tagSignatureTemplate:
		err = fmt.Errorf("%w (tag %02X instead of a signature's)", errTag, tag)
	}
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	sec1, der, err := wantTLV(value, tagPoint)
	if err == nil && len(sec1) != 65 {
		err = fmt.Errorf("%w (a key of %d bytes)", errSize, len(sec1))
	}
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	key, err := point(passport.KindKeycard, sec1)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	sig, err := signature(der)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	return key, sig, nil
}

// recoverKey reads r ‖ s ‖ v and finds the key that made it, SEC 1 §4.1.6.
func recoverKey(rsv []byte, digest [32]byte) (passport.Key, passport.Signature, error) {
	sig, err := parseRecoverable(rsv)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	sec1, err := crypto.Ecrecover(digest[:], rsv)
	if err != nil {
		return passport.Key{}, passport.Signature{}, fmt.Errorf("%w (%w)", errRecovery, err)
	}
	key, err := point(passport.KindKeycard, sec1)
	if err != nil {
		return passport.Key{}, passport.Signature{}, err
	}
	return key, sig, nil
}

// parseRecoverable reads r ‖ s ‖ v with r and s in range and v of 0 to 3.
func parseRecoverable(rsv []byte) (passport.Signature, error) {
	if len(rsv) != 65 {
		return passport.Signature{}, fmt.Errorf("%w (a signature of %d bytes)", errSize, len(rsv))
	}
	if rsv[64] > 3 {
		return passport.Signature{}, fmt.Errorf("%w (a recovery id of %d)", errRecovery, rsv[64])
	}
	return inRange(passport.Signature(rsv[:64]))
}

// inRange returns [ErrAnswer] unless r and s are above zero and below the
// curve's order, as ParseDER asserts for signatures that come in DER.
func inRange(sig passport.Signature) (passport.Signature, error) {
	got, err := signature(sig.AppendDER(nil))
	if err == nil && got != sig {
		err = fmt.Errorf("%w: %w", ErrAnswer, passport.ErrSignatureRange)
	}
	if err != nil {
		return passport.Signature{}, err
	}
	return sig, nil
}
