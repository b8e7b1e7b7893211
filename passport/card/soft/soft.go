// Package soft is the cards' side in software: a HaLo chip, a Keycard and a
// phone that speak the real ones' APDUs bit for bit, for tests, for the
// demonstration and for simulated cards behind a virtual reader. Each is a
// card.Transceiver whose Transmit never returns an error: what a card refuses
// it refuses with a status word. [Maker] is a maker of such cards, with a root
// key of its own.
//
// A soft card keeps no secret from whoever has the program's memory: it is no
// door key for people. None is for concurrent use.
package soft

import "tombolo/passport/card"

// atr is the answer-to-reset that a reader shows for a contactless card without
// historical bytes, with its check byte. PC/SC part 3 §3.1.3.2.3.1
func atr() []byte { return []byte{0x3b, 0x80, 0x80, 0x01, 0x01} }

// isSelect tells whether a command is SELECT by name, ISO 7816-4 §7.1.1.
func isSelect(c card.Command) bool { return c.CLA == 0 && c.INS == 0xa4 && c.P1 == 4 && c.P2 == 0 }

// status is a response without data.
func status(sw uint16) []byte { return []byte{byte(sw >> 8), byte(sw)} }

// ok is a response with data, which it takes over.
func ok(data []byte) []byte { return append(data, 0x90, 0x00) }

// fit refuses an answer that is longer than the command allows, with the length
// that it has, ISO 7816-4 §5.1.3. A command that expects none gets it all the
// same, as from any card that speaks ISO 14443-4.
func fit(c card.Command, response []byte) []byte {
	if n := len(response) - 2; c.Le > 0 && n > c.Le {
		return status(0x6c00 | uint16(n&0xff))
	}
	return response
}
