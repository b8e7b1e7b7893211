package replica_test

import (
	"bytes"
	"errors"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simSeen is what the checks remember of a host.
type simSeen struct {
	size    map[ledger.Origin]int64       // that was stored at the last check
	branch  map[ledger.Origin]*simHistory // of which it is a prefix
	fresh   map[ledger.Origin]uint64      // of the newest head that it ever held whole
	acked   map[ledger.Origin]int64       // that it signed for with its hold key, on this disk
	ever    map[ledger.Origin]int64       // the same, on any disk
	held    map[ledger.Origin]time.Duration
	frozen  map[ledger.Origin]int64 // sizes of ledgers of which nothing more is to be taken
	closed  map[replica.Peer]bool   // authors of whom no other ledger is
	charter int
}

func newSimSeen() simSeen {
	s := simSeen{ever: map[ledger.Origin]int64{}, held: map[ledger.Origin]time.Duration{}}
	s.lostDisk()
	return s
}

func (s *simSeen) lostDisk() {
	s.size, s.branch = map[ledger.Origin]int64{}, map[ledger.Origin]*simHistory{}
	s.acked, s.fresh = map[ledger.Origin]int64{}, map[ledger.Origin]uint64{}
	s.frozen, s.closed = map[ledger.Origin]int64{}, map[replica.Peer]bool{}
	s.charter = 0
}

// checkLedger derives again what has to hold of a ledger that was just stored.
func (h *simHost) checkLedger(o ledger.Origin) {
	w, s := h.w, &h.seen
	edge, _ := h.disk.edge(o)
	size := edge.Size()
	branch := w.truth.signed(o, size, edge.Root())
	w.require(branch != nil, "%s stored %d entries of %v that its author never signed", h.name, size, o)
	w.require(h.maySee(o), "%s stored %v", h.name, o)
	if most, ok := s.frozen[o]; ok {
		w.require(size <= most, "%s stored %d entries of %v, of which nothing more than %d counts", h.name, size, o, most)
	} else if s.closed[o.Author] && size > 0 {
		w.require(false, "%s stored %v, whose author does not count any more", h.name, o)
	}
	l, whole := h.disk.ledger(o)
	if !whole {
		s.size[o] = 0
		return
	}
	w.require(l.head.Size >= s.size[o], "%s held %d entries of %v, and now %d", h.name, s.size[o], o, l.head.Size)
	w.require(l.head.Size >= s.acked[o], "%s acknowledged %d entries of %v, and has %d", h.name, s.acked[o], o, l.head.Size)
	signed, ok := branch.heads[l.head.Size]
	w.require(ok && signed.Root == l.head.Root, "%s holds a head of %d entries of %v that its author never signed", h.name, l.head.Size, o)
	entries := h.disk.entries(o, s.size[o], l.head.Size)
	w.require(s.size[o]+int64(len(entries)) == l.head.Size, "%s lacks entries of %v", h.name, o)
	for i, e := range entries {
		at := s.size[o] + int64(i)
		if e.Dropped() {
			w.require(branch.dropped(at, l.head.Size) || h.expired(o, at), "%s took entry %d of %v without its body", h.name, at, o)
			continue
		}
		t := branch.entries[at]
		w.require(bytes.Equal(e.Leaf, t.Leaf) && bytes.Equal(e.Body, t.Body) && e.Salt == t.Salt && e.Time == t.Time,
			"%s has another entry %d of %v", h.name, at, o)
	}
	s.size[o], s.branch[o], s.fresh[o] = l.head.Size, branch, max(s.fresh[o], l.head.Fresh())
}

// dropped reports whether the author said, before so many entries, that it
// dropped one.
func (b *simHistory) dropped(at, size int64) bool {
	for _, body := range b.bodies[:size] {
		if d, ok := body.(*ledger.Dropped); ok && d.First <= at && at <= d.Last {
			return true
		}
	}
	return false
}

// expired reports whether an entry stands in the run behind Begin whose bodies a
// door log may lack without a word: see ledger.Missing.
func (h *simHost) expired(o ledger.Origin, at int64) bool {
	if !o.Kind.Expires() {
		return false
	}
	for _, e := range h.disk.entries(o, 1, at) {
		if !e.Dropped() {
			return false
		}
	}
	return true
}

// maySee is who may hold what: movements never leave the node.
func (h *simHost) maySee(o ledger.Origin) bool {
	w := h.w
	if o.Community != w.cast.community.ID() {
		return false
	}
	switch o.Kind {
	case ledger.CommunityLog, ledger.DirectoryLog:
		return true
	case ledger.CensusLog:
		return o.Author == w.cast.hub.peer()
	case ledger.ReportLog: // the hub's, and its author's
		return h.id == o.Author || h.role == simHubRole
	case ledger.NodeLog:
		return h.node >= 0 && o.Author == simPeer(w.cast.stewards[h.node])
	case ledger.DoorLog:
		for _, g := range w.cast.gateways {
			if g.peer() == o.Author {
				return h.role == simGatewayRole && h.node == g.node
			}
		}
	}
	return false
}

// freeze remembers, once the replica knows of it and what is under way has been
// stored, of which ledgers nothing more may come.
func (h *simHost) freeze() {
	life := h.life
	h.w.after(100*time.Millisecond, func() {
		if !h.up || h.life != life {
			return
		}
		if h.diskFree > h.w.now {
			h.freeze()
			return
		}
		for id, a := range h.rights.Authors {
			if id == h.id || !a.Removed && !a.Retired {
				continue
			}
			for _, l := range h.disk.held() {
				o := l.head.Origin
				if o.Author != id {
					continue
				}
				if counted, ok := a.Counted[o.Incarnation]; a.Removed || !ok || l.head.Size >= counted {
					edge, _ := h.disk.edge(o)
					h.frozenAt(o, edge.Size())
				}
			}
			if a.Removed {
				h.seen.closed[id] = true
			}
		}
		for _, f := range h.disk.forks() {
			if a, _, err := f.Heads(); err == nil && a.Origin.Author != h.id && !h.rights.Authors[a.Origin.Author].Retired {
				if edge, ok := h.disk.edge(a.Origin); ok {
					h.frozenAt(a.Origin, edge.Size())
				}
			}
		}
	})
}

func (h *simHost) frozenAt(o ledger.Origin, size int64) {
	if _, ok := h.seen.frozen[o]; !ok {
		h.seen.frozen[o] = size
	}
}

// checkHeld derives that a peer really signed for what is noted of it.
func (h *simHost) checkHeld(a replica.StoreHeld) {
	w := h.w
	peer := w.byPeer(a.Peer)
	w.require(peer != nil, "%s notes what %v, a stranger, holds", h.name, a.Peer)
	w.require(len(a.Head.Others) > 0, "%s notes an acknowledgement by nobody", h.name)
	for _, c := range a.Head.Others {
		key := peer.holdKey
		if c.Role == ledger.RoleWitness {
			key = peer.witnessKey
		}
		w.require((c.Role == ledger.RoleHold || c.Role == ledger.RoleWitness) && key != nil && bytes.Equal(simPublic(key), c.Key),
			"%s notes a %s cosignature of %s by another key", h.name, c.Role, peer.name)
		w.require(w.signedFor(peer.id, a.Head.Origin) >= a.Head.Size, "%s notes that %s holds %d entries of %v, which it never signed for",
			h.name, peer.name, a.Head.Size, a.Head.Origin)
	}
	w.count("acknowledgement")
}

// signedFor is how many entries of a ledger a peer, or its clone, acknowledged.
func (w *simWorld) signedFor(id replica.Peer, o ledger.Origin) (size int64) {
	for _, h := range w.hosts {
		if h.id == id {
			size = max(size, h.seen.ever[o])
		}
	}
	return size
}

// checkBlame: where nobody lies, nobody is blamed. A body may be missing without
// anybody's fault: the first half came from one who had obeyed a Dropped entry,
// the second from one whose head ends before it.
func (h *simHost) checkBlame(a replica.Blame) {
	h.w.require(h.w.lies || errors.Is(a.Err, ledger.ErrWithheld), "%s blames %v, and nobody lied: %v", h.name, a.Peer, a.Err)
}

func (h *simHost) checkCharters() {
	w := h.w
	chain := h.disk.charters(w.cast.community.ID())
	for v := 1; v <= chain.Len(); v++ {
		_, have := chain.Version(v)
		w.require(v <= w.community.Len(), "%s has a charter that nobody signed", h.name)
		_, want := w.community.Version(v)
		w.require(have.Hash() == want.Hash(), "%s has another charter %d", h.name, v)
	}
	w.require(chain.Len() >= h.seen.charter, "%s lost a charter", h.name)
	h.seen.charter = chain.Len()
}

func (w *simWorld) byPeer(id replica.Peer) *simHost {
	for _, h := range w.hosts {
		if h.id == id {
			return h
		}
	}
	return nil
}
