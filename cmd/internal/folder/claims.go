package folder

import (
	"cmp"
	"slices"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// claim is a directory's word that a gateway is its node's. Keys are public, so that
// a node can claim another's gateway: with its directory, and as a steward of its
// charter. It gets it only where that one has never reported. Then the gateway begins
// anew, with keys that nobody has seen.
type claim struct {
	node ledger.CharterID
	*ledger.DirectoryKeys
	rank int
}

// claims lists those of directories, in the order in which they are heard: first where
// the gateway itself signed that it is the node's, in the Begin of a report ledger that
// is held, and the node never published it with other keys to show on a link, which
// nothing proves to be its own; then where it did; then as the nodes were registered. A
// gateway that signed for one node is no other's, though that one withdrew it.
func (en *enrolments) claims(chains []ledger.Charters, registered map[ledger.CharterID]int, held []store.Info) (out []claim) {
	signed := map[ledger.KeyID][]ledger.CharterID{}
	for _, i := range held {
		if i.Origin.Kind == ledger.ReportLog {
			signed[i.Origin.Author] = append(signed[i.Origin.Author], i.Charter)
		}
	}
	for _, c := range chains {
		node, ok := registered[c.ID()]
		if !ok {
			node = len(registered)
		}
		all, changed := en.published(c.ID())
		for _, b := range all {
			switch of := signed[ledger.KeyIDOf(b.Keys.Signing[:])]; {
			case slices.Contains(of, c.ID()) && !changed[b.Keys.Signing]:
				out = append(out, claim{c.ID(), b, -2})
			case slices.Contains(of, c.ID()):
				out = append(out, claim{c.ID(), b, -1})
			case len(of) == 0:
				out = append(out, claim{c.ID(), b, node})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b claim) int { return cmp.Compare(a.rank, b.rank) })
	return out
}

// published are the gateways that a node publishes and has not withdrawn, and which
// it published with more than one key to show on a link.
func (en *enrolments) published(node ledger.CharterID) (out []*ledger.DirectoryKeys, changed map[[32]byte]bool) {
	done, tls := map[[32]byte]bool{}, map[[32]byte][32]byte{}
	changed = map[[32]byte]bool{}
	for _, e := range slices.Backward(en.of(node, ledger.DirectoryLog)) {
		switch b := e.Body.(type) {
		case *ledger.DirectoryGone:
			done[b.Signing] = true
		case *ledger.DirectoryKeys:
			if was, there := tls[b.Keys.Signing]; there && was != b.Keys.TLS {
				changed[b.Keys.Signing] = true
			}
			tls[b.Keys.Signing] = b.Keys.TLS
			if !done[b.Keys.Signing] {
				out = append(out, b)
			}
			done[b.Keys.Signing] = true
		}
	}
	return out, changed
}

// accept adds the gateways that directories claim: they ask, acknowledge and witness,
// and write nothing that is taken in here but, where mayReport says so of their node,
// reports. A key that somebody has already, to sign with or to show on a link, is
// nobody else's; but whose own signature says that it reports goes on without a place
// on the links, so that what is held of it counts.
func accept(r *replica.Rights, claims []claim, own []Gateway, mayReport func(node ledger.CharterID) bool) {
	shown := map[[32]byte]bool{}
	for _, g := range own {
		shown[g.Keys.TLS] = true
	}
	for _, c := range claims {
		id := ledger.KeyIDOf(c.Keys.Signing[:])
		if was, there := r.Authors[id]; there && !c.outweighs(was) || shown[c.Keys.TLS] && c.rank >= 0 {
			continue
		}
		a := replica.Author{Key: c.Keys.Signing[:], Name: c.Gateway, Hold: c.Keys.Hold[:], Witness: c.Keys.Witness[:], TLS: c.Keys.TLS[:]}
		if shown[c.Keys.TLS] {
			a.TLS = nil
		}
		if mayReport(c.node) {
			reports(&a, c.node)
		}
		r.Authors[id], shown[c.Keys.TLS] = a, true
	}
}

// outweighs tells whether a claim counts more than what made somebody an author: the
// gateway's own signature does, against the charter of a third node, which may name
// any key as its steward's.
func (c claim) outweighs(a replica.Author) bool {
	return c.rank < 0 && len(a.TLS) == 0 && slices.Equal(a.Kinds, []ledger.LogKind{ledger.DirectoryLog}) && a.Charter[ledger.DirectoryLog] != c.node
}
