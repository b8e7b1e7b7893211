package passport

import (
	"encoding/binary"
	"fmt"
)

// fields reads a binary form of fixed size whose length was checked.
type fields []byte

// newFields checks size and version; every binary form here is at version 1.
func newFields(what string, b []byte, size int) (fields, error) {
	if len(b) != size {
		return nil, fmt.Errorf("%s: %w: %d bytes instead of %d", what, ErrLength, len(b), size)
	}
	if b[0] != 1 {
		return nil, fmt.Errorf("%s: %w (version %d)", what, ErrVersion, b[0])
	}
	return b[1:], nil
}

func (f *fields) copy(dst []byte) { *f = (*f)[copy(dst, *f):] }

func (f *fields) byte() byte {
	v := (*f)[0]
	*f = (*f)[1:]
	return v
}

func (f *fields) uint32() uint32 {
	v := binary.BigEndian.Uint32(*f)
	*f = (*f)[4:]
	return v
}

func (f *fields) uint64() uint64 {
	v := binary.BigEndian.Uint64(*f)
	*f = (*f)[8:]
	return v
}
