package passport

import (
	"encoding/binary"
	"errors"
)

// Sentinels of openings.
var (
	// ErrPlaceOpening is returned when salt and target are not what was
	// committed to.
	ErrPlaceOpening = errors.New("opening does not match the committed place")
	// ErrTimeOpening is returned when salt, start and length are not what was
	// committed to.
	ErrTimeOpening = errors.New("opening does not match the committed time")
)

// Commitment binds a presentation to a place or a time without showing it. Each
// has its own salt, derived from the presentation's nonce in one direction only,
// so that one may be opened while the other is withheld. A commitment is signed:
// another content is another separator.
type Commitment [32]byte

// PlaceSalt is the salt of a presentation's place, from its nonce.
func PlaceSalt(nonce []byte) [32]byte { return tagged("tombolo/v1/salt/place\n", nonce) }

// TimeSalt is the salt of a presentation's time, from its nonce.
func TimeSalt(nonce []byte) [32]byte { return tagged("tombolo/v1/salt/time\n", nonce) }

// CommitPlace commits to a target.
func CommitPlace(salt [32]byte, target Target) Commitment {
	return tagged("tombolo/v1/place\n", salt[:], target[:])
}

// CommitTime commits to a start (Unix seconds) and a length in seconds; a tap
// has length 0.
func CommitTime(salt [32]byte, start uint64, length uint8) Commitment {
	var b [9]byte
	binary.BigEndian.PutUint64(b[:8], start)
	b[8] = length
	return tagged("tombolo/v1/time\n", salt[:], b[:])
}

// OpenPlace checks that the commitment is to this target; it returns
// [ErrPlaceOpening].
func (c Commitment) OpenPlace(salt [32]byte, target Target) error {
	if c != CommitPlace(salt, target) {
		return ErrPlaceOpening
	}
	return nil
}

// OpenTime checks that the commitment is to this time; it returns
// [ErrTimeOpening].
func (c Commitment) OpenTime(salt [32]byte, start uint64, length uint8) error {
	if c != CommitTime(salt, start, length) {
		return ErrTimeOpening
	}
	return nil
}
