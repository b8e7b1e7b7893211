package replica

import (
	"bytes"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// peer is somebody who has rights here and was heard.
type peer struct {
	name   Peer
	heard  time.Time
	links  []presence // by the index of the link
	checks bucket
	blames []blame // of the last hour
	blamed int     // in all
	shun   time.Duration
	queue  []SendGive
	gives  bucket
}

// presence is what is known of a peer on a link: that its birth was heard, or at
// least a message, which may be an old one that the broker retained.
type presence struct {
	up, there bool
	live      time.Duration // when it last sent something
}

// liveWhile is how long somebody is there who sent something. Births are not heard
// in the whole community, of a desk for one.
const liveWhile = 10 * time.Second

// isUp tells whether a peer is there on a link.
func (r *Replica) isUp(p *peer, l *link) bool {
	if p == nil {
		return false
	}
	at := p.on(l)
	return at.up || at.live != 0 && r.clock-at.live < liveWhile
}

type blame struct {
	at     time.Duration
	origin ledger.Origin
}

const (
	blameMost  = 3 // within blameWhile
	blameWhile = time.Hour
	blameShuns = 10 * time.Minute
)

// meet finds a peer or makes it; nil for those without rights.
func (r *Replica) meet(name Peer) *peer {
	if p := r.peers[name]; p != nil {
		return p
	}
	a, ok := r.rights.Authors[name]
	if !ok || a.Removed || name == r.cfg.Self || len(r.peers) >= r.cfg.Peers {
		return nil
	}
	p := &peer{name: name}
	r.peers[name] = p
	r.known = slices.Insert(r.known, r.seat(name), p)
	return p
}

func (r *Replica) seat(name Peer) int {
	i, _ := slices.BinarySearchFunc(r.known, name, func(p *peer, name Peer) int { return bytes.Compare(p.name[:], name[:]) })
	return i
}

// on is what is known of a peer on a link.
func (p *peer) on(l *link) *presence {
	for len(p.links) <= l.index {
		p.links = append(p.links, presence{})
	}
	return &p.links[l.index]
}

func (r *Replica) dropPeer(p *peer) {
	for _, b := range slices.Clone(r.asked) {
		if b.want.peer == p.name {
			r.release(b)
		}
	}
	for _, b := range r.order {
		b.givers = slices.DeleteFunc(b.givers, func(g giver) bool { return g.peer == p.name })
	}
	delete(r.peers, p.name)
	i := r.seat(p.name)
	r.known = slices.Delete(r.known, i, i+1)
}

func (r *Replica) peerUp(e PeerUp) {
	l := r.link(e.Link)
	p := r.meet(e.Peer)
	if l == nil || !l.up || p == nil {
		return
	}
	if at := p.on(l); !at.up {
		at.up = true
		r.renew()
	}
}

func (r *Replica) peerDown(e PeerDown) {
	l, p := r.link(e.Link), r.peers[e.Peer]
	if l == nil || p == nil {
		return
	}
	*p.on(l) = presence{}
	p.queue = deleteLink(p.queue, l.id)
	for _, b := range slices.Clone(r.asked) {
		if b.want.peer == p.name && b.want.link == l {
			b.tried(p.name)
			r.release(b)
		}
	}
}

// blame notes that a peer sent what does not verify.
func (r *Replica) blame(name Peer, o ledger.Origin, err error) {
	if name == r.cfg.Self {
		return // a broker's doing
	}
	r.do(Blame{Peer: name, Origin: o, Err: err})
	p := r.peers[name]
	if p == nil {
		return
	}
	p.blamed++
	p.blames = slices.DeleteFunc(p.blames, func(b blame) bool { return r.clock-b.at > blameWhile })
	p.blames = append(p.blames, blame{r.clock, o})
	if len(p.blames) >= blameMost {
		p.shun, p.blames = r.clock+blameShuns, nil
	}
}

// absolve takes back what peers were blamed for: the author was at fault.
func (r *Replica) absolve(o ledger.Origin) {
	for _, p := range r.known {
		p.blames = slices.DeleteFunc(p.blames, func(b blame) bool { return b.origin == o })
	}
}
