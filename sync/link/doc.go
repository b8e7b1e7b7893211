// Package link carries a replica's messages over one MQTT 3.1.1 broker. A
// participant opens a link for each broker that it uses: its node's, the hub's.
//
// Start with [Open], then [Link.Run], which connects, subscribes and keeps at
// it until its context ends; [Link.Send] queues a message and never waits for
// the network. What happens comes as [Event]s on the channel that [Open] was
// given; one channel may serve several links. [Link.Ask] and [Link.Answer] are
// beside the replica's messages: what two participants have to say to each other
// that is no matter of a ledger.
//
// A link believes nobody and decides nothing. The sender that it reports is
// what a topic says, which a broker may forge; nothing counts but what replica
// and ledger verify. It keeps nothing either: what was queued when a connection
// went is gone, and whoever sends announces anew after [Up]. An MQTT
// acknowledgement proves nothing (a broker acknowledges what it then drops), so
// everything is published and subscribed at QoS 0. And nothing that a broker
// retained is ever a request: a want or a give with the retain flag is dropped.
//
// # Topics
//
// All topics begin with tombolo/v1/<community>/<place>/. A community is named
// by its charter's id, 64 hexadecimal digits; a place is the word all, the word
// hub, or a node's charter id, 64 digits; a peer and an author are named by their
// key's id, 32 digits; an incarnation is 16 digits. All digits are lower case.
//
//	from/<peer>/alive                                retained  birth, or gone: also the last will
//	from/<peer>/head/<kind>/<author>/<incarnation>   retained  replica.Head
//	from/<peer>/held/<author>/<kind>/<incarnation>   retained  replica.Held
//	from/<peer>/fork/<kind>/<author>/<incarnation>   retained  replica.Proof
//	from/<peer>/charter/<chain>/<version>            retained  replica.Charter; chain: 64 digits
//	to/<peer>/<sender>                               never     replica.Want, replica.Give, parts of one;
//	                                                           in the place hub Ask and Answer, too
//
// A participant publishes only under from/<itself>/ and to/+/<itself>. In each
// place that its link carries it subscribes to
//
//	from/+/head/#  from/+/fork/#  from/+/charter/#  to/<itself>/+
//
// and to from/+/held/<itself>/#, or to from/+/held/# if it is an observer (a
// desk, the hub). The filters are disjoint, and what a broker has to permit
// follows from this table alone.
//
// The place hub is between each participant and the hub: nobody is told there what
// another tells the hub. Its filters are
//
//	to/<itself>/+  from/+/held/<itself>/#  from/+/alive
//
// and only a server, which is the hub itself, adds from/+/head/# and from/+/fork/#.
// Charters do not travel there.
//
// alive stands in the node's place if the link carries that, of a server in the
// place hub, and in the place all otherwise: a connection has one will. In the
// node's place and in the place hub everybody subscribes to from/+/alive, in the
// place all only observers do: a thousand gateways that come back together would
// tell each other a million times, and need nothing of one another but heads.
//
// # Payloads
//
// Every payload is one deterministic CBOR array (RFC 8949 §4.2.1)
// [version, type, …], read strictly: whole, of version 1, in its one encoding.
// See codec.go for the fields. Another version is ignored and counted; a field
// more is another version. A payload is at most [MaxPayload] bytes: a larger
// message, which only a Give with a large body can be, travels as parts.
//
// # Presence
//
// A birth carries a random number, and so does the will that the broker
// publishes in its name: a will says only that the connection of that birth is
// gone. A participant that sees its own topic overwritten by another connection's
// will, an older one's or that of a second process of the same name, publishes its
// birth again.
//
// # A hostile broker
//
// What comes is bounded before it is stored: packets by [MaxPacket], before the
// MQTT library allocates them; messages that wait for the host by number, bytes
// and sender; parts and peers by number; asks and answers by each sender's rate.
// See [Stats] for what was dropped.
package link
