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
// # Others' ledgers
//
// What siblings' door logs say ([Told]) counts where a zone's doors hang on several
// gateways, and for codes made for the node; never at a home's door, nor on the way
// out. It counts from a Siblings entry on, which stands before the first decision
// that hangs on it and says how far each log was heard, and who could not be
// reached: so Replay, given those logs, knows what was known.
//
// A steward's Open ([access.Order]) is answered once, by a decision of the mode
// remote behind an Ordered entry that names it. It opens once that is durable; too
// late, without a clock, under a lockdown or an interlock it is recorded as ignored.
//
// Those who go in together, as two persons or with an escort, go in by one
// opening: where one of their decisions has to be durable first, all are, or
// nobody is let in.
//
// The panel verifies no signature and finds no holder: whoever presents has done
// that.
package panel
