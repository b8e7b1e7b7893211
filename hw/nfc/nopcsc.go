//go:build !pcsc

package nfc

import "context"

// OpenPCSC is ErrNoPCSC in a program that was built without the tag pcsc.
func OpenPCSC(context.Context, string) (Field, error) { return nil, ErrNoPCSC }

// PCSCReaders is ErrNoPCSC in a program that was built without the tag pcsc.
func PCSCReaders(context.Context) ([]string, error) { return nil, ErrNoPCSC }
