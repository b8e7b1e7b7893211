package card

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"tombolo/passport"
)

// Separators of what chips and their maker sign, besides slot 2's answer to a
// challenge, which is package passport's. libhalo docs/halo-command-set.md and
// docs/scripts/verify_attest.ts
const (
	haloCounterPrefix = "\x19Attest counter pk2:\n" // ‖ payload[32], by slot 2
	haloRootPrefix    = "\x19Attest pk2:\n"         // ‖ pk2[65], by the maker
	haloKeyPrefix     = "\x19Key attest:\n"         // ‖ slot ‖ pk[65], by slot 2
)

// Flags of a slot, libhalo core/src.ts/halo/keyflags.ts.
const (
	haloPassword = 0x01
	haloFormat2  = 0x02
	haloImported = 0x10
	haloExported = 0x20
)

// haloIdentify has slot 2 sign a fresh challenge and checks that the maker
// attested the key that did. The rest is for people, and older firmware does not
// have it; but what of it contradicts the proof counts.
func haloIdentify(t Transceiver, _ []byte, roots Roots, rand io.Reader) (Info, error) {
	var c [32]byte
	if _, err := io.ReadFull(rand, c[:]); err != nil {
		return Info{}, fmt.Errorf("challenge for a card: %w", err)
	}
	key, sig, r, err := haloSign(t, c)
	if err != nil {
		return Info{}, err
	}
	chip := haloChip{t: t, info: Info{Key: key}, pk2: r.pk}
	if key.Verify(c, sig) != nil {
		chip.doubt(errFresh)
	}
	chip.doubt(haloAttested(r.pk, r.attestation, roots.Halo))
	for _, read := range []func() error{chip.version, chip.keys, chip.slot2, chip.counter} {
		err := read()
		if _, refused := errors.AsType[*StatusError](err); err == nil || refused {
			continue
		}
		if !errors.Is(err, ErrAnswer) {
			return Info{}, err
		}
		chip.detail("not understood", err.Error())
	}
	return chip.info, nil
}

// haloChip gathers what a chip says.
type haloChip struct {
	t    Transceiver
	info Info
	pk2  []byte
}

// doubt records the first link that does not hold.
func (h *haloChip) doubt(link error) {
	if link != nil && h.info.Genuine == nil {
		h.info.Genuine = fmt.Errorf("%w: %w", ErrNotGenuine, link)
	}
}

func (h *haloChip) detail(name, value string) {
	h.info.Details = append(h.info.Details, Detail{name, value})
}

// version asks for the firmware's, as "01.C6.000081.C6EC8952". Unlike the other
// commands this one comes in class 00.
func (h *haloChip) version() error {
	b, err := expectOK(h.t, "HaLo version", 0x00, 0x51, 0, 0, []byte{haloGetVersion})
	if err == nil {
		h.info.Version = printable(b)
	}
	return err
}

// printable is text that may be shown: what a card says goes to a terminal.
func printable(b []byte) string {
	if len(b) > 64 || slices.ContainsFunc(b, func(c byte) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return string(b)
}

// keys shows slot 1's key, which may be somebody's wallet.
func (h *haloChip) keys() error {
	const what = "HaLo public keys"
	b, err := haloCommand(h.t, what, haloGetKeys)
	if err != nil {
		return err
	}
	keys, err := parseHaloKeys(b)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if len(keys) < haloSlot || !slices.Equal(keys[haloSlot-1], h.pk2) {
		h.doubt(errTwoKeys)
	}
	if len(keys) == 0 {
		return nil
	}
	h.detail("slot 1 key", hex.EncodeToString(keys[0]))
	return h.slot1(keys[0])
}

// slot1 tells whether slot 2 attests the key of slot 1.
func (h *haloChip) slot1(pk []byte) error {
	i, err := h.keyInfo(1)
	if err != nil {
		return err
	}
	attested := "no"
	sig, err := passport.ParseDER(passport.Secp256k1, i.attestation)
	if err == nil && slices.Equal(i.pk, pk) &&
		signedByOne([][33]byte{h.info.Key.Point}, haloDigest(haloKeyPrefix, []byte{1}, pk), sig) {
		attested = "by slot 2"
	}
	h.detail("slot 1 attested", attested)
	return nil
}

// slot2 looks for what a door key must not be.
func (h *haloChip) slot2() error {
	i, err := h.keyInfo(haloSlot)
	if err != nil {
		return err
	}
	if !slices.Equal(i.pk, h.pk2) {
		h.doubt(errTwoKeys)
	}
	if i.flags&(haloImported|haloExported) != 0 {
		h.doubt(errMoved)
	}
	if i.flags&haloPassword != 0 {
		h.detail("slot 2 password", "set: it will not open doors")
	}
	if i.flags&haloFormat2 != 0 {
		h.detail("slot 2 failed passwords", strconv.Itoa(int(i.failed)))
	}
	return nil
}

func (h *haloChip) keyInfo(slot byte) (haloKeyInfo, error) {
	const what = "HaLo key info"
	b, err := haloCommand(h.t, what, haloGetKeyInfo, slot)
	if err != nil {
		return haloKeyInfo{}, err
	}
	i, err := parseHaloKeyInfo(b)
	if err != nil {
		return haloKeyInfo{}, fmt.Errorf("%s: %w", what, err)
	}
	return i, nil
}

// counter is how often slot 2 has signed a payload of the chip's own, as it does
// for each read by a phone's browser: a chip out of its packing is near zero.
func (h *haloChip) counter() error {
	const what = "HaLo sign random"
	b, err := haloCommand(h.t, what, haloSignRandom, haloSlot)
	if err != nil {
		return err
	}
	payload, r, err := parseHaloRandom(b)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	sig, err := signature(r.der)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !slices.Equal(r.pk, h.pk2) || !signedByOne([][33]byte{h.info.Key.Point}, haloDigest(haloCounterPrefix, payload[:]), sig) {
		h.doubt(errFresh)
		return nil
	}
	h.detail("counter", strconv.FormatUint(uint64(binary.BigEndian.Uint32(payload[:])), 10))
	return nil
}

// haloAttested checks the maker's signature over slot 2's key and gives the
// link that does not hold, or nil. Published attestations begin with 02a0 or
// 02a1, which the maker's own check strips (libhalo docs/scripts/verify_attest.ts).
// The one published 02a0 is not by the published root.
func haloAttested(pk2, attestation []byte, roots [][33]byte) error {
	if len(attestation) == 0 {
		return errUnsigned
	}
	if len(attestation) < 2 || attestation[0] != 0x02 || attestation[1]&^1 != 0xa0 {
		return fmt.Errorf("%w (it begins with %.2x)", errProofForm, attestation)
	}
	sig, err := passport.ParseDER(passport.Secp256k1, attestation[2:])
	if err != nil {
		return fmt.Errorf("%w (%w)", errProofForm, err)
	}
	if !signedByOne(roots, haloDigest(haloRootPrefix, pk2), sig) {
		return fmt.Errorf("%w (an attestation of form %.2x)", errRoot, attestation)
	}
	return nil
}

// haloDigest is SHA-256(prefix ‖ parts).
func haloDigest(prefix string, parts ...[]byte) [32]byte {
	return sha256.Sum256(append([]byte(prefix), slices.Concat(parts...)...))
}

// signedByOne tells whether one of the keys signed the digest.
func signedByOne(keys [][33]byte, digest [32]byte, sig passport.Signature) bool {
	return slices.ContainsFunc(keys, func(point [33]byte) bool {
		// A Keycard's kind is the one that signs digests as they are.
		return passport.Key{Kind: passport.KindKeycard, Point: point}.Verify(digest, sig) == nil
	})
}

// parseHaloKeys reads the public keys of slots 1, 2, … as length (0x41) ‖ key;
// a length of zero ends the list. Slots above 2 may be of another curve, so no
// key is looked into. It returns [ErrAnswer].
func parseHaloKeys(b []byte) (keys [][]byte, err error) {
	for len(b) > 0 && b[0] != 0 {
		if b[0] != 65 {
			return nil, fmt.Errorf("%w (key %d of %d bytes)", errSize, len(keys)+1, b[0])
		}
		if len(b) < 66 {
			return nil, fmt.Errorf("%w (key %d of %d bytes in %d)", errCut, len(keys)+1, b[0], len(b)-1)
		}
		keys, b = append(keys, b[1:66]), b[66:]
	}
	if slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
		return nil, fmt.Errorf("%w (%d bytes after the last key)", errTrailing, len(b))
	}
	return keys, nil
}

// haloKeyInfo is the reply to key info: a byte that libhalo does not read ‖
// flags ‖ (in format 2) failed passwords ‖ pk[65] ‖ attestation.
type haloKeyInfo struct {
	first, flags, failed byte
	pk, attestation      []byte
}

// parseHaloKeyInfo returns [ErrAnswer].
func parseHaloKeyInfo(b []byte) (i haloKeyInfo, err error) {
	if len(b) < 3 {
		return i, fmt.Errorf("%w (key info of %d bytes)", errCut, len(b))
	}
	i.first, i.flags, b = b[0], b[1], b[2:]
	if i.flags&haloFormat2 != 0 {
		i.failed, b = b[0], b[1:]
	}
	if err := haloKeyAndAttestation(b); err != nil {
		return haloKeyInfo{}, err
	}
	if _, err := point(passport.KindHalo, b[:65]); err != nil {
		return haloKeyInfo{}, err
	}
	i.pk, i.attestation = b[:65], b[65:]
	return i, nil
}

// parseHaloRandom reads the reply to sign random: payload[32], which begins
// with the counter ‖ DER ‖ pk[65]. It returns [ErrAnswer].
func parseHaloRandom(b []byte) (payload [32]byte, r haloAnswer, err error) {
	if len(b) < 32 {
		return payload, r, fmt.Errorf("%w (a payload of %d bytes)", errCut, len(b))
	}
	if r, err = parseHaloAnswer(b[32:]); err == nil && len(r.attestation) != 0 {
		err = fmt.Errorf("%w (%d bytes after the key)", errTrailing, len(r.attestation))
	}
	if err != nil {
		return payload, haloAnswer{}, err
	}
	return [32]byte(b[:32]), r, nil
}
