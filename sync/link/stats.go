package link

import (
	"fmt"
	"sync"
	"time"
)

// Type is a type of message as it travels. Numbers are on the wire: none is
// reused.
type Type uint8

// The types of messages.
const (
	TypeHead    Type = 1
	TypeHeld    Type = 2
	TypeWant    Type = 3
	TypeGive    Type = 4
	TypeProof   Type = 5
	TypeCharter Type = 6
	TypePart    Type = 7
	TypeBirth   Type = 8
	TypeGone    Type = 9
	TypeAsk     Type = 10
	TypeAnswer  Type = 11

	types = 12
)

var typeNames = [types]string{"", "head", "held", "want", "give", "proof", "charter", "part", "birth", "gone", "ask", "answer"}

func (t Type) String() string {
	if t == 0 || t >= types {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return typeNames[t]
}

// Refusal says why something that came was dropped.
type Refusal uint8

// Why something was dropped.
const (
	RefusedTopic    Refusal = iota // not a topic of the table, or of another community or place
	RefusedRetained                // a request or what answers one, that a broker had retained
	RefusedVersion                 // of another version of the protocol
	RefusedMessage                 // malformed, or not what its topic says
	RefusedParts                   // parts that do not make a message
	RefusedPeers                   // more peers than are tracked
	RefusedRate                    // more asks and answers of one sender than are taken

	refusals
)

func (r Refusal) String() string {
	if r >= refusals {
		return fmt.Sprintf("refusal %d", uint8(r))
	}
	return [refusals]string{"topic", "retained", "version", "message", "parts", "peers", "rate"}[r]
}

// Traffic counts messages and the bytes of their payloads.
type Traffic struct{ Messages, Bytes uint64 }

func (t *Traffic) add(n int) { t.Messages++; t.Bytes += uint64(n) }

// Stats is a picture of a link. It shares nothing with it. Counters count since
// [Open] and never fall.
type Stats struct {
	Up        bool
	Since     time.Time // when it came up or went down; zero before the first connection
	LastError error     // why the last connection or attempt ended; nil if none did

	Attempts uint64 // connections tried
	Connects uint64 // connections that came up

	Sent     map[Type]Traffic // published
	Received map[Type]Traffic // given to the host, or presence; a part counts as itself

	// Bytes on the TCP connection, with what MQTT and TLS add.
	WireSent, WireReceived uint64

	Peers int // that are there now

	Waiting    int                // messages queued to be sent
	DroppedOut map[Type]uint64    // not sent: no room, or the connection went
	Replaced   uint64             // not sent: a newer one of the same topic waited too
	DroppedIn  map[Type]uint64    // not given to the host: it did not keep up
	Refused    map[Refusal]uint64 // dropped for what they are
	Echoes     uint64             // own messages that the broker sent back
}

// counters is what Stats is made of.
type counters struct {
	mu sync.Mutex
	// Guarded by mu.
	up         bool
	since      time.Time
	lastError  error
	attempts   uint64
	connects   uint64
	sent       [types]Traffic
	received   [types]Traffic
	droppedOut [types]uint64
	droppedIn  [types]uint64
	replaced   uint64
	refused    [refusals]uint64
	echoes     uint64
}

func (c *counters) with(f func(c *counters)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Up: c.up, Since: c.since, LastError: c.lastError, Attempts: c.attempts, Connects: c.connects,
		Sent: map[Type]Traffic{}, Received: map[Type]Traffic{},
		DroppedOut: map[Type]uint64{}, DroppedIn: map[Type]uint64{}, Replaced: c.replaced,
		Refused: map[Refusal]uint64{}, Echoes: c.echoes,
	}
	for t := range Type(types) {
		if n := c.sent[t]; n.Messages > 0 {
			s.Sent[t] = n
		}
		if n := c.received[t]; n.Messages > 0 {
			s.Received[t] = n
		}
		if n := c.droppedOut[t]; n > 0 {
			s.DroppedOut[t] = n
		}
		if n := c.droppedIn[t]; n > 0 {
			s.DroppedIn[t] = n
		}
	}
	for r, n := range c.refused {
		if n > 0 {
			s.Refused[Refusal(r)] = n
		}
	}
	return s
}
