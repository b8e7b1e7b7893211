package replica

import (
	"bytes"
	"time"

	"tombolo/sync/ledger"
)

const accuseEvery = 10 * time.Second

// accuse hands evidence to the host: two heads of one size.
func (r *Replica) accuse(b *book, a, c ledger.Head) {
	if b.forked {
		return
	}
	if f, err := ledger.ProveFork(a, c, nil); err == nil {
		r.store(b, f)
	}
}

// store asks for evidence to be stored, again if the host did not.
func (r *Replica) store(b *book, f ledger.Fork) {
	if b.accused == 0 || r.clock-b.accused >= accuseEvery {
		b.accused = r.clock
		r.do(StoreFork{f})
	}
}

// compare asks the host to compare an older head with what is held.
func (r *Replica) compare(v via, b *book, h ledger.Head) {
	switch {
	case v.peer == r.cfg.Self || b.agrees(h):
		r.counts.Repeated++
	case !b.compares.take(r.clock, 1, 1, 4):
		r.counts.Throttled++
	default:
		b.agree(h) // if it does not, there will be evidence
		r.do(Compare{Link: v.link.id, Scope: v.scope, With: v.peer, Head: h})
	}
}

// hearProof takes evidence that somebody else found.
func (r *Replica) hearProof(v via, m Proof) {
	if !r.afford(v, costProof) {
		return
	}
	f, err := ledger.ParseFork(m.Evidence)
	if err != nil {
		r.counts.Invalid++
		r.blame(v.peer, ledger.Origin{}, err)
		return
	}
	h, _, err := f.Heads()
	if err != nil {
		return // it was verified
	}
	if ScopeOf(h.Origin.Kind) != v.scope {
		r.counts.WrongScope++
		return
	}
	a, ok := r.rights.author(h.Origin)
	if !ok || a.Removed || !bytes.Equal(a.Key, f.Author[:]) {
		r.counts.Strangers++
		return
	}
	switch b := r.trackHeard(h.Origin); {
	case b == nil:
	case b.forked:
		r.counts.Repeated++
	default:
		r.store(b, f)
	}
}

// convict follows evidence that is durable.
func (r *Replica) convict(f ledger.Fork) {
	a, _, err := f.Heads()
	if err != nil {
		return // the host verified it
	}
	b := r.track(a.Origin)
	if b.forked {
		return
	}
	b.forked, b.evidence = true, f.Marshal()
	r.absolve(b.origin)
	if !b.takes() {
		b.newest = ledger.Head{}
		r.release(b)
		r.sated(b)
	}
	for _, l := range r.links {
		r.testify(b, l)
	}
}

// testify announces the evidence that there is against a ledger's author.
func (r *Replica) testify(b *book, l *link) {
	if b.forked && l.up && l.carries(b.scope) && b.origin.Community == r.rights.Community {
		r.do(Send{Link: l.id, Scope: b.scope, Message: Proof{b.evidence}})
	}
}
