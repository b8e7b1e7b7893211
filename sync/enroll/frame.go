package enroll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"tombolo/sync/internal/cbor"
	"tombolo/sync/ledger"
)

// version is that of frames and of all that is hashed. Nothing in a version
// changes; another form is another version. Only the refusal's form is the same
// in all of them, so that two versions can tell each other that they differ.
const version = 1

// Bounds, in bytes.
const (
	MaxRequest  = 4096
	MaxApproval = 256 << 20
	chunkSize   = 64 << 10
	maxWhy      = 400 // characters of a refusal
	headerSize  = 6
)

// Errors of frames.
var (
	ErrFrame   = errors.New("the other side does not speak as an enrolment does")
	ErrVersion = errors.New("the other side speaks another version of the enrolment: update the older of gateway and tool")

	errLength = fmt.Errorf("%w: a frame of a length that its kind cannot have", ErrFrame)
	errKind   = fmt.Errorf("%w: a frame of an unknown kind", ErrFrame)
	errBody   = fmt.Errorf("%w: a frame's body", ErrFrame)
)

type kind uint8

const (
	kindHello    kind = 1
	kindProof    kind = 2
	kindRequest  kind = 3
	kindCommit   kind = 4
	kindNonce    kind = 5
	kindAgreed   kind = 6
	kindApproval kind = 7
	kindChunk    kind = 8
	kindTaken    kind = 9
	kindRefusal  kind = 10
)

// message is what a frame holds; each is a deterministic CBOR array of its
// fields in order, behind a header: length of the body u32, big endian, version
// u8, kind u8.
type message interface {
	kind() kind
	check() error
}

// way is how the two sides know each other.
type way uint8

const (
	wayCode  way = 1 // the desk has seen the gateway's whole code
	wayShort way = 2 // people carry six digits each way
)

// hello is the desk's first word: how it wants to be known, and what it wants
// the gateway to belong to.
type hello struct {
	_         struct{} `cbor:",toarray"`
	Way       way
	Community ledger.CharterID
	Node      ledger.CharterID
}

// proof shows that the sender knows the code's secret.
type proof struct {
	_   struct{} `cbor:",toarray"`
	MAC [32]byte
}

// request is the gateway's, as its file has it.
type request struct {
	_       struct{} `cbor:",toarray"`
	Request []byte
}

// commit binds the gateway to a nonce that it does not show yet.
type commit struct {
	_          struct{} `cbor:",toarray"`
	Commitment [32]byte
}

// nonce is the desk's, then the gateway's.
type nonce struct {
	_     struct{} `cbor:",toarray"`
	Nonce [32]byte
}

// agreed says that a person typed the right digits here: at the desk, then at
// the gateway.
type agreed struct {
	_ struct{} `cbor:",toarray"`
}

// approval announces how many bytes follow in chunks.
type approval struct {
	_    struct{} `cbor:",toarray"`
	Size int64
}

type chunk struct {
	_    struct{} `cbor:",toarray"`
	Data []byte
}

// taken is the gateway's last word: it is enrolled.
type taken struct {
	_ struct{} `cbor:",toarray"`
}

// refusal ends it from either side.
type refusal struct {
	_    struct{} `cbor:",toarray"`
	Code refused
	Why  string // for people; see clean
}

func (*hello) kind() kind    { return kindHello }
func (*proof) kind() kind    { return kindProof }
func (*request) kind() kind  { return kindRequest }
func (*commit) kind() kind   { return kindCommit }
func (*nonce) kind() kind    { return kindNonce }
func (*agreed) kind() kind   { return kindAgreed }
func (*approval) kind() kind { return kindApproval }
func (*chunk) kind() kind    { return kindChunk }
func (*taken) kind() kind    { return kindTaken }
func (*refusal) kind() kind  { return kindRefusal }

func (m *hello) check() error {
	if m.Way != wayCode && m.Way != wayShort || m.Community.IsZero() || m.Node.IsZero() {
		return errors.New("no way that is known, no community or no node")
	}
	return nil
}

func (m *request) check() error {
	if len(m.Request) == 0 || len(m.Request) > MaxRequest {
		return fmt.Errorf("a request of %d bytes", len(m.Request))
	}
	return nil
}

func (m *approval) check() error {
	if m.Size < 1 || m.Size > MaxApproval {
		return fmt.Errorf("an approval of %d bytes", m.Size)
	}
	return nil
}

func (m *chunk) check() error {
	if len(m.Data) == 0 || len(m.Data) > chunkSize {
		return fmt.Errorf("a chunk of %d bytes", len(m.Data))
	}
	return nil
}

func (m *refusal) check() error {
	if m.Why != clean(m.Why) {
		return errors.New("a reason that is too long, or not plain text")
	}
	return nil
}

func (*proof) check() error  { return nil }
func (*commit) check() error { return nil }
func (*nonce) check() error  { return nil }
func (*agreed) check() error { return nil }
func (*taken) check() error  { return nil }

// frames has, for each kind, a new message and the longest body: an array's
// byte, and at most 5 before each string.
var frames = map[kind]struct {
	blank func() message
	most  int
}{
	kindHello:    {func() message { return new(hello) }, 2 + 2*34},
	kindProof:    {func() message { return new(proof) }, 1 + 34},
	kindRequest:  {func() message { return new(request) }, 1 + 3 + MaxRequest},
	kindCommit:   {func() message { return new(commit) }, 1 + 34},
	kindNonce:    {func() message { return new(nonce) }, 1 + 34},
	kindAgreed:   {func() message { return new(agreed) }, 1},
	kindApproval: {func() message { return new(approval) }, 1 + 5},
	kindChunk:    {func() message { return new(chunk) }, 1 + 5 + chunkSize},
	kindTaken:    {func() message { return new(taken) }, 1},
	kindRefusal:  {func() message { return new(refusal) }, 1 + 2 + 3 + maxWhy*utf8.UTFMax},
}

var codec = cbor.New(16)

func encode(m message) []byte { return codec.Encode(m) }

// appendFrame adds a message's frame to dst.
func appendFrame(dst []byte, m message) []byte {
	body := encode(m)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	return append(append(dst, version, byte(m.kind())), body...)
}

// readFrame reads one frame, strictly: appendFrame of what it returns is what it
// read. It allocates at most what the kind may need. Errors: those of r
// (io.ErrUnexpectedEOF within a frame), [ErrFrame], [ErrVersion].
func readFrame(r io.Reader) (message, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, err
	}
	n, k := binary.BigEndian.Uint32(h[:]), kind(h[5])
	if h[4] != version && k != kindRefusal {
		return nil, fmt.Errorf("%w (here %d, there %d)", ErrVersion, version, h[4])
	}
	f, ok := frames[k]
	if !ok {
		return nil, fmt.Errorf("%w (%d)", errKind, k)
	}
	if n == 0 || n > uint32(f.most) {
		return nil, fmt.Errorf("%w (%d bytes for kind %d)", errLength, n, k)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	m := f.blank()
	if err := codec.Decode(body, m); err != nil {
		return nil, fmt.Errorf("%w of kind %d: %w", errBody, k, err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%w of kind %d: %w", errBody, k, err)
	}
	return m, nil
}

// clean makes a reason fit for the other side's screen: one line of printable
// characters, at most 400.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) { // neither controls nor what turns a line's direction
			return ' '
		}
		return r
	}, s)
	if n := 0; utf8.RuneCountInString(s) > maxWhy {
		for i := range s {
			if n++; n > maxWhy {
				return s[:i]
			}
		}
	}
	return s
}
