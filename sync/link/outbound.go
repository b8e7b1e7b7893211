package link

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// Bounds of what waits to be sent.
const (
	maxOut      = 4096    // messages
	maxOutBytes = 8 << 20 // of notes, entries and the like
	maxOutGives = 64      // messages
)

// class orders what waits to be sent: lower goes first.
type class uint8

const (
	announce class = iota // heads, forks, charters: what is news
	answer                // held, want, ask, answer
	bulk                  // give
	classes
)

func classOf(t Type) class {
	switch t {
	case TypeHeld, TypeWant, TypeAsk, TypeAnswer:
		return answer
	case TypeGive:
		return bulk
	}
	return announce
}

// outbound is what waits to be sent over the connection that is up. It belongs
// to the link; one writer at a time pops.
type outbound struct {
	counts *counters
	ready  chan struct{} // holds a token when there may be something to pop

	mu sync.Mutex
	// Guarded by mu.
	up     bool
	queues [classes][]*outgoing
	same   map[topic]*outgoing // broadcasts that wait, by topic
	n      int
	bytes  int
}

type outgoing struct {
	topic   topic
	typ     Type
	message any // replica.Message, Ask or Answer
	size    int
	// Of a Head: the ledger's size, and from which entry on it told what is new,
	// or the heads whose place it took did.
	entries, begins int64
}

func newOutbound(c *counters) *outbound {
	return &outbound{counts: c, ready: make(chan struct{}, 1)}
}

// open begins to take messages.
func (o *outbound) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up, o.same = true, map[topic]*outgoing{}
}

// close lets go of all that waits, and takes nothing more.
func (o *outbound) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.queues {
		for _, m := range o.queues[c] {
			o.dropped(m.typ)
		}
		o.queues[c] = nil
	}
	o.up, o.same, o.n, o.bytes = false, nil, 0, 0
}

func (o *outbound) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

func (o *outbound) dropped(t Type) { o.counts.with(func(c *counters) { c.droppedOut[t]++ }) }

// push queues a message. Errors: ErrDown, ErrFull, ErrMessage.
func (o *outbound) push(t topic, m replica.Message) error {
	next, err := newOutgoing(t, m)
	if err != nil {
		return err
	}
	return o.add(t, next)
}

// add queues what was prepared. Errors: ErrDown, ErrFull.
func (o *outbound) add(t topic, next *outgoing) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.up {
		return ErrDown
	}
	if old := o.same[t]; old != nil && t.Type != TypeWant {
		o.counts.with(func(c *counters) { c.replaced++ })
		o.bytes -= old.size
		old.replace(next)
		o.bytes += old.size
		return nil
	}
	c := classOf(next.typ)
	for c != bulk && !o.fits(next) && o.evict() {
	}
	if !o.fits(next) || (c == bulk && len(o.queues[bulk]) >= maxOutGives) {
		o.dropped(next.typ)
		return fmt.Errorf("%w: %d messages", ErrFull, o.n)
	}
	o.queues[c] = append(o.queues[c], next)
	o.n++
	o.bytes += next.size
	if t.Type != TypeWant {
		o.same[t] = next
	}
	select {
	case o.ready <- struct{}{}:
	default:
	}
	return nil
}

func (o *outbound) fits(m *outgoing) bool { return o.n < maxOut && o.bytes+m.size <= maxOutBytes }

// evict drops the Give that came last: whoever waits for it asks again.
func (o *outbound) evict() bool {
	q := &o.queues[bulk]
	if len(*q) == 0 {
		return false
	}
	last := (*q)[len(*q)-1]
	*q = slices.Delete(*q, len(*q)-1, len(*q))
	o.n--
	o.bytes -= last.size
	o.dropped(last.typ)
	return true
}

// pop waits for the next message; nil when ctx ends.
func (o *outbound) pop(ctx context.Context) *outgoing {
	for {
		if ctx.Err() != nil {
			return nil
		}
		if m := o.take(); m != nil {
			return m
		}
		select {
		case <-o.ready:
		case <-ctx.Done():
		}
	}
}

func (o *outbound) take() *outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.queues {
		q := &o.queues[c]
		if len(*q) == 0 {
			continue
		}
		m := (*q)[0]
		(*q)[0] = nil
		if *q = (*q)[1:]; len(*q) == 0 {
			*q = nil
		}
		o.n--
		o.bytes -= m.size
		if o.same[m.topic] == m {
			delete(o.same, m.topic)
		}
		return m
	}
	return nil
}

// topicOf names the topic of a message. Errors: ErrScope, ErrMessage.
func (l *Link) topicOf(scope replica.Scope, to replica.Peer, m replica.Message) (topic, error) {
	t := topic{Community: l.cfg.Community, Place: l.cfg.place(scope), Sender: l.cfg.Self}
	ofLedger := func(typ Type, note []byte) error {
		c, err := checkpointOf(note)
		t.Type, t.Origin = typ, c.Origin
		return err
	}
	var err error
	switch m := m.(type) {
	case replica.Head:
		err = ofLedger(TypeHead, m.Note)
	case replica.Held:
		err = ofLedger(TypeHeld, m.Note)
	case replica.Proof:
		var f ledger.Fork
		if f, err = ledger.ParseFork(m.Evidence); err == nil {
			err = ofLedger(TypeProof, f.A)
		}
	case replica.Charter:
		err = t.ofCharter(m, l.cfg)
	case replica.Want, replica.Give:
		t.Type, t.To = TypeWant, to
		if to == (replica.Peer{}) {
			err = fmt.Errorf("%T is addressed to nobody", m)
		}
	default:
		err = fmt.Errorf("%T", m)
	}
	switch {
	case err != nil:
		return t, fmt.Errorf("%w: %w", ErrMessage, err)
	case t.Origin != ledger.Origin{} && t.Origin.Community != l.cfg.Community:
		return t, fmt.Errorf("%w: a ledger of another community", ErrScope)
	}
	return t, nil
}

// ofCharter names a charter's chain. Only a first charter says by itself which
// chain it is of; the others that travel are of the community or the own node.
func (t *topic) ofCharter(m replica.Charter, cfg Config) error {
	s, err := ledger.ParseSignedCharter(m.Signed)
	if err != nil {
		return err
	}
	c, err := ledger.ParseCharter(s.Charter)
	if err != nil {
		return err
	}
	t.Type, t.Version = TypeCharter, uint64(c.Version)
	switch {
	case c.Version == 1:
		t.Chain = s.Hash()
	case c.Kind == ledger.CommunityCharter:
		t.Chain = cfg.Community
	default:
		t.Chain = cfg.Node
	}
	if t.Chain.IsZero() {
		return fmt.Errorf("a charter of a node, and the link knows of none")
	}
	return nil
}

func newOutgoing(t topic, m replica.Message) (*outgoing, error) {
	o := &outgoing{topic: t, typ: t.Type, message: m, size: 256}
	switch m := m.(type) {
	case replica.Head:
		c, err := checkpointOf(m.Note)
		if err != nil {
			return nil, err
		}
		o.entries, o.begins = c.Size, c.Size
		if len(m.Tail) > 0 {
			o.begins = m.From
		}
		if checkTail(m.Tail) != nil { // whoever lacks these entries asks for them
			m.From, m.Tail = c.Size, nil
			o.message = m
		}
		o.size += len(m.Note) + runSize(m.Tail)
	case replica.Held:
		o.size += len(m.Note)
	case replica.Want:
		o.size += len(m.Note)
	case replica.Give:
		o.typ = TypeGive
		o.size += len(m.Note) + runSize(m.Entries) + len(m.Proof)*32
	case replica.Proof:
		o.size += len(m.Evidence)
	case replica.Charter:
		o.size += len(m.Signed)
	}
	return o, nil
}

// replace puts a newer message of the same topic in an older one's place, which
// still waits. A newer head's tail has to begin where the older's did, or the
// entries between are missing for whoever waits for the older.
func (o *outgoing) replace(next *outgoing) {
	h, isHead := next.message.(replica.Head)
	if old, ok := o.message.(replica.Head); ok && isHead {
		switch {
		case len(h.Tail) == 0 && next.entries == o.entries: // only refreshed
			h.From, h.Tail = old.From, old.Tail
		case len(h.Tail) > 0 && len(old.Tail) > 0 && h.From == o.entries && runSize(old.Tail)+runSize(h.Tail) <= replica.MaxTail:
			h.From, h.Tail = old.From, slices.Concat(old.Tail, h.Tail)
		case h.From > o.begins:
			h.From, h.Tail = next.entries, nil
		}
		next.size = 256 + len(h.Note) + runSize(h.Tail)
		next.message = h
	}
	o.message, o.size, o.entries = next.message, next.size, next.entries
}
