package replica

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// giver is a peer that announced more of a ledger than is held.
type giver struct {
	peer  Peer
	link  *link
	size  int64 // of what it announced
	tried bool  // asked in vain since the last progress
}

// want is a question under way.
type want struct {
	peer  Peer // zero: none
	link  *link
	at    time.Duration // when it is given up
	gives int           // that came
	guess bool          // the peer had not announced that it has more
}

const (
	wantPatience = 5 * time.Second
	doubtEvery   = 5 * time.Second
	retryLeast   = time.Second
	retryMost    = time.Minute
)

func backoff(rounds int) time.Duration {
	return min(retryLeast<<min(max(rounds-1, 0), 6), retryMost)
}

func (b *book) dropGivers(l *link) {
	b.givers = slices.DeleteFunc(b.givers, func(g giver) bool { return g.link == l })
}

func (r *Replica) addGiver(b *book, v via, size int64) {
	if b.want.guess && b.want.peer == v.peer && b.want.link == v.link {
		r.release(b) // it had nothing to answer with then, and has now
	}
	for i := range b.givers {
		if g := &b.givers[i]; g.peer == v.peer && g.link == v.link {
			if size > g.size {
				g.size, g.tried = size, false
				b.retry = r.dueWant(min(b.retry, r.clock+retryLeast)) // it is at work: what was in vain was long ago
				r.eager = true
			}
			return
		}
	}
	g := giver{peer: v.peer, link: v.link, size: size}
	if len(b.givers) < r.cfg.Givers {
		b.givers = append(b.givers, g)
	} else {
		// Who announced the least goes; a peer with rights before one without, so
		// that made-up names push nobody out.
		less := func(x, y giver) int {
			return cmp.Or(boolCompare(r.peers[x.peer] != nil, r.peers[y.peer] != nil), cmp.Compare(x.size, y.size))
		}
		i := 0
		for j := range b.givers {
			if less(b.givers[j], b.givers[i]) < 0 {
				i = j
			}
		}
		if less(b.givers[i], g) >= 0 {
			return
		}
		b.givers[i] = g
	}
	r.eager = true
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// tried marks a giver of whom nothing came.
func (b *book) tried(p Peer) {
	for i := range b.givers {
		if b.givers[i].peer == p {
			b.givers[i].tried = true
		}
	}
}

// need puts a ledger among those that are asked for.
func (r *Replica) need(b *book) {
	r.eager = true
	if b.newest.Size > b.ahead.Size() && !b.needy {
		b.needy = true
		r.needy = append(r.needy, b)
		r.reorder(b)
		r.pressing = min(r.pressing, b.urgency())
	}
}

// reorder notes that a ledger may stand in the wrong place among those that are asked
// for. Thousands of reports come at once, and one is as good as another.
func (r *Replica) reorder(b *book) {
	n := len(r.needy)
	last := n > 0 && r.needy[n-1] == b && (n == 1 || r.needy[n-2].urgency() <= b.urgency())
	r.unsorted = r.unsorted || b.origin.Kind != ledger.ReportLog || !last
}

// sated takes it from among them.
func (r *Replica) sated(b *book) {
	if b.needy {
		b.needy = false
		r.needy = slices.DeleteFunc(r.needy, func(x *book) bool { return x == b })
	}
}

// renew asks again at once: somebody came who may have what is needed. A report has
// nobody else than who was asked.
func (r *Replica) renew() {
	r.eager = true
	for _, b := range r.needy {
		if b.refused == nil {
			b.retry = 0
		}
	}
	for _, b := range slices.Clone(r.asked) { // of somebody of whom only a message was there
		if b.scope != Hub && !r.isUp(r.peers[b.want.peer], b.want.link) {
			r.release(b)
		}
	}
}

// release ends a want.
func (r *Replica) release(b *book) {
	if b.want.peer == (Peer{}) {
		return
	}
	b.want = want{}
	r.asked = slices.DeleteFunc(r.asked, func(x *book) bool { return x == b })
	r.eager = true
}

// progress notes that a want was answered with something.
func (r *Replica) progress(v via, b *book, x ledger.Extension) {
	r.eager = true
	if b.want.peer != v.peer || b.want.link != v.link {
		return
	}
	b.want.gives++
	b.want.at = r.dueWant(r.clock + wantPatience)
	if x.Whole() || b.want.gives >= GiveMessages {
		r.release(b)
	}
}

// gap notes entries that came without the ones before them. If they are all that
// was asked for, one got lost; otherwise it may be late.
func (r *Replica) gap(v via, b *book) {
	if b.want.peer != v.peer || b.want.link != v.link {
		return
	}
	if b.want.gives++; b.want.gives >= GiveMessages {
		b.tried(v.peer)
		r.release(b)
	}
}

// misfit notes entries that do not fit. Either their giver is wrong, which is
// what the blame says, or the author signed two histories, which comparing heads
// will show.
func (r *Replica) misfit(v via, b *book, err error) {
	r.counts.Invalid++
	r.afford(v, costGive)
	r.blame(v.peer, b.origin, err)
	b.tried(v.peer)
	if b.want.peer == v.peer {
		r.release(b)
	}
	if !errors.Is(err, ledger.ErrProof) {
		return
	}
	mine := b.proved
	if mine.Size == 0 {
		mine = b.head
	}
	if mine.Size > 0 && v.peer != r.cfg.Self && (b.doubted == 0 || r.clock-b.doubted >= doubtEvery) {
		b.doubted = r.clock
		r.do(Send{Link: v.link.id, Scope: v.scope, To: v.peer, Message: Want{Origin: b.origin, From: b.ahead.Size(), Note: mine.Note}})
	}
	// A part that fits nobody's head is not worth keeping.
	if b.misfits++; b.misfits >= 2 && len(b.flying) == 0 && b.edge.Size() > b.head.Size {
		b.misfits = 0
		r.do(Forget{b.origin})
	}
}

// dueWant is due for what concerns wants: one that is given up, or may be tried again.
func (r *Replica) dueWant(at time.Duration) time.Duration {
	if at != 0 && (r.wantsAt == 0 || at < r.wantsAt) {
		r.wantsAt = at
	}
	return r.due(at)
}

func (r *Replica) fireWants() {
	if r.wantsAt == 0 || r.clock < r.wantsAt {
		r.due(r.wantsAt)
		return
	}
	r.wantsAt = 0
	for _, b := range slices.Clone(r.asked) {
		if r.clock < b.want.at {
			r.dueWant(b.want.at)
			continue
		}
		b.tried(b.want.peer)
		r.release(b)
	}
	for _, b := range r.needy {
		if b.retry > r.clock {
			r.dueWant(b.retry)
		}
	}
	r.eager = true
}

// ask sends the wants that there is room for, the more urgent first. Of thousands it
// looks at no more than it has to.
func (r *Replica) ask() {
	if !r.eager || r.waitsForMore() {
		return
	}
	for _, b := range slices.Clone(r.asked) {
		if b.enough() {
			r.release(b)
		}
	}
	if r.unsorted {
		r.sortNeedy()
	}
	r.eager, r.pressing = false, ranks
	kept, seen := 0, 0
	for room := true; room && seen < len(r.needy); seen++ {
		b := r.needy[seen]
		if b.enough() {
			r.release(b)
			b.needy = false
			continue
		}
		r.needy[kept] = b
		kept++
		room = r.askFor(b)
	}
	r.needy = slices.Delete(r.needy, kept, seen)
}

// enough tells whether nothing more of a ledger is to be asked for now.
func (b *book) enough() bool { return !b.takes() || b.newest.Size <= b.ahead.Size() }

// askFor sends a want, if it is time for one and somebody may be asked; false if
// there is no room for any.
func (r *Replica) askFor(b *book) (room bool) {
	switch {
	case b.want.peer != (Peer{}) || len(b.flying) > maxFlying/2:
		return true
	case b.retry > r.clock:
		r.dueWant(b.retry)
		return true
	}
	g, ok, busy := r.choose(b)
	switch {
	case !ok && busy:
		return true
	case !ok:
		b.rounds++
		b.anyone = false
		for i := range b.givers {
			b.givers[i].tried = false
		}
		b.retry = r.dueWant(r.clock + backoff(b.rounds))
		return true
	}
	if !r.room(b) {
		return false
	}
	b.want = want{peer: g.peer, link: g.link, at: r.dueWant(r.clock + wantPatience<<min(b.rounds, 3)), guess: g.size == 0}
	r.asked = append(r.asked, b)
	r.do(Send{Link: g.link.id, Scope: b.scope, To: g.peer, Message: Want{Origin: b.origin, From: b.ahead.Size()}})
	return true
}

// sortNeedy puts what is asked for in order. There may be thousands, and few that
// came since.
func (r *Replica) sortNeedy() {
	r.unsorted = false
	slices.SortFunc(r.needy, func(a, b *book) int {
		if a.urgency() == b.urgency() && a.rank == rankOf(ledger.DoorLog) && b.rank == a.rank {
			if c := cmp.Compare(b.newest.Time, a.newest.Time); c != 0 { // who is inside now
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.urgency(), b.urgency()), compareOrigins(a.origin, b.origin))
	})
}

// manyNeedy is beyond which they are not put in order for each want that ends.
const manyNeedy = 512

// waitsForMore tells whether it is early to look for whom to ask what: there is much
// to be asked, nothing more urgent came, and most wants are still under way.
func (r *Replica) waitsForMore() bool {
	if len(r.needy) <= manyNeedy || 4*len(r.asked) <= 3*r.cfg.Wants {
		return false
	}
	for _, b := range r.asked {
		if b.urgency() > r.pressing {
			return false
		}
	}
	return true
}

// urgency orders what is asked for: revocations, then what a steward orders and
// what this participant's author waits for, then the rest.
func (b *book) urgency() int {
	if b.own {
		return min(b.rank, rankOf(ledger.NodeLog))
	}
	return b.rank
}

// room makes room for one more want, at the cost of a less urgent one. What gateways
// write is not asked for while the store is behind: until it is stored it is held in
// memory.
func (r *Replica) room(b *book) bool {
	if b.urgency() == ranks-1 && r.flying >= max(r.cfg.Wants, maxFlying) {
		return false
	}
	if len(r.asked) < r.cfg.Wants {
		return true
	}
	last := slices.MaxFunc(r.asked, func(x, y *book) int { return cmp.Compare(x.urgency(), y.urgency()) })
	if last.urgency() <= b.urgency() {
		return false
	}
	r.release(last)
	return true
}

// choose picks whom to ask: somebody who is there before somebody of whom only a
// message is, who announced the newest head, the author, then by chance; in the
// end anybody, who may hold it without having said so. busy tells that there is
// somebody, who has enough to answer.
func (r *Replica) choose(b *book) (best giver, ok, busy bool) {
	bestScore, alike := -1, int64(0)
	consider := func(g giver) {
		p := r.peers[g.peer]
		if !g.link.up || !g.link.carries(b.scope) || p != nil && p.shun > r.clock {
			return
		}
		under := 0
		for _, x := range r.asked {
			if x.want.peer == g.peer {
				under++
			}
		}
		if under >= r.cfg.WantsPerPeer {
			busy = true
			return
		}
		score := 0
		if p != nil {
			at := p.on(g.link)
			if !at.up && !at.there {
				return // it left
			}
			score += 8
			if r.isUp(p, g.link) {
				score += 8
			}
		}
		if g.size >= b.newest.Size {
			score += 4
		}
		if g.peer == b.origin.Author {
			score += 2
		}
		switch {
		case score > bestScore:
			best, bestScore, alike = g, score, 1
		case score == bestScore:
			if alike++; r.random(alike) == 0 {
				best = g
			}
		}
	}
	for _, g := range b.givers {
		if !g.tried && g.size > b.ahead.Size() {
			consider(g)
		}
	}
	// A message may be all that is left of its sender: whoever is there now has
	// what it announced more often than not.
	alone := bestScore < 0 && b.rounds > 0 || bestScore >= 0 && !r.isUp(r.peers[best.peer], best.link)
	if alone && !busy && !b.anyone {
		for _, p := range r.holders(b) {
			for i, at := range p.links {
				if at.up {
					consider(giver{peer: p.name, link: r.links[i]})
				}
			}
		}
		b.anyone = bestScore >= 0 && r.isUp(r.peers[best.peer], best.link)
	}
	return best, bestScore >= 0, busy
}

// mayHold tells whether it is no news to a peer that there is such a ledger: of a report
// only its author and the hub are asked, whoever else announces it.
func (r *Replica) mayHold(b *book, p Peer) bool {
	return b.scope != Hub || p == b.origin.Author || r.rights.hub(p)
}

// holders are those who may hold a ledger without having said so: of a report it is
// the hub, and for the hub its author.
func (r *Replica) holders(b *book) []*peer {
	if b.scope != Hub {
		return r.known
	}
	if p := r.peers[b.origin.Author]; p != nil {
		return []*peer{p}
	}
	var hubs []*peer
	for _, p := range r.known {
		if r.rights.hub(p.name) {
			hubs = append(hubs, p)
		}
	}
	return hubs
}
