package replica_test

import (
	"bytes"
	"cmp"
	"math"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simModel is what a gateway's doors have to obey, by the entries that its roster
// says it has projected. It knows nothing of how a roster works.
type simModel struct {
	h         *simHost
	sizes     map[ledger.Origin]int64
	charter   int
	revoked   map[passport.KeyID]bool
	expelled  map[uint64]ledger.KeyID
	suspended map[simSaying]simWord
	homes     map[simHome]bool // false once its end was ordered
	keys      map[string]bool  // delegations that were entered
}

type simSaying struct {
	passport uint64
	issuer   ledger.KeyID
}

// simWord is an issuer's last word by its place.
type simWord struct {
	generation uint64
	origin     ledger.Origin
	index      int64
	suspended  bool
}

func (a simWord) before(b simWord) bool {
	return cmp.Or(cmp.Compare(a.generation, b.generation),
		bytes.Compare(a.origin.Incarnation[:], b.origin.Incarnation[:]), cmp.Compare(a.index, b.index)) < 0
}

type simHome struct {
	door     string
	passport uint64
}

func newSimModel(h *simHost) *simModel {
	return &simModel{
		h: h, sizes: map[ledger.Origin]int64{}, revoked: map[passport.KeyID]bool{}, expelled: map[uint64]ledger.KeyID{},
		suspended: map[simSaying]simWord{}, homes: map[simHome]bool{}, keys: map[string]bool{},
	}
}

// project takes what the roster says it has projected.
func (m *simModel) project(v *roster.View) {
	w := m.h.w
	sizes := map[ledger.Origin]int64{}
	for _, s := range v.Sources {
		o, err := ledger.ParseOrigin(s.Origin)
		w.require(err == nil, "%v", err)
		sizes[o] = s.Size
	}
	again := m.charter != m.h.disk.charters(w.cast.community.ID()).Len()
	for o, size := range m.sizes {
		again = again || sizes[o] < size
	}
	if again {
		*m = *newSimModel(m.h)
		m.charter = m.h.disk.charters(w.cast.community.ID()).Len()
	}
	for _, l := range m.h.disk.held() {
		o := l.head.Origin
		branch := m.h.seen.branch[o]
		if sizes[o] == 0 {
			continue
		}
		w.require(branch != nil, "%s holds %v, which nobody checked", m.h.name, o)
		w.require(sizes[o] <= l.head.Size, "%s projected %d entries of %v, of %d", m.h.name, sizes[o], o, l.head.Size)
		for i := m.sizes[o]; i < sizes[o]; i++ {
			m.entry(o, l.generation, i, branch.bodies[i])
		}
		m.sizes[o] = sizes[o]
	}
	m.checkSources(sizes)
	m.checkFresh(v)
}

// checkSources: what is held, counts and belongs to nobody who was convicted is
// projected to its end.
func (m *simModel) checkSources(sizes map[ledger.Origin]int64) {
	convicted := map[ledger.Origin]bool{}
	for _, f := range m.h.disk.forks() {
		if a, _, err := f.Heads(); err == nil {
			convicted[a.Origin] = true
		}
	}
	for _, l := range m.h.disk.held() {
		o := l.head.Origin
		a := m.h.rights.Authors[o.Author]
		if o.Kind != ledger.CommunityLog && o.Kind != ledger.NodeLog || a.Retired || convicted[o] || m.h.role != simGatewayRole {
			continue
		}
		m.h.w.require(sizes[o] == l.head.Size, "%s holds %d entries of %v, and projected %d", m.h.name, l.head.Size, o, sizes[o])
	}
}

// checkFresh: the roster is no fresher than the newest whole ledger of the issuer
// heard longest ago.
func (m *simModel) checkFresh(v *roster.View) {
	newest := map[ledger.KeyID]uint64{}
	for o, size := range m.h.seen.size {
		if o.Kind == ledger.CommunityLog && size > 0 {
			newest[o.Author] = max(newest[o.Author], m.h.seen.fresh[o])
		}
	}
	oldest := uint64(math.MaxInt64)
	for issuer, at := range newest {
		if !m.h.rights.Authors[issuer].Retired {
			oldest = min(oldest, at)
		}
	}
	m.h.w.require(v.Fresh <= int64(oldest), "%s looks %d s fresher than what it holds", m.h.name, v.Fresh-int64(oldest))
}

func (m *simModel) entry(o ledger.Origin, generation uint64, index int64, body ledger.Body) {
	stand := func(number uint64, suspended bool) {
		s, word := simSaying{number, o.Author}, simWord{generation, o, index, suspended}
		if was, ok := m.suspended[s]; !ok || was.before(word) {
			m.suspended[s] = word
		}
	}
	switch b := body.(type) {
	case *ledger.DoorKeyRevoked:
		m.revoked[b.Key] = true
	case *ledger.DoorKeyAdded:
		m.keys[string(b.Delegation)] = true
	case *ledger.Expel:
		m.expelled[b.Passport] = o.Author
	case *ledger.Suspend:
		stand(b.Passport, true)
	case *ledger.Reinstate:
		stand(b.Passport, false)
	case *ledger.Home:
		if _, ok := m.homes[simHome{b.Door, b.Passport}]; !ok {
			m.homes[simHome{b.Door, b.Passport}] = true
		}
	case *ledger.HomeEnded:
		m.homes[simHome{b.Door, b.Passport}] = false
	}
}

// judge holds a decision against what has to be.
func (m *simModel) judge(person simPerson, key simDoorKey, door string, clock access.Clock, got access.Verdict) {
	w, number := m.h.w, uint64(person.number)
	if m.homes[simHome{door, number}] && !m.revoked[key.id] && m.keys[string(key.added.Delegation)] {
		w.require(got.Reason == access.Home, "%s refuses %d at home: %v", m.h.name, number, got.Reason)
		w.count("at home")
	}
	if !got.Granted() || got.Reason == access.Home {
		return
	}
	w.require(!m.revoked[key.id], "%s lets %d in at %s with a key whose revocation it has projected", m.h.name, number, door)
	if by, ok := m.expelled[number]; ok {
		w.require(m.h.rights.Authors[by].Retired, "%s lets %d in at %s, whose expulsion it has projected", m.h.name, number, door)
	}
	for s, word := range m.suspended {
		if s.passport == number && word.suspended {
			w.require(m.h.rights.Authors[s.issuer].Retired, "%s lets %d in at %s, whose suspension it has projected", m.h.name, number, door)
		}
	}
}
