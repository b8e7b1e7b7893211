package passport

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Challenge is what a gateway asks a card or phone to sign. What is signed is
// Sum, in the form of the key's kind; another content is another separator.
type Challenge struct {
	Community CommunityID
	Place     Target   // see TapPlace: the door as this gateway serves it
	Time      uint64   // the gateway's Unix seconds; 0 when its clock is not known
	Nonce     [32]byte // random, never used twice
}

// PlaceCommitment is the commitment to Place.
func (c Challenge) PlaceCommitment() Commitment { return CommitPlace(PlaceSalt(c.Nonce[:]), c.Place) }

// TimeCommitment is the commitment to Time, with length 0.
func (c Challenge) TimeCommitment() Commitment { return CommitTime(TimeSalt(c.Nonce[:]), c.Time, 0) }

// Preimage is what a phone signs with "ECDSA with SHA-256":
// "tombolo/v1/tap\n" ‖ community[32] ‖ place[32] ‖ time[32]. It names no
// passport: a card does not say who it is before it signs, its key does.
func (c Challenge) Preimage() []byte {
	return tapPreimage(c.Community, c.PlaceCommitment(), c.TimeCommitment())
}

// Sum is the SHA-256 of Preimage: the challenge that is sent to a card.
func (c Challenge) Sum() [32]byte { return sha256.Sum256(c.Preimage()) }

func tapPreimage(community CommunityID, place, time Commitment) []byte {
	b := append(make([]byte, 0, 111), "tombolo/v1/tap\n"...)
	b = append(b, community[:]...)
	b = append(b, place[:]...)
	return append(b, time[:]...)
}

// Tap is a door key's answer to a challenge, with what is needed to check it
// later, given the community and the place. It is stored in door logs:
//
//	  1  version 0x01
//	 32  nonce
//	  8  time
//	  1  kind         ┐ Key
//	 33  point        ┘
//	 64  signature r ‖ s, low s on secp256k1
//	---
//	139
//
// Another layout is another version byte; version 1 stays readable for as long
// as door logs hold it.
type Tap struct {
	Nonce [32]byte
	Time  uint64
	Key   Key
	Sig   Signature
}

// TapSize is the size of a Tap's binary form.
const TapSize = 1 + 32 + 8 + KeySize + 64

// NewTap joins a challenge with the answer to it, brought into its stored form.
// It verifies nothing. It returns [ErrKeyKind], [ErrPoint] or
// [ErrSignatureRange].
func NewTap(c Challenge, key Key, sig Signature) (Tap, error) {
	if err := key.Validate(); err != nil {
		return Tap{}, err
	}
	sig, err := sig.stored(key.Kind.Curve())
	if err != nil {
		return Tap{}, err
	}
	return Tap{c.Nonce, c.Time, key, sig}, nil
}

// Challenge is the challenge that the tap answers, if it was given for this
// community and place.
func (t Tap) Challenge(community CommunityID, place Target) Challenge {
	return Challenge{community, place, t.Time, t.Nonce}
}

// Verify checks that the Verifier's key signed the challenge. It says nothing
// about whether the gateway gave that challenge: the gateway compares nonce and
// time with its own. It returns [ErrKeyMismatch], [ErrSignatureRange] or
// [ErrSignature].
func (t Tap) Verify(v Verifier, community CommunityID, place Target) error {
	if t.Key != v.key {
		return ErrKeyMismatch
	}
	return v.Verify(t.Challenge(community, place).Sum(), t.Sig)
}

// VerifyTapOpened is Verify from the commitments alone, as [VerifyOpened] is for
// windows.
func VerifyTapOpened(v Verifier, community CommunityID, place, time Commitment, sig Signature) error {
	return v.Verify(sha256.Sum256(tapPreimage(community, place, time)), sig)
}

// AppendBinary appends the binary form; it returns no error.
func (t Tap) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, 1)
	b = append(b, t.Nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, t.Time)
	b = t.Key.appendTo(b)
	return append(b, t.Sig[:]...), nil
}

// MarshalBinary gives the binary form; it returns no error.
func (t Tap) MarshalBinary() ([]byte, error) { return t.AppendBinary(make([]byte, 0, TapSize)) }

// ParseTap reads the binary form. It returns [ErrLength], [ErrVersion],
// [ErrKeyKind], [ErrPoint], [ErrSignatureRange] or [ErrHighS].
func ParseTap(b []byte) (Tap, error) {
	f, err := newFields("tap", b, TapSize)
	if err != nil {
		return Tap{}, err
	}
	var t Tap
	f.copy(t.Nonce[:])
	t.Time = f.uint64()
	t.Key.Kind = KeyKind(f.byte())
	f.copy(t.Key.Point[:])
	f.copy(t.Sig[:])
	if err := t.Key.Validate(); err != nil {
		return Tap{}, fmt.Errorf("tap: %w", err)
	}
	if err := t.Sig.checkStored(t.Key.Kind.Curve()); err != nil {
		return Tap{}, fmt.Errorf("tap: %w", err)
	}
	return t, nil
}
