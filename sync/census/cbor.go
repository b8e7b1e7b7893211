package census

import (
	"errors"
	"fmt"

	"tombolo/sync/internal/cbor"
)

// ErrMalformed is wrapped by every error about the form of what was read.
var ErrMalformed = errors.New("malformed census data")

var codec = cbor.New(MaxCovers)

func encode(v any) []byte { return codec.Encode(v) }

// decodeWhole reads b, of at most so many bytes, into v and insists on the one
// deterministic encoding. Its errors wrap ErrMalformed.
func decodeWhole(b []byte, v any, most int) error {
	if len(b) > most {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(b), most)
	}
	if err := codec.Decode(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
