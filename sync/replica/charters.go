package replica

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// chain is a chain of charters that the host is pinned to.
type chain struct {
	Chain
	later []ledger.SignedCharter // that came before the ones that they follow
	on    []furled               // by the index of the link, then by scope
}

// furled is which versions were heard on a link, and when to announce the rest.
type furled struct {
	heard []bool // by version - 1, in this interval
	said  int    // versions that were announced since the link came up, by whomever
	at    time.Duration
}

const (
	maxChains    = 16
	maxLater     = 8
	charterLeast = 100 * time.Millisecond // for somebody else to announce it
	charterMost  = time.Second
	charterAgain = 2 * time.Hour
)

// scopesOf is where a chain is announced: whoever checks a node's directory
// ledgers needs the node's charters.
func scopesOf(k ledger.CharterKind) []Scope {
	if k == ledger.NodeCharter {
		return []Scope{All, Node}
	}
	return []Scope{All}
}

// charter takes the chains as the host stores them.
func (r *Replica) charter(chains []Chain) {
	old := r.chains
	r.chains = nil
	for _, c := range chains {
		if c.Len() == 0 || len(r.chains) >= maxChains {
			continue
		}
		next := &chain{Chain: c}
		if i := slices.IndexFunc(old, func(o *chain) bool { return o.ID() == c.ID() }); i >= 0 {
			next.later, next.on = old[i].later, old[i].on
		}
		r.chains = append(r.chains, next)
		for _, l := range r.links {
			r.unfurlChain(next, l)
		}
	}
}

// ours reports whether a chain is the community's or the node's.
func (r *Replica) ours(c *chain) bool { return c.ID() == r.rights.Community || c.ID() == r.rights.Node }

func (c *chain) furled(l *link, s Scope) *furled {
	for len(c.on) <= scopes*l.index+int(s) {
		c.on = append(c.on, furled{})
	}
	return &c.on[scopes*l.index+int(s)]
}

// unfurl begins to announce the charters on a link that came up.
func (r *Replica) unfurl(l *link) {
	for _, c := range r.chains {
		for s := range l.scopes {
			*c.furled(l, Scope(s)) = furled{}
		}
		r.unfurlChain(c, l)
	}
}

// unfurlChain announces the versions that were not heard, in a while.
func (r *Replica) unfurlChain(c *chain, l *link) {
	if !l.up {
		return
	}
	for _, s := range scopesOf(c.Latest().Kind) {
		f := c.furled(l, s)
		for len(f.heard) < c.Len() {
			f.heard = append(f.heard, false)
		}
		most := charterMost
		if r.cfg.Observer { // a desk is there for a moment, and it is where charters are signed
			most = 2 * charterLeast
		}
		if at := r.clock + r.between(charterLeast, most); l.carries(s) && f.said < c.Len() && (f.at == 0 || f.at > at) {
			f.at = r.due(at)
		}
	}
}

func (r *Replica) fireCharters() {
	for _, c := range r.chains {
		for _, l := range r.links {
			for _, s := range scopesOf(c.Latest().Kind) {
				f := c.furled(l, s)
				switch {
				case f.at == 0:
				case !l.up:
					f.at = 0
				case f.at > r.clock:
					r.due(f.at)
				default:
					r.announceCharters(c, l, s)
					f.at = r.due(r.clock + r.between(charterAgain/2, charterAgain))
				}
			}
		}
	}
}

// announceCharters broadcasts the versions that nobody else did, oldest first:
// those that are new on the link, or else all of them again.
func (r *Replica) announceCharters(c *chain, l *link, s Scope) {
	f := c.furled(l, s)
	if !r.ours(c) || !l.carries(s) {
		return
	}
	first := f.said
	if first >= c.Len() {
		first = 0
	}
	for i := first; i < c.Len(); i++ {
		if i >= len(f.heard) || !f.heard[i] {
			_, signed := c.Version(i + 1)
			r.do(Send{Link: l.id, Scope: s, Message: Charter{signed.Marshal()}})
		}
	}
	f.said = c.Len()
	clear(f.heard)
}

// unheardCharters forgets who announced what: whoever did may have been removed, and what
// it said counts with nobody any more.
func (r *Replica) unheardCharters() {
	for _, c := range r.chains {
		for _, l := range r.links {
			for s := range l.scopes {
				*c.furled(l, Scope(s)) = furled{}
			}
			r.unfurlChain(c, l)
		}
	}
}

// untold counts the versions that nobody has announced on a link since it came up.
func (r *Replica) untold(l *link) (n int) {
	for _, c := range r.chains {
		for _, s := range scopesOf(c.Latest().Kind) {
			if !r.ours(c) || !l.carries(s) {
				continue
			}
			f := c.furled(l, s)
			for i := f.said; i < c.Len(); i++ {
				if i >= len(f.heard) || !f.heard[i] {
					n++
				}
			}
		}
	}
	return n
}

// hearCharter takes a charter that follows a chain of ours, from whomever.
func (r *Replica) hearCharter(v via, m Charter) {
	signed, c, err := parseCharter(m.Signed)
	if err != nil {
		r.counts.Invalid++
		r.blame(v.peer, ledger.Origin{}, err)
		return
	}
	i := slices.IndexFunc(r.chains, func(x *chain) bool {
		l := x.Latest()
		return r.ours(x) && l.Kind == c.Kind && l.Slug == c.Slug && l.Community == c.Community
	})
	if i < 0 || !slices.Contains(scopesOf(c.Kind), v.scope) {
		r.counts.Strangers++ // another node's
		return
	}
	ch := r.chains[i]
	have := uint64(ch.Len())
	switch {
	case c.Version > have+1:
		ch.wait(signed, c.Version)
	case c.Version == have+1:
		r.follow(v, ch, signed)
	default:
		_, mine := ch.Version(int(c.Version))
		if bytes.Equal(mine.Charter, signed.Charter) {
			r.counts.Repeated++
			if f := ch.furled(v.link, v.scope); c.Version <= uint64(len(f.heard)) {
				f.heard[c.Version-1] = true
			}
			return
		}
		r.dispute(v, ch, c, signed)
	}
}

func parseCharter(b []byte) (ledger.SignedCharter, ledger.Charter, error) {
	signed, err := ledger.ParseSignedCharter(b)
	if err != nil {
		return signed, ledger.Charter{}, err
	}
	c, err := ledger.ParseCharter(signed.Charter)
	return signed, c, err
}

// wait keeps a charter that came too early, one of each version.
func (c *chain) wait(signed ledger.SignedCharter, version uint64) {
	if len(c.later) >= maxLater || version > uint64(c.Len()+1+maxLater) {
		return
	}
	for _, other := range c.later {
		if _, x, err := parseCharter(other.Marshal()); err != nil || x.Version == version {
			return
		}
	}
	c.later = append(c.later, signed)
}

// follow verifies the next charter of a chain, and those that waited for it.
func (r *Replica) follow(v via, c *chain, signed ledger.SignedCharter) {
	if !r.afford(v, float64(max(1, len(signed.Signatures)))) {
		return
	}
	longer, err := ledger.CheckCharter(c.Chain, signed)
	if err != nil {
		r.counts.Invalid++
		r.blame(v.peer, ledger.Origin{}, err)
		return
	}
	c.Chain = longer
	r.do(StoreCharter{signed})
	f := c.furled(v.link, v.scope)
	for len(f.heard) < c.Len() {
		f.heard = append(f.heard, false)
	}
	f.heard[c.Len()-1] = true
	for _, l := range r.links {
		r.unfurlChain(c, l)
	}
	for i, s := range c.later {
		if _, x, err := parseCharter(s.Marshal()); err == nil && x.Version == uint64(c.Len()+1) {
			c.later = slices.Delete(c.later, i, i+1)
			r.follow(v, c, s)
			return
		}
	}
}

// dispute reports another charter of a version that is held: ours stays. Where
// enough keys signed both, whoever keeps them has to know.
func (r *Replica) dispute(v via, c *chain, other ledger.Charter, signed ledger.SignedCharter) {
	if !r.afford(v, costProof) {
		return
	}
	r.counts.Invalid++
	var before Chain
	var err error
	for i := 1; i < int(other.Version) && err == nil; i++ {
		_, s := c.Version(i)
		before, err = ledger.CheckCharter(before, s)
	}
	if err == nil {
		_, err = ledger.CheckCharter(before, signed)
	}
	if err == nil {
		err = fmt.Errorf("%w: its keys signed two charters of version %d; ask who keeps them which one counts", ledger.ErrCharterChain, other.Version)
	}
	r.blame(v.peer, ledger.Origin{}, err)
}
