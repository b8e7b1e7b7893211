package main

import (
	"crypto/tls"
	"errors"
	"maps"
	"slices"
	"time"

	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// errStranger is what whoever has no business at the broker is refused with.
var errStranger = errors.New("no ledger that is held here names this key: have `tombolo-hub admit` take in its node's charter and directory, or the community's newest charter")

// identities says who may connect to the hub's broker, from memory.
type identities struct {
	self     [32]byte                  // the hub's author
	gateways map[[32]byte]replica.Peer // of all admitted nodes, by TLS key
	desks    map[[32]byte]bool         // by author's key: whether it reads what others acknowledge
}

// newIdentities lists those who have rights: gateways that directories name, and by
// their author's key issuers, stewards and the evaluator.
func newIdentities(self [32]byte, r replica.Rights) *identities {
	ids := &identities{self: self, gateways: map[[32]byte]replica.Peer{}, desks: map[[32]byte]bool{}}
	for id, a := range r.Authors {
		if a.Removed || a.Retired {
			continue
		}
		switch {
		case len(a.TLS) == len(ids.self):
			ids.gateways[[32]byte(a.TLS)] = id
		case len(a.Key) == len(ids.self):
			ids.desks[[32]byte(a.Key)] = slices.ContainsFunc(a.Kinds, func(k ledger.LogKind) bool {
				return k == ledger.CommunityLog || k == ledger.DirectoryLog || k == ledger.NodeLog
			})
		}
	}
	return ids
}

func (ids *identities) equal(other *identities) bool {
	return ids.self == other.self && maps.Equal(ids.gateways, other.gateways) && maps.Equal(ids.desks, other.desks)
}

// of is who has proved its key on a connection. The hub is its own client: it
// serves every node, and nobody else does.
func (ids *identities) of(cs tls.ConnectionState, now time.Time) (broker.Identity, error) {
	key, err := enroll.KeyOf(cs)
	if err == nil {
		if p, ok := ids.gateways[key]; ok {
			return broker.Identity{Peer: p.String()}, nil
		}
		return broker.Identity{}, errStranger
	}
	author, deskErr := enroll.DeskOf(cs, now)
	if deskErr != nil {
		return broker.Identity{}, errors.Join(err, deskErr)
	}
	peer := ledger.KeyIDOf(author[:]).String()
	if author == ids.self {
		return broker.Identity{Peer: peer, Observer: true, Server: true}, nil
	}
	if observer, ok := ids.desks[author]; ok {
		return broker.Identity{Peer: peer, Observer: observer}, nil
	}
	return broker.Identity{}, errStranger
}
