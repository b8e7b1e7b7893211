// Package broker runs the pipe between participants: nats-server with its MQTT
// listener, embedded in the process that leads a node or in the hub. It also
// writes the files for a broker that others run: mosquitto, or a cluster of
// nats-server.
//
// Call [Open] first; a peer connects to [Broker.Addr] with MQTT 3.1.1 over TLS
// 1.3 and shows a certificate, which [Config.Identify] turns into an [Identity]
// or refuses. Call [Broker.Refresh] whenever that answer may have changed: a
// gateway that was removed is disconnected at once, its retained messages are
// taken back, and it does not come in again. For a broker outside, see
// [MosquittoConfig] and [NATSConfig].
//
// # What a peer may do
//
// It follows from the table of topics (package link) alone. Below
// tombolo/v1/<community>/<place>/, where place is "all", "hub" or the charter id of
// a node that the identity belongs to, a peer
//
//   - publishes under from/<itself>/ and to/+/<itself>, nowhere else;
//   - reads from/+/alive, from/+/head/#, from/+/fork/#, from/+/charter/#,
//     to/<itself>/+ and from/+/held/<itself>/#; an observer (a desk, a hub) reads
//     from/+/held/# instead of the last. In the place hub only a server (the hub)
//     reads all that; whoever is none reads from/+/alive, to/<itself>/+ and
//     from/+/held/<itself>/# there, and never what another tells the hub.
//
// Subscriptions are QoS 0: each one of QoS 1 would be a JetStream consumer, and
// is refused. A refused publish is acknowledged all the same and dropped, as
// MQTT 3.1.1 has it; it is counted in [Stats].Violations.
//
// # What the store is worth
//
// Retained messages are a cache of what peers announce again at every connect.
// So the store is not synced at each write, sessions are forgotten at a start,
// and a store that does not open or does not give back what is put into it is
// set aside and begun anew: it never keeps a door's daemon from starting. On a
// disk that takes nothing at all the store goes to [Config.Spare]. No client is
// let in before all that was retained is loaded: nats-server alone would hand
// an early subscriber a part of it and never the rest.
//
// # What this package does not do
//
// It knows no ledger, checks no signature and believes no certificate by
// itself. It promises neither delivery nor order, and nobody may take its
// acknowledgement for either. It does not protect one enrolled peer's share of
// the store from another's: one that fills it ([Config.MaxStore]) keeps later
// messages of everybody from being retained, not from being delivered, until it
// is removed.
package broker
