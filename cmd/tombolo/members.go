package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// members is what the community's ledgers say of everybody, by the rules of
// package edge/roster: each issuer's last word counts, and of several issuers'
// the most restrictive. It is made anew for each command.
type members struct {
	byNumber   map[uint64]*member
	claimed    map[passport.KeyID]*doorkey // by whoever claimed it first
	registries []passport.Domain
}

type member struct {
	number uint64
	claims map[ledger.KeyID]*claim // by issuer
	keys   []*doorkey
}

// claim is what one issuer says of a passport.
type claim struct {
	issuer    ledger.KeyID
	admit     *ledger.Admit // nil when it never admitted it
	admitted  time.Time
	suspended bool
	expelled  bool
	why       string // of the suspension or expulsion
}

// doorkey is one passport's claim to a door key.
type doorkey struct {
	passport   uint64
	id         passport.KeyID
	delegation passport.SignedDelegation // the newest
	signer     [20]byte                  // its wallet
	added      time.Time                 // the first
	newest     time.Time
	revoked    *ledger.DoorKeyRevoked // nil while it is not
	at         time.Time              // it was revoked
}

func readMembers(f *folder.Folder) (*members, error) {
	m := &members{byNumber: map[uint64]*member{}, claimed: map[passport.KeyID]*doorkey{}}
	var err error
	if m.registries, err = f.Registries(); err != nil {
		return nil, err
	}
	for r, err := range f.Counted(ledger.CommunityLog) {
		if err != nil {
			return nil, err
		}
		m.apply(r)
	}
	for _, one := range m.byNumber {
		for _, k := range one.keys {
			if first := m.claimed[k.id]; first == nil || k.added.Before(first.added) {
				m.claimed[k.id] = k
			}
		}
	}
	return m, nil
}

func (m *members) apply(r folder.Record) {
	issuer := r.Ledger.Origin.Author
	switch b := r.Body.(type) {
	case *ledger.Admit:
		c := m.member(b.Passport).claim(issuer)
		c.admit, c.admitted = b, r.Time
	case *ledger.Suspend:
		c := m.member(b.Passport).claim(issuer)
		c.suspended, c.why = true, b.Why
	case *ledger.Reinstate:
		c := m.member(b.Passport).claim(issuer)
		if c.suspended = false; !c.expelled {
			c.why = ""
		}
	case *ledger.Expel:
		c := m.member(b.Passport).claim(issuer)
		c.expelled, c.why = true, b.Why
	case *ledger.DoorKeyAdded:
		s, err := passport.ParseSignedDelegation(b.Delegation)
		if err != nil {
			return // no gateway takes it
		}
		signer, err := s.Verify(m.registries)
		if err != nil {
			return
		}
		k := m.member(uint64(s.Delegation.Passport)).key(s.Delegation.Key.ID())
		if k.added.IsZero() || r.Time.Before(k.added) {
			k.added = r.Time
		}
		if !r.Time.Before(k.newest) {
			k.delegation, k.signer, k.newest = s, signer, r.Time
		}
	case *ledger.DoorKeyRevoked:
		k := m.member(b.Passport).key(passport.KeyID(b.Key))
		if k.revoked == nil || (len(k.revoked.Wallet) == 0 && len(b.Wallet) > 0) {
			k.revoked, k.at = b, r.Time
		}
	}
}

func (m *members) member(n uint64) *member {
	one := m.byNumber[n]
	if one == nil {
		one = &member{number: n, claims: map[ledger.KeyID]*claim{}}
		m.byNumber[n] = one
	}
	return one
}

func (m *member) claim(issuer ledger.KeyID) *claim {
	c := m.claims[issuer]
	if c == nil {
		c = &claim{issuer: issuer}
		m.claims[issuer] = c
	}
	return c
}

func (m *member) key(id passport.KeyID) *doorkey {
	for _, k := range m.keys {
		if k.id == id {
			return k
		}
	}
	k := &doorkey{passport: m.number, id: id}
	m.keys = append(m.keys, k)
	return k
}

// list is everybody who was ever admitted, by number.
func (m *members) list() []*member {
	out := slices.Collect(maps.Values(m.byNumber))
	out = slices.DeleteFunc(out, func(m *member) bool { return !m.admitted() })
	slices.SortFunc(out, func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	return out
}

// next is the lowest number above all that were ever written of.
func (m *members) next() uint64 {
	n := uint64(0)
	for k := range m.byNumber {
		n = max(n, k)
	}
	return n + 1
}

// standing is the claims of all issuers in one.
type standing struct {
	owner       [20]byte
	class       string
	from, until int64
	disputed    bool // issuers name different owners or classes
	suspended   []*claim
	expelled    *claim
}

func (m *member) admitted() bool {
	for _, c := range m.claims {
		if c.admit != nil {
			return true
		}
	}
	return false
}

func (m *member) standing() (s standing) {
	first := true
	for _, id := range slices.SortedFunc(maps.Keys(m.claims), func(a, b ledger.KeyID) int { return slices.Compare(a[:], b[:]) }) {
		c := m.claims[id]
		if c.expelled {
			s.expelled = c
		}
		if c.suspended {
			s.suspended = append(s.suspended, c)
		}
		switch a := c.admit; {
		case a == nil:
		case first:
			first = false
			s.owner, s.class, s.from, s.until = a.Owner, a.Class, a.NotBefore, a.NotAfter
		default:
			s.disputed = s.disputed || a.Owner != s.owner || a.Class != s.class
			s.from, s.until = max(s.from, a.NotBefore), min(s.until, a.NotAfter)
		}
	}
	return s
}

// state is a word for what a gateway would say first.
func (s standing) state(now time.Time) string {
	switch {
	case s.disputed:
		return "disputed"
	case s.expelled != nil:
		return "expelled"
	case len(s.suspended) > 0:
		return "suspended"
	case now.Unix() < s.from:
		return "not yet valid"
	case now.Unix() >= s.until:
		return "ended"
	}
	return "valid"
}

func (s standing) why() string {
	if s.expelled != nil {
		return s.expelled.why
	}
	var all []string
	for _, c := range s.suspended {
		if c.why != "" {
			all = append(all, c.why)
		}
	}
	return strings.Join(all, "; ")
}

func (k *doorkey) state(m *members, now time.Time) string {
	d := k.delegation.Delegation
	switch {
	case k.revoked != nil:
		return "revoked"
	case m.claimed[k.id] != k:
		return "claimed by another passport"
	case k.signer != m.byNumber[k.passport].standing().owner:
		return "not by the owner"
	case now.Unix() < int64(d.NotBefore):
		return "not yet valid"
	case now.Unix() >= int64(d.NotAfter):
		return "ended"
	}
	return "valid"
}
