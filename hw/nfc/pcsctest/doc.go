// Package pcsctest holds cards in software to a real pcscd: for tests, and for
// the bench.
//
// Call [Start]: it has pcscd run with Debian's virtual reader
// (vsmartcard-vpcd), and keeps other test binaries of the same user from doing
// so until [Daemon.Close]. Then [Daemon.Insert] and [Inserted.Remove]; what
// reads the cards opens [Daemon.Reader] by package nfc.
//
// It needs the tag pcsc, the Debian packages pcscd and vsmartcard-vpcd, and the
// right to run pcscd, which is root's. Where one of them is missing Start fails
// and says which.
package pcsctest

import "errors"

var (
	// ErrMissing is wrapped by Start when a Debian package is not installed.
	ErrMissing = errors.New("pcsctest: apt-get install pcscd vsmartcard-vpcd")
	// ErrDaemon is wrapped when pcscd does not do what it should.
	ErrDaemon = errors.New("pcsctest: pcscd")
	// ErrNotOurs is returned by Kill and Restart for a pcscd that ran before.
	ErrNotOurs = errors.New("pcsctest: pcscd was running before, so it is not ours to end")
)
