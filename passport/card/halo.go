package card

import (
	"fmt"

	"tombolo/passport"
)

// The HaLo core applet, as arx-research/libhalo speaks to it.
var (
	haloAID    = []byte{0xa0, 0x00, 0x00, 0x09, 0x49, 0x01, 0x48, 0x61, 0x4c, 0x6f}
	oldHaloAID = []byte{0x48, 0x11, 0x99, 0x13, 0x0e, 0x9f, 0x01}
)

// haloSlot is the door's slot: it refuses raw digests, so that no reader can
// have it sign a transaction. No other slot is ever asked to sign, and no
// command that signs a raw digest (01, 06) is ever sent.
const haloSlot = 2

// Commands of the applet, libhalo core/src.ts/halo/cmdcodes.ts.
const (
	haloGetKeys       = 0x02
	haloGetVersion    = 0x07
	haloSignRandom    = 0x08
	haloSignChallenge = 0x11
	haloGetKeyInfo    = 0x13
)

// haloCommand sends a command of the applet. A refusal comes as a two-byte
// answer E1 xx, which becomes a [*StatusError].
func haloCommand(t Transceiver, what string, command ...byte) ([]byte, error) {
	resp, sw, err := transmit(t, what, 0xb0, 0x51, 0, 0, command)
	switch {
	case err != nil:
		return nil, err
	case sw != 0x9000 && sw != 0x9100: // both are success to libhalo
		return nil, &StatusError{what, sw}
	case len(resp) == 2 && resp[0] == 0xe1:
		return nil, &StatusError{what, 0xe100 | uint16(resp[1])}
	}
	return resp, nil
}

// haloAnswer is the reply to sign challenge: DER ‖ pk[65] ‖ attestation.
type haloAnswer struct{ der, pk, attestation []byte }

// parseHaloAnswer bounds the attestation (two bytes of format and a signature)
// and does not read it: a tap does not need it, and its format varies by batch.
func parseHaloAnswer(b []byte) (haloAnswer, error) {
	der, rest, err := readDER(b)
	if err != nil {
		return haloAnswer{}, err
	}
	if err := haloKeyAndAttestation(rest); err != nil {
		return haloAnswer{}, err
	}
	return haloAnswer{der, rest[:65], rest[65:]}, nil
}

// haloKeyAndAttestation bounds pk[65] ‖ attestation.
func haloKeyAndAttestation(b []byte) error {
	switch {
	case len(b) < 65:
		return fmt.Errorf("%w (a key of %d bytes)", errCut, len(b))
	case len(b) > 65+2+72:
		return fmt.Errorf("%w (%d bytes after the key)", errTrailing, len(b)-65)
	}
	return nil
}

// haloSign has slot 2 sign a challenge: SHA256("\x19External chall pk2:\n" ‖ c).
func haloSign(t Transceiver, c [32]byte) (key passport.Key, sig passport.Signature, r haloAnswer, err error) {
	const what = "HaLo sign challenge"
	b, err := haloCommand(t, what, append([]byte{haloSignChallenge, haloSlot}, c[:]...)...)
	if err != nil {
		return key, sig, r, err
	}
	if r, err = parseHaloAnswer(b); err == nil {
		if key, err = point(passport.KindHalo, r.pk); err == nil {
			sig, err = signature(r.der)
		}
	}
	if err != nil {
		return passport.Key{}, sig, r, fmt.Errorf("%s: %w", what, err)
	}
	return key, sig, r, nil
}

func haloTap(t Transceiver, _ []byte, a Asker) (Answer, error) {
	ch, err := a.fresh()
	if err != nil {
		return Answer{}, err
	}
	key, sig, _, err := haloSign(t, ch.Sum())
	if err != nil {
		return Answer{}, err
	}
	return Answer{ch, key, sig}, nil
}

func haloPossess(t Transceiver, _ []byte, key passport.Key, digest [32]byte) (passport.Signature, error) {
	got, sig, _, err := haloSign(t, passport.PossessionChallenge(digest))
	if err != nil {
		return passport.Signature{}, err
	}
	if got != key {
		return passport.Signature{}, ErrOtherCard
	}
	return sig, nil
}
