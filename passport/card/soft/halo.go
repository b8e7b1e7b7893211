package soft

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
	"tombolo/passport/card"
)

// HaloConfig says what a HaLo chip is.
type HaloConfig struct {
	Key   *passport.SoftKey // slot 2's, of kind halo
	Maker *Maker            // nil: it holds no attestation
	Rand  io.Reader         // for sign random
	Old   bool              // it has the older AID only, and firmware without key info, version and sign random
	HighS bool              // its signatures come with a high s, as real ones do half of the time
}

// Halo is a HaLo chip with keys in slots 1 and 2. Slot 1 signs raw digests and
// slot 2 refuses to, as in a real one. Its r and s are always below the curve's
// order: a real chip's unreduced ones turn up with a probability of 2⁻¹²⁷, and
// none can be made for a given key.
type Halo struct {
	cfg         HaloConfig
	slots       [2]*ecdsa.PrivateKey
	attestation [2][]byte
	signed      bool // slot 1 has signed a raw digest
	counter     uint32
	selected    bool
}

var (
	haloAID    = []byte{0xa0, 0x00, 0x00, 0x09, 0x49, 0x01, 0x48, 0x61, 0x4c, 0x6f}
	oldHaloAID = []byte{0x48, 0x11, 0x99, 0x13, 0x0e, 0x9f, 0x01}
)

// NewHalo makes a chip. It panics if the key is not of kind halo.
func NewHalo(cfg HaloConfig) *Halo {
	if kind := cfg.Key.Key().Kind; kind != passport.KindHalo {
		panic(fmt.Sprintf("soft: a HaLo chip with a key of kind %s", kind))
	}
	two := private(cfg.Key)
	h := &Halo{cfg: cfg}
	h.slots = [2]*ecdsa.PrivateKey{subkey("slot 1", crypto.FromECDSA(two)), two}
	h.attestation[0] = signDER(two, tagged("Key attest:\n", []byte{1}, h.public(1)), false)
	if cfg.Maker != nil {
		h.attestation[1] = cfg.Maker.attest(h.public(2))
	}
	return h
}

// ATR is a contactless card's answer-to-reset, as a PC/SC reader shows it.
func (h *Halo) ATR() []byte { return atr() }

// tagged is SHA-256 of 0x19, the separator and parts.
func tagged(separator string, parts ...[]byte) [32]byte {
	return sha256.Sum256(append([]byte("\x19"+separator), slices.Concat(parts...)...))
}

func (h *Halo) public(slot byte) []byte { return crypto.FromECDSAPub(&h.slots[slot-1].PublicKey) }

// Transmit answers a command; the error is always nil.
func (h *Halo) Transmit(command []byte) ([]byte, error) {
	c, err := card.ParseCommand(command)
	if err != nil {
		return status(0x6700), nil
	}
	return fit(c, h.answer(c)), nil
}

func (h *Halo) answer(c card.Command) []byte {
	aid := haloAID
	if h.cfg.Old {
		aid = oldHaloAID
	}
	switch {
	case isSelect(c) && bytes.Equal(c.Data, aid):
		h.selected = true
		return status(0x9000)
	case isSelect(c) && !h.selected:
		return status(0x6a82)
	case c.INS != 0x51 || !h.selected: // a Java Card hands an unknown SELECT to the applet that is selected
		return status(0x6d00)
	case c.P1 != 0 || c.P2 != 0:
		return status(0x6b00)
	case len(c.Data) == 0:
		return status(0x6700)
	case c.CLA == 0x00 && len(c.Data) == 1 && c.Data[0] == 0x07 && !h.cfg.Old:
		return ok([]byte("01.C6.000081.00000000"))
	case c.CLA != 0xb0:
		return status(0x6e00)
	}
	body, fault := h.command(c.Data[0], c.Data[1:])
	if fault != 0 {
		body = []byte{0xe1, fault}
	}
	return ok(body)
}

// Faults of the applet, libhalo core/src.ts/halo/errors.ts.
const (
	unknownCommand = 0x01
	invalidSlot    = 0x02
	invalidLength  = 0x03
	internalError  = 0x14
)

// command runs one command of the applet; args are what follows its code.
func (h *Halo) command(code byte, args []byte) (body []byte, fault byte) {
	size, known := map[byte]int{0x01: 33, 0x02: 0, 0x06: 33, 0x08: 1, 0x11: 33, 0x13: 1}[code]
	switch {
	case !known || h.cfg.Old && (code == 0x08 || code == 0x13):
		return nil, unknownCommand
	case len(args) != size:
		return nil, invalidLength
	case code == 0x02:
		return slices.Concat([]byte{65}, h.public(1), []byte{65}, h.public(2)), 0
	}
	slot := args[0]
	switch {
	case code == 0x13 && (slot == 1 || slot == 2):
		return h.keyInfo(slot), 0
	case (code == 0x01 || code == 0x06) && slot == 1:
		return h.signDigest(code, [32]byte(args[1:])), 0
	case code == 0x11 && slot == 2:
		der := signDER(h.slots[1], tagged("External chall pk2:\n", args[1:]), h.cfg.HighS)
		return slices.Concat(der, h.public(2), h.attestation[1]), 0
	case code == 0x08 && slot == 2:
		return h.signRandom()
	}
	return nil, invalidSlot // there is no such slot, or it does not sign in this way
}

// keyInfo is the slot ‖ flags, in format 2 ‖ failed passwords ‖ pk ‖ attestation.
func (h *Halo) keyInfo(slot byte) []byte {
	flags := byte(0x02)
	if slot == 1 && !h.signed {
		flags |= 0x08 // never signed a raw digest
	}
	return slices.Concat([]byte{slot, flags, 0}, h.public(slot), h.attestation[slot-1])
}

// signDigest signs a raw digest with slot 1; code 06 sends the key along.
func (h *Halo) signDigest(code byte, digest [32]byte) []byte {
	h.signed = true
	der := signDER(h.slots[0], digest, h.cfg.HighS)
	if code == 0x01 {
		return der
	}
	return append(der, h.public(1)...)
}

// signRandom signs the counter and 28 random bytes with slot 2.
func (h *Halo) signRandom() (body []byte, fault byte) {
	payload := make([]byte, 32)
	if h.cfg.Rand == nil {
		return nil, internalError
	}
	if _, err := io.ReadFull(h.cfg.Rand, payload[4:]); err != nil {
		return nil, internalError
	}
	h.counter++
	binary.BigEndian.PutUint32(payload, h.counter)
	der := signDER(h.slots[1], tagged("Attest counter pk2:\n", payload), h.cfg.HighS)
	return slices.Concat(payload, der, h.public(2)), 0
}
