// Package door is the state machine of one door: a lock, and perhaps a contact
// (door position switch), a request-to-exit input (REX), an automatic operator
// and a sounder.
//
// It is pure. The owner of a door keeps a [State], feeds it [Event]s in the
// order of their times with [Step], and does the [Action]s that come back, in
// their order; at [State.Wake] it owes a Tick. Times are monotonic durations
// since the controller started, so that no clock that is set can lengthen a
// strike. What an input says goes through a [Settle] first, and a supervised
// input's reading through its [Bands] before that.
//
// Whether a grant is due is not asked here: see package edge/access. Exit never
// waits for anything: a REX that unlocks is a grant like any other, made by the
// owner without asking. Schedules, fire inputs and lockdown are the owner's
// too: they arrive as holds, and as Cancelled.
//
// # States and events
//
// What a person would call the door follows from four things: whether it is held
// (by fire, by a schedule), whether its contact says open, what opened it, and
// whether a strike runs.
//
//	name         lock      sounder  when
//	released     unlocked  -        held by fire, closed or open
//	free         unlocked  -        held by a schedule, closed or open
//	forced-open  any       on       opened with neither strike, shunt nor hold
//	held-open    any       on       open since Config.HeldOpen, or longer
//	open         any       warning  open otherwise
//	unlocked     unlocked  -        closed, and a strike runs
//	locked       locked    -        closed otherwise
//
//	event      locked, closed   strike runs, closed       open                       held
//	Granted    unlock           lengthens it              unlocks; Enter             a strike runs under it
//	Shunt      the next opening, and that one alone, is expected within Config.Strike
//	Opened     forced-open, or  open; Enter for all that  -                          Enter for all that wait
//	           open if shunted  wait; relock on open
//	Closed     -                -                         alarms end; relock on close
//	Cancelled  -                lock, then Lapse          lock                       stays; Lapse
//	           (a strike of an exit or a home runs on to its end; entries lapse at once then)
//	Hold       free, released   the same                  the same; alarms end       fire goes before a schedule
//	Unhold     -                -                         -                          closed: lock, unless a strike runs;
//	                                                                                 open: the same, and counts from now
//	Stopped    everything off and locked, for good
//
// A strike runs from a grant for Config.Strike, or ExtendedStrike. Another grant
// may lengthen it, and never shortens it. Then, with [RelockOpen], the lock goes
// shut RelockDelay after the opening; with [RelockClose] when the door closes,
// or, since a door that never closes must not stay unlocked for ever, when it is
// held open. The end of a hold is like an opening there: an open door stays
// unlocked until it closes or is held open; Unhold and then Cancelled, as a
// lockdown wants it, locks at once. Whoever is granted while the door stands open
// keeps the strike time through the next closing, which may shut him out.
//
// An opening is told SettleTime after it began. What is told within SettleTime
// after the lock went shut began before that: it is not forced, and is the
// passage of whoever still waited. So grants lapse that long after the lock,
// which itself waits for nothing; only Stopped ends them at once. A strike that
// begins in between takes them along.
//
// Every grant ends in one Enter or one Lapse. All that wait pass with the next
// opening, as nobody can tell who did; a grant while the door stands open passes
// at once, for the same reason, and so does every grant at a door without a
// contact: entry is assumed there, as the field does it, and nothing lapses. A
// door that loses its contact, since the line was cut, is such a door from the
// next step on: whoever waits has passed, so that cutting a cable takes back
// nobody's entry. Sixteen grants can wait for one opening; a further one gives up
// the oldest.
//
// An open door is warned of Config.PreAlarm before it is held open, or with that
// (Warn, SounderOn), until it closes or is held unlocked (Calm, SounderOff). The
// time counts from the opening or from the end of the last hold. A hold excuses
// what was before it: a forced door that a schedule frees is free.
//
// The operator is pulsed for OperatorPulse, OperatorDelay after a grant that it
// serves. Holds never start it; it is off at once when the lock goes shut, when
// the controller stops, and, unless an exit or a home started it, at Cancelled.
//
// # What it does not do
//
// It does not see the lock's own bolt: locked means told to lock. It does not
// know how a lock is energised; fail-safe and fail-secure are the owner's.
package door
