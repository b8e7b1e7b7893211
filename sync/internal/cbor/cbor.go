// Package cbor is the one codec of what sync signs, stores and sends:
// deterministic CBOR (RFC 8949 §4.2.1), read strictly. What a [Codec] decodes it
// encodes to the same bytes, so that a hash or a signature over something read
// holds for it written again.
//
// Call [New] once for each package that has such types: structs that encode as
// arrays, by the tag `cbor:",toarray"`. How many bytes an input may have is for the
// caller to check, before [Codec.Decode].
package cbor

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// ErrForm marks what could be read, but has another, deterministic encoding.
var ErrForm = errors.New("not the deterministic encoding")

// Codec encodes and decodes. It may be used by several goroutines at once.
type Codec struct {
	enc cbor.UserBufferEncMode
	dec cbor.DecMode
}

// New makes a codec for arrays of at most so many elements, 16 or more. An input
// is held against that, and is found whole, before anything is made of it.
func New(maxElements int) Codec {
	opts := cbor.CoreDetEncOptions() // RFC 8949 §4.2.1
	opts.NilContainers = cbor.NilContainerAsEmpty
	enc, err := opts.UserBufferEncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       16, // the fewest that can be set: no type of ours is a map
		MaxNestedLevels:   8,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return Codec{enc, dec}
}

// Encode is the one encoding of v. It panics if v cannot be encoded, which a
// type of ours always can.
func (c Codec) Encode(v any) []byte {
	b, err := c.enc.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("cbor: encode %T: %v", v, err))
	}
	return b
}

// Decode reads the whole of b into v, a pointer, and insists on the one
// encoding. Errors: [ErrForm], and those of reading.
func (c Codec) Decode(b []byte, v any) error {
	if err := c.dec.Unmarshal(b, v); err != nil {
		return err
	}
	again := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(again)
	again.Reset()
	if err := c.enc.MarshalToBuffer(v, again); err != nil || !bytes.Equal(again.Bytes(), b) {
		return ErrForm
	}
	return nil
}

// buffers are those in which Decode writes again what it read: as long as inputs are.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// DecodeLoose is Decode for who knows by other means that b is the one encoding:
// it does not look.
func (c Codec) DecodeLoose(b []byte, v any) error { return c.dec.Unmarshal(b, v) }
