//go:build !pcsc

package pcsctest

import "tombolo/hw/nfc"

func occupied(string) (bool, error) { return false, nfc.ErrNoPCSC }
