package card

import "fmt"

// StatusError is a card's refusal. SW is the status word, ISO 7816-4 §5.1.3, or
// a HaLo chip's own E1xx, which it sends as a two-byte answer.
type StatusError struct {
	Command string // what was asked for, as "Keycard SIGN without a PIN"
	SW      uint16
}

// Error says in words what to do.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: the card refuses with %04X: %s", e.Command, e.SW, e.words())
}

func (e *StatusError) words() string {
	if w, ok := statusWords[e.SW]; ok {
		return w
	}
	switch e.SW >> 8 {
	case 0xe1:
		return "the chip's own error, which its maker does not explain: update or replace the chip"
	case 0x62, 0x63:
		return "a warning where the whole answer is needed: hold the card still and try again"
	case 0x64, 0x65, 0x66:
		return "the card could not run the command or store its result: replace it if this stays"
	case 0x68:
		return "it knows no such class of commands: this is not the card that its applet's name says"
	case 0x6f:
		return "an error inside the card: try again, and replace the card if this stays"
	}
	return "a status that none of the known cards documents: it is of another make or version"
}

// statusWords: ISO 7816-4 §5.1.3 table 5 and 6, with what they mean on the cards
// that this package talks to.
var statusWords = map[uint16]string{
	0x6283: "the applet is blocked: unblock it with the card's own app",
	0x6700: "the command has the wrong length for this version of the applet: update the card or use another",
	0x6982: "security status not satisfied: it wants a PIN or a secure channel first; a door key must sign without one",
	0x6983: "its PIN is blocked: unblock it with the card's own app",
	0x6985: "conditions not satisfied: the card has no key yet, or its person has not put it into this state; set it up with its own app",
	0x6999: "the applet could not be selected: take the card away and hold it there again",
	0x6a80: "it calls the data wrong: the applet is of another version",
	0x6a81: "it does not have this function: the applet is of another version",
	0x6a82: "there is no such applet on the card",
	0x6a86: "it calls the parameters wrong: the applet is of another version",
	0x6a88: "no key for signing without a PIN: set a Keycard's pinless path once in its own app or with keycard-cli (keycard-set-pinless-path), then hold it there again",
	0x6b00: "it calls the parameters wrong: the applet is of another version",
	0x6d00: "it does not know the command: the applet is too old, or has not been set up",
	0x6e00: "it does not know this class of commands: this is not the card that its applet's name says",
	0x6f00: "an error inside the card, or an answer too long for the reader: try again, then try another reader",

	// arx-research/libhalo, core/src.ts/halo/errors.ts
	0xe101: "the chip does not know the command: its firmware is too old to be a door key",
	0xe102: "the chip has no such slot, or the slot does not sign in this way",
	0xe103: "the chip calls the length wrong: its firmware is of another version",
	0xe10a: "the slot holds no key yet: make one with the chip's own tools",
	0xe10c: "the chip's cryptography failed: replace the chip if this stays",
	0xe10d: "the chip calls the data wrong: its firmware is of another version",
	0xe10f: "the chip's answer is too long for it to send",
	0xe111: "wrong password: a door key must have none",
	0xe117: "the slot must be protected by a password: it cannot be a door key",
	0xe118: "the slot is locked for good after too many wrong passwords: replace the chip",
	0xe119: "the chip has signed too often in a row: take it away from the reader and try again",
}
