package linking

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// ErrStranger is what whoever has no business at the broker is refused with.
var ErrStranger = errors.New("no ledger that is held here names this key")

// Identities says who may connect to a broker, from memory. It does not change.
type Identities struct {
	gateways map[[32]byte]broker.Identity // by TLS key
	desks    map[[32]byte]broker.Identity // by author's key
	called   map[string]broker.Identity   // by what programs on this machine may say they are
	help     string                       // for whoever reads that somebody was refused
}

// ForNode is for the broker of a gateway: members, the node's gateways by their TLS
// keys, and its stewards may use the node's place; other nodes' gateways and the
// community's issuers, hub and evaluator what is everybody's.
func ForNode(r replica.Rights, members map[[32]byte]replica.Peer) *Identities {
	ids := &Identities{gateways: map[[32]byte]broker.Identity{}, desks: map[[32]byte]broker.Identity{}, called: map[string]broker.Identity{}}
	var nodes []string
	if !r.Node.IsZero() {
		nodes = []string{r.Node.String()}
	}
	for id, a := range r.Authors {
		if len(a.TLS) == 32 && !a.Removed {
			ids.gateways[[32]byte(a.TLS)] = broker.Identity{Peer: id.String()}
		}
		if a.Retired || a.Removed || len(a.Key) != 32 {
			continue
		}
		who := broker.Identity{Peer: id.String(), Observer: true}
		switch {
		case slices.Contains(a.Kinds, ledger.NodeLog):
			who.Nodes = nodes
		case slices.Contains(a.Kinds, ledger.CommunityLog):
		case slices.Contains(a.Kinds, ledger.CensusLog):
			who.Server = true
		case len(a.Kinds) == 0 && len(a.TLS) == 0: // the evaluator writes no ledger
			who.Observer = false
		default:
			continue
		}
		ids.desks[[32]byte(a.Key)] = who
		ids.called[who.Peer] = who
	}
	for tls, id := range members {
		who := broker.Identity{Peer: id.String(), Nodes: nodes}
		ids.gateways[tls] = who
		ids.called[who.Peer] = who
	}
	return ids
}

// ForHub is for the hub's broker: gateways that directories name, and by their
// author's key issuers, stewards and the evaluator. The hub is its own client,
// whatever the charter says: it serves every node, and nobody else does.
func ForHub(self [32]byte, r replica.Rights) *Identities {
	ids := &Identities{
		gateways: map[[32]byte]broker.Identity{}, desks: map[[32]byte]broker.Identity{},
		help: ": have `tombolo-hub admit` take in its node's charter and directory, or the community's newest charter",
	}
	for id, a := range r.Authors {
		if a.Removed || a.Retired {
			continue
		}
		switch {
		case len(a.TLS) == 32:
			ids.gateways[[32]byte(a.TLS)] = broker.Identity{Peer: id.String()}
		case len(a.Key) == 32:
			ids.desks[[32]byte(a.Key)] = broker.Identity{Peer: id.String(), Observer: slices.ContainsFunc(a.Kinds, func(k ledger.LogKind) bool {
				return k == ledger.CommunityLog || k == ledger.DirectoryLog || k == ledger.NodeLog
			})}
		}
	}
	ids.desks[self] = broker.Identity{Peer: ledger.KeyIDOf(self[:]).String(), Observer: true, Server: true}
	return ids
}

// Gateways and Desks are how many may connect.
func (ids *Identities) Gateways() int { return len(ids.gateways) }
func (ids *Identities) Desks() int    { return len(ids.desks) }

// Equal tells whether the same may connect as the same.
func (ids *Identities) Equal(other *Identities) bool {
	same := func(a, b broker.Identity) bool {
		return a.Peer == b.Peer && a.Observer == b.Observer && a.Server == b.Server && slices.Equal(a.Nodes, b.Nodes)
	}
	return maps.EqualFunc(ids.gateways, other.gateways, same) && maps.EqualFunc(ids.desks, other.desks, same)
}

// Of is who has proved its key on a connection. A desk's certificate is held
// against a time, unless that is zero. Errors: [ErrStranger], or of the certificate.
func (ids *Identities) Of(cs tls.ConnectionState, now time.Time) (broker.Identity, error) {
	key, err := enroll.KeyOf(cs)
	if err == nil {
		return ids.found(ids.gateways, key)
	}
	author, deskErr := enroll.DeskOf(cs, now)
	if deskErr != nil {
		return broker.Identity{}, errors.Join(err, deskErr)
	}
	return ids.found(ids.desks, author)
}

func (ids *Identities) found(in map[[32]byte]broker.Identity, key [32]byte) (broker.Identity, error) {
	if who, ok := in[key]; ok {
		return who, nil
	}
	return broker.Identity{}, fmt.Errorf("%w%s", ErrStranger, ids.help)
}

// Called is who a program on this machine says it is; it had the password.
func (ids *Identities) Called(name string) (broker.Identity, error) {
	if who, ok := ids.called[name]; ok {
		return who, nil
	}
	return broker.Identity{}, fmt.Errorf("%w%s", ErrStranger, ids.help)
}
