// Package panel is a gateway's doors together, as one pure machine: an access
// control panel without its wires. Package access answers whether somebody may
// pass and package door knows one lock; the panel puts them together with what
// concerns several doors or several people (interlocks, anti-passback, two-person
// rule, escorts, PINs, schedules, lockdown, fire) and says what to do.
//
// The owner makes one with [New], feeds it [Event]s in the order of their times
// with [Panel.Step], and does the [Action]s that come back, in their order.
// Ticked is owed at [Panel.Wake], and once a second.
//
//	p := panel.New(cfg)
//	do(p.Step(moment(), panel.Started{Basis: view}))
//	for e := range events {
//		do(p.Step(moment(), e))
//	}
//
// # The log is the state
//
// What a decision changes, it changes through its record: the panel judges
// ([Panel.Judge], which changes nothing), makes the record, and takes what the
// record says. So whoever holds the door log and the ledgers can make the same
// decisions again: [Replay] does, and tells where they differ. Every entry's
// time is the panel's own clock: milliseconds that run with the monotonic clock
// between two ClockSteps.
//
// Those who go in together, as two persons or with an escort, go in by one
// opening: where one of their decisions has to be durable first, all are, or
// nobody is let in.
//
// The panel verifies no signature and finds no holder: whoever presents has done
// that.
package panel
