// Package brokers is nothing but tests: a node's gateways and its desk, as they
// are, over each kind of real broker, which is killed and started again under a
// stream of taps, revocations and orders: the embedded one in a process of its
// own, Debian's mosquitto, and a cluster of three nats-servers, by the files that
// package broker writes for them.
package brokers
