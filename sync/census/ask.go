package census

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// BatchSize is the number of elements in one ask: whoever has fewer fills up with
// [Padding]. Whoever asks again sends the same elements again, since with new
// padding the evaluator could tell which of them are somebody's.
const BatchSize = 64

// MaxMessage bounds an ask or an answer, encoded, in bytes.
const MaxMessage = 16 << 10

// Why an evaluator refuses; a later version may have further ones.
const (
	RefusedUnknownEpoch = "unknown-epoch" // its EpochOpened is not, or not yet, in a ledger that counts
	RefusedNotOpen      = "not-open"      // it has not begun
	RefusedQuota        = "quota"         // too many elements for one gateway
	RefusedOver         = "over"          // audited; the key is gone
	RefusedStranger     = "stranger"      // not a gateway, or not an issuer, by what the evaluator holds
)

// ErrOffer means that an offered key is not the evaluator's word for that epoch.
var ErrOffer = errors.New("the evaluator's offer is not signed for this epoch; ask again with the epoch's own times")

// EvaluateAsk is a gateway's: exactly BatchSize elements, for their evaluations.
type EvaluateAsk struct {
	Epoch    ledger.EpochID
	Elements []Element
}

// EvaluateAnswer is exactly BatchSize evaluations, in the order of the elements,
// or a refusal without any. Left is how many more the gateway may ask for.
type EvaluateAnswer struct {
	Evaluations []Evaluation
	Left        uint32
	Refused     string // "" or a code
}

// OfferAsk is an issuer's, for the key of an epoch that it is about to open.
// Times are Unix seconds, as in [ledger.EpochOpened].
type OfferAsk struct {
	Number uint64
	Opens  int64
	Closes int64
	Audit  int64
}

// OfferAnswer is the key, signed by the evaluator (Ed25519) over
// [ledger.EpochOpened.OfferText]; or a refusal, all else zero.
type OfferAnswer struct {
	Key       PublicKey
	Evaluator [32]byte
	Signature [64]byte
	Refused   string // "" or a code
}

// What travels: each an array [version, type, …]. None of these ever changes; a
// field more is another version.
type (
	evaluateAsk struct {
		_        struct{} `cbor:",toarray"`
		Version  uint
		Type     uint
		Epoch    ledger.EpochID
		Elements []Element
	}
	evaluateAnswer struct {
		_           struct{} `cbor:",toarray"`
		Version     uint
		Type        uint
		Evaluations []Evaluation
		Left        uint32
		Refused     string
	}
	offerAsk struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    uint
		Number  uint64
		Opens   int64
		Closes  int64
		Audit   int64
	}
	offerAnswer struct {
		_         struct{} `cbor:",toarray"`
		Version   uint
		Type      uint
		Key       PublicKey
		Evaluator [32]byte
		Signature [64]byte
		Refused   string
	}
)

const (
	version            = 1
	typeEvaluateAsk    = 1
	typeEvaluateAnswer = 2
	typeOfferAsk       = 3
	typeOfferAnswer    = 4
)

// Marshal encodes the ask; one that is not BatchSize elements is refused where it
// is read.
func (a EvaluateAsk) Marshal() []byte {
	return encode(evaluateAsk{Version: version, Type: typeEvaluateAsk, Epoch: a.Epoch, Elements: a.Elements})
}

// Marshal encodes the answer.
func (a EvaluateAnswer) Marshal() []byte {
	return encode(evaluateAnswer{Version: version, Type: typeEvaluateAnswer, Evaluations: a.Evaluations, Left: a.Left, Refused: a.Refused})
}

// Marshal encodes the ask.
func (a OfferAsk) Marshal() []byte {
	return encode(offerAsk{Version: version, Type: typeOfferAsk, Number: a.Number, Opens: a.Opens, Closes: a.Closes, Audit: a.Audit})
}

// Marshal encodes the answer.
func (a OfferAnswer) Marshal() []byte {
	return encode(offerAnswer{Version: version, Type: typeOfferAnswer, Key: a.Key, Evaluator: a.Evaluator, Signature: a.Signature, Refused: a.Refused})
}

// ParseAsk reads an EvaluateAsk or an OfferAsk. It checks the form alone: that
// elements are ones shows when they are evaluated. Its errors wrap ErrMalformed.
func ParseAsk(b []byte) (any, error) {
	kind, err := messageType(b)
	if err != nil {
		return nil, err
	}
	switch kind {
	case typeEvaluateAsk:
		var m evaluateAsk
		if err := decodeWhole(b, &m, MaxMessage); err != nil {
			return nil, err
		}
		if len(m.Elements) != BatchSize {
			return nil, fmt.Errorf("%w: %d elements instead of %d; fill up with padding", ErrMalformed, len(m.Elements), BatchSize)
		}
		return EvaluateAsk{m.Epoch, m.Elements}, nil
	case typeOfferAsk:
		var m offerAsk
		if err := decodeWhole(b, &m, MaxMessage); err != nil {
			return nil, err
		}
		if m.Number == 0 || m.Opens < 0 || m.Closes <= m.Opens || m.Audit <= m.Closes {
			return nil, fmt.Errorf("%w: epoch %d from %d until %d, audited until %d", ErrMalformed, m.Number, m.Opens, m.Closes, m.Audit)
		}
		return OfferAsk{m.Number, m.Opens, m.Closes, m.Audit}, nil
	}
	return nil, fmt.Errorf("%w: a message of type %d is no ask", ErrMalformed, kind)
}

// ParseEvaluateAnswer reads an answer strictly. Its errors wrap ErrMalformed.
func ParseEvaluateAnswer(b []byte) (EvaluateAnswer, error) {
	if err := wantType(b, typeEvaluateAnswer); err != nil {
		return EvaluateAnswer{}, err
	}
	var m evaluateAnswer
	if err := decodeWhole(b, &m, MaxMessage); err != nil {
		return EvaluateAnswer{}, err
	}
	want := BatchSize
	if m.Refused != "" {
		want = 0
	}
	if len(m.Evaluations) != want {
		return EvaluateAnswer{}, fmt.Errorf("%w: %d evaluations, want %d", ErrMalformed, len(m.Evaluations), want)
	}
	if err := checkRefused(m.Refused); err != nil {
		return EvaluateAnswer{}, err
	}
	return EvaluateAnswer{m.Evaluations, m.Left, m.Refused}, nil
}

// ParseOfferAnswer reads an answer strictly: the key, unless it is refused, is an
// element. Whether it is signed, [OfferAnswer.Verify] says. Its errors wrap
// ErrMalformed.
func ParseOfferAnswer(b []byte) (OfferAnswer, error) {
	if err := wantType(b, typeOfferAnswer); err != nil {
		return OfferAnswer{}, err
	}
	var m offerAnswer
	if err := decodeWhole(b, &m, MaxMessage); err != nil {
		return OfferAnswer{}, err
	}
	a := OfferAnswer{m.Key, m.Evaluator, m.Signature, m.Refused}
	if a.Refused == "" {
		if err := a.Key.Check(); err != nil {
			return OfferAnswer{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return a, nil
	}
	if a != (OfferAnswer{Refused: a.Refused}) {
		return OfferAnswer{}, fmt.Errorf("%w: a refusal with a key", ErrMalformed)
	}
	return a, checkRefused(a.Refused)
}

// Verify checks the signature of an offer that is the answer to an ask. That the
// evaluator is the charter's is for the caller to see. Errors: ErrOffer.
func (a OfferAnswer) Verify(community ledger.CharterID, ask OfferAsk) error {
	text := (&ledger.EpochOpened{Number: ask.Number, Opens: ask.Opens, Closes: ask.Closes, Audit: ask.Audit, Key: a.Key}).OfferText(community)
	if a.Refused != "" || !ed25519.Verify(a.Evaluator[:], text, a.Signature[:]) {
		return ErrOffer
	}
	return nil
}

func checkRefused(code string) error {
	if code == "" {
		return nil
	}
	if err := ledger.CheckSlug("refusal", code); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// messageType reads version and type off a message's head; both stand in one byte
// each, the encoding being deterministic.
func messageType(b []byte) (byte, error) {
	if len(b) < 3 || b[0]>>5 != 4 { // RFC 8949 §3.1: an array
		return 0, fmt.Errorf("%w: no message", ErrMalformed)
	}
	if b[1] != version {
		return 0, fmt.Errorf("%w: version %#x; it needs newer software", ErrMalformed, b[1])
	}
	return b[2], nil
}

func wantType(b []byte, want byte) error {
	kind, err := messageType(b)
	if err == nil && kind != want {
		err = fmt.Errorf("%w: a message of type %d, want %d", ErrMalformed, kind, want)
	}
	return err
}
