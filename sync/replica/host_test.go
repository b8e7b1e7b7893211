package replica

import (
	"errors"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// host is a replica with a store that keeps what it is handed when it is told to.
type host struct {
	tb      tb
	r       *Replica
	now     time.Time
	rand    uint64
	pending []Store
	edges   map[ledger.Origin]ledger.Tree
	whole   map[ledger.Origin]ledger.Head

	unchecked bool // for benchmarks
}

func newHost(t tb, cfg Config, s Started) *host {
	if cfg.Self == (Peer{}) {
		cfg.Self = testPeer("gw1")
	}
	h := &host{tb: t, r: New(cfg), now: testStart, edges: map[ledger.Origin]ledger.Tree{}, whole: map[ledger.Origin]ledger.Head{}}
	for _, l := range s.Ledgers {
		h.edges[l.Head.Origin], h.whole[l.Head.Origin] = l.Edge, l.Head
	}
	h.step(s)
	return h
}

const (
	lan LinkID = 1 // the node's own: carries both scopes
	wan LinkID = 2 // the hub's: carries All
)

func newUp(t tb, cfg Config, ledgers ...Ledger) *host {
	h := newHost(t, cfg, Started{Rights: testRights(), Ledgers: ledgers})
	h.step(LinkUp{lan, []Scope{All, Node}})
	h.step(LinkUp{wan, []Scope{All}})
	return h
}

func (h *host) step(e Event) []Action {
	h.rand++
	out := h.r.Step(Moment{h.now, h.rand * 0x9e3779b97f4a7c15}, e)
	for _, a := range out {
		if s, ok := a.(Store); ok {
			h.pending = append(h.pending, s)
		}
	}
	h.check()
	return out
}

// check holds the replica to its bounds and its own books after every step.
func (h *host) check() {
	h.tb.Helper()
	if h.unchecked {
		return
	}
	r := h.r
	heard := map[ledger.KeyID]int{}
	flying := 0
	for i, b := range r.order {
		flying += len(b.flying)
		if i > 0 && compareOrigins(r.order[i-1].origin, b.origin) >= 0 {
			h.tb.Fatal("the books are out of order")
		}
		if r.books[b.origin] != b || len(b.givers) > r.cfg.Givers || len(b.flying) > maxFlying || b.ahead.Size() < b.edge.Size() {
			h.tb.Fatalf("%v: %d givers, %d flying, edge %d, ahead %d", b.origin, len(b.givers), len(b.flying), b.edge.Size(), b.ahead.Size())
		}
		if !b.stored() {
			heard[b.origin.Author]++
		}
		if b.due != 0 && (b.seat >= len(r.agenda) || r.agenda[b.seat] != b || b.due < r.agenda[(b.seat-1)/2].due) {
			h.tb.Fatalf("%v is due at %v and has the seat %d on the agenda", b.origin, b.due, b.seat)
		}
		times := []time.Duration{b.ackAt, b.partAt}
		for _, s := range b.shown {
			times = append(times, s.at)
		}
		for _, at := range times {
			if at != 0 && (b.due == 0 || b.due > at) {
				h.tb.Fatalf("%v is due at %v, and on the agenda for %v", b.origin, at, b.due)
			}
		}
		for _, at := range []time.Duration{b.want.at, b.retry} {
			if at > r.clock && (at == b.want.at || b.needy) && (r.wantsAt == 0 || r.wantsAt > at) {
				h.tb.Fatalf("%v is asked for until %v and again at %v, and wants are looked at at %v", b.origin, b.want.at, b.retry, r.wantsAt)
			}
		}
		if b.needy != slices.Contains(r.needy, b) {
			h.tb.Fatalf("%v is needy: %t, and not listed so", b.origin, b.needy)
		}
	}
	if len(r.order) != len(r.books) || len(r.known) != len(r.peers) || len(r.asked) > r.cfg.Wants || len(r.peers) > r.cfg.Peers || len(r.heads.of) > r.cfg.Strays || len(r.helds.of) > 2*r.cfg.Strays || len(r.heads.order)+len(r.helds.order) > 6*r.cfg.Strays {
		h.tb.Fatalf("%d of %d books, %d of %d peers, %d wants", len(r.order), len(r.books), len(r.known), len(r.peers), len(r.asked))
	}
	if flying != r.flying {
		h.tb.Fatalf("%d extensions are not confirmed, %d counted", flying, r.flying)
	}
	for id, n := range heard {
		if r.heardOf[id] != n || n > r.cfg.LedgersPerAuthor {
			h.tb.Fatalf("%v: %d ledgers heard of, %d counted", id, n, r.heardOf[id])
		}
	}
	for _, p := range r.known {
		if len(p.queue) > r.cfg.Gives || len(p.blames) > blameMost {
			h.tb.Fatalf("%d gives queued", len(p.queue))
		}
	}
	if at, ok := r.Wake(); ok && at.Before(h.now.Add(-time.Nanosecond)) {
		h.tb.Fatalf("wakes at %v, now is %v", at, h.now)
	}
}

func (h *host) hear(from string, m Message) []Action { return h.hearOn(lan, from, m) }

// hearOn delivers a message in the scope that it belongs in.
func (h *host) hearOn(l LinkID, from string, m Message) []Action {
	return h.step(Received{Link: l, Scope: messageScope(m), From: testPeer(from), Message: m})
}

func messageScope(m Message) Scope {
	var note []byte
	switch m := m.(type) {
	case Head:
		note = m.Note
	case Held:
		note = m.Note
	case Give:
		note = m.Note
	case Want:
		return ScopeOf(m.Origin.Kind)
	case Proof:
		if f, err := ledger.ParseFork(m.Evidence); err == nil {
			note = f.A
		}
	}
	c, _ := peek(note)
	return ScopeOf(c.Origin.Kind)
}

// wait lets time pass, with every Tick that falls due.
func (h *host) wait(d time.Duration) (out []Action) {
	end := h.now.Add(d)
	for {
		at, ok := h.r.Wake()
		if !ok || at.After(end) {
			break
		}
		if at.After(h.now) {
			h.now = at
		}
		out = append(out, h.step(Tick{})...)
	}
	h.now = end
	return append(out, h.step(Tick{})...)
}

var errTestGap = errors.New("entries are missing in between")

// store carries out what is pending, as sync/store would.
func (h *host) store() (out []Action) {
	for len(h.pending) > 0 {
		x := h.pending[0].Extension
		giver := h.pending[0].Giver
		h.pending = h.pending[1:]
		o := x.Head().Origin
		if h.edges[o] != x.Before() {
			out = append(out, h.step(NotStored{o, errTestGap, h.edges[o], giver})...)
			continue
		}
		h.edges[o] = x.Tree()
		head := h.whole[o]
		head.Origin = o
		if x.Whole() {
			head = x.Head()
			head.Others = nil // the store does not look for them
			h.whole[o] = head
		}
		out = append(out, h.step(Stored{Ledger{head, h.edges[o]}})...)
	}
	return out
}

// size is how much of a ledger is whole.
func (h *host) size(l *history) int64 { return h.whole[l.origin].Size }

// only finds the actions of one type.
func only[A Action](actions []Action) (out []A) {
	for _, a := range actions {
		if x, ok := a.(A); ok {
			out = append(out, x)
		}
	}
	return out
}

// wants finds the wants that are sent.
func wants(actions []Action) (out []Send) {
	for _, s := range only[Send](actions) {
		if _, ok := s.Message.(Want); ok {
			out = append(out, s)
		}
	}
	return out
}
