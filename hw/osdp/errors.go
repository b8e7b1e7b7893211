package osdp

import (
	"errors"
	"fmt"
)

// What State, Refused and the methods of Bus report. Each is wrapped with what
// happened; the text says what a steward can do.
var (
	// ErrConfig is wrapped by New.
	ErrConfig = errors.New("osdp: configuration")
	// ErrPort: the bus itself cannot be opened or was unplugged.
	ErrPort = errors.New("osdp: the bus's port is gone: check the adapter and its cable")
	// ErrSilent: no valid reply for 8 s.
	ErrSilent = errors.New("the reader does not answer: check its power, its wires A and B, its address and its baud rate")
	// ErrRestarted: the reader has no Secure Channel any more. An ordinary event.
	ErrRestarted = errors.New("the reader lost its Secure Channel, it was probably restarted: reconnecting")
	// ErrInstalling: Install or SetAddress works at the reader.
	ErrInstalling = errors.New("the reader is being installed")
	// ErrWrongKey: none of the keys is the reader's.
	ErrWrongKey = errors.New("the reader has another key than this gateway: install it again, and find out who changed it")
	// ErrDefaultKey: the reader wants to talk with the key that everybody knows.
	ErrDefaultKey = errors.New("the reader still has the default key: install it before use")
	// ErrDowngrade: something asked to do with less security than was configured.
	ErrDowngrade = errors.New("the reader, or somebody on its wire, asks for less security: look at the reader and its cable")
	// ErrNoSecureChannel wraps ErrDowngrade: the reader says that it has no Secure Channel.
	ErrNoSecureChannel = fmt.Errorf("no Secure Channel, replace the reader or set it to insecure: %w", ErrDowngrade)
	// ErrLess wraps ErrDowngrade: the reader can less than when it was installed.
	ErrLess = fmt.Errorf("the reader can less than when it was installed, install it again if it was replaced: %w", ErrDowngrade)
	// ErrTampered: a message inside the Secure Channel has a wrong MAC or padding.
	ErrTampered = errors.New("a message was changed on the wire: look for a second panel or for somebody on the cable")
	// ErrSequence: the reader keeps answering with wrong sequence numbers.
	ErrSequence = errors.New("the reader's replies are out of sequence: look for a second reader with this address")

	// ErrRaw: the reader read a card itself and sent its number.
	ErrRaw = errors.New("the reader sends card numbers only: a passport needs transparent mode, set the reader to it or choose one that has it")
	// ErrNoTransparent: the reader refuses transparent mode.
	ErrNoTransparent = errors.New("the reader refuses transparent mode: no card can answer a challenge through it")
	// ErrCard: what is held there cannot be asked.
	ErrCard = errors.New("the card cannot be read: hold one card, alone and still")
	// ErrTooLong: an APDU that does not fit.
	ErrTooLong = errors.New("the message to the card is longer than the reader can receive: choose a reader with a larger buffer")

	// ErrNotRunning: Run has not begun, or has ended, or the port is down.
	ErrNotRunning = errors.New("osdp: the bus is not running")
	// ErrUnknownReader: no reader is configured at this address.
	ErrUnknownReader = errors.New("osdp: no reader is configured at this address")
	// ErrOffline: the reader is not online, or went offline before it answered.
	ErrOffline = errors.New("osdp: the reader is offline")
	// ErrNotInInstallMode: the reader does not accept the default key.
	ErrNotInInstallMode = errors.New("the reader does not take the default key: put it into its installation mode (see its manual) and try again")
	// ErrWindow: the installation's time is over.
	ErrWindow = errors.New("osdp: the installation's time is over")
	// ErrKeyNotTaken: the new key was not taken; the old one goes on.
	ErrKeyNotTaken = errors.New("the reader did not take the new key: the old one is still in use")
	// ErrFile: the reader refused a file.
	ErrFile = errors.New("the reader refused the file")

	// ErrFrame: bytes that are no frame.
	ErrFrame = errors.New("osdp: malformed frame")
	// ErrReply: a frame whose contents break the specification.
	ErrReply = errors.New("osdp: malformed reply")
)

// NAKError is a reader's refusal of one command.
type NAKError struct {
	Command byte // the command's code, e.g. 0x69 for LED
	Code    byte // OSDP 2.2 §7.3, Table 47
}

func (e *NAKError) Error() string {
	return fmt.Sprintf("the reader refuses %s: %s (NAK %02X)", commandName(e.Command), nakText(e.Code), e.Code)
}

// Error codes of NAK, OSDP 2.2 §7.3, Table 47.
const (
	nakCheck       = 0x01 // CRC or checksum
	nakLength      = 0x02
	nakUnknown     = 0x03
	nakSequence    = 0x04
	nakSecureBlock = 0x05 // this security block is not supported
	nakEncrypted   = 0x06 // encrypted communication is required
	nakRecord      = 0x09 // the command's contents cannot be processed
)

func nakText(code byte) string {
	switch code {
	case nakCheck:
		return "it was garbled on the wire"
	case nakLength:
		return "wrong length"
	case nakUnknown:
		return "it does not know this command"
	case nakSequence:
		return "unexpected sequence number"
	case nakSecureBlock:
		return "it does not support this Secure Channel"
	case nakEncrypted:
		return "it wants a Secure Channel first"
	case nakRecord:
		return "it cannot do that"
	default:
		return "for a reason of its own"
	}
}
