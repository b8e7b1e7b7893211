package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"tombolo/sync/internal/cbor"
)

const (
	// MaxBody bounds an entry's body, in bytes. The largest is a policy file's.
	MaxBody = 256 << 10
	// MaxLeaf bounds a leaf's encoding, in bytes.
	MaxLeaf = 64

	leafVersion = 1
)

// Errors of a single entry; each names what does not fit.
var (
	ErrLeaf       = errors.New("not a leaf of version 1")
	ErrCommitment = errors.New("the leaf does not commit to this body, time, kind and place")
	ErrBody       = errors.New("malformed body")
	ErrTooLarge   = errors.New("body too large")
)

// Salt keeps a short body from being guessed from its leaf.
type Salt [16]byte

// Leaf is what the tree hashes: the deterministic CBOR array
// [version, kind, critical, commitment], with
//
//	commitment = SHA-256("tombolo/v1/entry\n" ‖ salt[16] ‖ index u64 ‖ time u64 ‖ kind u16 ‖ critical u8 ‖ body)
//
// A changed leaf is a new version number; readers refuse versions they do not
// know.
type Leaf struct {
	_          struct{} `cbor:",toarray"`
	Version    uint
	Kind       Kind
	Critical   bool
	Commitment [sha256.Size]byte
}

// Entry is a leaf and, unless it was dropped, what the leaf commits to. Salt,
// Time and Body stand together and are dropped together. It is stored and sent
// in this order, as a CBOR array; the form is fixed.
type Entry struct {
	_    struct{} `cbor:",toarray"`
	Leaf []byte   // deterministic CBOR, see [Leaf]
	Salt Salt
	Time int64  // Unix milliseconds by the author's clock; not negative
	Body []byte // deterministic CBOR of the kind's type; empty when dropped
}

// Dropped reports whether only the leaf is left.
func (e Entry) Dropped() bool { return len(e.Body) == 0 }

// Drop is the entry without its body, salt and time.
func (e Entry) Drop() Entry { return Entry{Leaf: e.Leaf} }

// Seal makes the entry of a body at a place in its ledger.
func Seal(index int64, kind Kind, critical bool, salt Salt, time int64, body []byte) Entry {
	leaf := Leaf{
		Version: leafVersion, Kind: kind, Critical: critical,
		Commitment: commit(index, kind, critical, salt, time, body),
	}
	return Entry{Leaf: leaf.marshal(), Salt: salt, Time: time, Body: body}
}

func commit(index int64, kind Kind, critical bool, salt Salt, time int64, body []byte) (c [sha256.Size]byte) {
	// Written out of two pieces: no entry needs its preimage in one.
	var head [headSize]byte
	h := sha256.New()
	h.Write(appendHead(head[:0], index, kind, critical, salt, time))
	h.Write(body)
	h.Sum(c[:0])
	return c
}

func preimage(index int64, kind Kind, critical bool, salt Salt, time int64, body []byte) []byte {
	return append(appendHead(nil, index, kind, critical, salt, time), body...)
}

const (
	separator = "tombolo/v1/entry\n"
	headSize  = len(separator) + len(Salt{}) + 8 + 8 + 2 + 1
)

// appendHead appends what stands before the body.
func appendHead(buf []byte, index int64, kind Kind, critical bool, salt Salt, time int64) []byte {
	buf = append(buf, separator...)
	buf = append(buf, salt[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(index))
	buf = binary.BigEndian.AppendUint64(buf, uint64(time))
	buf = binary.BigEndian.AppendUint16(buf, uint16(kind))
	if critical {
		return append(buf, 1)
	}
	return append(buf, 0)
}

// Check parses the leaf and, unless the body was dropped, checks that it
// commits to this entry at this index. Errors: ErrLeaf, ErrTooLarge,
// ErrCommitment.
func (e Entry) Check(index int64) (Leaf, error) {
	leaf, err := ParseLeaf(e.Leaf)
	if err != nil {
		return leaf, err
	}
	if e.Dropped() {
		if e.Salt != (Salt{}) || e.Time != 0 {
			return leaf, fmt.Errorf("%w: the body is dropped, its salt or time is not", ErrCommitment)
		}
		return leaf, nil
	}
	if len(e.Body) > MaxBody {
		return leaf, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(e.Body), MaxBody)
	}
	if e.Time < 0 || leaf.Commitment != commit(index, leaf.Kind, leaf.Critical, e.Salt, e.Time, e.Body) {
		return leaf, ErrCommitment
	}
	return leaf, nil
}

// marshal writes the one encoding of RFC 8949 §4.2.1. It is written out because
// everything that writes or verifies an entry comes through here.
func (l Leaf) marshal() []byte {
	b := append(make([]byte, 0, MaxLeaf), 0x84, leafVersion) // array of 4
	switch {
	case l.Kind < 24:
		b = append(b, byte(l.Kind))
	case l.Kind < 1<<8:
		b = append(b, 0x18, byte(l.Kind))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x19), uint16(l.Kind))
	}
	critical := byte(0xf4)
	if l.Critical {
		critical = 0xf5
	}
	b = append(b, critical, 0x58, sha256.Size) // bytes, 32 of them
	return append(b, l.Commitment[:]...)
}

// ParseLeaf reads a leaf strictly: the one deterministic encoding, of a known
// version. Its errors wrap ErrLeaf.
func ParseLeaf(b []byte) (Leaf, error) {
	var l Leaf
	if len(b) > MaxLeaf {
		return l, fmt.Errorf("%w: %d bytes", ErrLeaf, len(b))
	}
	if err := codec.DecodeLoose(b, &l); err != nil {
		return l, fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	if l.Version != leafVersion {
		return l, fmt.Errorf("%w: version %d; this leaf needs newer software", ErrLeaf, l.Version)
	}
	if !bytes.Equal(l.marshal(), b) {
		return l, fmt.Errorf("%w: %w", ErrLeaf, cbor.ErrForm)
	}
	return l, nil
}

var codec = cbor.New(1 << 12)

func encode(v any) []byte { return codec.Encode(v) }

// decodeWhole reads b into v and insists on the one deterministic encoding.
func decodeWhole(b []byte, v any) error { return codec.Decode(b, v) }
