package nfc

import (
	"bytes"
	"errors"
	"fmt"
)

// Frames of the PN532, user manual UM0701-02 §6.2.1.
//
//	normal    00 00 FF LEN LCS TFI PD0 PD1 … DCS 00
//	extended  00 00 FF FF FF LENM LENL LCS TFI PD0 PD1 … DCS 00
//	ACK       00 00 FF 00 FF 00
//	NACK      00 00 FF FF 00 00
//	error     00 00 FF 01 FF 7F 81 00
//
// LEN counts TFI and data; LEN + LCS and TFI + PD0 + … + DCS are 0 modulo 256.
const (
	tfiHost = 0xd4 // from us
	tfiChip = 0xd5 // to us

	maxFrameData = 264 // bytes after TFI: the longest that the chip takes or sends, §6.2.1.2
	maxFrame     = 8 + 1 + maxFrameData + 2
)

var (
	frameACK   = []byte{0x00, 0x00, 0xff, 0x00, 0xff, 0x00}
	frameNACK  = []byte{0x00, 0x00, 0xff, 0xff, 0x00, 0x00}
	frameError = []byte{0x00, 0x00, 0xff, 0x01, 0xff, 0x7f, 0x81, 0x00}
)

type frameKind int

const (
	kindData frameKind = iota
	kindACK
	kindNACK
	kindError
)

// frame is one of the kinds; data is what follows TFI in a kindData.
type frame struct {
	kind frameKind
	data []byte
}

// What can be wrong with received bytes. All but errFrameShort are cured by
// asking for the frame again.
var (
	errFrameShort    = errors.New("the frame goes on")
	errFrameLength   = errors.New("the frame's length is damaged")
	errFrameCut      = errors.New("the frame is cut off")
	errFrameSum      = errors.New("the frame's checksum is wrong")
	errFrameTooLong  = fmt.Errorf("the frame is longer than %d bytes", maxFrameData)
	errFrameTFI      = errors.New("the frame is not from a PN532")
	errFrameEmpty    = errors.New("the frame is empty")
	errFrameNoStart  = errors.New("no frame begins in these bytes")
	errFrameDataSize = fmt.Errorf("a frame carries 1 to %d bytes", maxFrameData)
)

// encodeFrame gives the frame of tfi and data (1 to maxFrameData bytes, checked
// by the caller), normal if it fits.
func encodeFrame(tfi byte, data []byte) []byte {
	n := 1 + len(data)
	b := append(make([]byte, 0, maxFrame), 0x00, 0x00, 0xff)
	if n <= 0xff {
		b = append(b, byte(n), -byte(n))
	} else {
		m, l := byte(n>>8), byte(n)
		b = append(b, 0xff, 0xff, m, l, -(m + l))
	}
	b = append(append(b, tfi), data...)
	return append(b, -(tfi + sum(data)), 0x00)
}

// decodeFrame finds the first frame that begins in b. used is how many bytes
// have been dealt with, whatever the outcome: garbage before the frame, the
// frame, or what is known not to begin one. With errFrameShort, need is how many
// bytes from b[used] the frame has at least, 0 if none has begun for sure.
func decodeFrame(b []byte) (f frame, used, need int, err error) {
	start := bytes.Index(b, []byte{0x00, 0xff}) // §6.2.1.6: the preamble may be of any length
	if start < 0 {
		if n := len(b); n > 0 && b[n-1] == 0x00 {
			return frame{}, n - 1, 0, errFrameShort
		}
		return frame{}, len(b), 0, errFrameShort
	}
	h := b[start+2:]
	after := start + 2
	if len(h) < 3 {
		return frame{}, start, 8, errFrameShort
	}
	switch {
	case h[0] == 0x00 && h[1] == 0xff:
		return frame{kind: kindACK}, after + 2, 0, nil
	case h[0] == 0xff && h[1] == 0x00:
		return frame{kind: kindNACK}, after + 2, 0, nil
	}
	n, head := int(h[0]), 2
	if h[0] == 0xff && h[1] == 0xff {
		if len(h) < 5 {
			return frame{}, start, 10, errFrameShort
		}
		n, head = int(h[2])<<8|int(h[3]), 5
		if sum(h[2:5]) != 0 {
			return frame{}, after, 0, errFrameLength
		}
	} else if sum(h[:2]) != 0 {
		return frame{}, after, 0, errFrameLength
	}
	switch {
	case n == 0:
		return frame{}, after, 0, errFrameEmpty
	case n > 1+maxFrameData:
		return frame{}, after, 0, errFrameTooLong
	case len(h) < head+n+1:
		return frame{}, start, 2 + head + n + 1, errFrameShort
	}
	body := h[head : head+n]
	switch {
	case sum(h[head:head+n+1]) != 0:
		return frame{}, after, 0, errFrameSum
	case n == 1 && body[0] == 0x7f:
		return frame{kind: kindError}, after + head + n + 1, 0, nil
	case body[0] != tfiChip:
		return frame{}, after, 0, errFrameTFI
	case n == 1:
		return frame{}, after, 0, errFrameEmpty
	}
	return frame{kind: kindData, data: bytes.Clone(body[1:])}, after + head + n + 1, 0, nil
}

func sum(b []byte) (s byte) {
	for _, v := range b {
		s += v
	}
	return s
}
