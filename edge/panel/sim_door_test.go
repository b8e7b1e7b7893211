package panel_test

import (
	"time"

	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
)

// simDoor is what the simulation knows of a door: what it was asked, what the
// relays were told, and how long it may be unlocked for that.
type simDoor struct {
	name     string
	hw       panel.Hardware
	policy   *policy.Door // the basis's, nil where none gives it to this gateway
	begun    [3]bool      // driven since the start, by panel.Output
	driven   [3]bool      // energised
	wires    [6]simWire   // by panel.Input
	state    string       // the last DoorState but lockdown's
	down     bool         // by the last DoorState of a lockdown
	released bool         // by fire, until it is over
	locked   bool         // under lockdown, as the model has it
	held     bool         // by schedule or fire

	wasUnlocked bool          // before the step
	open, stood bool          // now, and when the step's event came
	excused     bool          // the last opening has a cause
	caused      bool          // ... or may have one
	tooLate     bool          // ... and all that was granted had lapsed
	counted     time.Duration // the last opening, end of a hold, or longer grant while open
	changed     bool          // other times came in force while something ran
	before      time.Duration // ... and this was longest then

	entry, kept   simStrike // for entries, and for homes and exits
	shunt, served time.Duration

	shut, shutAtLeast time.Duration // when the lock went shut; no sooner than the second

	pin, late, lost, company *simWait
	escort                   simMet
	letIn                    map[passport.ID]bool // for whom the lock has opened, in this step
	two                      bool                 // have to go in together, in this step
	shown                    [2]policy.Signal     // again and again
	flashes                  map[simFlash]int     // shown, less those that were to be
}

type simFlash struct {
	exit   bool
	signal policy.Signal
}

// expect says that a signal is to be shown once.
func (d *simDoor) expect(exit bool, s policy.Signal) { d.flashes[simFlash{exit, s}]-- }

// simStrike is until when a lock may be unlocked and until when it has to be, and
// what a closing leaves of that.
type simStrike struct{ may, must, again time.Duration }

func (s *simStrike) grant(until, may time.Duration) {
	s.may, s.must, s.again = max(s.may, may), max(s.must, until), max(s.again, until)
}

// simWire is an input: what counts, what it says, and since when.
type simWire struct {
	told, said door.Line
	since      time.Duration
	known      bool
	faulty     bool
}

func (w *simWire) broken() bool { return w.told == door.LineCut || w.told == door.LineShorted }

// simWait is a presentation that waits for a PIN or for company.
type simWait struct {
	*panel.Presented
	until   time.Duration
	with    simMet // who takes this one along
	second  bool   // waits for a second person
	number  uint64 // of a PIN
	checked bool   // it was typed
}

func (w *simWait) who() passport.ID { return w.Holder.Delegation.Passport }

// simMet is somebody who was let in.
type simMet struct {
	who     passport.ID
	by      *panel.Presented // what they presented, of an escort
	seq     uint64           // their grant
	at      time.Duration
	escorts bool
	opening *simOpening // that they wait for
}

// sees: a contact tells whether the door is open.
func (d *simDoor) sees() bool { return d.hw.Contact && !d.wires[panel.Contact].broken() }

func (d *simDoor) unlocked() bool { return d.driven[panel.Lock] != d.hw.FailSafe }

func (d *simDoor) isDown(m *simModel) bool { return m.reached() < m.basis.Lockdowns[d.name] }

func (d *simDoor) strike(extended bool) time.Duration {
	switch {
	case d.policy == nil:
		return 5 * time.Second
	case extended:
		return max(d.policy.Strike, d.policy.ExtendedStrike)
	}
	return d.policy.Strike
}

// longest is how long a door may stand open before that is reported, for those
// who have the longer time.
func (d *simDoor) longest() time.Duration {
	if d.policy == nil {
		return max(30*time.Second, d.before)
	}
	return max(d.policy.HeldOpen, d.policy.ExtendedHeldOpen, d.before)
}

func (d *simDoor) heldOpen() time.Duration {
	if d.policy == nil {
		return 30 * time.Second
	}
	return d.policy.HeldOpen
}

func (d *simDoor) relock() policy.Relock {
	if d.policy == nil {
		return policy.RelockTimer
	}
	return d.policy.Relock
}

// grant: the lock opens for somebody now.
func (d *simDoor) grant(up time.Duration, kept, extended bool) {
	strike := d.strike(extended)
	may := up + strike
	if d.open && d.relock() == policy.RelockClose {
		may = max(may, up+d.longest()) // until the door closes
	}
	if kept {
		d.kept.grant(up+strike, may)
	} else {
		d.entry.grant(up+strike, may)
	}
	if d.open && extended && d.state == "open" {
		d.counted = up
	}
	if d.policy != nil && d.policy.Operator != policy.OperatorNever && (extended || d.policy.Operator == policy.OperatorAll) {
		d.served = up
	}
}

func (d *simDoor) opening(up time.Duration, found bool) {
	if d.open || !d.sees() {
		return
	}
	d.open, d.counted = true, up
	began, last := up-door.SettleTime, max(d.entry.must, d.kept.must, d.shutAtLeast) // it is told so much later
	d.excused = found || d.held || up < d.shunt || !d.changed && last > 0 && began < last
	d.caused = d.excused || d.wasUnlocked || began < d.shut
	d.tooLate = up >= d.may()
	d.shunt = 0
	for _, s := range []*simStrike{&d.entry, &d.kept} {
		s.again = 0
		switch d.relock() {
		case policy.RelockOpen:
			s.may, s.must = d.sooner(s.may, up+door.RelockDelay), min(s.must, up+door.RelockDelay)
		case policy.RelockClose:
			if up < s.must {
				s.must = up + d.heldOpen()
			}
			if up < s.may {
				s.may = up + d.longest()
			}
		}
	}
}

// may is until when the lock may be unlocked without a hold.
func (d *simDoor) may() time.Duration { return max(d.entry.may, d.kept.may) }

func (d *simDoor) closing(up time.Duration) {
	for _, s := range []*simStrike{&d.entry, &d.kept} {
		if d.open && d.relock() == policy.RelockClose {
			s.may, s.must = d.sooner(s.may, s.again), s.again
		}
	}
	d.open = false
}

// sooner is the sooner end, unless the times have changed in between: what was
// set before stands then.
func (d *simDoor) sooner(a, b time.Duration) time.Duration {
	if d.changed {
		return a
	}
	return min(a, b)
}

// unheld: the last hold has ended.
func (d *simDoor) unheld(up time.Duration) {
	d.counted = up
	if d.open && d.relock() == policy.RelockClose {
		d.entry.may = max(d.entry.may, up+d.longest())
	}
}

// check holds after every step.
func (d *simDoor) check(m *simModel) {
	up := m.m.Up
	switch {
	case m.stopped:
		m.require(d.unlocked() == d.released, "%s is unlocked (%v) after the stop; released by fire: %v", d.name, d.unlocked(), d.released)
		return
	case d.held:
		m.require(d.unlocked(), "%s is locked, and a schedule or fire holds it unlocked", d.name)
	default:
		m.require(!d.unlocked() || up < d.may(), "%s is unlocked; it may be until %v for an entry, %v for an exit or a home", d.name, d.entry.may, d.kept.may)
	}
	m.require(d.unlocked() || d.changed || up >= d.entry.must, "%s is locked; an entry has it until %v", d.name, d.entry.must)
	m.require(d.unlocked() || d.changed || up >= d.kept.must, "%s is locked; an exit or a home has it until %v", d.name, d.kept.must)
	m.require(d.unlocked() || !d.driven[panel.Operator], "%s is locked and its operator swings", d.name)
	if d.driven[panel.Operator] {
		m.require(up >= d.served+door.OperatorDelay-time.Second || d.changed, "%s: the operator swings for nobody", d.name)
		m.require(up < d.served+door.OperatorDelay+door.OperatorPulse, "%s: the operator swings on", d.name)
	}
	if d.locked {
		m.require(d.down, "%s: the log does not tell of the lockdown", d.name)
	} else {
		m.require(!d.down, "%s: the log does not tell that the lockdown is over", d.name)
	}
	d.checkState(m)
	if d.wasUnlocked && !d.unlocked() {
		d.shut, d.shutAtLeast = up, 0
		if !d.changed {
			d.shutAtLeast = min(up, max(d.entry.must, d.kept.must))
		}
	}
	if !d.unlocked() { // whatever ran has ended
		d.entry, d.kept = simStrike{}, simStrike{}
		if !d.open {
			d.changed, d.before = false, 0
		}
	}
}

// checkState holds the name that the log gives the door against what is so.
func (d *simDoor) checkState(m *simModel) {
	up, want := m.m.Up, ""
	switch {
	case d.released:
		want = "released"
	case d.held:
		want = "free"
	case d.open:
		late := up - d.counted
		switch d.state {
		case "forced-open":
			m.require(!d.excused, "%s: forced open, and nobody forced it", d.name)
		case "held-open":
			m.require(late >= d.heldOpen() || d.changed, "%s: held open after %v", d.name, late)
		case "open":
			m.require(late < d.longest() || d.changed, "%s: open for %v and not told", d.name, late)
			m.require(d.caused, "%s: forced open, and not told", d.name)
		default:
			m.require(false, "%s stands open and is told to be %s", d.name, d.state)
		}
		sounds := d.state != "open"
		m.require(!sounds || d.driven[panel.Sounder], "%s is %s, in silence", d.name, d.state)
		return
	case d.unlocked():
		want = "unlocked"
	default:
		want = "locked"
	}
	m.require(d.state == want, "%s is %s, and told to be %s", d.name, want, d.state)
	m.require(!d.driven[panel.Sounder], "%s is %s and sounds", d.name, want)
}
