package vpcd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"tombolo/passport/card"
)

// Errors of ReadMessage and AppendData.
var (
	ErrEmpty     = errors.New("vpcd: a message without a byte")
	ErrControl   = errors.New("vpcd: a control byte that means nothing")
	ErrShort     = errors.New("vpcd: a command of fewer than 4 bytes")
	ErrTruncated = errors.New("vpcd: the reader hung up in the middle of a message")
	ErrTooLong   = errors.New("vpcd: more than 65535 bytes do not fit into a message")
)

// Control is what a message of one byte asks for; source: vsmartcard's vpcd.h.
type Control byte

// The controls. PowerOff is 0 on the wire, which is no Control here, so that
// the zero Message is a command.
const (
	PowerOff Control = 0xff
	PowerOn  Control = 1
	Reset    Control = 2
	ATR      Control = 4
)

// Message is what the reader sends: a control or a command APDU, never both.
type Message struct {
	Control Control
	Command []byte // 4..card.MaxCommand bytes
	Long    bool   // the command was longer than that, and was skipped
}

// ReadMessage reads one message: its length, two bytes big endian, and as many
// bytes. Whatever the length says, no more than card.MaxCommand bytes are kept.
// At the end of r between two messages it is io.EOF.
func ReadMessage(r io.Reader) (Message, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Message{}, truncated(err, io.EOF)
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n > card.MaxCommand {
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return Message{}, truncated(err, ErrTruncated)
		}
		return Message{Long: true}, nil
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return Message{}, truncated(err, ErrTruncated)
	}
	switch n {
	case 0:
		return Message{}, ErrEmpty
	case 1:
		switch c := Control(body[0]); c {
		case 0:
			return Message{Control: PowerOff}, nil
		case PowerOn, Reset, ATR:
			return Message{Control: c}, nil
		}
		return Message{}, fmt.Errorf("%w: %#02x", ErrControl, body[0])
	case 2, 3: // ISO 7816-4 §5.2: a command has a header of four bytes
		return Message{}, fmt.Errorf("%w: % x", ErrShort, body)
	}
	return Message{Command: body}, nil
}

// truncated says what an end inside a message is; atEnd is what an end before
// its first byte is.
func truncated(err, atEnd error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case errors.Is(err, io.EOF):
		return atEnd
	}
	return fmt.Errorf("vpcd: %w", err)
}

// AppendData appends data (an APDU, a response, an ATR: 1..65535 bytes) as a
// message.
func AppendData(b, data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return b, ErrEmpty
	case len(data) > math.MaxUint16:
		return b, fmt.Errorf("%w: %d", ErrTooLong, len(data))
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...), nil
}

// AppendControl appends a control as a message: the reader's side.
func AppendControl(b []byte, c Control) []byte {
	if c == PowerOff {
		c = 0
	}
	return append(b, 0, 1, byte(c))
}
