package link

import (
	"sync"

	"tombolo/sync/replica"
)

// maxPeers bounds the peers that are tracked on a link, unless [Config] says otherwise.
const maxPeers = 4096

// presence knows who is there on the connection that is up, by births and wills.
type presence struct {
	most int

	mu    sync.Mutex
	peers map[replica.Peer]birth // guarded by mu
}

func newPresence(most int) *presence {
	return &presence{most: most, peers: map[replica.Peer]birth{}}
}

func (p *presence) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.peers)
}

func (p *presence) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.peers)
}

// born notes a birth. news is false for one that was known, full is true when
// there is no room.
func (p *presence) born(peer replica.Peer, b birth) (news, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.peers[peer]
	if known && old == b {
		return false, false
	}
	if !known && len(p.peers) >= p.most {
		return false, true
	}
	p.peers[peer] = b
	return true, false
}

// gone ends a birth, and no other: the will of an older connection may come
// after a newer one's birth.
func (p *presence) gone(peer replica.Peer, g gone) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, known := p.peers[peer]; !known || b.ID != g.ID {
		return false
	}
	delete(p.peers, peer)
	return true
}
