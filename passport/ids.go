package passport

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrID is returned for the text of an id that is not 64 lower-case hexadecimal
// digits.
var ErrID = errors.New("an id is 64 lower-case hexadecimal digits: copy it whole")

// ID is a passport's number in the community's registry, from 1. On chain it is
// a uint256; a community numbers its passports within 64 bits.
type ID uint64

// CommunityID names a community: SHA-256 of its first charter. It outlives
// every later charter, so it never changes.
type CommunityID [32]byte

// NodeID names a node: SHA-256 of its first charter.
type NodeID [32]byte

// Target is a place that a code or a delegation names: a node, a door of a
// node, or, in a delegation only, the whole community (the zero Target). A new
// sort of place is a new separator, never a second meaning of these.
type Target [32]byte

// KeyID names a door key whatever its kind, see [Key.ID].
type KeyID [32]byte

// NodeTarget is the target of every door of a node.
func NodeTarget(n NodeID) Target {
	return tagged("tombolo/v1/node\n", n[:])
}

// DoorTarget is the target of one door, by its slug in the node's policy.
func DoorTarget(n NodeID, door string) Target {
	return tagged("tombolo/v1/door\n", n[:], []byte(door))
}

// TapPlace is the place that a card's challenge commits to: a door as one
// gateway serves it. gateway is the gateway's Ed25519 public key; an answer
// given to one gateway is thus worthless to another.
func TapPlace(gateway [32]byte, door Target) Target {
	return tagged("tombolo/v1/gateway-door\n", gateway[:], door[:])
}

// Short is the community's short id on the wire: its first 8 bytes.
func (c CommunityID) Short() [8]byte { return [8]byte(c[:8]) }

// Short is the target's short id on the wire: its first 8 bytes.
func (t Target) Short() [8]byte { return [8]byte(t[:8]) }

// Short is the key's short id on the wire: its first 8 bytes.
func (k KeyID) Short() [8]byte { return [8]byte(k[:8]) }

func (c CommunityID) String() string { return hex.EncodeToString(c[:]) }
func (n NodeID) String() string      { return hex.EncodeToString(n[:]) }
func (t Target) String() string      { return hex.EncodeToString(t[:]) }
func (k KeyID) String() string       { return hex.EncodeToString(k[:]) }

// MarshalText gives 64 lower-case hexadecimal digits.
func (c CommunityID) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText gives 64 lower-case hexadecimal digits.
func (n NodeID) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// MarshalText gives 64 lower-case hexadecimal digits.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalText gives 64 lower-case hexadecimal digits.
func (k KeyID) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is the inverse of MarshalText; it returns [ErrID].
func (c *CommunityID) UnmarshalText(b []byte) error { return parseHex32((*[32]byte)(c), b) }

// UnmarshalText is the inverse of MarshalText; it returns [ErrID].
func (n *NodeID) UnmarshalText(b []byte) error { return parseHex32((*[32]byte)(n), b) }

// UnmarshalText is the inverse of MarshalText; it returns [ErrID].
func (t *Target) UnmarshalText(b []byte) error { return parseHex32((*[32]byte)(t), b) }

// UnmarshalText is the inverse of MarshalText; it returns [ErrID].
func (k *KeyID) UnmarshalText(b []byte) error { return parseHex32((*[32]byte)(k), b) }

func parseHex32(dst *[32]byte, b []byte) error {
	var v [32]byte
	if err := lowerHex(v[:], b); err != nil {
		return fmt.Errorf("%w (%w)", ErrID, err)
	}
	*dst = v
	return nil
}

// lowerHex fills dst from exactly 2·len(dst) lower-case digits: one value, one
// text.
func lowerHex(dst, src []byte) error {
	if len(src) != hex.EncodedLen(len(dst)) {
		return fmt.Errorf("%d characters instead of %d", len(src), hex.EncodedLen(len(dst)))
	}
	for i, c := range src {
		if c >= 'A' && c <= 'F' {
			return fmt.Errorf("upper-case digit at character %d", i+1)
		}
	}
	_, err := hex.Decode(dst, src)
	return err
}

// tagged is SHA-256 over a separator and parts of fixed length (at most the
// last one varies), so that no two lists of parts have the same bytes.
func tagged(separator string, parts ...[]byte) [32]byte {
	var buf [192]byte
	b := append(buf[:0], separator...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}
