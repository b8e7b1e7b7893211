package soft

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
	"tombolo/passport/card"
)

// KeycardConfig says what a Keycard is.
type KeycardConfig struct {
	Key       *passport.SoftKey // the door key, of kind keycard: the pinless path's or, with Cash, the cash applet's
	Maker     *Maker            // nil: it holds no certificate
	Cash      bool              // Key is the cash applet's; the Keycard applet stands beside it with NoPinless only
	NoPinless bool              // no path was chosen for signing without a PIN
	HighS     bool              // IDENTIFY gives a high s, as real ones do half of the time; SIGN never does
	Raw       bool              // SIGN replies with r ‖ s ‖ v instead of the template
}

// Keycard is a Status Keycard of version 3.1 that was set up: what it answers
// without a PIN and a secure channel, and the refusal of all else.
type Keycard struct {
	cfg         KeycardConfig
	key         *ecdsa.PrivateKey
	identity    *ecdsa.PrivateKey
	certificate []byte
	selected    int
}

// What may be selected on a Keycard.
const (
	nothing = iota
	keycard
	cash
)

var (
	keycardAID = []byte{0xa0, 0x00, 0x00, 0x08, 0x04, 0x00, 0x01, 0x01, 0x01}
	cashAID    = []byte{0xa0, 0x00, 0x00, 0x08, 0x04, 0x00, 0x01, 0x03, 0x01}
)

// NewKeycard makes a card. It panics if the key is not of kind keycard.
func NewKeycard(cfg KeycardConfig) *Keycard {
	if kind := cfg.Key.Key().Kind; kind != passport.KindKeycard {
		panic(fmt.Sprintf("soft: a Keycard with a key of kind %s", kind))
	}
	k := &Keycard{cfg: cfg, key: private(cfg.Key)}
	if cfg.Maker != nil {
		k.identity, k.certificate = cfg.Maker.identity(cfg.Key.Key())
	}
	return k
}

// ATR is a contactless card's answer-to-reset, as a PC/SC reader shows it.
func (k *Keycard) ATR() []byte { return atr() }

// Transmit answers a command; the error is always nil.
func (k *Keycard) Transmit(command []byte) ([]byte, error) {
	c, err := card.ParseCommand(command)
	if err != nil {
		return status(0x6700), nil
	}
	return fit(c, k.answer(c)), nil
}

func (k *Keycard) answer(c card.Command) []byte {
	switch {
	case isSelect(c) && bytes.Equal(c.Data, keycardAID) && (!k.cfg.Cash || k.cfg.NoPinless):
		k.selected = keycard
		return ok(k.info())
	case isSelect(c) && bytes.Equal(c.Data, cashAID) && k.cfg.Cash:
		k.selected = cash
		return ok(tlv(0xa4, tlv(0x80, crypto.FromECDSAPub(&k.key.PublicKey)), tlv(0x02, []byte{3, 1}), tlv(0x82)))
	case isSelect(c) && k.selected == nothing:
		return status(0x6a82)
	case k.selected == nothing:
		return status(0x6d00)
	case c.INS == 0x14:
		return k.identify(c)
	case c.INS == 0xc0 && k.selected == cash:
		// The real one signs whatever its buffer holds where the digest should be.
		if len(c.Data) != 32 {
			return status(0x6700)
		}
		return k.sign([32]byte(c.Data))
	case c.INS == 0xc0:
		return k.signPinless(c)
	case k.selected == keycard && c.INS == 0x12:
		return status(0x6a84) // PAIR: no slot is free
	case k.selected == keycard && slices.Contains(guarded, c.INS):
		return status(0x6985)
	}
	return status(0x6d00)
}

// guarded are the instructions of the Keycard applet that want a secure channel,
// KeycardApplet.java and SecureChannel.preprocessAPDU.
var guarded = []byte{0x13, 0x20, 0x21, 0x22, 0xc1, 0xc2, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xe2, 0xf2}

// signPinless is SIGN of the Keycard applet, with its checks in its order.
func (k *Keycard) signPinless(c card.Command) []byte {
	switch c.P1 &^ 0xc0 {
	case 3:
	case 0, 1, 2: // with a PIN, in a secure channel
		return status(0x6985)
	default:
		return status(0x6b00)
	}
	switch {
	case k.cfg.NoPinless:
		return status(0x6a88)
	case len(c.Data) != 32: // too little, or a path where none may be
		return status(0x6a80)
	}
	return k.sign([32]byte(c.Data))
}

// sign is the template {80 41 point ‖ DER}, or r ‖ s ‖ v.
func (k *Keycard) sign(digest [32]byte) []byte {
	if k.cfg.Raw {
		return ok(tlv(0x80, signRecoverable(k.key, digest)))
	}
	point := crypto.FromECDSAPub(&k.key.PublicKey)
	return ok(tlv(0xa0, tlv(0x80, point), signDER(k.key, digest, false)))
}

// identify is the template {8A 62 certificate ‖ DER}, IdentApplet.java.
func (k *Keycard) identify(c card.Command) []byte {
	switch {
	case k.certificate == nil:
		return status(0x6985)
	case len(c.Data) != 32:
		return status(0x6a80)
	}
	return ok(tlv(0xa0, tlv(0x8a, k.certificate), signDER(k.identity, [32]byte(c.Data), k.cfg.HighS)))
}

// info is the Keycard applet's reply to SELECT.
func (k *Keycard) info() []byte {
	point := crypto.FromECDSAPub(&k.key.PublicKey)
	uid := sha256.Sum256(append([]byte("uid"), point...))
	channel := crypto.FromECDSAPub(&subkey("secure channel", point).PublicKey)
	keyUID := sha256.Sum256(point)
	return tlv(0xa4, tlv(0x8f, uid[:16]), tlv(0x80, channel), tlv(0x02, []byte{3, 1}),
		tlv(0x02, []byte{0}), tlv(0x8e, keyUID[:]), tlv(0x8d, []byte{0x1f}))
}

// tlv is an element of at most 255 bytes.
func tlv(tag byte, parts ...[]byte) []byte {
	value := slices.Concat(parts...)
	b := []byte{tag}
	if len(value) >= 0x80 {
		b = append(b, 0x81)
	}
	return append(append(b, byte(len(value))), value...)
}
