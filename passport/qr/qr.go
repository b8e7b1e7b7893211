// Package qr is the text inside a resident's QR code: a [passport.Window] in
// base45 (RFC 9285), which a QR symbol holds in its alphanumeric mode.
//
// A phone calls [Encode] and draws the text, at error correction level M in 45
// modules. A gateway calls [Decode] on what a scanner read, stripped of the
// scanner's own line ending, and then verifies the Window. The package neither
// draws nor reads symbols, and trims nothing.
//
// The text is one letter, T, and then the base45: base45 may begin with a space,
// which scanners and keyboards trim, and the letter says at once whose code it
// is. It never ends with one: the last character of a group is at most W. A
// Window starts with its version byte, and a later payload is told by that. So
// one text is one Window and the reverse.
package qr

import (
	"bytes"
	"errors"
	"fmt"

	"tombolo/passport"
)

// MaxText is the most characters that a QR symbol holds in alphanumeric mode
// (version 40, level L; ISO/IEC 18004 table 7): no scanner reads more.
const MaxText = 4296

// TextSize is the number of characters of a Window's text.
const TextSize = len(prefix) + passport.WindowSize/2*3

const prefix = "T"

// Sentinels of Decode, beside those of base45.
var (
	ErrTooLong = errors.New("longer than any QR code")
	ErrPrefix  = errors.New("not a code of Tombolo's: it does not begin with T")
)

// Encode gives the text of a code.
func Encode(w passport.Window) string {
	var raw [passport.WindowSize]byte
	var text [TextSize]byte
	b, _ := w.AppendBinary(raw[:0]) // has no error
	return string(appendBase45(append(text[:0], prefix...), b))
}

// Decode reads the text of a code, whole and strictly: Encode of what it returns
// is the same text. It returns [ErrTooLong], [ErrPrefix], [ErrAlphabet], [ErrCut],
// [ErrOverflow] or what [passport.ParseWindow] returns.
func Decode(text []byte) (passport.Window, error) {
	if len(text) > MaxText {
		return passport.Window{}, fmt.Errorf("code: %w (%d characters)", ErrTooLong, len(text))
	}
	var raw [MaxText / 3 * 2]byte
	text, ok := bytes.CutPrefix(text, []byte(prefix))
	if !ok {
		return passport.Window{}, fmt.Errorf("code: %w", ErrPrefix)
	}
	b, err := appendUnbase45(raw[:0], text)
	if err != nil {
		return passport.Window{}, fmt.Errorf("code: %w", err)
	}
	return passport.ParseWindow(b)
}
