package replica_test

import (
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simBroker is a pipe with a memory for retained messages. It believes in nothing
// and promises nothing.
type simBroker struct {
	w        *simWorld
	name     string
	up       bool
	links    []*simLink // all that were ever made to it
	retained map[simTopic]simPacket
	topics   []simTopic  // of retained, in the order of their first message
	recent   []simPacket // what passed, for replays
	passed   int
}

// simTopic is where a retained message stands.
type simTopic struct {
	from    replica.Peer
	scope   replica.Scope
	what    simWhat
	origin  ledger.Origin
	chain   ledger.CharterID
	version uint64
}

type simWhat uint8

const (
	simAlive simWhat = iota
	simHead
	simHeldBy
	simProof
	simCharter
	simTo // want and give: not retained
)

// simPacket is one message on its way.
type simPacket struct {
	simTopic
	to      replica.Peer
	gone    bool            // of simAlive: the last will
	live    bool            // it was not retained
	message replica.Message // nil for simAlive
}

// simLink is a host's connection to a broker, or the want of one.
type simLink struct {
	host     *simHost
	broker   *simBroker
	id       replica.LinkID
	scopes   []replica.Scope
	wanted   bool // its host is to be online
	up       bool // as the host knows
	cut      bool // the cable is pulled: nothing passes, and nobody knows yet
	retrying bool
	session  int
	last     time.Duration // when the latest message in order arrives
}

func (l *simLink) carries(s replica.Scope) bool {
	for _, have := range l.scopes {
		if have == s {
			return true
		}
	}
	return false
}

// simWeather is what a network does to messages, in percent.
type simWeather struct {
	drop, repeat, reorder, delay int
	hostile                      int // altered copies travel beside the true ones
	replay                       int // and old messages come again
}

// connect tries until the link stands.
func (l *simLink) connect() {
	if l.up || l.retrying || !l.wanted || !l.host.up {
		return
	}
	l.retrying = true
	l.broker.w.after(l.broker.w.span(50*time.Millisecond, 2*time.Second), func() {
		l.retrying = false
		switch {
		case l.up || !l.wanted || !l.host.up:
		case !l.broker.up || l.cut:
			l.connect()
		default:
			l.established()
		}
	})
}

func (l *simLink) established() {
	b := l.broker
	l.up, l.last = true, 0
	l.session++
	b.w.note("%s is on %s", l.host.name, b.name)
	b.publish(l, simPacket{simTopic: l.alive()})
	l.host.linkUp(l)
	for _, topic := range b.w.shuffled(len(b.topics)) {
		if p, ok := b.retained[b.topics[topic]]; ok && l.hears(p) && (p.what != simAlive || p.from != l.host.id) {
			b.send(l, p)
		}
	}
}

// alive is where births and wills stand: as in package link.
func (l *simLink) alive() simTopic {
	scope := replica.All
	switch {
	case l.carries(replica.Node):
		scope = replica.Node
	case l.host.role == simHubRole:
		scope = replica.Hub
	}
	return simTopic{from: l.host.id, scope: scope, what: simAlive}
}

// hears is the table of subscriptions. In the place of the hub it alone hears what
// others announce.
func (l *simLink) hears(p simPacket) bool {
	if !l.carries(p.scope) {
		return false
	}
	server := l.host.role == simHubRole
	switch p.what {
	case simTo:
		return p.to == l.host.id
	case simHeldBy:
		return l.host.observer && (p.scope != replica.Hub || server) || p.origin.Author == l.host.id
	case simAlive:
		return p.scope != replica.All || l.host.observer
	case simCharter:
		return p.scope != replica.Hub
	}
	return p.scope != replica.Hub || server
}

// lost ends a session on both sides.
func (l *simLink) lost() {
	if !l.up {
		return
	}
	l.up = false
	l.session++
	b := l.broker
	b.w.note("%s lost %s", l.host.name, b.name)
	b.pass(l, simPacket{simTopic: l.alive(), gone: true}) // the last will, which the broker publishes
	if l.host.up {
		l.host.linkDown(l)
	}
	l.connect()
}

// pull cuts the cable; keepalives notice in their time.
func (l *simLink) pull(until time.Duration) {
	if l.cut {
		return
	}
	l.cut = true
	session := l.session
	l.broker.w.after(l.broker.w.span(5*time.Second, 30*time.Second), func() {
		if l.cut && l.session == session {
			l.lost()
		}
	})
	l.broker.w.after(until, func() { l.mend() })
}

func (l *simLink) mend() {
	if !l.cut {
		return
	}
	l.cut = false
	if l.up { // whatever was on its way is gone: the connection does not live on
		l.lost()
	}
	l.connect()
}

// publish is what a host sends.
func (b *simBroker) publish(l *simLink, p simPacket) {
	if !b.up || !l.up || l.cut {
		return
	}
	b.pass(l, p)
}

func (b *simBroker) pass(from *simLink, p simPacket) {
	if !b.up {
		return
	}
	b.passed++
	b.w.messages++
	if p.what != simTo {
		if _, ok := b.retained[p.simTopic]; !ok {
			b.topics = append(b.topics, p.simTopic)
		}
		b.retained[p.simTopic] = p
	}
	if p.message != nil {
		if len(b.recent) < 64 {
			b.recent = append(b.recent, p)
		} else {
			b.recent[b.passed%64] = p
		}
	}
	p.live = true
	for _, l := range b.links {
		if l != from && l.up && l.hears(p) {
			b.send(l, p)
		}
	}
}

// send carries a message to one subscriber, as the weather is.
func (b *simBroker) send(l *simLink, p simPacket) {
	w := b.w
	weather := w.weather
	if w.percent(weather.drop) {
		w.count("drop")
		return
	}
	delay := w.span(time.Millisecond, 15*time.Millisecond)
	if w.percent(weather.delay) {
		w.count("delay")
		delay += w.span(100*time.Millisecond, 40*time.Second)
	}
	at := w.now + delay
	if at < l.last {
		if w.percent(weather.reorder) {
			w.count("reorder")
		} else {
			at = l.last
		}
	}
	l.last = max(l.last, at)
	b.arrive(l, p, at)
	if w.percent(weather.repeat) {
		w.count("repeat")
		b.arrive(l, p, at+w.span(0, 5*time.Second))
	}
	if p.message == nil {
		return
	}
	if w.percent(weather.hostile) {
		if forged, ok := w.forge(p); ok {
			w.count("forgery")
			b.arrive(l, forged, at-delay/2)
		}
	}
	if w.percent(weather.replay) && len(b.recent) > 0 {
		if old := b.recent[w.IntN(len(b.recent))]; l.hears(old) && old.from != l.host.id {
			w.count("replay")
			b.arrive(l, old, at+w.span(0, time.Minute))
		}
	}
}

func (b *simBroker) arrive(l *simLink, p simPacket, at time.Duration) {
	session := l.session
	b.w.at(at, func() {
		if l.session == session && l.up && !l.cut && b.up && l.host.up {
			l.host.receive(l, p)
		}
	})
}

// crash takes the broker down, with all that it retained or without.
func (b *simBroker) crash(forget bool, until time.Duration) {
	if !b.up {
		return
	}
	b.up = false
	if forget {
		b.retained, b.topics = map[simTopic]simPacket{}, nil
	}
	for _, l := range b.links {
		if l.up {
			session := l.session
			b.w.after(b.w.span(0, 3*time.Second), func() {
				if l.session == session {
					l.lost()
				}
			})
		}
	}
	b.w.after(until, b.start)
}

func (b *simBroker) start() {
	if b.up {
		return
	}
	b.up = true
	for _, l := range b.links {
		if l.up { // nobody noticed: the session is another all the same
			l.lost()
		}
		l.connect()
	}
}
