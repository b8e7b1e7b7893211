package replica

import (
	"slices"
	"time"
)

// Gives are paced: each SendGive is up to GiveMessages × MaxGive bytes.
const (
	givesPerSecond     = 200
	givesPerPeerSecond = 100
	givesGuestsSecond  = 10 // to all who have no rights here, together
	givesBurst         = 8
)

// hearWant queues an answer, one for each ledger and peer.
func (r *Replica) hearWant(v via, m Want) {
	p := r.peers[v.peer]
	switch {
	case ScopeOf(m.Origin.Kind) != v.scope:
		r.counts.WrongScope++
		return
	case !r.rights.mayRead(v.peer, m.Origin):
		r.counts.Strangers++ // nobody else is given what is the node's, or the hub's
		return
	case p == nil: // another node's gateway, for one: whom a broker of the community lets in may read it
		p = &r.guests
	}
	if len(m.Note) > 0 {
		r.hearDoubt(v, m)
		return
	}
	b := r.books[m.Origin]
	if b == nil || !b.shows() || m.From < 0 || m.From >= b.head.Size {
		r.counts.Unanswered++
		if b != nil && m.From >= b.head.Size {
			b.wanted(v.link, m.From)
		}
		return
	}
	g := SendGive{Link: v.link.id, Scope: v.scope, To: v.peer, Origin: m.Origin, From: m.From}
	if i := slices.IndexFunc(p.queue, func(q SendGive) bool { return q.Origin == m.Origin && q.To == g.To }); i >= 0 {
		p.queue[i] = g
		r.counts.Repeated++
		return
	}
	if len(p.queue) >= r.cfg.Gives {
		r.counts.Throttled++
		return
	}
	p.queue = append(p.queue, g)
	r.waiting = true
}

// wanted notes that somebody asked on a link for what is about to come here: it is
// announced there once it has, with all from there on.
func (b *book) wanted(l *link, from int64) {
	if max(b.newest.Size, b.ahead.Size()) <= from {
		return
	}
	s := b.on(l)
	if s.from == 0 || from < s.from {
		s.from = from
	}
	s.wanted = true
}

// hearDoubt looks at the head that somebody holds whom entries did not fit.
func (r *Replica) hearDoubt(v via, m Want) {
	a, ok := r.rights.author(m.Origin)
	if !ok {
		r.counts.Strangers++
		return
	}
	if c, ok := peek(m.Note); !ok || c.Origin != m.Origin {
		r.counts.Invalid++
		return
	}
	if b, h, ok := r.open(v, m, a.Key, m.Note); ok {
		r.heard(v, b, h)
	}
}

// serve answers wants, one peer after the other.
func (r *Replica) serve() {
	for r.waiting {
		p, at := r.next()
		if p == nil {
			r.waiting = at != 0
			r.due(at)
			return
		}
		if !r.gives.take(r.clock, 1, givesPerSecond, givesBurst) {
			r.due(r.gives.ready(1, givesPerSecond, givesBurst))
			return
		}
		p.gives.take(r.clock, 1, r.pace(p), givesBurst)
		g := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		r.turn = p.name
		if b := r.books[g.Origin]; b != nil && b.shows() && r.link(g.Link).up {
			r.do(g)
		}
	}
}

// next is the peer whose turn it is, or when one may be given to again; at is 0
// if nobody waits. Strangers come when nobody else does.
func (r *Replica) next() (p *peer, at time.Duration) {
	n := len(r.known)
	first := r.seat(r.turn)
	if first < n && r.known[first].name == r.turn {
		first++
	}
	for i := range n + 1 {
		p := &r.guests
		if i < n {
			p = r.known[(first+i)%n]
		}
		if len(p.queue) == 0 {
			continue
		}
		ready := p.gives.ready(1, r.pace(p), givesBurst)
		if ready <= r.clock {
			return p, 0
		}
		if at == 0 || ready < at {
			at = ready
		}
	}
	return nil, at
}

// pace is how many answers somebody is given in a second.
func (r *Replica) pace(p *peer) float64 {
	if p == &r.guests {
		return givesGuestsSecond
	}
	return givesPerPeerSecond
}

func deleteLink(queue []SendGive, id LinkID) []SendGive {
	return slices.DeleteFunc(queue, func(g SendGive) bool { return g.Link == id })
}
