package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

const (
	// MaxCharter bounds a signed charter, in bytes.
	MaxCharter = 64 << 10

	maxSignatures = 128
)

// CharterKind says whose charter it is.
type CharterKind string

// The two kinds of charter.
const (
	CommunityCharter CharterKind = "community"
	NodeCharter      CharterKind = "node"
)

// AuthorRole is what a charter lets a key write.
type AuthorRole string

// What keys may do by a charter's word.
const (
	Issuer    AuthorRole = "issuer"    // community ledgers
	Heartbeat AuthorRole = "heartbeat" // refreshes issuers' heads
	Steward   AuthorRole = "steward"   // node ledgers

	Hub        AuthorRole = "hub"         // the census ledger
	HubHold    AuthorRole = "hub-hold"    // acknowledges what the hub holds durably
	HubWitness AuthorRole = "hub-witness" // cosigns what the hub has seen
	Evaluator  AuthorRole = "evaluator"   // offers the epochs' keys
)

// single tells whether one key at a time has a role.
func (r AuthorRole) single() bool {
	return r == Hub || r == HubHold || r == HubWitness || r == Evaluator
}

// Charter says who may write what. Each version is signed by a threshold of
// the keys that the version before names and of its own, as TUF's root
// metadata (TUF 1.0 §5.3). The signature covers a separator and the stored
// bytes, which nobody ever encodes anew. Another field is another Format.
type Charter struct {
	_         struct{} `cbor:",toarray"`
	Format    uint     // 1
	Kind      CharterKind
	Version   uint64     // 1, then one more each time
	Previous  [32]byte   // SHA-256 of the previous version's bytes; zero in the first
	Slug      string     // the same in every version
	Community CharterID  // a node's community, the same in every version; zero in a community's charter
	Keys      [][32]byte // Ed25519, ascending: whoever may sign the next version
	Threshold uint       // how many of Keys have to
	ChainID   uint64     // of the passport registry; 0 in a node's charter
	Registry  [20]byte   // its contract address; zero in a node's charter
	Authors   []Author   // ascending by key
}

// Author is a key that writes ledgers, or wrote them.
type Author struct {
	_         struct{} `cbor:",toarray"`
	Role      AuthorRole
	Key       [32]byte // Ed25519
	Retired   bool     // nothing counts but what Counted lists
	Counted   []Counted
	Successor []byte // the key that follows a retired one, or empty
}

// Counted is how far a retired author's ledger counts.
type Counted struct {
	_           struct{} `cbor:",toarray"`
	Incarnation Incarnation
	Size        int64
	Root        [32]byte
}

// CharterSignature is one key's signature over the separator and the bytes.
type CharterSignature struct {
	_         struct{} `cbor:",toarray"`
	Key       [32]byte
	Signature [64]byte
}

// SignedCharter is a charter as it is stored and sent. Signatures ascend by key.
type SignedCharter struct {
	_          struct{} `cbor:",toarray"`
	Charter    []byte
	Signatures []CharterSignature
}

const charterSeparator = "tombolo/v1/charter\n"

// Errors of charters.
var (
	ErrCharter      = errors.New("malformed charter")
	ErrCharterChain = errors.New("the charter does not follow the one at hand")
	ErrThreshold    = errors.New("too few signatures under the charter")
)

// Marshal encodes a charter after checking it.
func (c Charter) Marshal() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b := encode(c)
	if most := MaxCharter - maxSignatures*len(encode(CharterSignature{})); len(b) > most {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrCharter, len(b), most)
	}
	return b, nil
}

// ParseCharter reads a charter's bytes strictly, without regard to signatures.
// Its errors wrap ErrCharter.
func ParseCharter(b []byte) (Charter, error) {
	var c Charter
	if len(b) > MaxCharter {
		return c, fmt.Errorf("%w: %d bytes", ErrCharter, len(b))
	}
	if err := decodeWhole(b, &c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCharter, err)
	}
	return c, c.check()
}

func (c Charter) check() error {
	if err := c.fault(); err != nil {
		return fmt.Errorf("%w: %w", ErrCharter, err)
	}
	return nil
}

func (c Charter) fault() error {
	ascending := func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) }
	switch {
	case c.Format != 1:
		return fmt.Errorf("format %d; this charter needs newer software", c.Format)
	case c.Version == 0 || (c.Version == 1) != (c.Previous == [32]byte{}):
		return fmt.Errorf("version %d with previous %x", c.Version, c.Previous)
	case len(c.Keys) == 0 || len(c.Keys) > 64 || c.Threshold == 0 || c.Threshold > uint(len(c.Keys)):
		return fmt.Errorf("%d of %d keys have to sign", c.Threshold, len(c.Keys))
	case !slices.IsSortedFunc(c.Keys, ascending) || len(slices.Compact(slices.Clone(c.Keys))) != len(c.Keys):
		return errors.New("the keys are not ascending and distinct")
	case len(c.Authors) > 256:
		return fmt.Errorf("%d authors", len(c.Authors))
	}
	var allowed []AuthorRole
	switch c.Kind {
	case CommunityCharter:
		allowed = []AuthorRole{Issuer, Heartbeat, Hub, HubHold, HubWitness, Evaluator}
		if !c.Community.IsZero() {
			return errors.New("a community's charter names a community")
		}
		if c.ChainID == 0 || c.Registry == [20]byte{} {
			return errors.New("no chain id or registry")
		}
	case NodeCharter:
		allowed = []AuthorRole{Steward}
		if c.Community.IsZero() {
			return errors.New("a node's charter names no community")
		}
		if c.ChainID != 0 || c.Registry != [20]byte{} {
			return errors.New("a node's charter names a registry")
		}
	default:
		return fmt.Errorf("unknown kind %q", c.Kind)
	}
	serving := map[AuthorRole]bool{}
	for i, a := range c.Authors {
		if i > 0 && ascending(c.Authors[i-1].Key, a.Key) >= 0 {
			return errors.New("the authors are not ascending and distinct")
		}
		if !slices.Contains(allowed, a.Role) {
			return fmt.Errorf("a %s's charter gives a key the role %q", c.Kind, a.Role)
		}
		if err := a.fault(); err != nil {
			return fmt.Errorf("author %v: %w", KeyIDOf(a.Key[:]), err)
		}
		if slices.Contains(c.Keys, a.Key) {
			return fmt.Errorf("author %v: a key that signs charters writes no ledger", KeyIDOf(a.Key[:]))
		}
		if a.Role.single() && !a.Retired {
			if serving[a.Role] {
				return fmt.Errorf("two keys have the role %q; retire one", a.Role)
			}
			serving[a.Role] = true
		}
	}
	return CheckSlug("slug", c.Slug)
}

func (a Author) fault() error {
	if !a.Retired && (len(a.Counted) > 0 || len(a.Successor) > 0) {
		return errors.New("has an end but is not retired")
	}
	if n := len(a.Successor); n != 0 && n != ed25519.PublicKeySize {
		return fmt.Errorf("a successor's key of %d bytes", n)
	}
	for i, e := range a.Counted {
		if e.Size < 1 || (i > 0 && bytes.Compare(a.Counted[i-1].Incarnation[:], e.Incarnation[:]) >= 0) {
			return errors.New("the ends are not ascending, distinct and of at least one entry")
		}
	}
	return nil
}

// SignCharter signs a charter's bytes with some of its keys. Charters that are
// signed in several places are put together by [SignedCharter.Merge].
func SignCharter(charter []byte, keys ...ed25519.PrivateKey) SignedCharter {
	s := SignedCharter{Charter: charter}
	for _, k := range keys {
		sig := ed25519.Sign(k, append([]byte(charterSeparator), charter...))
		s.add(CharterSignature{Key: [32]byte(k.Public().(ed25519.PublicKey)), Signature: [64]byte(sig)})
	}
	return s
}

// add takes a valid signature in.
func (s *SignedCharter) add(sig CharterSignature) {
	i, found := slices.BinarySearchFunc(s.Signatures, sig, compareSignatures)
	if found {
		s.Signatures[i] = sig
	} else {
		s.Signatures = slices.Insert(s.Signatures, i, sig)
	}
}

func compareSignatures(a, b CharterSignature) int { return bytes.Compare(a.Key[:], b.Key[:]) }

// Merge adds another copy's signatures. One that does not verify is left out,
// so that a damaged copy spoils nobody's valid signature.
func (s *SignedCharter) Merge(other SignedCharter) error {
	if !bytes.Equal(s.Charter, other.Charter) {
		return fmt.Errorf("%w: two different charters", ErrCharterChain)
	}
	s.Signatures = slices.Clone(s.Signatures)
	for _, sig := range other.Signatures {
		if s.verifies(sig) {
			s.add(sig)
		}
	}
	return nil
}

func (s SignedCharter) verifies(sig CharterSignature) bool {
	return ed25519.Verify(sig.Key[:], append([]byte(charterSeparator), s.Charter...), sig.Signature[:])
}

// Marshal encodes a signed charter.
func (s SignedCharter) Marshal() []byte { return encode(s) }

// ParseSignedCharter reads a signed charter strictly, without verifying it.
func ParseSignedCharter(b []byte) (SignedCharter, error) {
	var s SignedCharter
	if len(b) > MaxCharter {
		return s, fmt.Errorf("%w: %d bytes", ErrCharter, len(b))
	}
	if err := decodeWhole(b, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrCharter, err)
	}
	if len(s.Signatures) > maxSignatures {
		return s, fmt.Errorf("%w: %d signatures", ErrCharter, len(s.Signatures))
	}
	for i := range s.Signatures {
		if i > 0 && compareSignatures(s.Signatures[i-1], s.Signatures[i]) >= 0 {
			return s, fmt.Errorf("%w: the signatures are not ascending and distinct", ErrCharter)
		}
	}
	return s, nil
}

// valid counts the keys by which a signature verifies: keys, not signatures,
// however often a key's stands there.
func (s SignedCharter) valid(keys [][32]byte) (n uint) {
	for _, key := range keys {
		if slices.ContainsFunc(s.Signatures, func(sig CharterSignature) bool { return sig.Key == key && s.verifies(sig) }) {
			n++
		}
	}
	return n
}

// Hash is SHA-256 of the charter's bytes: what the next version names.
func (s SignedCharter) Hash() [32]byte { return sha256.Sum256(s.Charter) }
