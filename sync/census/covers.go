package census

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"tombolo/sync/ledger"
)

// MaxCovers bounds the reports that one epoch covers.
const MaxCovers = 1 << 17

// Covered is one report that an epoch's list was made of: the head of the report
// ledger up to which it counts, and what its Reported says. Salt is what the hub and
// the auditors alone know: without it, whoever has the list could try which of its
// lines a node reported until he meets the hash in EpochClosed.
type Covered struct {
	Origin   ledger.Origin // a report ledger's
	Size     int64
	Root     [32]byte
	Node     ledger.CharterID
	Count    uint64
	TagsRoot [32]byte
	Salt     [32]byte
}

// The list's encoding: [version, [[origin, size, root, node, count, tags' root,
// salt], …]], ascending by origin. It does not change.
type (
	covers struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Reports []covered
	}
	covered struct {
		_        struct{} `cbor:",toarray"`
		Origin   string
		Size     int64
		Root     [32]byte
		Node     ledger.CharterID
		Count    uint64
		TagsRoot [32]byte
		Salt     [32]byte
	}
)

// maxCovered bounds one of them, encoded, in bytes.
const maxCovered = 1 + (2 + 200) + 9 + 4*34 + 9

// MarshalCovers encodes what an epoch covers, the same in whatever order it is
// given: no report ledger twice. Its hash stands in EpochClosed.
func MarshalCovers(all []Covered) []byte {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b Covered) int { return a.Origin.Compare(b.Origin) })
	out := covers{Version: version}
	for _, c := range sorted {
		out.Reports = append(out.Reports, covered{
			Origin: c.Origin.String(), Size: c.Size, Root: c.Root, Node: c.Node, Count: c.Count, TagsRoot: c.TagsRoot, Salt: c.Salt,
		})
	}
	return encode(out)
}

// CoversHash is EpochClosed.Covers: the SHA-256 of what MarshalCovers writes.
func CoversHash(all []Covered) [32]byte { return sha256.Sum256(MarshalCovers(all)) }

// ParseCovers reads the list strictly. Its errors wrap ErrMalformed.
func ParseCovers(b []byte) ([]Covered, error) {
	var m covers
	if err := decodeWhole(b, &m, 16+MaxCovers*maxCovered); err != nil {
		return nil, err
	}
	if m.Version != version {
		return nil, fmt.Errorf("%w: version %d; it needs newer software", ErrMalformed, m.Version)
	}
	out := make([]Covered, 0, len(m.Reports))
	for i, c := range m.Reports {
		origin, err := ledger.ParseOrigin(c.Origin)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: report %d: %w", ErrMalformed, i, err)
		case origin.Kind != ledger.ReportLog:
			return nil, fmt.Errorf("%w: report %d stands in a %s ledger", ErrMalformed, i, origin.Kind)
		case i > 0 && out[i-1].Origin.Compare(origin) >= 0:
			return nil, fmt.Errorf("%w: report %d: the ledgers are not ascending and distinct", ErrMalformed, i)
		case c.Size < 1:
			return nil, fmt.Errorf("%w: report %d: a ledger of %d entries", ErrMalformed, i, c.Size)
		case c.Node.IsZero():
			return nil, fmt.Errorf("%w: report %d names no node", ErrMalformed, i)
		}
		out = append(out, Covered{Origin: origin, Size: c.Size, Root: c.Root, Node: c.Node, Count: c.Count, TagsRoot: c.TagsRoot, Salt: c.Salt})
	}
	return out, nil
}
