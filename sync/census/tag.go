package census

import (
	"bytes"
	"crypto"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"

	"tombolo/sync/ledger"
)

// Errors of tags.
var (
	ErrKey     = errors.New("not an epoch's key")
	ErrBlind   = errors.New("not a blind: a canonical scalar that is not 0")
	ErrElement = errors.New("not an element of ristretto255 in its canonical encoding, or the identity")
	ErrProof   = errors.New("the evaluation is not proved for this key and input; its evaluator used another key, or what it answers was altered")
	ErrInput   = errors.New("an input of more than 65535 bytes")
)

type (
	// Tag stands for one passport in one epoch: the first 32 bytes of the VOPRF's
	// output, which has 64.
	Tag [32]byte
	// PublicKey is an epoch's: an element of ristretto255, not the identity.
	PublicKey [32]byte
	// Blind is what hides one passport from the evaluator: a scalar, little-endian
	// (RFC 9496 §4.4). It is made for one element and kept with its evaluation.
	Blind [32]byte
	// Element is an element of ristretto255, encoded (RFC 9496 §4.3.2).
	Element [32]byte
)

// Evaluation is an element under an epoch's key, with the proof (RFC 9497
// §2.2.1: c ‖ s) that it is that key's. There is one encoding of each.
type Evaluation struct {
	_       struct{} `cbor:",toarray"`
	Element Element
	Proof   [64]byte
}

// The suite is ristretto255-SHA512 in its verifiable mode (RFC 9497 §4.1).
var (
	suite = oprf.SuiteRistretto255
	ec    = suite.Group()
)

// context is CreateContextString(1, "ristretto255-SHA512"). RFC 9497 §3.1
const context = "OPRFV1-\x01-ristretto255-SHA512"

func proofs() dleq.Params { return dleq.Params{G: ec, H: crypto.SHA512, DST: []byte(context)} }

// Key is an epoch's secret key. NewKey and ParseKey make it; it does not change
// and may be used from several goroutines.
type Key struct {
	secret group.Scalar
	public group.Element
}

// NewKey makes a key of 32 random bytes. RFC 9497 §3.2.1 (DeriveKeyPair)
func NewKey(rnd io.Reader) (Key, error) {
	var seed [32]byte
	if _, err := io.ReadFull(rnd, seed[:]); err != nil {
		return Key{}, fmt.Errorf("an epoch's key: %w", err)
	}
	k, err := oprf.DeriveKey(suite, oprf.VerifiableMode, seed[:], []byte("tombolo/v1/epoch-key"))
	if err != nil {
		return Key{}, fmt.Errorf("an epoch's key: %w", err)
	}
	b, err := k.MarshalBinary()
	if err != nil {
		return Key{}, fmt.Errorf("an epoch's key: %w", err)
	}
	return ParseKey(b)
}

// ParseKey reads what [Key.Marshal] wrote: 32 bytes. Its errors wrap ErrKey.
func ParseKey(b []byte) (Key, error) {
	secret, ok := parseScalar(b)
	if !ok || secret.IsZero() {
		return Key{}, fmt.Errorf("%w: %d bytes that are no canonical scalar, or 0", ErrKey, len(b))
	}
	return Key{secret, ec.NewElement().MulGen(secret)}, nil
}

// Marshal is the key as 32 bytes, a scalar, little-endian; nil for no key.
func (k Key) Marshal() []byte {
	if k.secret == nil {
		return nil
	}
	return marshal(k.secret)
}

// Public is what EpochOpened names; all zeros for no key.
func (k Key) Public() (pk PublicKey) {
	if k.public != nil {
		copy(pk[:], marshal(k.public))
	}
	return pk
}

// Check says whether the bytes can be an epoch's key: ErrKey.
func (pk PublicKey) Check() error {
	if _, ok := parseElement(pk); !ok {
		return fmt.Errorf("%w: its public part is not an element of ristretto255, or the identity", ErrKey)
	}
	return nil
}

// Input is what a passport's tag of an epoch is computed from:
//
//	"tombolo/v1/tag\n" ‖ community[32] ‖ epoch[32] ‖ passport u64
//
// It is fixed by version 1.
func Input(community ledger.CharterID, epoch ledger.EpochID, passport uint64) []byte {
	b := append([]byte("tombolo/v1/tag\n"), community[:]...)
	b = append(b, epoch[:]...)
	return binary.BigEndian.AppendUint64(b, passport)
}

// NewBlind makes a blind of 64 random bytes. RFC 9497 §4.7.2
func NewBlind(rnd io.Reader) (Blind, error) {
	var wide [64]byte
	if _, err := io.ReadFull(rnd, wide[:]); err != nil {
		return Blind{}, fmt.Errorf("a blind: %w", err)
	}
	return Blind(marshal(ec.HashToScalar(wide[:], []byte("tombolo/v1/blind")))), nil
}

// Element blinds an input: what is sent to the evaluator. RFC 9497 §3.3.2 (Blind)
// Errors: ErrBlind, ErrInput.
func (b Blind) Element(input []byte) (Element, error) {
	scalar, err := b.scalar()
	if err != nil {
		return Element{}, err
	}
	if len(input) > math.MaxUint16 {
		return Element{}, ErrInput
	}
	point := ec.HashToElement(input, []byte("HashToGroup-"+context))
	return Element(marshal(ec.NewElement().Mul(point, scalar))), nil
}

func (b Blind) scalar() (group.Scalar, error) {
	s, ok := parseScalar(b[:])
	if !ok || s.IsZero() {
		return nil, ErrBlind
	}
	return s, nil
}

// Padding is an element that looks like any other and is nobody's: who asks for
// fewer than [BatchSize] fills up with it, so that the evaluator cannot count.
func Padding(rnd io.Reader) (Element, error) {
	b, err := NewBlind(rnd)
	if err != nil {
		return Element{}, err
	}
	scalar, err := b.scalar()
	if err != nil {
		return Element{}, err
	}
	return Element(marshal(ec.NewElement().MulGen(scalar))), nil
}

// Evaluate is the evaluator's part. RFC 9497 §3.3.2 (BlindEvaluate)
// The same element gives the same evaluation, bit for bit. Errors: ErrElement,
// ErrKey for no key.
func (k Key) Evaluate(e Element) (Evaluation, error) {
	if k.secret == nil {
		return Evaluation{}, ErrKey
	}
	blinded, ok := parseElement(e)
	if !ok {
		return Evaluation{}, ErrElement
	}
	evaluated := ec.NewElement().Mul(blinded, k.secret)
	proof, err := dleq.Prover{Params: proofs()}.ProveWithRandomness(k.secret, ec.Generator(), k.public, blinded, evaluated, k.nonce(e))
	if err != nil {
		return Evaluation{}, fmt.Errorf("an evaluation: %w", err)
	}
	return Evaluation{Element: Element(marshal(evaluated)), Proof: [64]byte(marshal(proof))}, nil
}

// nonce is for the proof of one evaluation. A nonce that served two proofs would
// give the key away, so none is drawn: it follows from key and element, as in RFC
// 6979 and RFC 8032, and these fix all else that is proved.
func (k Key) nonce(e Element) group.Scalar {
	return ec.HashToScalar(append(k.Marshal(), e[:]...), []byte("tombolo/v1/evaluation"))
}

// Finish verifies what the evaluator answered for an input and its blind, and
// makes the tag of it. RFC 9497 §3.3.2 (Finalize)
// Errors: ErrKey, ErrInput, ErrBlind, ErrElement, ErrProof.
func Finish(pk PublicKey, input []byte, b Blind, ev Evaluation) (Tag, error) {
	if err := pk.Check(); err != nil {
		return Tag{}, err
	}
	public := new(oprf.PublicKey)
	if err := public.UnmarshalBinary(suite, pk[:]); err != nil {
		return Tag{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	scalar, err := b.scalar()
	if err != nil {
		return Tag{}, err
	}
	if len(input) > math.MaxUint16 {
		return Tag{}, ErrInput
	}
	evaluated, ok := parseElement(ev.Element)
	if !ok {
		return Tag{}, ErrElement
	}
	proof, ok := parseProof(ev.Proof)
	if !ok {
		return Tag{}, fmt.Errorf("%w: its scalars are not canonical", ErrProof)
	}
	client := oprf.NewVerifiableClient(suite, public)
	data, _, err := client.DeterministicBlind([][]byte{input}, []oprf.Blind{scalar})
	if err != nil {
		return Tag{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	outputs, err := client.Finalize(data, &oprf.Evaluation{Elements: []oprf.Evaluated{evaluated}, Proof: proof})
	if err != nil {
		return Tag{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return Tag(outputs[0][:len(Tag{})]), nil
}

// parseElement refuses what is no element in its one encoding, and the identity.
// RFC 9497 §3.3: "DeserializeElement"
func parseElement[T ~[32]byte](b T) (group.Element, bool) {
	raw := [32]byte(b)
	e := ec.NewElement()
	if e.UnmarshalBinary(raw[:]) != nil || e.IsIdentity() {
		return nil, false
	}
	return e, true
}

// parseScalar refuses a scalar that is not below the group's order, which circl
// would reduce.
func parseScalar(b []byte) (group.Scalar, bool) {
	s := ec.NewScalar()
	if s.UnmarshalBinary(b) != nil || !bytes.Equal(marshal(s), b) {
		return nil, false
	}
	return s, true
}

func parseProof(b [64]byte) (*dleq.Proof, bool) {
	for _, half := range [][]byte{b[:32], b[32:]} {
		if _, ok := parseScalar(half); !ok {
			return nil, false
		}
	}
	p := new(dleq.Proof)
	return p, p.UnmarshalBinary(ec, b[:]) == nil
}

// marshal is for values of the group alone, which always have an encoding.
func marshal(v encoding.BinaryMarshaler) []byte {
	b, err := v.MarshalBinary()
	if err != nil {
		panic(fmt.Sprintf("census: %T: %v", v, err))
	}
	return b
}
