package keyboard

import evdev "github.com/holoplot/go-evdev"

// What stands in a code for what is no character; no printable code has them,
// so that a scanner.Framer refuses the frame.
const (
	Lost    = 0x18 // CAN: the kernel dropped events, whatever was typed so far is void
	Unknown = 0x1a // SUB: a key that types no ASCII character on a US keyboard
	End     = '\r' // Enter, Tab and their like: the end of a code
)

// Event is the kernel's input_event without its time.
type Event struct {
	Type, Code uint16
	Value      int32 // of a key: 0 released, 1 pressed, 2 repeated
}

// Decoder turns what a scanner types into characters, as a US keyboard would,
// with letters folded to upper case: a code has no others, and so neither
// CapsLock nor a scanner that types small letters matters. Alt with digits of
// the keypad is the character of that number.
//
// The zero value is a keyboard on which no key is held. Not for concurrent use.
type Decoder struct {
	held    [evdev.KEY_CNT]bool // modifiers that are down; nothing else is kept
	dropped bool                // until the next SYN_REPORT

	number, digits int // typed on the keypad while Alt is down
}

// maxDigits are what Alt takes: 065, and 0065 as some scanners type it.
const maxDigits = 4

// Reset starts anew with the keys that are held, as the kernel tells after a
// loss or when a device is opened.
func (d *Decoder) Reset(held []uint16) {
	*d = Decoder{dropped: d.dropped}
	for _, code := range held {
		if modifier(code) {
			d.held[code] = true
		}
	}
}

// Decode gives the character that an event types, if it types one: printable
// ASCII without small letters, End, Lost or Unknown.
func (d *Decoder) Decode(e Event) (c byte, typed bool) {
	switch {
	case e.Type == evdev.EV_SYN && e.Code == evdev.SYN_DROPPED:
		// What comes up to the next report is of no use: the kernel's
		// Documentation/input/event-codes.rst, SYN_DROPPED.
		d.Reset(nil)
		d.dropped = true
		return Lost, true
	case e.Type == evdev.EV_SYN && e.Code == evdev.SYN_REPORT:
		d.dropped = false
		return 0, false
	case e.Type != evdev.EV_KEY || d.dropped || e.Value != 0 && e.Value != 1:
		return 0, false
	case modifier(e.Code):
		return d.modify(e.Code, e.Value == 1)
	case e.Value == 0:
		return 0, false
	}
	return d.press(e.Code)
}

func (d *Decoder) modify(code uint16, down bool) (byte, bool) {
	d.held[code] = down
	if code != evdev.KEY_LEFTALT && code != evdev.KEY_RIGHTALT {
		return 0, false
	}
	number, digits := d.number, d.digits
	d.number, d.digits = 0, 0
	switch {
	case down || digits == 0:
		return 0, false
	case number == '\t' || number == '\n' || number == '\r':
		return End, true
	case digits > maxDigits || number < ' ' || number > '~':
		return Unknown, true
	}
	return fold(byte(number)), true
}

func (d *Decoder) press(code uint16) (byte, bool) {
	alt := d.held[evdev.KEY_LEFTALT] || d.held[evdev.KEY_RIGHTALT]
	ctrl := d.held[evdev.KEY_LEFTCTRL] || d.held[evdev.KEY_RIGHTCTRL]
	shift := d.held[evdev.KEY_LEFTSHIFT] || d.held[evdev.KEY_RIGHTSHIFT]
	digit, keypad := keypadDigits[code]
	switch {
	case lock(code):
		return 0, false
	case alt && keypad && !ctrl:
		if d.digits++; d.digits <= maxDigits {
			d.number = 10*d.number + digit
		}
		return 0, false
	case code == evdev.KEY_ENTER || code == evdev.KEY_KPENTER || code == evdev.KEY_TAB:
		return End, true
	case ctrl && !alt && (code == evdev.KEY_M || code == evdev.KEY_J || code == evdev.KEY_I):
		return End, true // CR, LF and HT of a scanner that types control characters
	case alt || ctrl || d.held[evdev.KEY_LEFTMETA] || d.held[evdev.KEY_RIGHTMETA]:
		return Unknown, true
	}
	k, known := us[code]
	switch {
	case !known:
		return Unknown, true
	case shift:
		return fold(k.shifted), true
	}
	return fold(k.plain), true
}

func fold(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func modifier(code uint16) bool {
	switch code {
	case evdev.KEY_LEFTSHIFT, evdev.KEY_RIGHTSHIFT, evdev.KEY_LEFTCTRL, evdev.KEY_RIGHTCTRL,
		evdev.KEY_LEFTALT, evdev.KEY_RIGHTALT, evdev.KEY_LEFTMETA, evdev.KEY_RIGHTMETA:
		return true
	}
	return false
}

// lock are keys that scanners press around a code and that type nothing.
func lock(code uint16) bool {
	return code == evdev.KEY_CAPSLOCK || code == evdev.KEY_NUMLOCK || code == evdev.KEY_SCROLLLOCK
}
