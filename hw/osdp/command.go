package osdp

import (
	"encoding/binary"
	"fmt"
)

// Codes of commands, OSDP 2.2 Annex A.1.
const (
	cmdPoll         = 0x60
	cmdID           = 0x61
	cmdCap          = 0x62
	cmdLStat        = 0x64
	cmdIStat        = 0x65
	cmdOStat        = 0x66
	cmdRStat        = 0x67
	cmdOut          = 0x68
	cmdLED          = 0x69
	cmdBuz          = 0x6A
	cmdText         = 0x6B
	cmdComSet       = 0x6E
	cmdKeySet       = 0x75
	cmdChlng        = 0x76
	cmdSCrypt       = 0x77
	cmdACURxSize    = 0x7B
	cmdFileTransfer = 0x7C
	cmdMfg          = 0x80
	cmdXWR          = 0xA1
	cmdAbort        = 0xA2
)

var commandNames = map[byte]string{
	cmdPoll: "POLL", cmdID: "ID", cmdCap: "CAP", cmdLStat: "LSTAT", cmdIStat: "ISTAT", cmdOStat: "OSTAT",
	cmdRStat: "RSTAT", cmdOut: "OUT", cmdLED: "LED", cmdBuz: "BUZ", cmdText: "TEXT", cmdComSet: "COMSET",
	cmdKeySet: "KEYSET", cmdChlng: "CHLNG", cmdSCrypt: "SCRYPT", cmdACURxSize: "ACURXSIZE",
	cmdFileTransfer: "FILETRANSFER", cmdMfg: "MFG", cmdXWR: "XWR", cmdAbort: "ABORT",
}

func commandName(code byte) string {
	if name, ok := commandNames[code]; ok {
		return name
	}
	return fmt.Sprintf("command %02X", code)
}

// command is a command's code and its data in clear.
type command struct {
	code byte
	data []byte
}

// kind tells commands apart that a reader may know or not know: by their code,
// those of XWR also by mode and code there. Of a reader's first XWR generation
// some know no scan.
func (c command) kind() [3]byte {
	k := [3]byte{c.code}
	if c.code == cmdXWR {
		copy(k[1:], c.data)
	}
	return k
}

// OSDP 2.2 §6.1 to §6.9: no data, or one byte that asks for the standard form.
func poll() command  { return command{code: cmdPoll} }
func askID() command { return command{cmdID, []byte{0}} }
func askCap() command {
	return command{cmdCap, []byte{0}}
}

// ask is one of the status commands: they have no data.
func ask(code byte) command { return command{code: code} }

// setOutput switches an output for good, §6.9 Table 15: 1 is off, 2 is on, both
// end a timed operation.
func setOutput(n byte, on bool) command {
	code := byte(1)
	if on {
		code = 2
	}
	return command{cmdOut, []byte{n, code, 0, 0}}
}

// setLight shows a colour for good, §6.10: reader 0, LED 0; the temporary
// setting is cancelled, the permanent one is all on-time.
func setLight(c Colour) command {
	return command{cmdLED, []byte{
		0, 0,
		1, 0, 0, 0, 0, 0, 0, // temporary: cancel
		1, 1, 0, byte(c), byte(Black), // permanent: set; on for 100 ms, off for none
	}}
}

// setBuzzer sounds for 25.5 s, or is silent, §6.11: tone 2 is the default, 1 is
// off. It has an end so that no reader sounds on for ever that has lost its panel.
func setBuzzer(on bool) command {
	if on {
		return command{cmdBuz, []byte{0, 2, 255, 0, 1}}
	}
	return command{cmdBuz, []byte{0, 1, 0, 0, 0}}
}

// maxText is what the largest display shows: 4 lines of 16, Annex B.7.
const maxText = 64

// setText shows a text for good, wrapped, from the first row and column, §6.12.
// What is no printable ASCII becomes '?'.
func setText(s string) command {
	text := make([]byte, 0, maxText)
	for _, r := range s {
		if len(text) == maxText {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		text = append(text, byte(r))
	}
	return command{cmdText, append([]byte{0, 2, 0, 1, 1, byte(len(text))}, text...)}
}

// setCommunication is COMSET, §6.13.
func setCommunication(address byte, baud int) command {
	return command{cmdComSet, binary.LittleEndian.AppendUint32([]byte{address}, uint32(baud))}
}

// setKey is KEYSET of an SCBK, §6.15: type 1, 16 bytes.
func setKey(k Key) command {
	return command{cmdKeySet, append([]byte{1, byte(len(k))}, k[:]...)}
}

// setReceiveSize says how large a reply may be, §6.18.
func setReceiveSize() command {
	return command{cmdACURxSize, binary.LittleEndian.AppendUint16(nil, maxFrame)}
}

// fileHeader is what stands before a fragment, §6.19.
const fileHeader = 11

func sendFragment(typ byte, size, offset uint32, fragment []byte) command {
	b := append(make([]byte, 0, fileHeader+len(fragment)), typ)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, offset)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(fragment)))
	return command{cmdFileTransfer, append(b, fragment...)}
}

func manufacturer(vendor [3]byte, data []byte) command {
	return command{cmdMfg, append(vendor[:], data...)}
}

// Extended write, §6.20, Tables 33 to 43: mode, command, its data. Readers of one
// device are numbered; ours has one.
func setMode(mode byte) command { return command{cmdXWR, []byte{0, 2, mode, 0}} }
func sendAPDU(apdu []byte) command {
	return command{cmdXWR, append([]byte{1, 1, 0}, apdu...)}
}
func endCard() command  { return command{cmdXWR, []byte{1, 2, 0}} }
func scanCard() command { return command{cmdXWR, []byte{1, 4, 0}} }
