package replica_test

import (
	"crypto/ed25519"
	"reflect"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// makeRights reads the charters and the ledgers that the host holds, as package
// peer does: issuers and stewards by the charters, gateways of its own node by
// the node's ledgers, others by the directories.
func (h *simHost) makeRights() replica.Rights {
	c := h.w.cast
	community := h.disk.charters(c.community.ID())
	r := replica.Rights{Community: community.ID(), Authors: map[ledger.KeyID]replica.Author{}, Heartbeats: community.Cosigners()}
	for _, a := range community.Latest().Authors {
		if a.Role == ledger.Issuer {
			h.byCharter(r, a, map[ledger.LogKind]ledger.CharterID{ledger.CommunityLog: community.ID()})
		}
	}
	for node := range c.nodes {
		chain := h.disk.charters(c.nodes[node].ID())
		kinds := map[ledger.LogKind]ledger.CharterID{ledger.DirectoryLog: chain.ID()}
		if node == h.node {
			r.Node = chain.ID()
			kinds[ledger.NodeLog] = chain.ID()
		}
		for _, a := range chain.Latest().Authors {
			if a.Role == ledger.Steward {
				h.byCharter(r, a, kinds)
			}
		}
	}
	for _, l := range h.disk.held() {
		a, ok := r.Authors[l.head.Origin.Author]
		if _, named := a.Charter[l.head.Origin.Kind]; !ok || !named || l.head.Origin.Kind == ledger.CommunityLog {
			continue
		}
		for i, e := range h.disk.entries(l.head.Origin, 0, l.head.Size) {
			if leaf, err := ledger.ParseLeaf(e.Leaf); err != nil || !simAboutGateways(leaf.Kind) {
				continue
			}
			_, body, err := e.Open(l.head.Origin.Kind, int64(i))
			if err == nil {
				h.byEntry(r, body, a.Charter[ledger.DirectoryLog])
			}
		}
	}
	hub := c.hub.peer()
	r.Authors[hub] = replica.Author{Key: simPublic(c.hub.signing), Hold: simPublic(c.hub.hold), Witness: simPublic(c.hub.witness), Name: "hub",
		Kinds: []ledger.LogKind{ledger.CensusLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.CensusLog: community.ID()}}
	return r
}

func simAboutGateways(k ledger.Kind) bool {
	switch k {
	case ledger.KindGatewayEnrolled, ledger.KindGatewayRemoved, ledger.KindDirectoryKeys, ledger.KindDirectoryGone:
		return true
	}
	return false
}

func (h *simHost) byCharter(r replica.Rights, a ledger.Author, kinds map[ledger.LogKind]ledger.CharterID) {
	author := replica.Author{Key: ed25519.PublicKey(a.Key[:]), Charter: kinds, Retired: a.Retired}
	for _, k := range []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog} {
		if _, ok := kinds[k]; ok {
			author.Kinds = append(author.Kinds, k)
		}
	}
	if a.Retired {
		author.Counted = map[ledger.Incarnation]int64{}
		for _, c := range a.Counted {
			author.Counted[c.Incarnation] = c.Size
		}
	}
	r.Authors[ledger.KeyIDOf(author.Key)] = author
}

// byEntry takes what a steward of a node says of a gateway. Who is removed stays so.
// Who may report is known to the hub, and to each gateway of itself.
func (h *simHost) byEntry(r replica.Rights, body ledger.Body, node ledger.CharterID) {
	enrol := func(name string, keys ledger.GatewayKeys, own bool) {
		id := ledger.KeyIDOf(keys.Signing[:])
		a := r.Authors[id]
		a.Key, a.Hold, a.Witness, a.Name = keys.Signing[:], keys.Hold[:], keys.Witness[:], name
		if own {
			a.Charter = map[ledger.LogKind]ledger.CharterID{ledger.DoorLog: r.Node}
		}
		if own && h.role == simGatewayRole {
			a.Kinds = []ledger.LogKind{ledger.DoorLog}
		}
		if own && id == h.id {
			a.Kinds = append(a.Kinds, ledger.ReportLog)
			a.Charter[ledger.ReportLog] = node
		}
		if h.role == simHubRole {
			a.Kinds, a.Charter = []ledger.LogKind{ledger.ReportLog}, map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: node}
		}
		r.Authors[id] = a
	}
	gone := func(key [32]byte) {
		id := ledger.KeyIDOf(key[:])
		a := r.Authors[id]
		a.Key, a.Removed = key[:], true
		r.Authors[id] = a
	}
	switch b := body.(type) {
	case *ledger.GatewayEnrolled:
		enrol(b.Gateway, b.Keys, true)
	case *ledger.GatewayRemoved:
		gone(b.Signing)
	case *ledger.DirectoryKeys:
		enrol(b.Gateway, b.Keys, false)
	case *ledger.DirectoryGone:
		gone(b.Signing)
	}
}

// newRights tells the replica if anything changed.
func (h *simHost) newRights() {
	r := h.makeRights()
	if reflect.DeepEqual(r, h.rights) {
		return
	}
	h.rights, h.rightsAt = r, h.w.now
	h.tell(func() replica.Event { return replica.RightsChanged{Rights: h.rights} })
	h.freeze()
}
