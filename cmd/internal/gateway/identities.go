package gateway

import (
	"crypto/tls"
	"errors"
	"maps"
	"slices"
	"time"

	"tombolo/edge/roster"
	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// errStranger is what whoever has no business at the broker is refused with.
var errStranger = errors.New("no ledger names this key")

// identities says who may connect to the broker, from memory.
type identities struct {
	node     string
	gateways map[[32]byte]replica.Peer // by TLS key
	others   map[[32]byte]replica.Peer // other nodes', as their directories name them, by TLS key
	desks    map[[32]byte]bool         // by author's key: whether it is one of the node's
}

func newIdentities(r replica.Rights, gateways []roster.Gateway) *identities {
	ids := &identities{gateways: map[[32]byte]replica.Peer{}, others: map[[32]byte]replica.Peer{}, desks: map[[32]byte]bool{}}
	if !r.Node.IsZero() {
		ids.node = r.Node.String()
	}
	for _, g := range gateways {
		ids.gateways[g.Keys.TLS] = ledger.KeyIDOf(g.Keys.Signing[:])
	}
	for id, a := range r.Authors {
		if len(a.TLS) > 0 && !a.Removed {
			ids.others[[32]byte(a.TLS)] = id
		}
		if a.Retired || a.Removed {
			continue
		}
		steward := slices.Contains(a.Kinds, ledger.NodeLog)
		if steward || slices.Contains(a.Kinds, ledger.CommunityLog) {
			ids.desks[[32]byte(a.Key)] = steward
		}
	}
	return ids
}

func (ids *identities) equal(other *identities) bool {
	return ids.node == other.node && maps.Equal(ids.gateways, other.gateways) && maps.Equal(ids.others, other.others) && maps.Equal(ids.desks, other.desks)
}

// of is who has proved its key on a connection. A desk's certificate is held
// against a time, unless that is zero.
func (ids *identities) of(cs tls.ConnectionState, now time.Time) (broker.Identity, error) {
	key, err := enroll.KeyOf(cs)
	if err == nil {
		if p, ok := ids.gateways[key]; ok {
			return ids.identity(p, true, false), nil
		}
		if p, ok := ids.others[key]; ok {
			return ids.identity(p, false, false), nil
		}
		return broker.Identity{}, errStranger
	}
	author, deskErr := enroll.DeskOf(cs, now)
	if deskErr != nil {
		return broker.Identity{}, errors.Join(err, deskErr)
	}
	if steward, ok := ids.desks[author]; ok {
		return ids.identity(ledger.KeyIDOf(author[:]), steward, true), nil
	}
	return broker.Identity{}, errStranger
}

// called is who a program on this machine says it is; it had the password.
func (ids *identities) called(name string) (broker.Identity, error) {
	for _, p := range ids.gateways {
		if p.String() == name {
			return ids.identity(p, true, false), nil
		}
	}
	for author, steward := range ids.desks {
		if p := ledger.KeyIDOf(author[:]); p.String() == name {
			return ids.identity(p, steward, true), nil
		}
	}
	return broker.Identity{}, errStranger
}

func (ids *identities) identity(p replica.Peer, member, observer bool) broker.Identity {
	i := broker.Identity{Peer: p.String(), Observer: observer}
	if member && ids.node != "" {
		i.Nodes = []string{ids.node}
	}
	return i
}
