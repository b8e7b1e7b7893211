package card

import (
	"errors"
	"fmt"
	"slices"
)

// Sizes of short APDUs, ISO 7816-4 §5.1.
const (
	MaxCommand  = 261 // bytes of a command: 5 of header and length, 255 of data, 1 of expected length
	MaxResponse = 258 // bytes of a response with its status word
)

// maxFollow is how many more commands one exchange may take (GET RESPONSE, or
// once more with the right length), whatever the card says.
const maxFollow = 3

// Transceiver exchanges APDUs with the one card that is in a reader's field.
//
// Transmit sends a command APDU (4 to [MaxCommand] bytes) and gives the response
// with its status word (2 to [MaxResponse] bytes), which stays valid until the
// next call. It returns within what is left of the time that the reader allows
// the card; once the card has left, or that time is over, every call returns an
// error that wraps [ErrGone]. Not for concurrent use.
type Transceiver interface {
	Transmit(command []byte) (response []byte, err error)
}

// Sentinels of what a card does.
var (
	// ErrGone ends every exchange with a card that was torn away or too slow.
	ErrGone = errors.New("the card has left the reader: hold it still until the reader has answered")
	// ErrUnknown is returned when none of the applets answered its SELECT.
	ErrUnknown = errors.New("the card holds no passport: it is no HaLo chip, no Keycard and no phone with the app")
	// ErrAnswer is returned for rubbish; it is wrapped with what.
	ErrAnswer = errors.New("the card's answer makes no sense: hold it to the reader again, and replace it if that does not help")
	// ErrCommand is returned for bytes that are no short command APDU.
	ErrCommand = errors.New("not a short command APDU")
)

// What is wrong with an answer; each wraps [ErrAnswer].
var (
	errSize     = fmt.Errorf("%w: it is of a wrong size", ErrAnswer)
	errChain    = fmt.Errorf("%w: it goes on and on", ErrAnswer)
	errRetry    = fmt.Errorf("%w: it is wanted again and given at once", ErrAnswer)
	errTag      = fmt.Errorf("%w: it holds another element than it should", ErrAnswer)
	errTagForm  = fmt.Errorf("%w: a tag has more than one byte", ErrAnswer)
	errLenForm  = fmt.Errorf("%w: a length is not in its shortest form", ErrAnswer)
	errCut      = fmt.Errorf("%w: it is cut off", ErrAnswer)
	errTrailing = fmt.Errorf("%w: it does not end where it should", ErrAnswer)
	errRecovery = fmt.Errorf("%w: no key made this signature", ErrAnswer)
)

// Command is a short command APDU, ISO 7816-4 §5.1.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte // at most 255 bytes
	Le               int    // bytes that the answer may have: 1 to 256; 0: no answer is expected
}

// Bytes is the command as it is sent. Data and Le must be within their bounds.
func (c Command) Bytes() []byte {
	b := append(make([]byte, 0, 6+len(c.Data)), c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		b = append(append(b, byte(len(c.Data))), c.Data...)
	}
	if c.Le > 0 {
		b = append(b, byte(c.Le)) // 256 is sent as 00
	}
	return b
}

// ParseCommand is the inverse of [Command.Bytes]: the four cases of a short
// APDU and nothing else. Data is a part of b. It returns [ErrCommand].
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 || len(b) > MaxCommand {
		return Command{}, fmt.Errorf("%w: %d bytes", ErrCommand, len(b))
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0: // case 1
		return c, nil
	case len(body) == 1: // case 2
		c.Le = expected(body[0])
		return c, nil
	case body[0] == 0:
		return Command{}, fmt.Errorf("%w: a length of zero before %d bytes", ErrCommand, len(body)-1)
	}
	n, rest := int(body[0]), body[1:]
	switch len(rest) - n {
	case 0: // case 3
	case 1: // case 4
		c.Le = expected(rest[n])
	default:
		return Command{}, fmt.Errorf("%w: %d bytes of data announced, %d follow", ErrCommand, n, len(rest))
	}
	c.Data = rest[:n]
	return c, nil
}

func expected(le byte) int {
	if le == 0 {
		return 256
	}
	return int(le)
}

// parseResponse splits a response into its data and its status word. It
// returns [ErrAnswer].
func parseResponse(b []byte) (data []byte, sw uint16, err error) {
	if len(b) < 2 || len(b) > MaxResponse {
		return nil, 0, fmt.Errorf("%w (%d bytes)", errSize, len(b))
	}
	n := len(b) - 2
	return b[:n], uint16(b[n])<<8 | uint16(b[n+1]), nil
}

// transmit sends a command and gives the whole answer with its last status
// word; what names the command in errors. It follows 61xx (more to fetch) and
// 6Cxx (ask again for xx bytes), ISO 7816-4 §5.1.3, at most maxFollow times in
// all. Errors are the Transceiver's, wrapped, or [ErrAnswer].
func transmit(t Transceiver, what string, cla, ins, p1, p2 byte, data []byte) (resp []byte, sw uint16, err error) {
	c := Command{CLA: cla, INS: ins, P1: p1, P2: p2, Data: data, Le: 256}
	for follow := 0; ; follow++ {
		raw, err := t.Transmit(c.Bytes())
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", what, err)
		}
		part, sw, err := parseResponse(raw)
		if err == nil && len(part) > c.Le {
			err = fmt.Errorf("%w (%d bytes where %d were asked for)", errSize, len(part), c.Le)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", what, err)
		}
		resp = append(resp, part...)
		switch {
		case sw>>8 != 0x61 && sw>>8 != 0x6c:
			return slices.Clip(resp), sw, nil
		case follow == maxFollow:
			return nil, 0, fmt.Errorf("%s: %w", what, errChain)
		case sw>>8 == 0x61:
			// GET RESPONSE, ISO 7816-4 §7.6.1, of the interindustry class.
			c = Command{INS: 0xc0, Le: expected(byte(sw))}
		case len(part) > 0:
			return nil, 0, fmt.Errorf("%s: %w", what, errRetry)
		default:
			c.Le = expected(byte(sw))
		}
	}
}

// expectOK is transmit for a command that must succeed; otherwise it returns a
// [*StatusError].
func expectOK(t Transceiver, what string, cla, ins, p1, p2 byte, data []byte) ([]byte, error) {
	resp, sw, err := transmit(t, what, cla, ins, p1, p2, data)
	if err != nil {
		return nil, err
	}
	if sw != 0x9000 {
		return nil, &StatusError{Command: what, SW: sw}
	}
	return resp, nil
}
