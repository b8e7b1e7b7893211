//go:build pcsc

package pcsctest

import "github.com/ebfe/scard"

// occupied asks pcscd whether it sees a card in the reader.
func occupied(reader string) (bool, error) {
	c, err := scard.EstablishContext()
	if err != nil {
		return false, err
	}
	defer c.Release()
	// Behind the NUL stands what makes the name ours to package scard: see
	// worker.pin in package nfc.
	rs := []scard.ReaderState{{Reader: reader + "\x00pcsctest"}}
	if err := c.GetStatusChange(rs, 0); err != nil {
		return false, err
	}
	return rs[0].EventState&scard.StatePresent != 0, nil
}
