// Package edge is a gateway's core: the [Controller] owns the state of its
// doors and is the only one to move their locks.
//
// # From tap to relay
//
// One goroutine, [Controller.Run], owns everything that changes. Around it:
//
//	reader's goroutine             owner's goroutine                journal's goroutine
//	------------------             -----------------                -------------------
//	code ─── Code ─┐
//	card ─── Tap ──┤
//	  parse (passport/qr)
//	  holder (Roster: one query)
//	  signature (passport)
//	               └─ post ──►  stamp the time
//	input ── Input ─── post ──► panel.Step      → actions
//	keypad ─ Key ───── post ──►   access.Decide   → Verdict
//	timer ────────────────────►   access.Codes    (a code opens once)
//	                              door.Step       → lock, passage
//	                            Relay.Set       ◄─ the door moves here
//	                            Reader.Show
//	                            Journal.Record ───────────────────► group commit,
//	                                                                signed head
//
// Nothing between frame and relay waits for a disk or a network, unless the
// policy says that a door's openings are recorded first. Whoever posts has
// verified the signature; if the roster changed in between, the owner looks
// the holder up again, so that a revocation that was projected counts from
// that moment.
//
// The controller opens no device and no file: it is given a [Relay] for each
// door, a [Roster] and a [Journal], and its caller wires readers and inputs
// to its methods (cmd/internal/gateway does).
//
// What decides is pure and lives beside: policy, access, door, and panel, which
// puts them together for all doors; the Controller is only its shell. What a
// gateway knows of people lives in roster.
package edge
