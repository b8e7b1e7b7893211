//go:build pcsc

package nfc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ebfe/scard"
)

// OpenPCSCWithin is OpenPCSC with less patience.
func OpenPCSCWithin(ctx context.Context, name string, patience time.Duration) (Field, error) {
	return openPCSC(ctx, name, patience)
}

// OpenPCSCRenamed opens a reader whose name pcscd does not know any more.
func OpenPCSCRenamed(ctx context.Context, name, forgotten string) (Field, error) {
	f, err := openPCSC(ctx, name, patience)
	if err == nil {
		f.(*pcscField).reader = forgotten
	}
	return f, err
}

// HoldPCSC is another program that talks to the card in the reader, until let
// is called.
func HoldPCSC(reader string) (let func(), err error) {
	c, err := scard.EstablishContext()
	if err != nil {
		return nil, err
	}
	held, err := c.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	if err != nil {
		return nil, errors.Join(err, c.Release())
	}
	return sync.OnceFunc(func() {
		_ = held.Disconnect(scard.LeaveCard)
		_ = c.Release()
	}), nil
}
