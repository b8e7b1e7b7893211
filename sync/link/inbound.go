package link

import (
	"context"
	"sync"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// Bounds of what waits for the host. What one sender may take leaves room for
// the others.
const (
	maxIn            = 16384   // messages, or two of each peer if those are more; a hub is given thousands of retained ones at once
	maxInBytes       = 8 << 20 // of payloads, or a kilobyte of each peer
	tailShare        = 8       // of the bytes: heads that come when so much of them waits lose their tails
	maxInSender      = maxIn / 2
	maxInSenderBytes = maxInBytes / 2
)

// rank orders what waits for the host: when there is no room, the highest goes
// first, and the lowest is given first.
type rank uint8

const (
	rankNews  rank = iota // charters, forks, heads of what decides
	rankSmall             // held, want, ask, answer
	rankDoors             // heads of what gateways write
	rankGive
	ranks
)

func rankOf(t Type, o ledger.Origin) rank {
	switch {
	case t == TypeGive:
		return rankGive
	case t == TypeHeld || t == TypeWant || t == TypeAsk || t == TypeAnswer:
		return rankSmall
	case t == TypeHead && (o.Kind == ledger.DoorLog || o.Kind == ledger.ReportLog):
		return rankDoors
	}
	return rankNews
}

// inbound is what waits for the host: connection states first, then presence,
// then messages. Whoever pushes never waits.
type inbound struct {
	link   replica.LinkID
	counts *counters
	ready  chan struct{} // holds a token when there may be something to pop

	most, mostBytes int // that wait

	mu sync.Mutex
	// Guarded by mu.
	states   []Event // at most a Down and an Up
	open     bool    // the host has taken the Up of the connection that is up
	presence []replica.Peer
	peers    map[replica.Peer]Event // the newest state of each in presence
	queues   [ranks][]incoming
	of       map[replica.Peer]*share
	n, bytes int
	pops     uint // of messages
}

type incoming struct {
	event Event // Received, Asked or Answered
	from  replica.Peer
	typ   Type
	size  int
}

// share is how much of the queue one sender takes.
type share struct{ n, bytes int }

func newInbound(link replica.LinkID, c *counters) *inbound {
	return &inbound{link: link, most: maxIn, mostBytes: maxInBytes, counts: c, ready: make(chan struct{}, 1)}
}

func (q *inbound) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// up announces a connection. What came while it subscribed follows.
func (q *inbound) up(scopes []replica.Scope) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.states = append(q.states, Up{q.link, scopes})
	q.wake()
}

// down ends a connection: what it brought and the host has not taken is dropped.
// A connection that the host never heard of needs no end.
func (q *inbound) down(err error, was bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for r := range q.queues {
		for _, m := range q.queues[r] {
			q.dropped(m.typ)
		}
		q.queues[r] = nil
	}
	q.open, q.presence, q.peers, q.of, q.n, q.bytes = false, nil, nil, nil, 0, 0
	if !was {
		return
	}
	if n := len(q.states); n > 0 {
		if _, ok := q.states[n-1].(Up); ok {
			q.states = q.states[:n-1]
			return
		}
	}
	q.states = append(q.states, Down{q.link, err})
	q.wake()
}

// there notes a peer's newest state, a PeerUp or PeerDown.
func (q *inbound) there(p replica.Peer, e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.peers == nil {
		q.peers = map[replica.Peer]Event{}
	}
	if _, waits := q.peers[p]; !waits {
		q.presence = append(q.presence, p)
	}
	q.peers[p] = e
	q.wake()
}

func (q *inbound) dropped(t Type) { q.counts.with(func(c *counters) { c.droppedIn[t]++ }) }

// push queues a message, if need be in the place of others that matter less.
func (q *inbound) push(m incoming, r rank) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.of[m.from]; s != nil && (s.n >= maxInSender || s.bytes+m.size > maxInSenderBytes) {
		q.dropped(m.typ)
		return
	}
	if q.bytes > q.mostBytes/tailShare {
		m.shorten()
	}
	for q.n >= q.most || q.bytes+m.size > q.mostBytes {
		if !q.evict(r) {
			q.dropped(m.typ)
			return
		}
	}
	if q.of == nil {
		q.of = map[replica.Peer]*share{}
	}
	s := q.of[m.from]
	if s == nil {
		s = new(share)
		q.of[m.from] = s
	}
	s.n++
	s.bytes += m.size
	q.n++
	q.bytes += m.size
	q.queues[r] = append(q.queues[r], m)
	q.counts.with(func(c *counters) { c.received[m.typ].add(m.size) })
	q.wake()
}

// shorten takes a head's tail away, which may be most of it: whoever lacks these
// entries asks for them, and of the head itself its sender may not speak again for
// hours.
func (m *incoming) shorten() {
	e, _ := m.event.(Received)
	h, ok := e.Message.(replica.Head)
	if !ok || len(h.Tail) == 0 {
		return
	}
	h.From += int64(len(h.Tail))
	m.size = max(0, m.size-runSize(h.Tail))
	h.Tail = nil
	e.Message = h
	m.event = e
}

// evict drops the newest Give or head of a door log, if that matters less than
// what ranks r.
func (q *inbound) evict(r rank) bool {
	for less := rankGive; less > r && less >= rankDoors; less-- {
		if n := len(q.queues[less]); n > 0 {
			m := q.queues[less][n-1]
			q.queues[less] = q.queues[less][:n-1]
			q.taken(m)
			q.dropped(m.typ)
			return true
		}
	}
	return false
}

func (q *inbound) taken(m incoming) {
	q.n--
	q.bytes -= m.size
	s := q.of[m.from]
	s.n--
	s.bytes -= m.size
	if s.n == 0 {
		delete(q.of, m.from)
	}
}

// pop waits for the next event; false when ctx ends.
func (q *inbound) pop(ctx context.Context) (Event, bool) {
	for {
		if ctx.Err() != nil {
			return nil, false
		}
		if e := q.take(); e != nil {
			return e, true
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
		}
	}
}

func (q *inbound) take() Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.states) > 0 {
		e := q.states[0]
		q.states = q.states[1:]
		_, q.open = e.(Up)
		return e
	}
	if !q.open { // still subscribing
		return nil
	}
	if len(q.presence) > 0 {
		p := q.presence[0]
		q.presence = q.presence[1:]
		e := q.peers[p]
		delete(q.peers, p)
		return e
	}
	return q.message()
}

func (q *inbound) message() Event {
	// Every fourth turn begins with the least, so that a flood of what matters
	// most does not end all catching up.
	q.pops++
	for i := range q.queues {
		r := i
		if q.pops%4 == 0 {
			r = len(q.queues) - 1 - i
		}
		if len(q.queues[r]) == 0 {
			continue
		}
		m := q.queues[r][0]
		q.queues[r][0] = incoming{}
		if q.queues[r] = q.queues[r][1:]; len(q.queues[r]) == 0 {
			q.queues[r] = nil
		}
		q.taken(m)
		return m.event
	}
	return nil
}
