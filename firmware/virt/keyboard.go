package virt

import "strings"

// keyNames are QEMU's names of the keys of a keyboard with the US layout that
// give base45's alphabet (RFC 9285) and a line's end, but for letters and digits.
var keyNames = map[rune]string{
	' ': "spc", '$': "shift-4", '%': "shift-5", '*': "shift-8", '+': "shift-equal",
	'-': "minus", '.': "dot", '/': "slash", ':': "shift-semicolon", '\n': "ret",
}

// Type types on the board's keyboard, as a scanner does: capitals with shift,
// each key for 20 ms. The keys wait in the machine, so that it returns before
// they have all been typed.
func (m *Machine) Type(text string) {
	m.tb.Helper()
	for _, r := range text {
		key, ok := keyNames[r]
		switch {
		case ok:
		case r >= '0' && r <= '9':
			key = string(r)
		case r >= 'A' && r <= 'Z':
			key = "shift-" + strings.ToLower(string(r))
		default:
			m.tb.Fatalf("no key for %q", r)
		}
		m.Monitor("sendkey " + key + " 20")
	}
}
