package ledger

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// CharterID names a chain of charters: SHA-256 of the first one's stored bytes.
// It is the community's or the node's identity; a slug is only its label.
type CharterID [sha256.Size]byte

func (id CharterID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether no charter is named.
func (id CharterID) IsZero() bool { return id == CharterID{} }

// KeyID names an Ed25519 key: the first 16 bytes of
// SHA-256("tombolo/v1/key\n" ‖ public key).
type KeyID [16]byte

func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// KeyIDOf computes the id of a public key.
func KeyIDOf(key ed25519.PublicKey) KeyID {
	h := sha256.New()
	h.Write([]byte("tombolo/v1/key\n"))
	h.Write(key)
	return KeyID(h.Sum(nil)[:16])
}

// Incarnation tells an author's ledgers of one kind apart. It is random: an
// author that cannot tell how far it signed begins a new one instead of
// risking two histories of the old.
type Incarnation [8]byte

func (i Incarnation) String() string { return hex.EncodeToString(i[:]) }

// LogKind is what a ledger is about.
type LogKind string

// The kinds of ledger. Later versions may add to them; none changes its name.
const (
	CommunityLog LogKind = "community" // written by an issuer
	NodeLog      LogKind = "node"      // written by a steward
	DirectoryLog LogKind = "directory" // written by a steward: the node's gateways' public keys, for everybody
	DoorLog      LogKind = "door"      // written by a gateway
	ReportLog    LogKind = "report"    // written by a gateway, for the hub alone
	CensusLog    LogKind = "census"    // written by the hub, for everybody
)

// Origin is a ledger's name and the first line of its checkpoints:
//
//	tombolo/v1/<community id>/<kind>/<author's key id>/<incarnation>
//
// The form is fixed for version 1.
type Origin struct {
	Community   CharterID
	Kind        LogKind
	Author      KeyID
	Incarnation Incarnation
}

const originPrefix = "tombolo/v1/"

// ErrOrigin is wrapped by every error of [ParseOrigin].
var ErrOrigin = errors.New("not a ledger's origin")

func (o Origin) String() string {
	return originPrefix + o.Community.String() + "/" + string(o.Kind) + "/" + o.Author.String() + "/" + o.Incarnation.String()
}

// ParseOrigin reads an origin line, without its newline.
func ParseOrigin(s string) (Origin, error) {
	var o Origin
	if len(s) > 200 {
		return o, fmt.Errorf("%w: %d characters", ErrOrigin, len(s))
	}
	rest, ok := strings.CutPrefix(s, originPrefix)
	if !ok {
		return o, fmt.Errorf("%w: %q does not begin with %s", ErrOrigin, s, originPrefix)
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 4 {
		return o, fmt.Errorf("%w: %q has %d parts after %s, want 4", ErrOrigin, s, len(parts), originPrefix)
	}
	switch o.Kind = LogKind(parts[1]); o.Kind {
	case CommunityLog, NodeLog, DirectoryLog, DoorLog, ReportLog, CensusLog:
	default:
		return o, fmt.Errorf("%w: unknown kind of ledger %q", ErrOrigin, parts[1])
	}
	err := cmp.Or(
		parseHex(o.Community[:], parts[0], "community id"),
		parseHex(o.Author[:], parts[2], "author's key id"),
		parseHex(o.Incarnation[:], parts[3], "incarnation"))
	if err != nil {
		return o, fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	return o, nil
}

// Compare orders origins as their strings: by community, kind, author and
// incarnation.
func (o Origin) Compare(p Origin) int {
	return cmp.Or(
		bytes.Compare(o.Community[:], p.Community[:]),
		cmp.Compare(o.Kind, p.Kind),
		bytes.Compare(o.Author[:], p.Author[:]),
		bytes.Compare(o.Incarnation[:], p.Incarnation[:]))
}

// parseHex fills dst from exactly as many lower-case hexadecimal digits.
func parseHex(dst []byte, s, what string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%s: %d characters, want %d hexadecimal digits", what, len(s), 2*len(dst))
	}
	if strings.ToLower(s) != s {
		return fmt.Errorf("%s: upper-case digits", what)
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
