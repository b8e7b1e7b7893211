package qr

import (
	"errors"
	"fmt"
)

// Sentinels of base45.
var (
	// ErrAlphabet is returned for a character outside the 45, lower case
	// among them.
	ErrAlphabet = errors.New("not base45: a character is outside its alphabet")
	// ErrCut is returned for a text whose length no bytes encode to.
	ErrCut = errors.New("not base45: the text is cut off")
	// ErrOverflow is returned for three characters above 65535 or two above
	// 255, which no bytes encode to.
	ErrOverflow = errors.New("not base45: a group exceeds its bytes")
)

// alphabet is QR's alphanumeric mode. RFC 9285 §4.2
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// digits maps a character to its value; 45 for every other.
var digits = func() (t [256]uint8) {
	for i := range t {
		t[i] = uint8(len(alphabet))
	}
	for i, c := range []byte(alphabet) {
		t[c] = uint8(i)
	}
	return t
}()

// appendBase45 encodes src: two bytes in three characters, the least
// significant first, a last odd byte in two. RFC 9285 §4
func appendBase45(dst, src []byte) []byte {
	for ; len(src) >= 2; src = src[2:] {
		n := int(src[0])<<8 | int(src[1])
		dst = append(dst, alphabet[n%45], alphabet[n/45%45], alphabet[n/2025])
	}
	if len(src) == 1 {
		dst = append(dst, alphabet[src[0]%45], alphabet[src[0]/45])
	}
	return dst
}

// appendUnbase45 decodes src, which has one text for each bytes: whatever it
// accepts, appendBase45 gives back.
func appendUnbase45(dst, src []byte) ([]byte, error) {
	for i, c := range src {
		if digits[c] == 45 {
			return nil, fmt.Errorf("%w (character %d, %q)", ErrAlphabet, i+1, c)
		}
	}
	if len(src)%3 == 1 {
		return nil, fmt.Errorf("%w (%d characters)", ErrCut, len(src))
	}
	for ; len(src) >= 3; src = src[3:] {
		n := int(digits[src[0]]) + 45*int(digits[src[1]]) + 2025*int(digits[src[2]])
		if n > 0xffff {
			return nil, fmt.Errorf("%w (%.3q)", ErrOverflow, src)
		}
		dst = append(dst, byte(n>>8), byte(n))
	}
	if len(src) == 2 {
		n := int(digits[src[0]]) + 45*int(digits[src[1]])
		if n > 0xff {
			return nil, fmt.Errorf("%w (%.2q)", ErrOverflow, src)
		}
		dst = append(dst, byte(n))
	}
	return dst, nil
}
