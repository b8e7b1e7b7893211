// Package edge is a gateway's core: the [Controller] owns the state of its
// doors and is the only one to move their locks.
//
// # From tap to relay
//
// Whoever brings something does what follows from it, in its turn: one goroutine
// at a time owns everything that changes. [Controller.Run] takes its turn for
// what only time brings, as that a strike is over.
//
//	reader's goroutine                                      journal's goroutine
//	------------------                                      -------------------
//	code ─── Code ─┐
//	card ─── Tap ──┤
//	  parse (passport/qr)
//	  holder (Roster: one query)
//	  signature (passport)
//	               │            in its turn
//	               │            -----------
//	               └─ post ──►  stamp the time
//	input ── Input ─── post ──► panel.Step      → actions
//	keypad ─ Key ───── post ──►   access.Decide   → Verdict
//	timer ── Run ─────────────►   access.Codes    (a code opens once)
//	                              door.Step       → lock, passage
//	                            Relay.Set       ◄─ the door moves here
//	                            Reader.Show
//	                            Journal.Record ───────────► group commit,
//	                                                        signed head
//
// Nothing between frame and relay waits for a disk or a network, unless the
// policy says that a door's openings are recorded first; nor for another
// goroutine to wake up, which costs a third of a signature check. Whoever posts
// has verified the signature before its turn, so that ten doors keep all cores
// busy; if the roster changed in between, the holder is looked up again, so that
// a revocation that was projected counts from that moment.
//
// What the node's other gateways tell comes by [Controller.Tell], and who of them
// cannot be reached by [Controller.Reach]. Neither decides anything: it is there for
// the next decision.
//
// The controller opens no device and no file: it is given a [Relay] for each
// door, a [Roster] and a [Journal], and its caller wires readers and inputs
// to its methods (cmd/internal/gateway does).
//
// What decides is pure and lives beside: policy, access, door, and panel, which
// puts them together for all doors; the Controller is only its shell. What a
// gateway knows of people lives in roster.
package edge
