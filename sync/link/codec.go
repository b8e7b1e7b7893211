package link

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/internal/cbor"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// MaxPayload bounds what one packet carries, in bytes.
const MaxPayload = 124 << 10

const (
	// maxMessage bounds a message that was put together from its parts: one
	// entry with the largest body, its proof and its head.
	maxMessage = 512 << 10
	version    = 1
	maxProof   = 128 // hashes; a consistency proof has fewer than twice its tree's height
	maxEntries = 4096
)

// Errors about what came, and about what cannot be sent.
var (
	ErrVersion = errors.New("another version of the protocol")
	ErrMessage = errors.New("malformed message")
)

// What travels: each an array [version, type, …] in the order of its fields.
// None of these ever changes; a field more is another version. Entry and hash
// are as package ledger stores them.
type (
	head struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		Author  [32]byte // Ed25519
		Note    []byte
		From    int64
		Tail    []ledger.Entry
	}
	held struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		Author  [32]byte
		Note    []byte
	}
	want struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		Origin  string // ledger.Origin's text
		From    int64
		Note    []byte // may be empty
	}
	give struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		Author  [32]byte
		Note    []byte
		From    int64
		Entries []ledger.Entry
		Proof   []tlog.Hash
	}
	// blob is a Proof's evidence or a Charter, as package ledger encodes them.
	blob struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		Bytes   []byte
	}
	// exchange is an Ask or an Answer.
	exchange struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		ID      uint64
		Body    []byte
	}
	part struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		ID      uint64 // random; of the message, the same in all its parts
		Index   uint   // from 0
		Count   uint   // of all parts, at least 2
		Bytes   []byte
	}
	birth struct {
		_        struct{} `cbor:",toarray"`
		Version  uint
		Type     Type
		ID       uint64 // random, of the connection
		Name     string
		Software string
		Time     int64 // Unix seconds by the sender's clock
	}
	gone struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    Type
		ID      uint64 // of the birth that it ends
	}
)

var codec = cbor.New(maxEntries)

func encode(v any) []byte { return codec.Encode(v) }

// encodeMessage is a message as it travels, before it is cut into parts. Its
// errors wrap ErrMessage.
func encodeMessage(m any) ([]byte, error) {
	var b []byte
	switch m := m.(type) {
	case Ask:
		return encode(exchange{Version: version, Type: TypeAsk, ID: m.ID, Body: m.Body}), checkSize("an ask", len(m.Body), MaxBody)
	case Answer:
		return encode(exchange{Version: version, Type: TypeAnswer, ID: m.ID, Body: m.Body}), checkSize("an answer", len(m.Body), MaxBody)
	case replica.Head:
		author, err := publicKey(m.Author)
		if err != nil {
			return nil, err
		}
		b = encode(head{Version: version, Type: TypeHead, Author: author, Note: m.Note, From: m.From, Tail: m.Tail})
	case replica.Held:
		author, err := publicKey(m.Author)
		if err != nil {
			return nil, err
		}
		b = encode(held{Version: version, Type: TypeHeld, Author: author, Note: m.Note})
	case replica.Want:
		b = encode(want{Version: version, Type: TypeWant, Origin: m.Origin.String(), From: m.From, Note: m.Note})
	case replica.Give:
		author, err := publicKey(m.Author)
		if err != nil {
			return nil, err
		}
		b = encode(give{Version: version, Type: TypeGive, Author: author, Note: m.Note, From: m.From, Entries: m.Entries, Proof: m.Proof})
	case replica.Proof:
		b = encode(blob{Version: version, Type: TypeProof, Bytes: m.Evidence})
	case replica.Charter:
		b = encode(blob{Version: version, Type: TypeCharter, Bytes: m.Signed})
	default:
		return nil, fmt.Errorf("%w: %T", ErrMessage, m)
	}
	if len(b) > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMessage, len(b), maxMessage)
	}
	return b, nil
}

func publicKey(k []byte) (key [32]byte, err error) {
	if len(k) != len(key) {
		return key, fmt.Errorf("%w: a key of %d bytes", ErrMessage, len(k))
	}
	return [32]byte(k), nil
}

// peek reads the version and type of a payload. Errors: ErrVersion, ErrMessage.
func peek(b []byte) (Type, error) {
	if len(b) < 3 || b[0] < 0x82 || b[0] > 0x97 { // an array of 2 to 23
		return 0, fmt.Errorf("%w: not an array that begins with version and type", ErrMessage)
	}
	switch {
	case b[1] > 0x1b: // not an unsigned integer
		return 0, fmt.Errorf("%w: the version is not a number", ErrMessage)
	case b[1] != version:
		return 0, fmt.Errorf("%w: this is version %d", ErrVersion, version)
	}
	t := Type(b[2])
	if t == 0 || t >= types {
		return 0, fmt.Errorf("%w: unknown type %#x", ErrMessage, b[2])
	}
	return t, nil
}

// decodeInto reads b strictly: whole, in the one encoding. Its errors wrap
// ErrMessage.
func decodeInto(b []byte, v any) error {
	if err := codec.Decode(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return nil
}

// decodeMessage reads a whole message of one of the six types. It checks form
// and bounds alone. Errors: ErrVersion, ErrMessage.
func decodeMessage(b []byte) (replica.Message, error) {
	m, err := decodeByType(b)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func decodeByType(b []byte) (replica.Message, error) {
	if len(b) > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessage, len(b))
	}
	t, err := peek(b)
	if err != nil {
		return nil, err
	}
	switch t {
	case TypeHead:
		var m head
		err := decodeInto(b, &m)
		return replica.Head{Author: m.Author[:], Note: m.Note, From: m.From, Tail: m.Tail}, firstOf(err,
			checkNote(m.Note), checkRun(m.From, m.Tail), checkTail(m.Tail))
	case TypeHeld:
		var m held
		err := decodeInto(b, &m)
		return replica.Held{Author: m.Author[:], Note: m.Note}, firstOf(err, checkNote(m.Note))
	case TypeWant:
		var m want
		if err := decodeInto(b, &m); err != nil {
			return nil, err
		}
		origin, err := ledger.ParseOrigin(m.Origin)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		if len(m.Note) == 0 {
			return replica.Want{Origin: origin, From: m.From}, checkRun(m.From, nil)
		}
		return replica.Want{Origin: origin, From: m.From, Note: m.Note}, firstOf(checkNote(m.Note), checkRun(m.From, nil))
	case TypeGive:
		var m give
		err := decodeInto(b, &m)
		if err == nil && len(m.Proof) > maxProof {
			err = fmt.Errorf("%w: a proof of %d hashes", ErrMessage, len(m.Proof))
		}
		return replica.Give{Author: m.Author[:], Note: m.Note, From: m.From, Entries: m.Entries, Proof: m.Proof}, firstOf(err,
			checkNote(m.Note), checkRun(m.From, m.Entries))
	case TypeProof, TypeCharter:
		var m blob
		err := decodeInto(b, &m)
		if t == TypeProof {
			return replica.Proof{Evidence: m.Bytes}, firstOf(err, checkSize("evidence", len(m.Bytes), 4*ledger.MaxNote))
		}
		return replica.Charter{Signed: m.Bytes}, firstOf(err, checkSize("a charter", len(m.Bytes), ledger.MaxCharter))
	}
	return nil, fmt.Errorf("%w: %v is no message by itself", ErrMessage, t)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkSize(what string, n, most int) error {
	if n == 0 || n > most {
		return fmt.Errorf("%w: %s of %d bytes", ErrMessage, what, n)
	}
	return nil
}

func checkNote(note []byte) error { return checkSize("a note", len(note), ledger.MaxNote) }

func checkRun(from int64, entries []ledger.Entry) error {
	if from < 0 {
		return fmt.Errorf("%w: from entry %d", ErrMessage, from)
	}
	for _, e := range entries {
		if len(e.Leaf) == 0 || len(e.Leaf) > ledger.MaxLeaf || len(e.Body) > ledger.MaxBody || e.Time < 0 {
			return fmt.Errorf("%w: an entry with a leaf of %d bytes and a body of %d", ErrMessage, len(e.Leaf), len(e.Body))
		}
	}
	return nil
}

func checkTail(tail []ledger.Entry) error {
	if n := runSize(tail); n > replica.MaxTail {
		return fmt.Errorf("%w: a tail of %d bytes, at most %d", ErrMessage, n, replica.MaxTail)
	}
	return nil
}

// entryOver is the most that an entry takes beside leaf and body: the array, the
// leaf's head, salt, time, the body's head.
const entryOver = 1 + 2 + (1 + 16) + 9 + 5

// runSize is at least what entries take as they travel, in bytes.
func runSize(entries []ledger.Entry) (n int) {
	for _, e := range entries {
		n += len(e.Leaf) + len(e.Body) + entryOver
	}
	return n
}

// checkpointOf reads the checkpoint of a signed note, unverified: enough to name
// a topic and to compare sizes. Its errors wrap ErrMessage.
func checkpointOf(note []byte) (ledger.Checkpoint, error) {
	if err := checkNote(note); err != nil {
		return ledger.Checkpoint{}, err
	}
	text, _, ok := strings.Cut(string(note), "\n\n")
	if !ok {
		return ledger.Checkpoint{}, fmt.Errorf("%w: a note without signatures", ErrMessage)
	}
	c, err := ledger.ParseCheckpoint(text + "\n")
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return c, nil
}

// validName tells a participant's name: a slug, or none.
func validName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(s) <= 32
}

// validSoftware tells what may stand as a participant's software.
func validSoftware(s string) bool {
	for _, c := range s {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(s) <= 64
}

func decodeBirth(b []byte) (birth, error) {
	var m birth
	err := decodeInto(b, &m)
	if err == nil && (m.Type != TypeBirth || !validName(m.Name) || !validSoftware(m.Software) || m.Time < 0) {
		err = fmt.Errorf("%w: a birth of %q", ErrMessage, m.Name)
	}
	return m, err
}

func decodeGone(b []byte) (gone, error) {
	var m gone
	err := decodeInto(b, &m)
	if err == nil && m.Type != TypeGone {
		err = fmt.Errorf("%w: not a will", ErrMessage)
	}
	return m, err
}
