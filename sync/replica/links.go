package replica

import (
	"time"

	"tombolo/sync/ledger"
)

// maxLinks bounds the links of a participant.
const maxLinks = 16

// link is one of this participant's links.
type link struct {
	id     LinkID
	index  int // among the replica's
	up     bool
	scopes [scopes]bool
	again  []*book // whose acknowledgements are published again
	at     time.Duration
}

func (l *link) carries(s Scope) bool { return int(s) < len(l.scopes) && l.scopes[s] }

// link finds a link that was up once.
func (r *Replica) link(id LinkID) *link {
	for _, l := range r.links {
		if l.id == id {
			return l
		}
	}
	return nil
}

// linkUp publishes again what a broker may have lost.
func (r *Replica) linkUp(e LinkUp) {
	l := r.link(e.Link)
	if l == nil {
		if len(r.links) >= maxLinks {
			return
		}
		l = &link{id: e.Link, index: len(r.links)}
		r.links = append(r.links, l)
	}
	if l.up {
		r.linkDown(e.Link)
	}
	l.up, l.scopes, l.again = true, [scopes]bool{}, nil
	for _, s := range e.Scopes {
		if int(s) < len(l.scopes) {
			l.scopes[s] = true
		}
	}
	var wait time.Duration
	for _, own := range []bool{true, false} {
		for _, b := range r.order {
			s := b.on(l)
			if b.own != own {
				continue
			}
			*s = shown{}
			if !b.shows() || !l.carries(b.scope) {
				continue
			}
			s.news = true
			s.at = r.plan(b, r.clock+wait)
			if !own {
				s.at = r.plan(b, r.clock+wait+r.window(b))
				l.again = append(l.again, b)
			}
			wait += pace
		}
	}
	if len(l.again) > 0 {
		l.at = r.due(r.clock + r.between(ackAgainLeast, ackAgainMost))
	}
	for _, b := range r.order {
		r.testify(b, l)
	}
	r.unfurl(l)
	r.renew()
}

func (r *Replica) linkDown(id LinkID) {
	l := r.link(id)
	if l == nil || !l.up {
		return
	}
	l.up, l.again, l.at = false, nil, 0
	for _, p := range r.known {
		*p.on(l) = presence{}
		p.queue = deleteLink(p.queue, l.id)
	}
	r.guests.queue = deleteLink(r.guests.queue, l.id)
	for _, b := range r.order {
		if b.want.link == l {
			r.release(b)
		}
		b.dropGivers(l)
	}
	r.eager = true
}

// shown is what is known of a ledger on one link.
type shown struct {
	size   int64         // of the newest head that was announced there, by whomever
	fresh  uint64        // its date
	from   int64         // what those who are behind hold, as far as is known: where a tail begins
	at     time.Duration // when to announce
	wanted bool          // somebody asked for more than was held
	news   bool          // what is held is news there; otherwise it is a repetition
	heard  bool          // somebody else announced what is held in this interval
	pause  time.Duration // the interval
	last   time.Duration // when this participant announced
}

const (
	pace          = 50 * time.Millisecond // 20 a second
	coalesce      = 20 * time.Millisecond
	answerEvery   = 5 * time.Second // an old head is answered at most so often
	pauseLeast    = 32 * time.Second
	pauseMost     = time.Hour
	pauseMostDoor = 8 * time.Hour // a door log's next head is not far
)

// window is how long to wait for somebody else to announce what is news.
func (r *Replica) window(b *book) time.Duration {
	if b.rank <= rankOf(ledger.NodeLog) { // revocations and orders
		return r.between(25*time.Millisecond, 250*time.Millisecond)
	}
	return r.between(200*time.Millisecond, 2*time.Second)
}

// on is what is known of the ledger on a link.
func (b *book) on(l *link) *shown {
	for len(b.shown) <= l.index {
		b.shown = append(b.shown, shown{})
	}
	return &b.shown[l.index]
}

// against orders a head among what was announced: 1 when it is newer.
func (r *Replica) against(h ledger.Head, size int64, fresh uint64) int {
	switch {
	case h.Size > size || h.Size == size && newer(h.Fresh(), fresh, r.now):
		return 1
	case h.Size < size || newer(fresh, h.Fresh(), r.now):
		return -1
	}
	return 0
}

// grown follows a head that became durable.
func (r *Replica) grown(b *book) {
	r.spread(b)
	if !b.own && b.shows() && b.head.Size > b.ackSize {
		r.acknowledgeSoon(b)
	}
}

// spread announces a ledger wherever it is news: an own one at once, another's
// after a while, unless somebody else does.
func (r *Replica) spread(b *book) {
	if !b.shows() {
		return
	}
	for _, l := range r.links {
		if !l.up || !l.carries(b.scope) {
			continue
		}
		s := b.on(l)
		switch {
		case r.against(b.head, s.size, s.fresh) <= 0 && !s.wanted:
			if s.at == 0 {
				r.repeat(b, s)
			}
		case b.own:
			s.news, s.pause = true, 0
			if at := s.last + coalesce; s.last != 0 && at > r.clock {
				s.at = r.plan(b, at)
			} else {
				r.announce(b, l)
			}
		default:
			if at := r.clock + r.window(b); !s.news || at < s.at {
				s.at = r.plan(b, at)
			}
			s.news, s.pause = true, 0
		}
	}
}

// announce broadcasts a ledger's head.
func (r *Replica) announce(b *book, l *link) {
	s := b.on(l)
	s.at = 0
	if !b.shows() || !l.up || !l.carries(b.scope) {
		return
	}
	from := b.head.Size
	if s.news && s.from > 0 && s.from < from {
		from = s.from
	}
	r.do(SendHead{Link: l.id, Scope: b.scope, Origin: b.origin, TailFrom: from})
	s.size, s.fresh, s.from = b.head.Size, b.head.Fresh(), b.head.Size
	s.last, s.wanted = r.clock, false
	r.repeat(b, s)
}

// repeat waits for the next repetition, which comes half as often each time.
// RFC 6206 §4.2
func (r *Replica) repeat(b *book, s *shown) {
	s.news, s.heard = false, false
	most := pauseMost
	if b.rank >= rankOf(ledger.DoorLog) {
		most = pauseMostDoor
	}
	s.pause = min(max(2*s.pause, pauseLeast), most)
	s.at = r.plan(b, r.clock+r.between(s.pause/2, s.pause))
}

// showed notes that somebody announced a head: the same as is held spares an
// announcement, an older one calls for it.
func (r *Replica) showed(v via, b *book, h ledger.Head) {
	s := b.on(v.link)
	self := v.peer == r.cfg.Self
	first := s.size == 0
	if r.against(h, s.size, s.fresh) > 0 {
		s.size, s.fresh, s.from = h.Size, h.Fresh(), h.Size
	}
	if !b.shows() {
		return
	}
	switch r.against(h, b.head.Size, b.head.Fresh()) {
	case 0, 1:
		switch {
		case s.news:
			s.pause = 0
			r.repeat(b, s)
		case !self:
			s.heard = true
		}
	case -1:
		if self && !first || s.news {
			s.from = min(s.from, h.Size)
			return
		}
		// Somebody is behind, or a broker kept what an absent one said.
		s.news, s.from = true, min(s.from, h.Size)
		s.at = r.answerAt(b, s)
	}
}

// answerAt plans an announcement for another's old head, or for one's own.
func (r *Replica) answerAt(b *book, s *shown) time.Duration {
	at := r.clock + r.window(b)
	if s.last != 0 {
		at = max(at, s.last+answerEvery)
	}
	return r.plan(b, at)
}

// plead announces the old head that is held when a newer one was said by somebody
// who may be gone: it is all that those see of who is behind who are there and were
// not heard yet.
func (r *Replica) plead(v via, b *book) {
	if b.newest.Size <= b.ahead.Size() || !b.shows() || b.own || v.live || r.isUp(r.peers[v.peer], v.link) {
		return
	}
	if s := b.on(v.link); !s.news {
		s.news, s.at = true, r.answerAt(b, s)
	}
}

// fireBook announces and acknowledges what is due of a ledger.
func (r *Replica) fireBook(b *book) {
	for i := range b.shown {
		l, s := r.links[i], &b.shown[i]
		switch {
		case s.at == 0:
		case !l.up || !b.shows():
			s.at = 0
		case s.at > r.clock:
			r.plan(b, s.at)
		case s.news || !s.heard:
			r.announce(b, l)
		default:
			r.repeat(b, s)
		}
	}
	r.firePart(b)
	r.fireAck(b)
}
