package ledger

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Charters is a verified chain of charters, oldest first. The zero value is
// the empty chain, which takes any first charter: pin its ID before trusting it.
type Charters struct {
	all    []Charter
	signed []SignedCharter
}

// CheckCharter verifies the next charter of a chain and returns the longer
// chain. Errors: ErrCharter, ErrCharterChain, ErrThreshold.
func CheckCharter(chain Charters, s SignedCharter) (Charters, error) {
	c, err := ParseCharter(s.Charter)
	if err != nil {
		return chain, err
	}
	if n := s.valid(c.Keys); n < c.Threshold {
		return chain, fmt.Errorf("%w: %d of its own keys signed, %d have to", ErrThreshold, n, c.Threshold)
	}
	if len(chain.all) == 0 {
		if c.Version != 1 {
			return chain, fmt.Errorf("%w: version %d without the ones before it", ErrCharterChain, c.Version)
		}
	} else if err := follows(chain, c, s); err != nil {
		return chain, err
	}
	n := len(chain.all)
	return Charters{append(chain.all[:n:n], c), append(chain.signed[:n:n], s)}, nil
}

func follows(chain Charters, c Charter, s SignedCharter) error {
	old := chain.Latest()
	hash := chain.signed[len(chain.signed)-1].Hash()
	switch {
	case c.Version != old.Version+1:
		return fmt.Errorf("%w: version %d after %d", ErrCharterChain, c.Version, old.Version)
	case c.Previous != hash:
		return fmt.Errorf("%w: it follows %x, not %x", ErrCharterChain, c.Previous, hash)
	case c.Kind != old.Kind || c.Slug != old.Slug || c.Community != old.Community:
		return fmt.Errorf("%w: kind, slug and community never change", ErrCharterChain)
	}
	if n := s.valid(old.Keys); n < old.Threshold {
		return fmt.Errorf("%w: %d of the previous charter's keys signed, %d have to", ErrThreshold, n, old.Threshold)
	}
	for _, a := range old.Authors {
		if !slices.ContainsFunc(c.Authors, func(b Author) bool { return b.Key == a.Key && b.Role == a.Role }) {
			return fmt.Errorf("%w: author %v is gone; retire it, so that what it wrote keeps its end", ErrCharterChain, KeyIDOf(a.Key[:]))
		}
	}
	return nil
}

// ID names the chain; zero if it is empty.
func (cs Charters) ID() CharterID {
	if len(cs.signed) == 0 {
		return CharterID{}
	}
	return cs.signed[0].Hash()
}

// Len is the number of versions.
func (cs Charters) Len() int { return len(cs.all) }

// Latest is the charter in force. It panics on an empty chain.
func (cs Charters) Latest() Charter { return cs.all[len(cs.all)-1] }

// Version returns version v, from 1.
func (cs Charters) Version(v int) (Charter, SignedCharter) { return cs.all[v-1], cs.signed[v-1] }

// Next is a copy of the charter in force, ready to be changed and signed as
// the next version.
func (cs Charters) Next() Charter {
	c := cs.Latest()
	c.Version++
	c.Previous = cs.signed[len(cs.signed)-1].Hash()
	c.Keys, c.Authors = slices.Clone(c.Keys), slices.Clone(c.Authors)
	for i := range c.Authors {
		c.Authors[i].Counted = slices.Clone(c.Authors[i].Counted)
	}
	return c
}

// Registries lists every chain id and registry address that the chain of
// charters ever named: delegations stay valid under all of them.
func (cs Charters) Registries() (out []Registry) {
	for _, c := range cs.all {
		if r := (Registry{c.ChainID, c.Registry}); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// Registry is a passport registry's place on chain.
type Registry struct {
	ChainID uint64
	Address [20]byte
}

// Limit is how far a ledger counts: all of it, or up to a size at which it
// must have a root.
type Limit struct {
	Size int64      // math.MaxInt64 when there is no end
	Root *tlog.Hash // at Size; nil when there is no end
}

// Limit says how far an author's ledger counts in the charter in force; ok is
// false when none of it does, because the key was never given that role or the
// incarnation is not among those that a retired key may keep.
func (cs Charters) Limit(role AuthorRole, o Origin) (l Limit, ok bool) {
	for _, a := range cs.Latest().Authors {
		if a.Role != role || KeyIDOf(a.Key[:]) != o.Author {
			continue
		}
		if !a.Retired {
			return Limit{Size: math.MaxInt64}, true
		}
		for _, e := range a.Counted {
			if e.Incarnation == o.Incarnation {
				root := tlog.Hash(e.Root)
				return Limit{e.Size, &root}, true
			}
		}
	}
	return Limit{}, false
}

// Cosigners lists the heartbeats of the charter in force.
func (cs Charters) Cosigners() (out []Cosigner) {
	for _, a := range cs.Latest().Authors {
		if a.Role == Heartbeat && !a.Retired {
			out = append(out, Cosigner{RoleHeartbeat, a.Key[:]})
		}
	}
	return out
}
