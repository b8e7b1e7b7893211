package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Body is the typed content of an entry. The types of this package implement
// it; each is a deterministic CBOR array of its fields in order, and none ever
// changes (see the package's documentation).
type Body interface {
	Kind() Kind
	check() error
}

// MarshalBody checks a body and encodes it.
func MarshalBody(b Body) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrBody, b.Kind(), err)
	}
	return encode(b), nil
}

// ParseBody reads the body of a kind strictly. Its errors wrap ErrBody, or
// are ErrUnknownKind.
func ParseBody(kind Kind, data []byte) (Body, error) {
	d, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("%w: %v", ErrUnknownKind, kind)
	}
	if len(data) > MaxBody {
		return nil, fmt.Errorf("%w: %v: %d bytes, at most %d", ErrBody, kind, len(data), MaxBody)
	}
	b := d.body()
	if err := decodeWhole(data, b); err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrBody, kind, err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrBody, kind, err)
	}
	return b, nil
}

// ErrUnknownKind marks an entry that a later version wrote.
var ErrUnknownKind = errors.New("unknown kind of entry; newer software wrote it")

// Predecessor is the head of the incarnation that a new one follows.
type Predecessor struct {
	_           struct{} `cbor:",toarray"`
	Incarnation Incarnation
	Size        int64
	Root        [32]byte
}

// Begin is the first entry of every ledger. It binds the ledger to one chain
// of charters (a steward's key may serve two nodes; its entries must not) and
// to the incarnation before it.
type Begin struct {
	_           struct{}     `cbor:",toarray"`
	Charter     CharterID    // the community's or the node's
	Generation  uint64       // 0 for an author's first ledger, then its predecessor's + 1
	Predecessor *Predecessor // nil for the first, or when nothing of it is known
}

func (*Begin) Kind() Kind { return KindBegin }

func (b *Begin) check() error {
	switch p := b.Predecessor; {
	case b.Charter.IsZero():
		return errors.New("no charter is named")
	case p == nil:
		return nil
	case b.Generation == 0:
		return errors.New("generation 0 names a predecessor")
	case p.Size < 1:
		return fmt.Errorf("the predecessor's size is %d", p.Size)
	}
	return nil
}

// Dropped records that the author dropped the bodies of entries First to
// Last, both included.
type Dropped struct {
	_     struct{} `cbor:",toarray"`
	First int64
	Last  int64
	Why   string
}

func (*Dropped) Kind() Kind { return KindDropped }

func (b *Dropped) check() error {
	if b.First < 1 || b.Last < b.First {
		return fmt.Errorf("entries %d to %d", b.First, b.Last)
	}
	return text("why", b.Why, 1, 200)
}

// text bounds a free text: so many characters of UTF-8 that stay on their line.
func text(what, s string, least, most int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8", what)
	}
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return fmt.Errorf("%s has %d characters, want %d to %d", what, n, least, most)
	}
	if strings.ContainsFunc(s, unsafeRune) {
		return fmt.Errorf("%s holds a control character", what)
	}
	return nil
}

// unsafeRune is what could break a line, or change how the rest of it reads,
// where somebody prints it: the controls C0 and C1, the separators of lines and
// the controls of writing direction. The ranges are written out because what
// package unicode knows grows with each version, and what is valid must not.
func unsafeRune(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f ||
		0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

// CleanText makes any text, an error's for one, fit a free text of at most so
// many characters: what may not stand there becomes a space.
func CleanText(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unsafeRune(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}

// CheckSlug accepts [a-z0-9-]{1,32}: what may name a community, a node, a
// gateway, a door or a class, on paper as in a topic.
func CheckSlug(what, s string) error {
	if len(s) < 1 || len(s) > 32 {
		return fmt.Errorf("%s %q has %d characters, want 1 to 32", what, s, len(s))
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%s %q: only a–z, 0–9 and - are allowed", what, s)
		}
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
