package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// members is what the community's ledgers say of everybody, by the rules of
// package edge/roster: each issuer's last word counts, a successor's replaces
// that of whom it follows, and of several issuers' the most restrictive wins. It
// is made anew for each command.
type members struct {
	successors roster.Successors
	byNumber   map[uint64]*member
	claimed    map[passport.KeyID]*doorkey // by whoever claimed it first
	registries []passport.Domain
	read       int // entries so far, in the order of their places
}

type member struct {
	all    *members
	number uint64
	claims map[ledger.KeyID]*claim // by issuer
	keys   []*doorkey
}

// claim is what one issuer says of a passport.
type claim struct {
	issuer    ledger.KeyID
	admit     *ledger.Admit // nil when it never admitted it
	admitted  time.Time
	stood     bool // it suspended or reinstated it
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
	order      int                       // of the first among those of one time
	newest     time.Time
	revoked    *ledger.DoorKeyRevoked // the first, nil while it is not
	at         time.Time              // it was revoked
	revokers   [][20]byte             // wallets that revoked it
}

func readMembers(f *folder.Folder) (*members, error) {
	m := &members{byNumber: map[uint64]*member{}, claimed: map[passport.KeyID]*doorkey{}}
	community, err := f.Community()
	if err != nil {
		return nil, err
	}
	m.successors = roster.SuccessorsOf(community.Latest())
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
			if first := m.claimed[k.id]; first == nil || cmp.Or(k.added.Compare(first.added), cmp.Compare(k.order, first.order)) < 0 {
				m.claimed[k.id] = k
			}
		}
	}
	return m, nil
}

func (m *members) apply(r folder.Record) {
	m.read++
	issuer := r.Ledger.Origin.Author
	switch b := r.Body.(type) {
	case *ledger.Admit:
		c := m.member(b.Passport).claim(issuer)
		c.admit, c.admitted = b, r.Time
	case *ledger.Suspend:
		c := m.member(b.Passport).claim(issuer)
		c.stood, c.suspended, c.why = true, true, b.Why
	case *ledger.Reinstate:
		c := m.member(b.Passport).claim(issuer)
		if c.stood, c.suspended = true, false; !c.expelled {
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
			k.added, k.order = r.Time, m.read
		}
		if !r.Time.Before(k.newest) {
			k.delegation, k.signer, k.newest = s, signer, r.Time
		}
	case *ledger.DoorKeyRevoked:
		k := m.member(b.Passport).key(passport.KeyID(b.Key))
		if k.revoked == nil || r.Time.Before(k.at) {
			k.revoked, k.at = b, r.Time
		}
		// A wallet's word that does not hold counts as the issuer's alone.
		s, err := passport.ParseSignedRevocation(b.Wallet)
		if err != nil {
			return
		}
		key := passport.Key{Point: s.Revocation.Point}
		if signer, err := s.Verify(m.registries); err == nil && uint64(s.Revocation.Passport) == b.Passport && key.ID() == k.id {
			k.revokers = append(k.revokers, signer)
		}
	}
}

func (m *members) member(n uint64) *member {
	one := m.byNumber[n]
	if one == nil {
		one = &member{all: m, number: n, claims: map[ledger.KeyID]*claim{}}
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

// replaced tells whether a successor's word has taken the place of what an
// issuer says.
func (m *member) replaced(issuer ledger.KeyID, by func(*claim) bool) bool {
	for id, c := range m.claims {
		if by(c) && m.all.successors.SpeakFor(id.String(), issuer.String()) {
			return true
		}
	}
	return false
}

func (c *claim) admits() bool { return c.admit != nil }
func (c *claim) stands() bool { return c.stood }

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
		if c.suspended && !m.replaced(id, (*claim).stands) {
			s.suspended = append(s.suspended, c)
		}
		switch a := c.admit; {
		case a == nil || m.replaced(id, (*claim).admits):
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

// byWallet tells whether the wallet that delegated a key revoked it.
func (k *doorkey) byWallet() bool { return slices.Contains(k.revokers, k.signer) }

// last tells whether no other key is left that takes a revoked one's place at
// the person's own door: only keys of one wallet do, see package edge/roster.
// This folder does not know every home, so a key of a narrower scope is taken
// to open none.
func (m *member) last(k *doorkey) bool {
	for _, other := range m.keys {
		d := other.delegation.Delegation
		if other != k && other.revoked == nil && !other.added.IsZero() && m.all.claimed[other.id] == other &&
			other.signer == k.signer && d.Mode.Has(passport.ModeTap) &&
			(d.Scope == passport.Target{} || d.Scope == k.delegation.Delegation.Scope) {
			return false
		}
	}
	return true
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
