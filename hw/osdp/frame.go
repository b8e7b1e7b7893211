package osdp

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Frames, OSDP 2.2 §5.9:
//
//	SOM 53 | address, bit 7 in replies | length u16 LE, SOM to check | control |
//	[security block: its length, type, data] | code | data | [MAC 4] | check
const (
	som      = 0x53
	replyBit = 0x80

	maxAddress = 126
	broadcast  = 127

	headerSize = 5
	minFrame   = headerSize + 1 + 1 // code, checksum
	maxFrame   = 1440               // §5.9.3
	macSize    = 4

	controlSequence = 0x03
	controlCRC      = 0x04
	controlSecurity = 0x08
	controlReserved = 0xF0
)

// Types of security blocks, OSDP 2.2 Annex D, Table D.1. Odd ones are the panel's.
const (
	scs11 = 0x11 // CHLNG
	scs12 = 0x12 // CCRYPT
	scs13 = 0x13 // SCRYPT
	scs14 = 0x14 // RMAC_I
	scs15 = 0x15 // command with a MAC
	scs16 = 0x16 // reply with a MAC
	scs17 = 0x17 // command, data encrypted, with a MAC
	scs18 = 0x18 // reply, data encrypted, with a MAC
)

// frame is one message on the wire.
type frame struct {
	address  byte // 0..126, 127 is everybody
	reply    bool
	sequence byte // 0..3
	checksum bool // closed by an 8-bit checksum and not by a CRC
	security byte // type of its security block, 0 without
	key      byte // the block's data, SCS 11 to 14 only
	code     byte
	data     []byte // as on the wire: encrypted with SCS 17 and 18
	mac      [macSize]byte
}

// encrypted says that the frame's data is; sealed that it ends with a MAC.
func (f *frame) encrypted() bool { return f.security >= scs17 }

func (f *frame) sealed() bool { return f.security >= scs15 }

// prefix is the length of what stands before the data.
func (f *frame) prefix() int {
	switch {
	case f.security == 0:
		return headerSize + 1
	case f.security < scs15:
		return headerSize + 3 + 1
	default:
		return headerSize + 2 + 1
	}
}

func (f *frame) size() int {
	n := f.prefix() + len(f.data) + 2
	if f.checksum {
		n--
	}
	if f.sealed() {
		n += macSize
	}
	return n
}

// append encodes the frame behind dst, with f.mac where it is sealed.
func (f *frame) append(dst []byte) ([]byte, error) {
	size := f.size()
	if size > maxFrame {
		return dst, fmt.Errorf("%w: %d bytes are more than %d", ErrFrame, size, maxFrame)
	}
	start := len(dst)
	address, control := f.address, f.sequence&controlSequence
	if f.reply {
		address |= replyBit
	}
	if !f.checksum {
		control |= controlCRC
	}
	if f.security != 0 {
		control |= controlSecurity
	}
	dst = append(dst, som, address, byte(size), byte(size>>8), control)
	switch {
	case f.security == 0:
	case f.security < scs15:
		dst = append(dst, 3, f.security, f.key)
	default:
		dst = append(dst, 2, f.security)
	}
	dst = append(append(dst, f.code), f.data...)
	if f.sealed() {
		dst = append(dst, f.mac[:]...)
	}
	return appendCheck(dst, start, f.checksum), nil
}

func appendCheck(dst []byte, start int, sum bool) []byte {
	if sum {
		return append(dst, checksum(dst[start:]))
	}
	return binary.LittleEndian.AppendUint16(dst, crc16(dst[start:]))
}

// covered is the part of an encoded frame that its MAC is over: all before it
// (Annex D.5.2).
func (f *frame) covered(encoded []byte) []byte {
	return encoded[:f.prefix()+len(f.data)]
}

// parseFrame reads b, which is one whole frame; data points into b. What it
// takes encodes to b again.
func parseFrame(b []byte) (frame, error) {
	size, err := frameSize(b)
	if err != nil {
		return frame{}, err
	}
	if len(b) != size {
		return frame{}, fmt.Errorf("%w: %d bytes, its length says %d", ErrFrame, len(b), size)
	}
	f := frame{
		address:  b[1] &^ replyBit,
		reply:    b[1]&replyBit != 0,
		sequence: b[4] & controlSequence,
		checksum: b[4]&controlCRC == 0,
	}
	body := b[headerSize : size-2]
	if f.checksum {
		body = b[headerSize : size-1]
		if got, want := b[size-1], checksum(b[:size-1]); got != want {
			return frame{}, fmt.Errorf("%w: checksum %02X, computed %02X", ErrFrame, got, want)
		}
	} else if got, want := binary.LittleEndian.Uint16(b[size-2:]), crc16(b[:size-2]); got != want {
		return frame{}, fmt.Errorf("%w: CRC %04X, computed %04X", ErrFrame, got, want)
	}
	if b[4]&controlSecurity != 0 {
		if body, err = f.parseSecurity(body); err != nil {
			return frame{}, err
		}
	}
	if len(body) == 0 {
		return frame{}, fmt.Errorf("%w: no code", ErrFrame)
	}
	f.code, f.data = body[0], body[1:]
	return f, nil
}

// parseSecurity reads the security block and the MAC off body.
func (f *frame) parseSecurity(body []byte) ([]byte, error) {
	if len(body) < 2 {
		return nil, fmt.Errorf("%w: no room for a security block", ErrFrame)
	}
	length, kind := int(body[0]), body[1]
	switch {
	case kind < scs11 || kind > scs18:
		return nil, fmt.Errorf("%w: unknown security block %02X", ErrFrame, kind)
	case (kind%2 == 0) != f.reply && !(f.reply && kind >= scs15):
		// libosdp 3.2 sends status replies under 15: their MAC is a reply's all the same.
		return nil, fmt.Errorf("%w: security block %02X is the other side's", ErrFrame, kind)
	case kind < scs15 && length != 3, kind >= scs15 && length != 2:
		return nil, fmt.Errorf("%w: security block %02X of %d bytes", ErrFrame, kind, length)
	case len(body) < length:
		return nil, fmt.Errorf("%w: truncated security block", ErrFrame)
	}
	f.security = kind
	if kind < scs15 {
		f.key = body[2]
		return body[length:], nil
	}
	body = body[length:]
	if len(body) < 1+macSize {
		return nil, fmt.Errorf("%w: no room for a MAC", ErrFrame)
	}
	f.mac = [macSize]byte(body[len(body)-macSize:])
	return body[:len(body)-macSize], nil
}

// frameSize reads the length of the frame that b begins with; b has at least a header.
func frameSize(b []byte) (int, error) {
	if len(b) < headerSize {
		return 0, fmt.Errorf("%w: %d bytes are no header", ErrFrame, len(b))
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	switch {
	case b[0] != som:
		return 0, fmt.Errorf("%w: begins with %02X", ErrFrame, b[0])
	case b[4]&controlReserved != 0:
		return 0, fmt.Errorf("%w: reserved bits in control %02X", ErrFrame, b[4])
	case size > maxFrame || size < minFrame || b[4]&controlCRC != 0 && size < minFrame+1:
		return 0, fmt.Errorf("%w: length %d", ErrFrame, size)
	}
	return size, nil
}

// deframer finds frames in what comes off the line. It holds at most one
// largest frame; a false start is given up byte by byte, so that a frame behind
// garbage, or inside what garbage claimed, is found.
type deframer struct {
	buf []byte // begins with SOM whenever it is not empty; at most maxFrame
	// bad counts the starts that were given up since reset.
	bad int
}

func (d *deframer) reset() { d.buf, d.bad = d.buf[:0], 0 }

// started says that a frame has begun and is not whole yet.
func (d *deframer) started() bool { return len(d.buf) > 0 }

// push takes bytes off b up to the end of the next frame, and says how many.
// encoded is that frame, good until the next call, or nil: b is used up.
func (d *deframer) push(b []byte) (f frame, encoded []byte, used int) {
	if d.buf == nil {
		d.buf = make([]byte, 0, maxFrame)
	}
	for {
		if f, encoded = d.take(); encoded != nil {
			return f, encoded, used
		}
		if used == len(b) {
			return frame{}, nil, used
		}
		need := d.need()
		chunk := b[used:min(len(b), used+need)]
		used += len(chunk)
		d.buf = append(d.buf, chunk...)
		d.align(0)
	}
}

// expire is called when the line went quiet inside a frame: what was begun is
// not going on. It gives the frames that the false start hid.
func (d *deframer) expire() (f frame, encoded []byte) {
	for {
		if f, encoded = d.take(); encoded != nil || len(d.buf) == 0 {
			return f, encoded
		}
		d.bad++
		d.align(1)
	}
}

// need is how many bytes may be taken before looking again.
func (d *deframer) need() int {
	if len(d.buf) < headerSize {
		return headerSize - len(d.buf)
	}
	size, _ := frameSize(d.buf) // take has checked it
	return size - len(d.buf)
}

// take gives a whole frame off the buffer, if there is one, and gives up starts
// that cannot be one.
func (d *deframer) take() (frame, []byte) {
	for len(d.buf) >= headerSize {
		size, err := frameSize(d.buf)
		if err == nil && len(d.buf) < size {
			return frame{}, nil
		}
		if err == nil {
			var f frame
			if f, err = parseFrame(d.buf[:size]); err == nil {
				encoded := slices.Clone(d.buf[:size])
				f.data = encoded[f.prefix() : f.prefix()+len(f.data)]
				d.buf = append(d.buf[:0], d.buf[size:]...)
				d.align(0)
				return f, encoded
			}
		}
		d.bad++
		d.align(1)
	}
	return frame{}, nil
}

// align drops what stands before the first SOM at or behind from.
func (d *deframer) align(from int) {
	i := slices.Index(d.buf[from:], som)
	if i < 0 {
		d.buf = d.buf[:0]
		return
	}
	d.buf = append(d.buf[:0], d.buf[from+i:]...)
}
