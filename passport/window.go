package passport

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sentinels of windows.
var (
	// ErrWindowLength is returned for a window not of 15 to 30 seconds.
	ErrWindowLength = errors.New("a window is 15 to 30 seconds long")
	// ErrCommunity is returned for a code of another community.
	ErrCommunity = errors.New("code is for another community")
	// ErrTarget is returned for a code that names another place.
	ErrTarget = errors.New("code is for another door or node")
	// ErrKeyMismatch is returned when a presentation names another key than
	// the one it is checked against.
	ErrKeyMismatch = errors.New("presentation is by another door key")
)

// The bounds of a window's length in seconds.
const (
	MinWindow = 15
	MaxWindow = 30
)

// WindowSize is the size of a Window's binary form.
const WindowSize = 1 + 8 + 8 + 8 + 4 + 1 + 16 + 8 + 64

// WindowStatement is what a door key says with a code: that its passport is at
// the target in these seconds. What is signed is the SHA-256 of Preimage, for
// ever: another statement is another separator.
type WindowStatement struct {
	Community CommunityID
	Passport  ID
	Target    Target   // a node or a door, never zero
	Start     uint32   // Unix seconds
	Length    uint8    // seconds, MinWindow to MaxWindow
	Nonce     [16]byte // random: a code opens once, and the salts come from it
}

// Place is the commitment to the target.
func (s WindowStatement) Place() Commitment { return CommitPlace(PlaceSalt(s.Nonce[:]), s.Target) }

// Time is the commitment to start and length.
func (s WindowStatement) Time() Commitment {
	return CommitTime(TimeSalt(s.Nonce[:]), uint64(s.Start), s.Length)
}

// Preimage is what a phone signs with "ECDSA with SHA-256":
// "tombolo/v1/window\n" ‖ community[32] ‖ passport u64 ‖ place[32] ‖ time[32].
func (s WindowStatement) Preimage() []byte {
	return windowPreimage(s.Community, s.Passport, s.Place(), s.Time())
}

// Sum is the SHA-256 of Preimage: the challenge that the door key signs.
func (s WindowStatement) Sum() [32]byte { return sha256.Sum256(s.Preimage()) }

func windowPreimage(community CommunityID, passport ID, place, time Commitment) []byte {
	b := append(make([]byte, 0, 128), "tombolo/v1/window\n"...)
	b = append(b, community[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(passport))
	b = append(b, place[:]...)
	return append(b, time[:]...)
}

// Window is the presentation that a QR code carries. Its binary form:
//
//	  1  version 0x01
//	  8  community, short
//	  8  passport
//	  8  door key, short id
//	  4  start, Unix seconds (until 2106)
//	  1  length in seconds, 15 to 30
//	 16  nonce
//	  8  target, short
//	 64  signature r ‖ s
//	---
//	118
//
// The short ids only find what the signature covers in full. The nonce has 128
// bits because the salts of both commitments come from it: 64 could be searched
// by somebody who wants to undo them. 118 bytes in base45 fit a QR symbol of 45
// modules at level M. Another layout is another version byte; readers keep
// version 1 while any phone may show it.
type Window struct {
	Community [8]byte
	Passport  ID
	Key       [8]byte
	Start     uint32
	Length    uint8
	Nonce     [16]byte
	Target    [8]byte
	Sig       Signature
}

// SignWindow makes a code. It refuses card kinds with [ErrCardWindow], passport
// 0 with [ErrPassport], a zero target with [ErrTarget] and a length out of
// bounds with [ErrWindowLength].
func SignWindow(key *SoftKey, s WindowStatement) (Window, error) {
	if err := s.validate(); err != nil {
		return Window{}, err
	}
	if key.Key().Kind.Card() {
		return Window{}, fmt.Errorf("%w (%s)", ErrCardWindow, key.Key().Kind)
	}
	sig, err := key.Sign(s.Sum())
	if err != nil {
		return Window{}, err
	}
	return s.Window(key.Key().ID(), sig), nil
}

// Window joins the statement with a signature that was made elsewhere, on a
// phone, over Preimage.
func (s WindowStatement) Window(key KeyID, sig Signature) Window {
	return Window{s.Community.Short(), s.Passport, key.Short(), s.Start, s.Length, s.Nonce, s.Target.Short(), sig}
}

func (s WindowStatement) validate() error {
	switch {
	case s.Passport == 0:
		return ErrPassport
	case s.Target == Target{}:
		return fmt.Errorf("%w: it names none", ErrTarget)
	case s.Length < MinWindow || s.Length > MaxWindow:
		return fmt.Errorf("%w (not %d)", ErrWindowLength, s.Length)
	}
	return nil
}

// Verify checks that the Verifier's key signed this code for the community and
// the target, both in full. It says nothing about the time (see At), whether the
// nonce was seen before, or whether the key speaks for the passport. It returns
// [ErrCommunity], [ErrTarget], [ErrKeyMismatch], [ErrCardWindow], [ErrPassport],
// [ErrWindowLength], [ErrSignatureRange] or [ErrSignature].
func (w Window) Verify(v Verifier, community CommunityID, target Target) error {
	switch {
	case w.Community != community.Short():
		return ErrCommunity
	case w.Target != target.Short():
		return ErrTarget
	case w.Key != v.KeyID().Short():
		return ErrKeyMismatch
	}
	s := WindowStatement{community, w.Passport, target, w.Start, w.Length, w.Nonce}
	if err := s.validate(); err != nil {
		return err
	}
	return VerifyOpened(v, community, w.Passport, s.Place(), s.Time(), w.Sig)
}

// VerifyOpened checks a code's signature from its commitments alone, so that an
// auditor can be shown that a passport presented a code while place, time or
// both are withheld; [Commitment.OpenPlace] and [Commitment.OpenTime] show
// either. It returns [ErrCardWindow], [ErrSignatureRange] or [ErrSignature].
func VerifyOpened(v Verifier, community CommunityID, passport ID, place, time Commitment, sig Signature) error {
	if v.key.Kind.Card() {
		return fmt.Errorf("%w (%s)", ErrCardWindow, v.key.Kind)
	}
	return v.Verify(sha256.Sum256(windowPreimage(community, passport, place, time)), sig)
}

// WindowState says how a window lies to the clock.
type WindowState uint8

// The states of a window. The zero state is none of them.
const (
	WindowEarly WindowState = iota + 1
	WindowOK
	WindowOver
)

func (s WindowState) String() string {
	switch s {
	case WindowEarly:
		return "early"
	case WindowOK:
		return "ok"
	case WindowOver:
		return "over"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// At places the window in time: it is valid from one length before its start
// until one length after its end, start − length ≤ now < start + 2·length, in
// Unix seconds, which forgives a clock that is off by one window.
func (w Window) At(now int64) WindowState {
	start, length := int64(w.Start), int64(w.Length)
	switch {
	case now < start-length:
		return WindowEarly
	case now < start+2*length:
		return WindowOK
	}
	return WindowOver
}

// AppendBinary appends the binary form; it returns no error.
func (w Window) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, 1)
	b = append(b, w.Community[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(w.Passport))
	b = append(b, w.Key[:]...)
	b = binary.BigEndian.AppendUint32(b, w.Start)
	b = append(b, w.Length)
	b = append(b, w.Nonce[:]...)
	b = append(b, w.Target[:]...)
	return append(b, w.Sig[:]...), nil
}

// MarshalBinary gives the binary form; it returns no error.
func (w Window) MarshalBinary() ([]byte, error) {
	return w.AppendBinary(make([]byte, 0, WindowSize))
}

// ParseWindow reads the binary form. r and s need only be nonzero: their bound
// is the curve's, which the code does not name. It returns [ErrLength],
// [ErrVersion], [ErrPassport], [ErrWindowLength] or [ErrSignatureRange].
func ParseWindow(b []byte) (Window, error) {
	f, err := newFields("code", b, WindowSize)
	if err != nil {
		return Window{}, err
	}
	var w Window
	f.copy(w.Community[:])
	w.Passport = ID(f.uint64())
	f.copy(w.Key[:])
	w.Start = f.uint32()
	w.Length = f.byte()
	f.copy(w.Nonce[:])
	f.copy(w.Target[:])
	f.copy(w.Sig[:])
	switch {
	case w.Passport == 0:
		return Window{}, fmt.Errorf("code: %w", ErrPassport)
	case w.Length < MinWindow || w.Length > MaxWindow:
		return Window{}, fmt.Errorf("code: %w (not %d)", ErrWindowLength, w.Length)
	case [32]byte(w.Sig[:32]) == zero32 || [32]byte(w.Sig[32:]) == zero32:
		return Window{}, fmt.Errorf("code: %w", ErrSignatureRange)
	}
	return w, nil
}
