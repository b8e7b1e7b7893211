package door

import "time"

// State is a door between two events. The zero value is a locked, closed door
// in silence, which is what every door comes to rest at. It is a plain value:
// copy it, compare it with ==.
type State struct {
	Name Name

	open    bool // by the contact
	forced  bool // it was opened without a cause
	late    bool // it has been open for too long
	long    bool // somebody with longer times opened it or came to it
	stopped bool
	holds   holds

	entry, kept strike        // what keeps it unlocked for a time
	untilClosed bool          // RelockClose: the door's closing ends both
	shunt       time.Duration // the next opening is expected, if it comes before this
	grace       time.Duration // an opening before this began before the lock went shut
	warn, held  time.Duration // while counting: warn then, report then
	swing       swing

	// As they were driven last.
	unlocked, operator, sounder, warning bool

	pending [maxPending]Grant // granted, and nobody has passed yet; the oldest first
	waiting int               // how many those are
}

// Unlocked reports whether the lock is told to be open.
func (s State) Unlocked() bool { return s.unlocked }

// IsOpen reports whether the door stands open, by its contact.
func (s State) IsOpen() bool { return s.open }

// Shunted reports whether an opening is expected that no grant has to precede:
// a Shunt that no opening has used up yet, and that is not over.
func (s State) Shunted(at time.Duration) bool { return at < s.shunt }

// Deadline is when the lock goes shut by itself; ok is false while it is held
// unlocked, and while it is shut.
func (s *State) Deadline() (at time.Duration, ok bool) {
	if s.holds != 0 || !s.unlocked {
		return 0, false
	}
	return s.until(), true
}

// Wake is when a Tick is owed; ok is false if no time matters now.
func (s *State) Wake() (at time.Duration, ok bool) {
	owe := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	switch until := s.until(); {
	case until > 0:
		owe(until)
	case s.waiting > 0:
		owe(s.grace) // they lapse then
	}
	if s.counting() {
		if s.warning {
			owe(s.held)
		} else {
			owe(s.warn)
		}
	}
	if s.swing.due {
		if s.operator {
			owe(s.swing.off)
		} else {
			owe(s.swing.on)
		}
	}
	return at, ok
}

// until is when the last strike ends; 0 if none runs.
func (s *State) until() time.Duration { return max(s.entry.end, s.kept.end) }

// counting says that the time since the opening, or since the last hold, runs.
func (s *State) counting() bool {
	return s.open && !s.forced && !s.late && !s.stopped && s.holds == 0
}

// strike is the time that grants of one sort have given. Entries and what is
// kept have one each, since Cancelled ends only the first.
type strike struct {
	end   time.Duration // 0: none
	again time.Duration // closing leaves it until then: granted while the door stood open, so its holder may be shut out
}

// swing is one pulse for the operator.
type swing struct {
	due     bool
	kept    bool // for an exit or a home
	on, off time.Duration
}

// holds is a set of Holding.
type holds uint8

// bit is 0 for what is no Holding: a mistake of the caller unlocks nothing.
func bit(by Holding) holds {
	if by != HoldSchedule && by != HoldFire {
		return 0
	}
	return 1 << by
}

func (h holds) with(by Holding) holds    { return h | bit(by) }
func (h holds) without(by Holding) holds { return h &^ bit(by) }
func (h holds) has(by Holding) bool      { return h&bit(by) != 0 }
