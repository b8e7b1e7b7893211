package replica

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// Status is a picture of a replica. It shares nothing with it.
type Status struct {
	Ledgers  []LedgerStatus // by origin
	Peers    []PeerStatus   // by name
	Links    []LinkStatus   // that are up
	Charters int            // versions that are held, of the community's and the node's
	Counts   Counts
}

// LinkStatus is a link that is up.
type LinkStatus struct {
	Link   LinkID
	Untold int // versions of charters that nobody has announced on it yet, in some scope
}

// LedgerStatus is a ledger that is held, or that somebody announced.
type LedgerStatus struct {
	Origin  ledger.Origin
	Held    int64     // entries, whole and durable
	Time    uint64    // of the held head's author's signature, Unix seconds; 0: nothing is held
	Partial int64     // entries that are durable but not whole yet: the edge's size, 0 when there is no part
	Newest  int64     // size of the newest verified head that was heard, or Held
	Heard   uint64    // the time of its author's signature
	Behind  int64     // Newest - Held
	Wanting Peer      // whom it was asked of last and is awaited from; zero: nobody
	Since   time.Time // when it fell behind; zero if it is not
	Givers  []Peer    // who announced more than is held, by name
	Forked  bool      // its author signed two histories
	Own     bool      // this participant is its author
	Refused error     // why it cannot be stored: what the store said last, nil if all is well
}

// PeerStatus is somebody who was heard.
type PeerStatus struct {
	Peer   Peer
	Links  []LinkID // that it is on
	Heard  time.Time
	Blames int       // all that were ever counted
	Shun   time.Time // it is not asked before; zero: it may be
}

// Counts counts, since the start, what was dropped and why.
type Counts struct {
	Messages   uint64 // received
	Repeated   uint64 // said nothing new
	Strangers  uint64 // from, or about, somebody who has no rights here
	WrongScope uint64 // in a scope that the ledger does not travel in, or over a link that does not carry it
	Invalid    uint64 // did not verify, see Blame
	Throttled  uint64 // beyond a bound
	Unanswered uint64 // wants of what is not held or not shown
}

// Behind tells how many entries of own ledgers peers announce that are not
// durable here: an author that lost its disk waits until there are none.
func (s Status) Behind() (entries int64) {
	for _, l := range s.Ledgers {
		if l.Own {
			entries += l.Behind
		}
	}
	return entries
}

// Status is a picture of the replica now.
func (r *Replica) Status() Status {
	s := Status{Counts: r.counts}
	for _, b := range r.order {
		if !b.stored() && b.newest.Size == 0 && !b.forked {
			continue
		}
		l := LedgerStatus{
			Origin: b.origin, Held: b.head.Size, Time: b.head.Time, Newest: b.head.Size, Heard: b.head.Time,
			Wanting: b.want.peer, Forked: b.forked, Own: b.own, Refused: cmp.Or(b.barred, b.refused),
		}
		if b.edge.Size() > b.head.Size {
			l.Partial = b.edge.Size()
		}
		if b.newest.Size > 0 {
			l.Newest, l.Heard, l.Behind = b.newest.Size, b.newest.Time, b.newest.Size-b.head.Size
			l.Since = b.since
		}
		for _, g := range b.givers {
			l.Givers = append(l.Givers, g.peer)
		}
		slices.SortFunc(l.Givers, func(a, b Peer) int { return bytes.Compare(a[:], b[:]) })
		l.Givers = slices.Compact(l.Givers)
		s.Ledgers = append(s.Ledgers, l)
	}
	slices.SortFunc(s.Ledgers, func(a, b LedgerStatus) int { return a.Origin.Compare(b.Origin) })
	for _, p := range r.known {
		x := PeerStatus{Peer: p.name, Heard: p.heard, Blames: p.blamed}
		for i, at := range p.links {
			if at.up || at.there {
				x.Links = append(x.Links, r.links[i].id)
			}
		}
		if p.shun > r.clock {
			x.Shun = r.now.Add(p.shun - r.clock)
		}
		s.Peers = append(s.Peers, x)
	}
	for _, c := range r.chains {
		if r.ours(c) {
			s.Charters += c.Len()
		}
	}
	for _, l := range r.links {
		if l.up {
			s.Links = append(s.Links, LinkStatus{l.id, r.untold(l)})
		}
	}
	return s
}
