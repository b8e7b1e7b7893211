package card

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"tombolo/passport"
)

// identify has the door key sign a fresh digest and the card identify itself
// over another, with c's way of signing.
func (c keycardCommand) identify(t Transceiver, selected []byte, roots Roots, rand io.Reader) (Info, error) {
	var digests [2][32]byte
	for i := range digests {
		if _, err := io.ReadFull(rand, digests[i][:]); err != nil {
			return Info{}, fmt.Errorf("challenge for a card: %w", err)
		}
	}
	key, sig, err := c.sign(t, digests[0])
	if err != nil {
		return Info{}, err
	}
	info := parseKeycardInfo(selected)
	info.Key = key
	b, err := keycardIdentify.send(t, digests[1])
	if _, refused := errors.AsType[*StatusError](err); err != nil && !refused {
		return Info{}, err
	}
	link := errFresh
	if key.Verify(digests[0], sig) == nil {
		link = keycardGenuine(b, err, roots.Keycard, digests[1])
	}
	if link != nil {
		info.Genuine = fmt.Errorf("%w: %w", ErrNotGenuine, link)
	}
	return info, nil
}

// keycardGenuine checks the reply to IDENTIFY, or its refusal, and gives the
// link that does not hold, or nil.
func keycardGenuine(reply []byte, refused error, roots [][33]byte, challenge [32]byte) error {
	if s, ok := errors.AsType[*StatusError](refused); ok {
		switch s.SW {
		case 0x6985: // IdentApplet.java
			return errUnsigned
		case 0x6d00:
			return errTooOld
		}
		return refused
	}
	cert, sig, err := parseIdentity(reply)
	switch {
	case err != nil:
		return fmt.Errorf("%w (%w)", errProofForm, err)
	case !signedByOne(roots, sha256.Sum256(cert.key[:]), cert.sig):
		return errRoot
	case !signedByOne([][33]byte{cert.key}, challenge, sig):
		return errImpostor
	}
	return nil
}

// certificate is a Keycard's: its identity key[33] ‖ the maker's r ‖ s ‖ v over
// SHA-256 of it, keycard-go types/certificate.go.
type certificate struct {
	key [33]byte
	sig passport.Signature
	v   byte // not needed: the maker's key is known
}

// parseCertificate returns [ErrAnswer].
func parseCertificate(b []byte) (c certificate, err error) {
	if len(b) != 98 {
		return c, fmt.Errorf("%w (a certificate of %d bytes)", errSize, len(b))
	}
	key, err := point(passport.KindKeycard, b[:33])
	if err != nil {
		return c, err
	}
	sig, err := parseRecoverable(b[33:])
	if err != nil {
		return c, err
	}
	return certificate{key.Point, sig, b[97]}, nil
}

// parseIdentity reads the reply to IDENTIFY: A0 {8A 62 certificate ‖ DER}. It
// returns [ErrAnswer].
func parseIdentity(b []byte) (cert certificate, sig passport.Signature, err error) {
	template, rest, err := wantTLV(b, tagSignatureTemplate)
	if err == nil && len(rest) != 0 {
		err = fmt.Errorf("%w (%d bytes after the identity)", errTrailing, len(rest))
	}
	if err != nil {
		return certificate{}, sig, err
	}
	value, der, err := wantTLV(template, tagCertificate)
	if err != nil {
		return certificate{}, sig, err
	}
	if cert, err = parseCertificate(value); err != nil {
		return certificate{}, sig, err
	}
	if sig, err = signature(der); err != nil {
		return certificate{}, sig, err
	}
	return cert, sig, nil
}

// parseKeycardInfo takes version and instance from the reply to SELECT, as far
// as it is understood. It is for people only: the cash applet's is no BER when
// it carries much data, and a Keycard that was never set up gives no template.
func parseKeycardInfo(selected []byte) (info Info) {
	b, _, err := wantTLV(selected, tagInfoTemplate)
	for err == nil && len(b) > 0 {
		var tag byte
		var value []byte
		if tag, value, b, err = readTLV(b); err != nil {
			break
		}
		switch {
		case tag == tagInteger && len(value) == 2 && info.Version == "":
			info.Version = fmt.Sprintf("%d.%d", value[0], value[1])
		case tag == tagUID && len(value) == 16:
			info.Details = append(info.Details, Detail{"instance", hex.EncodeToString(value)})
		}
	}
	return info
}
