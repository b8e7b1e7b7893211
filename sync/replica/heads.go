package replica

import (
	"bytes"
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// via is where a message came from.
type via struct {
	peer  Peer
	link  *link
	scope Scope
	live  bool // it was sent now
}

// ErrCharter marks a ledger whose Begin names another charter than the one that
// gives its author the right to write it.
var ErrCharter = errors.New("its first entry names another charter")

var errSize = errors.New("a head of no entries")

const (
	costGive  = 4 // as so many signatures
	costTry   = 0.1
	costProof = 4
)

// afford charges a sender's budget.
func (r *Replica) afford(v via, cost float64) bool {
	spent := &r.others
	if p := r.peers[v.peer]; p != nil {
		spent = &p.checks
	}
	if !spent.take(r.clock, cost, r.cfg.Checks, 10*r.cfg.Checks) {
		r.counts.Throttled++
		return false
	}
	return true
}

func (r *Replica) receive(e Received) {
	l := r.link(e.Link)
	if l == nil || !l.up {
		return
	}
	r.counts.Messages++
	v := via{e.From, l, e.Scope, e.Live}
	if !l.carries(e.Scope) {
		r.counts.WrongScope++
		return
	}
	if a, ok := r.rights.Authors[e.From]; ok && a.Removed {
		r.counts.Strangers++
		return
	}
	if e.From == r.cfg.Self { // an echo, or what a broker retained of one that has lost its disk since
		switch m := e.Message.(type) {
		case Head:
			r.hearHead(v, m)
		case Proof:
			r.hearProof(v, m)
		case Charter:
			r.hearCharter(v, m)
		}
		return
	}
	if p := r.meet(e.From); p != nil {
		p.heard = r.now
		p.on(l).there = true
		if e.Live {
			p.on(l).live = r.clock
		}
	}
	switch m := e.Message.(type) {
	case Head:
		r.hearHead(v, m)
	case Held:
		r.hearHeld(v, m)
	case Want:
		r.hearWant(v, m)
	case Give:
		r.hearGive(v, m)
	case Proof:
		r.hearProof(v, m)
	case Charter:
		r.hearCharter(v, m)
	}
}

func (r *Replica) hearHead(v via, m Head) {
	b, h, ok := r.open(v, m, m.Author, m.Note)
	if !ok {
		return
	}
	r.showed(v, b, h)
	r.heard(v, b, h)
	if len(m.Tail) > 0 && m.From >= 0 && m.From+int64(len(m.Tail)) == h.Size {
		r.offered(v, b, h, ledger.Stretch{From: m.From, Entries: m.Tail})
	}
	r.plead(v, b)
}

func (r *Replica) hearGive(v via, m Give) {
	if m.From < 0 {
		r.counts.Invalid++
		return
	}
	if c, ok := peek(m.Note); ok {
		// What is held already is not worth a signature.
		if b := r.books[c.Origin]; b != nil && c.Size < b.head.Size && m.From+int64(len(m.Entries)) <= b.ahead.Size() {
			r.counts.Repeated++
			return
		} else if (b == nil || b.want.peer != v.peer) && !r.afford(v, costGive) {
			return
		}
	}
	b, h, ok := r.open(v, m, m.Author, m.Note)
	if !ok {
		return
	}
	r.heard(v, b, h)
	r.offered(v, b, h, ledger.Stretch{From: m.From, Entries: m.Entries, Proof: m.Proof})
}

// peek reads a note's checkpoint without verifying it.
func peek(note []byte) (ledger.Checkpoint, bool) {
	if len(note) > ledger.MaxNote {
		return ledger.Checkpoint{}, false
	}
	text, _, ok := bytes.Cut(note, []byte("\n\n"))
	if !ok {
		return ledger.Checkpoint{}, false
	}
	c, err := ledger.ParseCheckpoint(string(text) + "\n")
	return c, err == nil
}

// open verifies a head that somebody sent and finds the book of its ledger.
// Nothing is verified before it is known that it may count.
func (r *Replica) open(v via, m Message, key []byte, note []byte, cosigners ...ledger.Cosigner) (*book, ledger.Head, bool) {
	c, ok := peek(note)
	if !ok {
		r.counts.Invalid++ // or a kind of ledger of a later version; nobody is blamed
		return nil, ledger.Head{}, false
	}
	if ScopeOf(c.Origin.Kind) != v.scope {
		r.counts.WrongScope++
		return nil, ledger.Head{}, false
	}
	a, ok := r.rights.author(c.Origin)
	if !ok {
		r.counts.Strangers++
		r.stray(v, c.Origin, m)
		return nil, ledger.Head{}, false
	}
	b := r.books[c.Origin]
	switch {
	case !bytes.Equal(a.Key, key) || a.Removed || b != nil && !b.allowed:
		r.counts.Strangers++
		return nil, ledger.Head{}, false
	case b != nil && len(cosigners) == 0:
		if h, ok := b.remembers(note); ok {
			return b, h, true
		}
	}
	if !r.afford(v, float64(1+len(cosigners))) {
		return nil, ledger.Head{}, false
	}
	h, err := ledger.OpenHead(note, a.Key, append(cosigners, r.rights.Heartbeats...)...)
	if err == nil && h.Size < 1 {
		err = fmt.Errorf("%w: %w", ledger.ErrBegin, errSize)
	}
	if err != nil {
		r.counts.Invalid++
		r.blame(v.peer, c.Origin, err)
		return nil, ledger.Head{}, false
	}
	if b = r.trackHeard(c.Origin); b == nil {
		return nil, ledger.Head{}, false
	}
	if !b.allowed {
		r.counts.Strangers++
		if !b.stored() {
			r.dropBook(b)
		}
		return nil, ledger.Head{}, false
	}
	return b, h, true
}

// heard takes a verified head in: it fits what is held, is news, or convicts.
func (r *Replica) heard(v via, b *book, h ledger.Head) {
	if b.forked && !b.author.Retired {
		r.counts.Repeated++
		return
	}
	for _, known := range []*ledger.Head{&b.head, &b.proved, &b.newest} {
		if known.Size == h.Size && known.Root != h.Root {
			r.accuse(b, *known, h)
			return
		}
	}
	switch {
	case h.Size < b.head.Size:
		r.compare(v, b, h)
	case h.Size == b.head.Size && !newer(h.Fresh(), b.head.Fresh(), r.now):
		r.counts.Repeated++
	case b.takes():
		r.learn(v, b, h)
	}
}

// learn takes in a head that is more than what is held.
func (r *Replica) learn(v via, b *book, h ledger.Head) {
	if h.Size > b.head.Size && v.peer != r.cfg.Self && r.mayHold(b, v.peer) {
		r.addGiver(b, v, h.Size)
	}
	switch size := b.ahead.Size(); {
	case h.Size < size:
		r.settleFor(b, h)
		return
	case h.Size == size:
		r.finish(v, b, h)
		return
	case b.newest.Size > 0 && !r.better(b, h, b.newest):
		return
	}
	if b.newest.Size == 0 {
		b.since = r.now
	}
	b.newest = h
	if b.needy && b.origin.Kind != ledger.ReportLog {
		r.unsorted = true
	}
	r.need(b)
}

// finish makes a head the ledger's of which all entries are here already.
func (r *Replica) finish(v via, b *book, h ledger.Head) {
	if b.proved.Size == h.Size && !newer(h.Fresh(), b.proved.Fresh(), r.now) {
		return // it is on its way
	}
	if x, err := ledger.CheckStretch(b.ahead, h, ledger.Stretch{From: h.Size}); err != nil {
		r.misfit(v, b, err)
	} else {
		r.hand(v, b, x)
	}
}

// maxFlying is how many extensions of one ledger the store is handed before it
// confirms the first.
const maxFlying = 2 * GiveMessages

// offered takes in the entries that came with a verified head, as far as they
// are not here yet.
func (r *Replica) offered(v via, b *book, h ledger.Head, s ledger.Stretch) {
	edge, end := b.ahead.Size(), s.From+int64(len(s.Entries))
	switch {
	case !b.takes():
		return
	case end <= edge:
		r.counts.Repeated++
		return
	case s.From > edge:
		r.gap(v, b)
		return
	case !r.afford(v, costTry):
		return
	case len(b.flying) >= maxFlying:
		r.counts.Throttled++
		return
	}
	s.Entries = s.Entries[edge-s.From:]
	s.From = edge
	x, err := ledger.CheckStretch(b.ahead, h, s)
	if err != nil {
		r.misfit(v, b, err)
		return
	}
	if edge == 0 {
		first := x.Entries()[0]
		if first.Dropped() { // nobody may let go of it, so whoever gave it keeps it back
			r.misfit(v, b, &ledger.At{Err: ledger.ErrWithheld})
			return
		}
		if err := begins(b, first); err != nil {
			b.barred, b.newest = err, ledger.Head{} // its author's fault, whoever gave it
			r.release(b)
			return
		}
	}
	r.hand(v, b, x)
	b.rounds, b.retry, b.misfits, b.anyone = 0, 0, 0, false
	for i := range b.givers {
		b.givers[i].tried = false
	}
	r.progress(v, b, x)
}

// begins checks that a ledger belongs to the charter by which its author may
// write it: a steward's key may serve two nodes, its entries must not.
func begins(b *book, first ledger.Entry) error {
	_, body, err := first.Open(b.origin.Kind, 0)
	if err != nil {
		return err
	}
	begin, ok := body.(*ledger.Begin)
	if !ok {
		return fmt.Errorf("%w: %w", ErrCharter, ledger.ErrBegin)
	}
	if begin.Charter != b.author.Charter[b.origin.Kind] {
		return fmt.Errorf("%w: %v", ErrCharter, begin.Charter)
	}
	return nil
}

// hand hands a verified extension to the store.
func (r *Replica) hand(v via, b *book, x ledger.Extension) {
	b.ahead, b.proved = x.Tree(), x.Head()
	b.keepPart()
	if b.newest.Size <= b.ahead.Size() && !x.Whole() {
		b.newest = b.proved // the giver has more than was wanted, and the rest is to follow
		r.need(b)
	}
	b.flying = append(b.flying, b.ahead.Size())
	r.flying++
	r.do(Store{Extension: x, Giver: v.peer})
}

func isAt(err error) bool {
	_, ok := errors.AsType[*ledger.At](err)
	return ok
}
