package osdptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	som     = 0x53 // start of message, OSDP 2.2 §5.9
	minimum = 7    // SOM, address, length, control, code, checksum

	// MaxFrame is the longest message that OSDP 2.2 §5.9 allows.
	MaxFrame = 1440
	// Everybody is the address that every device answers to.
	Everybody = 0x7F
)

// What is wrong with bytes that [Parse] refuses.
var (
	ErrFrame = errors.New("no OSDP frame")
	ErrCheck = errors.New("the frame's check does not match")
)

// Frame is one message as it stands on the wire, without a marking byte.
type Frame struct {
	Address  byte   // 0..126, or Everybody
	Reply    bool   // from a device: the address's top bit
	Sequence byte   // 0..3
	CRC      bool   // CRC-16 at the end rather than a checksum
	Block    []byte // security block: type and data, without its length byte; nil if there is none
	Code     byte   // of the command or reply
	Data     []byte // as on the wire, which is encrypted under SCS_17 and SCS_18
	MAC      []byte // 4 bytes under SCS_15 to SCS_18
}

// secured tells whether a message of this kind ends with a MAC.
func (f Frame) secured() bool { return len(f.Block) > 0 && f.Block[0] >= scs15 && f.Block[0] <= scs18 }

// Encode gives the frame's bytes. A message under SCS_15 to SCS_18 gets the
// MAC that mac makes of the bytes before it, or f.MAC if mac is nil.
func (f Frame) Encode(mac func(covered []byte) []byte) []byte {
	address, control := f.Address, f.Sequence&3
	if f.Reply {
		address |= 0x80
	}
	check := 1
	if f.CRC {
		control |= 4
		check = 2
	}
	b := []byte{som, address, 0, 0, control}
	if f.Block != nil {
		b[4] |= 8
		b = append(b, byte(len(f.Block)+1))
		b = append(b, f.Block...)
	}
	b = append(b, f.Code)
	b = append(b, f.Data...)
	length := len(b) + check
	if f.secured() {
		length += 4
	}
	// The MAC covers the final length.
	binary.LittleEndian.PutUint16(b[2:], uint16(length))
	if f.secured() {
		m := f.MAC
		if mac != nil {
			m = mac(b)
		}
		b = append(b, m...)
	}
	if f.CRC {
		return binary.LittleEndian.AppendUint16(b, crc16(b))
	}
	return append(b, checksum(b))
}

// Parse reads exactly one frame.
func Parse(b []byte) (Frame, error) {
	if len(b) < minimum || len(b) > MaxFrame {
		return Frame{}, fmt.Errorf("%w: %d bytes", ErrFrame, len(b))
	}
	if b[0] != som {
		return Frame{}, fmt.Errorf("%w: it begins with %02X", ErrFrame, b[0])
	}
	if n := int(binary.LittleEndian.Uint16(b[2:])); n != len(b) {
		return Frame{}, fmt.Errorf("%w: it says that it has %d bytes, it has %d", ErrFrame, n, len(b))
	}
	f := Frame{Address: b[1] & 0x7F, Reply: b[1]&0x80 != 0, Sequence: b[4] & 3, CRC: b[4]&4 != 0}
	rest := b[5 : len(b)-1]
	if f.CRC {
		rest = b[5 : len(b)-2]
		if crc16(b[:len(b)-2]) != binary.LittleEndian.Uint16(b[len(b)-2:]) {
			return f, ErrCheck
		}
	} else if checksum(b[:len(b)-1]) != b[len(b)-1] {
		return f, ErrCheck
	}
	if b[4]&8 != 0 {
		if len(rest) < 2 || int(rest[0]) < 2 || int(rest[0]) >= len(rest) {
			return f, fmt.Errorf("%w: security block of a wrong length", ErrFrame)
		}
		f.Block, rest = bytes.Clone(rest[1:rest[0]]), rest[rest[0]:]
	}
	if f.secured() {
		if len(rest) < 5 {
			return f, fmt.Errorf("%w: no room for a MAC", ErrFrame)
		}
		f.MAC, rest = bytes.Clone(rest[len(rest)-4:]), rest[:len(rest)-4]
	}
	if len(rest) == 0 {
		return f, fmt.Errorf("%w: no command", ErrFrame)
	}
	f.Code = rest[0]
	if len(rest) > 1 {
		f.Data = bytes.Clone(rest[1:])
	}
	return f, nil
}

// next finds the first frame in what came over the line so far: the frame, and
// how many bytes it and what stood before it take. A nil frame means that more
// bytes are needed after the first used ones are dropped.
func next(b []byte) (frame []byte, used int) {
	for used < len(b) {
		at := bytes.IndexByte(b[used:], som)
		if at < 0 {
			return nil, len(b)
		}
		used += at
		if len(b)-used < 4 {
			return nil, used
		}
		n := int(binary.LittleEndian.Uint16(b[used+2:]))
		if n < minimum || n > MaxFrame {
			used++
			continue
		}
		if len(b)-used < n {
			return nil, used
		}
		return b[used : used+n], used + n
	}
	return nil, used
}

// crc16 is the CRC of OSDP 2.2 §5.9: polynomial 0x1021, not reflected, first
// value 0x1D0F. Bit by bit: it is to be right, not fast.
func crc16(b []byte) uint16 {
	crc := uint16(0x1D0F)
	for _, x := range b {
		crc ^= uint16(x) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

// checksum makes all of a message's bytes sum up to zero, OSDP 2.2 §5.9.
func checksum(b []byte) byte {
	var sum byte
	for _, x := range b {
		sum += x
	}
	return -sum
}
