package scanner

import (
	"errors"
	"fmt"
	"time"
)

// MaxFrame is the longest frame in bytes: the alphanumeric capacity of the
// largest QR code (ISO/IEC 18004, version 40-L). No scanner has more to say.
const MaxFrame = 4296

// Why a frame was refused; a *FrameError wraps one of them.
var (
	ErrTooLong      = errors.New("scanner: code is longer than 4296 characters")
	ErrNotPrintable = errors.New("scanner: code has a byte outside printable ASCII")
)

// FrameError says why and where a frame was refused.
type FrameError struct {
	Err    error // ErrTooLong or ErrNotPrintable
	Offset int   // of the first byte that could not be taken, from the start of the frame
	Byte   byte  // that byte
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("%v (byte %#02x at %d)", e.Err, e.Byte, e.Offset)
}

func (e *FrameError) Unwrap() error { return e.Err }

// Framer cuts a scanner's bytes into frames. A frame ends at a CR, at a LF, or
// when no byte has come for Idle; so CRLF is an end and an empty frame, and
// empty frames are nothing. A refused frame is dropped whole, up to the same
// end, and reported once.
//
// It reads no clock: times come in with the bytes. The zero value frames by
// line endings only. Not safe for concurrent use.
type Framer struct {
	// Idle is the gap that ends a frame; not positive means that only a line
	// ending does.
	Idle time.Duration

	buf     []byte
	last    time.Time // of the last byte of the open frame
	refused bool      // the open frame was reported; drop the rest of it
}

// Push takes bytes read at a time and calls emit for each frame they end, and
// for each frame they spoil: either frame is not empty, printable and at most
// MaxFrame long, or err is a *FrameError. The frame is the callee's to keep.
func (f *Framer) Push(at time.Time, p []byte, emit func(frame []byte, err error)) {
	f.Expire(at, emit)
	for _, c := range p {
		switch {
		case c == '\r' || c == '\n':
			f.end(emit)
		case f.refused:
		case c < ' ' || c > '~':
			f.refuse(c, ErrNotPrintable, emit)
		case len(f.buf) == MaxFrame:
			f.refuse(c, ErrTooLong, emit)
		default:
			f.buf = append(f.buf, c)
		}
	}
	if len(p) > 0 {
		f.last = at
	}
}

// Expire ends the open frame if its idle gap has passed at that time.
func (f *Framer) Expire(at time.Time, emit func(frame []byte, err error)) {
	if d, open := f.Wait(at); open && d == 0 {
		f.end(emit)
	}
}

// Wait gives how long after that time the open frame ends by itself. It is
// false when no frame is open or only a line ending can end it.
func (f *Framer) Wait(at time.Time) (time.Duration, bool) {
	if f.Idle <= 0 || len(f.buf) == 0 && !f.refused {
		return 0, false
	}
	return max(0, f.Idle-at.Sub(f.last)), true
}

func (f *Framer) end(emit func([]byte, error)) {
	frame := f.buf
	f.buf = nil
	if f.refused {
		f.refused = false
		return
	}
	if len(frame) > 0 {
		emit(frame, nil)
	}
}

func (f *Framer) refuse(c byte, why error, emit func([]byte, error)) {
	at := len(f.buf)
	f.buf, f.refused = nil, true
	emit(nil, &FrameError{Err: why, Offset: at, Byte: c})
}
