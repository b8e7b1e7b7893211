package nfc

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// What goes wrong between a program and a PC/SC reader; OpenPCSC, PCSCReaders
// and the methods of the field wrap one of them.
var (
	ErrNoService = errors.New("nfc: the PC/SC service does not answer: install pcscd and start it (systemctl start pcscd)")
	ErrNoRight   = errors.New("nfc: pcscd does not serve this user: allow it by a polkit rule for org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card")
	ErrNoReader  = errors.New("nfc: no such PC/SC reader is attached: plug it in, and see that its driver is installed (libccid)")
	ErrAmbiguous = errors.New("nfc: more than one PC/SC reader has this name: name one of them by a part that is its own")
	ErrUnplugged = errors.New("nfc: the PC/SC reader was unplugged")
	ErrOpen      = errors.New("nfc: this program has the PC/SC reader open already: give each door a reader of its own")
	ErrStuck     = errors.New("nfc: the PC/SC reader does not answer: take the card away; if that does not help unplug the reader and plug it in again, or restart the service (systemctl restart pcscd)")
)

// pickReader finds the reader that is meant by name: the one that is called so,
// or else the only one whose name has it as a part, whatever the case. Empty is
// the only one there is.
func pickReader(readers []string, name string) (string, error) {
	if len(readers) == 0 {
		return "", ErrNoReader
	}
	var found []string
	for _, r := range readers {
		if r == name {
			return r, nil
		}
		if strings.Contains(strings.ToLower(r), strings.ToLower(name)) {
			found = append(found, r)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", fmt.Errorf("%w: %q; attached: %s", ErrNoReader, name, quoted(readers))
	case name == "":
		return "", fmt.Errorf("%w: attached: %s", ErrAmbiguous, quoted(found))
	}
	return "", fmt.Errorf("%w: %q is a part of %s", ErrAmbiguous, name, quoted(found))
}

func quoted(names []string) string {
	var q []string
	for _, n := range names {
		q = append(q, fmt.Sprintf("%q", n))
	}
	return strings.Join(q, ", ")
}

// storageCard reports whether a reader made up this ATR for a card without ISO
// 14443-4, an NTAG or a MIFARE Classic: PC/SC part 3 §3.1.3.2.3. A card of ISO
// 14443-4 has its own historical bytes there.
func storageCard(atr []byte) bool {
	return len(atr) == 20 && bytes.HasPrefix(atr, []byte{
		0x3b, 0x8f, 0x80, 0x01, // TS, T0: 15 historical bytes, TD1, TD2: T=1
		0x80, 0x4f, 0x0c, // status indicator, application identifier of 12 bytes
		0xa0, 0x00, 0x00, 0x03, 0x06, // the PC/SC workgroup's RID
	})
}
