package link

import (
	"errors"
	"fmt"
	"time"

	"tombolo/sync/replica"
)

// handle takes what the broker delivers. It never blocks: the library delivers
// nothing else meanwhile, not even a ping's answer.
func (s *session) handle(topic string, retained bool, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if why, err := s.take(topic, retained, payload); err != nil {
		s.refuse(why, topic, err)
	}
}

func (s *session) take(name string, retained bool, payload []byte) (Refusal, error) {
	t, err := parseTopic(name)
	if err != nil {
		return RefusedTopic, err
	}
	scope, ok := s.cfg.scope(t.Place)
	if !ok || t.Community != s.cfg.Community || (t.Type == TypeWant && t.To != s.cfg.Self) {
		return RefusedTopic, fmt.Errorf("%w: nothing of it was subscribed", ErrTopic)
	}
	if t.Type == TypeWant && retained {
		return RefusedRetained, errors.New("a request that the broker retained")
	}
	if len(payload) == 0 && t.Type != TypeWant {
		return 0, nil // somebody cleared what was retained
	}
	typ, err := peek(payload)
	if err != nil {
		return refusalOf(err), err
	}
	if t.Type == TypeBirth {
		return s.alive(t.Sender, retained, typ, payload)
	}
	if t.Sender == s.cfg.Self && !retained {
		s.counts.with(func(c *counters) { c.echoes++ })
		return 0, nil
	}
	if t.Type == TypeWant && typ == TypePart {
		s.counts.with(func(c *counters) { c.received[TypePart].add(len(payload)) })
		payload, err = s.parts.add(sender{scope, t.Sender}, payload, time.Now())
		if payload == nil {
			return RefusedParts, err
		}
		if err != nil { // the message before this one was never finished
			s.refuse(RefusedParts, name, err)
		}
		if typ, err = peek(payload); err != nil {
			return refusalOf(err), err
		}
	}
	if t.Type == TypeWant && (typ == TypeAsk || typ == TypeAnswer) {
		return s.exchanged(scope, t.Sender, typ, payload)
	}
	if typ != t.Type && (t.Type != TypeWant || typ != TypeGive) {
		return RefusedMessage, fmt.Errorf("%w: a %v under the topic of a %v", ErrMessage, typ, t.Type)
	}
	m, err := decodeMessage(payload)
	if err != nil {
		return refusalOf(err), err
	}
	if err := t.fits(m); err != nil {
		return RefusedMessage, err
	}
	s.in.push(incoming{event: Received{s.cfg.ID, scope, t.Sender, m, !retained}, from: t.Sender, typ: typ, size: len(payload)}, rankOf(typ, t.Origin))
	return 0, nil
}

// exchanged takes an ask or an answer.
func (s *session) exchanged(scope replica.Scope, from replica.Peer, typ Type, payload []byte) (Refusal, error) {
	if scope != replica.Hub {
		return RefusedMessage, fmt.Errorf("%w: %v in the scope %v", ErrMessage, typ, scope)
	}
	if !s.asks.take(from, time.Now()) {
		return RefusedRate, fmt.Errorf("more than %d in a second", exchangesPerSecond)
	}
	m, err := decodeExchange(payload)
	if err != nil {
		return refusalOf(err), err
	}
	next := incoming{from: from, typ: typ, size: len(payload)}
	switch m := m.(type) {
	case Ask:
		next.event = Asked{s.cfg.ID, from, m}
	case Answer:
		next.event = Answered{s.cfg.ID, from, m}
	}
	s.in.push(next, rankSmall)
	return 0, nil
}

func refusalOf(err error) Refusal {
	if errors.Is(err, ErrVersion) {
		return RefusedVersion
	}
	return RefusedMessage
}

// fits checks that a head or held is of the ledger that its topic names.
func (t topic) fits(m replica.Message) error {
	var note []byte
	switch m := m.(type) {
	case replica.Head:
		note = m.Note
	case replica.Held:
		note = m.Note
	default:
		return nil
	}
	c, err := checkpointOf(note)
	if err == nil && c.Origin != t.Origin {
		err = fmt.Errorf("%w: a note of %v under the topic of %v", ErrMessage, c.Origin, t.Origin)
	}
	return err
}

// alive takes a birth or a will.
func (s *session) alive(from replica.Peer, retained bool, typ Type, payload []byte) (Refusal, error) {
	s.counts.with(func(c *counters) { c.received[typ].add(len(payload)) })
	switch typ {
	case TypeBirth:
		b, err := decodeBirth(payload)
		if err != nil {
			return refusalOf(err), err
		}
		if from == s.cfg.Self {
			return 0, nil
		}
		news, full := s.peers.born(from, b)
		if full {
			return RefusedPeers, fmt.Errorf("more than %d peers", s.peers.most)
		}
		if news {
			s.in.there(from, PeerUp{s.cfg.ID, from, b.Name, b.Software})
		}
		return 0, nil
	case TypeGone:
		g, err := decodeGone(payload)
		switch {
		case err != nil:
			return refusalOf(err), err
		case from == s.cfg.Self:
			s.bear(g, retained)
		case s.peers.gone(from, g):
			s.in.there(from, PeerDown{s.cfg.ID, from})
		}
		return 0, nil
	}
	return RefusedMessage, fmt.Errorf("%w: a %v under the topic of births", ErrMessage, typ)
}

// bear publishes the birth again when another connection's will has taken its
// place: an older one's of this process, or that of a second process of the same
// name. It does so once in a while at most, should they take turns.
func (s *session) bear(g gone, retained bool) {
	if retained || g.ID == s.birth.ID || s.bearing {
		return
	}
	s.bearing = true
	wait := max(0, s.timing.bear-time.Since(s.reborn))
	s.running.Go(func() { // a handler must not wait for the network
		select {
		case <-time.After(wait):
		case <-s.ended:
			return
		}
		s.mu.Lock()
		s.bearing, s.reborn = false, time.Now()
		s.mu.Unlock()
		_ = s.publish(s.cfg.alive().String(), TypeBirth, true, encode(s.birth))
	})
}

// refuse counts what was dropped, and logs one a second.
func (s *session) refuse(why Refusal, topic string, err error) {
	s.counts.with(func(c *counters) { c.refused[why]++ })
	if now := time.Now(); now.Sub(s.logged) >= time.Second {
		s.logged = now
		s.log.Debug("dropped what the broker sent", "why", why, "topic", topic, "err", err)
	}
}
