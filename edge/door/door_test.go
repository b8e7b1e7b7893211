package door_test

import (
	"strings"
	"testing"
	"time"

	"tombolo/edge/door"
)

func TestGrants(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"granted, entered, closed", config, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			4 closed:  unlocked
			6 tick:    lock, locked
			never`},
		{"granted, no passage", config, `
			1 grant 1: unlock, unlocked
			6 tick:    lock, locked
			6.02 tick: lapse 1
			never`},
		{"a tick too early does nothing", config, `
			1 grant 1:  unlock, unlocked
			5.999 late:
			6s`},
		{"a second grant lengthens the first", config, `
			1 grant 1: unlock, unlocked
			4 grant 2:
			8 opened:  enter 1, enter 2, open
			9 tick:    lock
			38s`},
		{"a shorter grant does not shorten a longer one", config, `
			1 grant 1 extended: unlock, unlocked
			2 grant 2:
			16 tick:            lock, locked
			16.02 tick:         lapse 1, lapse 2
			never`},
		{"a longer grant lengthens a shorter one", config, `
			1 grant 1:          unlock, unlocked
			2 grant 2 extended:
			17 tick:            lock, locked
			17.02 tick:         lapse 1, lapse 2
			never`},
		{"longer times that are shorter are not taken", with(func(c *door.Config) { c.ExtendedStrike, c.ExtendedHeldOpen = 0, 0 }), `
			1 grant 1 extended: unlock, unlocked
			2 opened:           enter 1, open
			6 tick:             lock
			32 tick:            sounder on, held-open, warn
			never`},
		{"a grant at an open door is a passage at once", config, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			3 grant 2: enter 2
			8 tick:    lock
			32s`},
		{"the sixteenth waits, the seventeenth gives up the first", config, `
			1 grant 1:  unlock, unlocked
			1 grant 2:
			1 grant 3:
			1 grant 4:
			1 grant 5:
			1 grant 6:
			1 grant 7:
			1 grant 8:
			1 grant 9:
			1 grant 10:
			1 grant 11:
			1 grant 12:
			1 grant 13:
			1 grant 14:
			1 grant 15:
			1 grant 16:
			1 grant 17: lapse 1
			2 opened:   enter 2, enter 3, enter 4, enter 5, enter 6, enter 7, enter 8, enter 9, enter 10, enter 11, enter 12, enter 13, enter 14, enter 15, enter 16, enter 17, open
			6s`},
		{"the tick is late, and the door opens after the deadline", config, `
			1 grant 1:  unlock, unlocked
			6.1 late:   lock, lapse 1, locked
			6.2 opened: sounder on, forced-open
			never`},
		{"a contact that repeats itself", config, `
			1 opened: sounder on, forced-open
			2 opened:
			3 closed: sounder off, locked
			4 closed:
			never`},
		{"without a contact every grant is a passage", noContact, `
			1 grant 1: unlock, enter 1, unlocked
			3 grant 2: enter 2
			8 tick:    lock, locked
			never`},
		{"without a contact the way to relock is the timer", noContactOpen, `
			1 grant 1:    unlock, enter 1, unlocked
			2 opened:
			3 start open:
			6 tick:       lock, locked
			never`},
		{"without a contact no closing relocks", noContactShut, `
			1 grant 1: unlock, enter 1, unlocked
			2 opened:
			3 closed:
			6 tick:    lock, locked
			never`},
	})
}

// TestLateEvent: what was due before an event is done first, in one step.
func TestLateEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		last door.Event
		want string
	}{
		{door.Event{Kind: door.Opened}, "lock, locked, enter 1, open"},
		{door.Event{Kind: door.Granted, Grant: door.Grant{Seq: 2}}, "lock, unlock, locked, unlocked"},
		{door.Event{Kind: door.Hold, Hold: door.HoldFire}, "lock, unlock, locked, released"},
		{door.Event{Kind: door.Cancelled}, "lock, locked"},
	} {
		s, _ := door.Step(config, door.State{}, door.Event{At: time.Second, Kind: door.Granted, Grant: door.Grant{Seq: 1}})
		tt.last.At = 6 * time.Second
		if _, actions := door.Step(config, s, tt.last); words(actions) != tt.want {
			t.Errorf("%v at the deadline: %s, want %s", tt.last.Kind, words(actions), tt.want)
		}
	}
}

// TestToldLate: an opening is told SettleTime after it began, and a lock that
// went shut in between has not undone it.
func TestToldLate(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"within the time", config, `
			1 grant 1:    unlock, unlocked
			6 tick:       lock, locked
			6.019 opened: enter 1, open
			7 closed:     locked
			8 opened:     sounder on, forced-open
			never`},
		{"at its end", config, `
			1 grant 1:    unlock, unlocked
			6 tick:       lock, locked
			6.02 opened:  sounder on, lapse 1, forced-open
			never`},
		{"all that wait pass", config, `
			1 grant 1:    unlock, unlocked
			2 grant 2 exit:
			7 tick:       lock, locked
			7.01 opened:  enter 1, enter 2, open
			37.01s`},
		{"the time counts from when the lock ought to have been shut", config, `
			1 grant 1:   unlock, unlocked
			6.01 late:   lock, locked
			6.02 opened: sounder on, lapse 1, forced-open
			never`},
		{"cancelled", config, `
			1 grant 1:    unlock, unlocked
			2 cancelled:  lock, locked
			2.019 opened: enter 1, open
			32.019s`},
		{"a schedule's end", config, `
			1 hold schedule:    unlock, free
			60 unhold schedule: lock, locked
			60.01 opened:       open
			61 closed:          locked
			62 opened:          sounder on, forced-open
			never`},
		{"somebody else is let in meanwhile", config, `
			1 grant 1:    unlock, unlocked
			6 tick:       lock, locked
			6.01 grant 2: unlock, unlocked
			7 opened:     enter 1, enter 2, open
			11.01s`},
		{"a hold begins meanwhile", config, `
			1 grant 1:      unlock, unlocked
			6 tick:         lock, locked
			6.01 hold fire: unlock, released
			6.02 tick:      lapse 1
			never`},
		{"stopped meanwhile", config, `
			1 grant 1:    unlock, unlocked
			6 tick:       lock, locked
			6.01 stopped: lapse 1
			never`},
		{"with relock on open, not again", relockOpen, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			2.2 tick:  lock
			3 closed:  locked
			4 opened:  sounder on, forced-open
			never`},
	})
}

// TestCutLine: whoever waits when the contact is lost has passed, at once.
func TestCutLine(t *testing.T) {
	t.Parallel()
	granted := func(seq uint64, exit bool) door.Event {
		return door.Event{At: time.Second, Kind: door.Granted, Grant: door.Grant{Seq: seq, Exit: exit}}
	}
	for _, tt := range []struct {
		name  string
		event door.Event
		want  string
	}{
		{"at once", door.Event{At: 2 * time.Second, Kind: door.Tick}, "enter 1, enter 2"},
		{"with the lock", door.Event{At: 6 * time.Second, Kind: door.Tick}, "lock, enter 1, enter 2, locked"},
		{"before its opening could be told", door.Event{At: 6*time.Second + door.SettleTime - 1, Kind: door.Tick}, "lock, enter 1, enter 2, locked"},
		{"too late", door.Event{At: 6*time.Second + door.SettleTime, Kind: door.Tick}, "lock, lapse 1, lapse 2, locked"},
		{"another grant", granted(3, false), "enter 1, enter 2, enter 3"},
		{"cancelled, and the exit runs on", door.Event{At: 2 * time.Second, Kind: door.Cancelled}, "enter 1, enter 2"},
		{"stopped", door.Event{At: 2 * time.Second, Kind: door.Stopped}, "lock, enter 1, enter 2, locked"},
	} {
		s, _ := door.Step(config, door.State{}, granted(1, false))
		s, _ = door.Step(config, s, granted(2, true))
		s, actions := door.Step(noContact, s, tt.event)
		if words(actions) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, words(actions), tt.want)
		}
		if _, actions = door.Step(config, s, door.Event{At: tt.event.At, Kind: door.Opened}); strings.Contains(words(actions), "enter") {
			t.Errorf("%s: and again with the line mended: %s", tt.name, words(actions))
		}
	}
}

func TestRelock(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"on open: when the bolt has left the strike", relockOpen, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			2.2 tick:  lock
			3 closed:  locked
			never`},
		{"on open, at the end of the strike", relockOpen, `
			1 grant 1:  unlock, unlocked
			5.9 opened: enter 1, open
			6 tick:     lock
			35.9s`},
		{"on open, not opened", relockOpen, `
			1 grant 1: unlock, unlocked
			6 tick:    lock, locked
			6.02 tick: lapse 1
			never`},
		{"on open, closed again before it", relockOpen, `
			1 grant 1:  unlock, unlocked
			2 opened:   enter 1, open
			2.1 closed: unlocked
			2.2 tick:   lock, locked
			never`},
		{"on open, a grant while the door is open has its strike, until the next opening", relockOpen, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			2.1 grant 2: enter 2
			3 closed:  unlocked
			4 opened:  open
			4.2 tick:  lock
			34s`},
		{"on open, exits too", relockOpen, `
			1 grant 1 exit: unlock, unlocked
			1.5 grant 2:
			2 opened:       enter 1, enter 2, open
			2.2 tick:       lock
			32s`},
		{"on close: before the strike is over", relockClose, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			3 closed:  lock, locked
			never`},
		{"on close: after the strike is over", relockClose, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			20 closed: lock, locked
			never`},
		{"on close, not opened", relockClose, `
			1 grant 1: unlock, unlocked
			6 tick:    lock, locked
			6.02 tick: lapse 1
			never`},
		{"on close, never closed", relockClose, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			32 tick:   lock, sounder on, held-open, warn
			99 closed: sounder off, locked, calm
			never`},
		{"on close, longer times", relockClose, `
			1 grant 1 extended: unlock, unlocked
			2 opened:           enter 1, open
			122 tick:           lock, sounder on, held-open, warn
			never`},
		{"on close, whoever is granted while it stands open is not shut out", relockClose, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			9 grant 2: enter 2
			10 closed: unlocked
			11 opened: open
			12 closed: lock, locked
			never`},
		{"on close, a grant while it stands open and locked lasts until it closes", relockClose, `
			0 start open: open
			2 grant 1:    unlock, enter 1
			6 grant 2:    enter 2
			8 closed:     unlocked
			11 tick:      lock, locked
			never`},
		{"on close, the same, never closed", relockClose, `
			0 start open: open
			2 grant 1:    unlock, enter 1
			30 tick:      lock, sounder on, held-open, warn
			31 grant 2:   unlock, enter 2
			36 tick:      lock
			never`},
		{"on close, longer times asked for while it stands open", relockClose, `
			1 grant 1:           unlock, unlocked
			2 opened:            enter 1, open
			31 grant 2 extended: enter 2
			151 tick:            lock, sounder on, held-open, warn
			never`},
		{"on close, a forced door is not unlocked by its opening", relockClose, `
			1 opened: sounder on, forced-open
			2 closed: sounder off, locked
			never`},
	})
}
