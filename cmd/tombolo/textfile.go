package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
)

// A signed delegation or revocation travels as one line of text: a name that
// ends in the version, a colon, and the binary form in hexadecimal. Another form
// gets another version, and this one stays readable.
const (
	delegationPrefix = "tombolo-delegation-1:"
	revocationPrefix = "tombolo-revocation-1:"
)

// errText marks a file that is not one such line.
var errText = errors.New("not one line of the form that was wanted")

func appendText(prefix string, b []byte) []byte {
	return fmt.Appendf(nil, "%s%x\n", prefix, b)
}

// parseText reads the line strictly, with or without its line feed.
func parseText(prefix string, text []byte, size int) ([]byte, error) {
	digits, ok := bytes.CutPrefix(text, []byte(prefix))
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with %s", errText, prefix)
	}
	digits = bytes.TrimSuffix(digits, []byte("\n"))
	if len(digits) != hex.EncodedLen(size) {
		return nil, fmt.Errorf("%w: %d characters follow %s, want %d", errText, len(digits), prefix, hex.EncodedLen(size))
	}
	b := make([]byte, size)
	if _, err := hex.Decode(b, digits); err != nil || !bytes.Equal(hex.AppendEncode(nil, b), digits) {
		return nil, fmt.Errorf("%w: want lower-case hexadecimal digits behind %s", errText, prefix)
	}
	return b, nil
}

func parseDelegation(text []byte) (passport.SignedDelegation, error) {
	b, err := parseText(delegationPrefix, text, passport.SignedDelegationSize)
	if err != nil {
		return passport.SignedDelegation{}, err
	}
	return passport.ParseSignedDelegation(b)
}

func marshalDelegation(s passport.SignedDelegation) ([]byte, error) {
	b, err := s.MarshalBinary()
	return appendText(delegationPrefix, b), err
}

func parseRevocation(text []byte) (passport.SignedRevocation, error) {
	b, err := parseText(revocationPrefix, text, passport.SignedRevocationSize)
	if err != nil {
		return passport.SignedRevocation{}, err
	}
	return passport.ParseSignedRevocation(b)
}

func marshalRevocation(s passport.SignedRevocation) ([]byte, error) {
	b, err := s.MarshalBinary()
	return appendText(revocationPrefix, b), err
}

// draft is a delegation on its way to a wallet and back: what the typed data
// said, so that the answer is put under the same, and the door key's proof of
// possession: the card may be gone when the answer comes. It is read once by
// whoever wrote it.
type draft struct {
	Format     string          `json:"format"`
	ChainID    uint64          `json:"chainId"`
	Registry   string          `json:"registry"`
	Passport   uint64          `json:"passport"`
	Key        passport.Key    `json:"key"`
	NotBefore  uint64          `json:"notBefore"`
	NotAfter   uint64          `json:"notAfter"`
	Scope      passport.Target `json:"scope"`
	Mode       string          `json:"mode"`
	Possession string          `json:"possession"` // r ‖ s
}

const draftFormat = "tombolo delegation draft v2"

var errDraft = errors.New("not a delegation's draft: ask for the typed data again")

// drafted is what a draft holds.
type drafted struct {
	dom        passport.Domain
	delegation passport.Delegation
	possession passport.Signature
}

func marshalDraft(d drafted) ([]byte, error) {
	del := d.delegation
	return folder.EncodeJSON(draft{draftFormat, d.dom.ChainID, hex.EncodeToString(d.dom.Registry[:]), uint64(del.Passport), del.Key,
		del.NotBefore, del.NotAfter, del.Scope, del.Mode.String(), d.possession.String()})
}

// parseDraft reads a draft strictly, and verifies the possession. Its errors wrap
// errDraft.
func parseDraft(text []byte) (d drafted, err error) {
	fail := func(err error) (drafted, error) { return drafted{}, fmt.Errorf("%w: %w", errDraft, err) }
	var f draft
	if err := folder.DecodeJSON(text, &f); err != nil {
		return fail(err)
	}
	if f.Format != draftFormat {
		return fail(fmt.Errorf("format %q", f.Format))
	}
	var registry address
	if err := registry.Set("0x" + f.Registry); err != nil {
		return fail(err)
	}
	mode, err := passport.ParseMode(f.Mode)
	if err != nil {
		return fail(err)
	}
	d.dom = passport.Domain{ChainID: f.ChainID, Registry: registry}
	d.delegation = passport.Delegation{Passport: passport.ID(f.Passport), Key: f.Key, NotBefore: f.NotBefore, NotAfter: f.NotAfter, Scope: f.Scope, Mode: mode}
	if err := errors.Join(d.dom.Validate(), d.delegation.Validate()); err != nil {
		return fail(err)
	}
	b, err := hex.DecodeString(f.Possession)
	if err != nil || len(b) != len(d.possession) || hex.EncodeToString(b) != f.Possession {
		return fail(errors.New("possession: want 128 lower-case hexadecimal digits"))
	}
	d.possession = passport.Signature(b)
	if err := f.Key.Verify(passport.PossessionChallenge(d.delegation.Digest(d.dom)), d.possession); err != nil {
		return fail(fmt.Errorf("possession: %w", err))
	}
	return d, nil
}
