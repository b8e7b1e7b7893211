package osdp

import (
	"fmt"
	"strconv"
	"strings"
)

// Function codes of PDCAP, OSDP 2.2 Annex B.
const (
	FunctionContacts       = 1
	FunctionOutputs        = 2
	FunctionCardFormat     = 3
	FunctionLight          = 4
	FunctionBuzzer         = 5
	FunctionText           = 6
	FunctionTime           = 7
	FunctionCRC            = 8 // level bit 0: CRC-16
	FunctionSecureChannel  = 9 // level bit 0: AES-128; items bit 0: has the default key only
	FunctionReceiveBuffer  = 10
	FunctionLargestMessage = 11
	FunctionSmartCard      = 12 // level bit 0: transparent mode, bit 1: extended packets
	FunctionReaders        = 13
	FunctionBiometrics     = 14
	FunctionSecurePIN      = 15
	FunctionVersion        = 16

	functions = 17
)

// Capability is one function of a reader. The zero value: it does not have it.
type Capability struct{ Level, Items byte }

// Capabilities is what a reader says it can, by function code. Codes that OSDP
// 2.2 does not know are left out.
type Capabilities [functions]Capability

// ReceiveBuffer is the largest frame in bytes that the reader takes, 0 if it does not say.
func (c Capabilities) ReceiveBuffer() int {
	f := c[FunctionReceiveBuffer]
	return int(f.Level) | int(f.Items)<<8 // Annex B.11
}

// SecureChannel says whether the reader has AES-128.
func (c Capabilities) SecureChannel() bool { return c[FunctionSecureChannel].Level&1 != 0 }

// Transparent says whether the reader passes APDUs to a card.
func (c Capabilities) Transparent() bool { return c[FunctionSmartCard].Level&1 != 0 }

// Covers gives nil if c can all that pinned can, else ErrLess with what it lacks.
func (c Capabilities) Covers(pinned Capabilities) error {
	for code, want := range pinned {
		have, less := c[code], false
		switch code {
		case FunctionCRC, FunctionSmartCard:
			less = want.Level&^have.Level != 0
		case FunctionSecureChannel: // its items say which key it has, which installing changes
			less = want.Level&^have.Level != 0
		case FunctionReceiveBuffer, FunctionLargestMessage:
			less = int(have.Level)|int(have.Items)<<8 < int(want.Level)|int(want.Items)<<8
		default:
			less = have.Level < want.Level || have.Items < want.Items
		}
		if less {
			return fmt.Errorf("%w: function %d is %d/%d, was %d/%d", ErrLess,
				code, have.Level, have.Items, want.Level, want.Items)
		}
	}
	return nil
}

// MarshalText gives e.g. "4:4/1 9:1/1": function code, level, items. A kept
// form: it may only grow by further functions.
func (c Capabilities) MarshalText() ([]byte, error) {
	var b []byte
	for code, f := range c {
		if f == (Capability{}) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, "%d:%d/%d", code, f.Level, f.Items)
	}
	return b, nil
}

func (c Capabilities) String() string {
	b, _ := c.MarshalText()
	return string(b)
}

// UnmarshalText reads what MarshalText gave.
func (c *Capabilities) UnmarshalText(text []byte) error {
	var read Capabilities
	for word := range strings.FieldsSeq(string(text)) {
		code, rest, ok1 := strings.Cut(word, ":")
		level, items, ok2 := strings.Cut(rest, "/")
		n, err1 := strconv.ParseUint(code, 10, 8)
		l, err2 := strconv.ParseUint(level, 10, 8)
		i, err3 := strconv.ParseUint(items, 10, 8)
		if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil || n == 0 || n >= functions {
			return fmt.Errorf("%w: capability %q: write it as 9:1/1", ErrConfig, word)
		}
		if read[n] != (Capability{}) {
			return fmt.Errorf("%w: capability %d stands there twice", ErrConfig, n)
		}
		read[n] = Capability{Level: byte(l), Items: byte(i)}
	}
	*c = read
	return nil
}
