package card

import (
	"fmt"

	"tombolo/passport"
)

// readTLV takes one BER-TLV element from the front of b: a tag of one byte and
// a length in its shortest form, at most 255 (X.690 §8.1.3), which is all that
// the cards send. It returns [ErrAnswer].
func readTLV(b []byte) (tag byte, value, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, fmt.Errorf("%w (an element of %d bytes)", errCut, len(b))
	}
	tag = b[0]
	if tag&0x1f == 0x1f {
		return 0, nil, nil, fmt.Errorf("%w (%02X)", errTagForm, tag)
	}
	n, rest := int(b[1]), b[2:]
	switch {
	case n < 0x80:
	case n > 0x81 || n == 0x80:
		return 0, nil, nil, fmt.Errorf("%w (tag %02X, %02X)", errLenForm, tag, n)
	case len(rest) == 0:
		return 0, nil, nil, fmt.Errorf("%w (tag %02X without its length)", errCut, tag)
	case rest[0] < 0x80:
		return 0, nil, nil, fmt.Errorf("%w (tag %02X, 81%02X)", errLenForm, tag, rest[0])
	default:
		n, rest = int(rest[0]), rest[1:]
	}
	if n > len(rest) {
		return 0, nil, nil, fmt.Errorf("%w (tag %02X of %d bytes in %d)", errCut, tag, n, len(rest))
	}
	return tag, rest[:n], rest[n:], nil
}

// wantTLV is readTLV of an element that must have this tag.
func wantTLV(b []byte, tag byte) (value, rest []byte, err error) {
	got, value, rest, err := readTLV(b)
	if err == nil && got != tag {
		err = fmt.Errorf("%w (tag %02X instead of %02X)", errTag, got, tag)
	}
	return value, rest, err
}

// readDER takes one DER signature from the front of b, by its own header. It
// returns [ErrAnswer]; the inside has not been read.
func readDER(b []byte) (der, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, fmt.Errorf("%w (a signature of %d bytes)", errCut, len(b))
	}
	if b[0] != 0x30 {
		return nil, nil, fmt.Errorf("%w (tag %02X instead of a signature's)", errTag, b[0])
	}
	n := 2 + int(b[1])
	if n > 72 { // two integers of 33 bytes
		return nil, nil, fmt.Errorf("%w (a signature of %d bytes)", errSize, n)
	}
	if n > len(b) {
		return nil, nil, fmt.Errorf("%w (a signature of %d bytes in %d)", errCut, n, len(b))
	}
	return b[:n], b[n:], nil
}

// signature reads a whole DER signature of the cards' curve. It returns
// [ErrAnswer] with passport.ParseDER's own.
func signature(der []byte) (passport.Signature, error) {
	sig, err := passport.ParseDER(passport.Secp256k1, der)
	if err != nil {
		return passport.Signature{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return sig, nil
}

// point reads a public key as a card gives it. It returns [ErrAnswer] with
// passport.NewKey's own.
func point(kind passport.KeyKind, sec1 []byte) (passport.Key, error) {
	key, err := passport.NewKey(kind, sec1)
	if err != nil {
		return passport.Key{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return key, nil
}
