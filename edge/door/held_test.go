package door_test

import (
	"testing"
	"time"

	"tombolo/edge/door"
)

func TestHeldOpen(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"held open", config, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			6 tick:    lock
			32 tick:   sounder on, held-open, warn
			40 closed: sounder off, locked, calm
			never`},
		{"warned before", preAlarm, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			6 tick:    lock
			22 tick:   sounder on, warn
			32 tick:   held-open
			40 closed: sounder off, locked, calm
			never`},
		{"closed in time", preAlarm, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			6 tick:    lock
			22 tick:   sounder on, warn
			23 closed: sounder off, locked, calm
			never`},
		{"longer times", preAlarm, `
			1 grant 1:          unlock, unlocked
			1 grant 2 extended:
			2 opened:           enter 1, enter 2, open
			16 tick:            lock
			112 tick:           sounder on, warn
			122 tick:           held-open
			never`},
		{"longer times, and shorter after them", config, `
			1 grant 1 extended: unlock, unlocked
			1 grant 2:
			2 opened:           enter 1, enter 2, open
			16 tick:            lock
			2m2s`},
		{"longer times asked for under a hold", config, `
			1 hold schedule:    unlock, free
			2 opened:
			3 grant 1 extended: enter 1
			4 unhold schedule:  open
			18 tick:            lock
			2m4s`},
		{"longer times end with the closing", config, `
			1 grant 1 extended: unlock, unlocked
			2 opened:           enter 1, open
			3 closed:           unlocked
			4 opened:           open
			16 tick:            lock
			34 tick:            sounder on, held-open, warn
			never`},
		{"longer times asked for in the warning", preAlarm, `
			1 grant 1:           unlock, unlocked
			2 opened:            enter 1, open
			6 tick:              lock
			22 tick:             sounder on, warn
			23 grant 2 extended: unlock, sounder off, enter 2, calm
			38 tick:             lock
			133 tick:            sounder on, warn
			2m23s`},
		{"a grant does not excuse it", config, `
			1 grant 1:           unlock, unlocked
			2 opened:            enter 1, open
			6 tick:              lock
			32 tick:             sounder on, held-open, warn
			33 grant 2 extended: unlock, enter 2
			48 tick:             lock
			never`},
		{"the tick is late", preAlarm, `
			1 grant 1: unlock, unlocked
			2 opened:  enter 1, open
			40 late:   lock, sounder on, held-open, warn
			never`},
		{"open at the start is held open, not forced", config, `
			0 start open: open
			30 tick:      sounder on, held-open, warn
			31 closed:    sounder off, locked, calm
			never`},
		{"shut at the start", config, `
			0 start shut:
			never`},
		{"an input that is opened again", config, `
			1 opened:     sounder on, forced-open
			2 start open:
			3 start shut: sounder off, locked
			4 start open: open
			34s`},
	})
}

// TestShunted: what an interlock asks for ends with the opening, or in time.
func TestShunted(t *testing.T) {
	t.Parallel()
	s, _ := door.Step(config, door.State{}, door.Event{At: time.Second, Kind: door.Shunt})
	for at, want := range map[time.Duration]bool{time.Second: true, 6*time.Second - 1: true, 6 * time.Second: false} {
		if s.Shunted(at) != want {
			t.Errorf("at %v: %v", at, !want)
		}
	}
	if s, _ = door.Step(config, s, door.Event{At: 2 * time.Second, Kind: door.Opened}); s.Shunted(2*time.Second) || (door.State{}).Shunted(0) {
		t.Error("shunted after the opening, or without a cause")
	}
	if s, _ = door.Step(config, s, door.Event{At: 3 * time.Second, Kind: door.Granted}); s.Shunted(3 * time.Second) {
		t.Error("a grant is no shunt")
	}
}

func TestForcedOpen(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"forced", config, `
			1 opened: sounder on, forced-open
			2 closed: sounder off, locked
			never`},
		{"for as long as it takes", preAlarm, `
			1 opened:  sounder on, forced-open
			999 late:
			never`},
		{"a grant does not excuse it", config, `
			1 opened:  sounder on, forced-open
			2 grant 1: unlock, enter 1
			7 tick:    lock
			8 closed:  sounder off, locked
			never`},
		{"closed while a strike runs", config, `
			1 opened:  sounder on, forced-open
			2 grant 1: unlock, enter 1
			3 closed:  sounder off, unlocked
			7 tick:    lock, locked
			never`},
		{"a REX that need not unlock shunts it", config, `
			1 shunt:
			5.9 opened: open
			7 closed:   locked
			8 opened:   sounder on, forced-open
			never`},
		{"a shunt is for one opening", config, `
			1 shunt:
			2 opened: open
			3 closed: locked
			4 opened: sounder on, forced-open
			never`},
		{"the one after a grant's opening, too", config, `
			1 shunt:
			2 grant 1: unlock, unlocked
			2.1 opened: enter 1, open
			3 closed:   unlocked
			7 tick:     lock, locked
			8 opened:   sounder on, forced-open
			never`},
		{"shunted again while it is open", config, `
			1 shunt:
			2 opened: open
			3 shunt:
			4 closed: locked
			5 opened: open
			35s`},
		{"a shunt is over in time", config, `
			1 shunt:
			6 opened: sounder on, forced-open
			never`},
		{"a second shunt lengthens the first", config, `
			1 shunt:
			4 shunt:
			8 opened: open
			38s`},
		{"a shunt does not excuse what came before", config, `
			1 opened: sounder on, forced-open
			2 shunt:
			never`},
		{"a shunt is no grant", config, `
			1 grant 1: unlock, unlocked
			5 shunt:
			6 tick:    lock, locked
			6.02 tick: lapse 1
			7 opened:  open
			37s`},
	})
}
