package census

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrMalformed is wrapped by every error about the form of what was read.
var ErrMalformed = errors.New("malformed census data")

var encMode, decMode = modes()

func modes() (cbor.EncMode, cbor.DecMode) {
	opts := cbor.CoreDetEncOptions() // RFC 8949 §4.2.1
	opts.NilContainers = cbor.NilContainerAsEmpty
	enc, err := opts.EncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxArrayElements:  MaxCovers,
		MaxMapPairs:       16,
		MaxNestedLevels:   8,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// encode marshals one of this package's own types deterministically.
func encode(v any) []byte {
	b, err := encMode.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("census: encode %T: %v", v, err)) // our types hold nothing that cannot be encoded
	}
	return b
}

// decodeWhole reads b, of at most so many bytes, into v and insists on the one
// deterministic encoding. Its errors wrap ErrMalformed.
func decodeWhole(b []byte, v any, most int) error {
	if len(b) > most {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(b), most)
	}
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(encode(v), b) {
		return fmt.Errorf("%w: not the deterministic encoding", ErrMalformed)
	}
	return nil
}
