package door_test

import "testing"

func TestHolds(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"a schedule", config, `
			1 hold schedule:    unlock, free
			2 opened:
			3 closed:
			9 unhold schedule:  lock, locked
			never`},
		{"a hold that is told twice", config, `
			1 hold schedule:   unlock, free
			2 hold schedule:
			3 unhold schedule: lock, locked
			4 unhold schedule:
			never`},
		{"fire goes before a schedule", config, `
			1 hold schedule:   unlock, free
			2 hold fire:       released
			3 unhold schedule:
			4 hold schedule:
			5 unhold fire:     free
			6 unhold schedule: lock, locked
			never`},
		{"fire stays when a schedule ends", config, `
			1 hold fire:       unlock, released
			2 hold schedule:
			3 unhold schedule:
			4 unhold fire:     lock, locked
			never`},
		{"an opening during fire is not forced", config, `
			1 hold fire: unlock, released
			2 opened:
			99 closed:
			never`},
		{"ends with the door open: held open counts from then", preAlarm, `
			1 hold schedule:    unlock, free
			2 opened:
			99 unhold schedule: lock, open
			119 tick:           sounder on, warn
			129 tick:           held-open
			never`},
		{"ends with the door open that closing relocks", relockClose, `
			1 hold schedule:   unlock, free
			2 opened:
			9 unhold schedule: open
			12 closed:         lock, locked
			never`},
		{"ends with the door open that closing relocks, and never closes", relockClose, `
			1 hold fire:   unlock, released
			2 opened:
			9 unhold fire: open
			39 tick:       lock, sounder on, held-open, warn
			never`},
		{"ends with the door open, in a lockdown", relockClose, `
			1 hold schedule:   unlock, free
			2 opened:
			9 unhold schedule: open
			9 cancelled:       lock
			39s`},
		{"ends while a strike runs", config, `
			1 hold schedule:   unlock, free
			2 grant 1:
			3 unhold schedule: unlocked
			7 tick:            lock, locked
			7.02 tick:         lapse 1
			never`},
		{"begins while a strike runs", config, `
			1 grant 1:          unlock, unlocked
			2 hold schedule:    free
			6 tick:             lapse 1
			60 unhold schedule: lock, locked
			never`},
		{"a grant under a hold is a passage or lapses", config, `
			1 hold schedule: unlock, free
			2 grant 1:
			3 opened:        enter 1
			4 closed:
			5 grant 2:
			10 tick:         lapse 2
			never`},
		{"one of two ends with the door open", relockClose, `
			1 hold schedule: unlock, free
			2 opened:
			3 hold fire:     released
			4 unhold fire:   free
			never`},
		{"a strike under a hold ends with the closing", relockClose, `
			1 hold schedule:   unlock, free
			2 grant 1:
			3 opened:          enter 1
			4 closed:
			5 unhold schedule: lock, locked
			never`},
		{"excuses a forced door", config, `
			1 opened:           sounder on, forced-open
			2 hold schedule:    unlock, sounder off, free
			60 unhold schedule: lock, open
			90 tick:            sounder on, held-open, warn
			never`},
		{"fire silences a door held open", config, `
			0 start open:   open
			30 tick:        sounder on, held-open, warn
			31 hold fire:   unlock, sounder off, released, calm
			60 unhold fire: lock, open
			1m30s`},
		{"fire over a lockdown", config, `
			1 hold fire: unlock, released
			2 cancelled:
			never`},
		{"what is no hold holds nothing", config, `
			1 hold 7:
			2 unhold 7:
			never`},
	})
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"locks at once", config, `
			1 grant 1:   unlock, unlocked
			2 cancelled: lock, locked
			2.02 tick:   lapse 1
			3 opened:    sounder on, forced-open
			never`},
		{"while locked", config, `
			2 cancelled:
			never`},
		{"an exit runs on", config, `
			1 grant 1 exit: unlock, unlocked
			2 cancelled:
			6 tick:         lock, locked
			6.02 tick:      lapse 1
			never`},
		{"a home's people run on", config, `
			1 grant 1 home: unlock, unlocked
			2 cancelled:
			3 opened:       enter 1, open
			6s`},
		{"what entries added to an exit is cut", config, `
			1 grant 1 exit:     unlock, unlocked
			2 grant 2 extended:
			3 cancelled:        lapse 2
			6 tick:             lock, locked
			6.02 tick:          lapse 1
			never`},
		{"an exit that runs out leaves an entry", config, `
			1 grant 1 exit:     unlock, unlocked
			2 grant 2 extended:
			7 late:
			8 cancelled:        lock, locked
			8.02 tick:          lapse 1, lapse 2
			never`},
		{"a door that an exit opened stays unlocked until it closes", relockClose, `
			1 grant 1 exit: unlock, unlocked
			2 opened:       enter 1, open
			3 cancelled:
			9 closed:       lock, locked
			never`},
		{"a door that an entry opened does not", relockClose, `
			1 grant 1:   unlock, unlocked
			2 opened:    enter 1, open
			3 cancelled: lock
			32s`},
		{"an exit while the door stands open keeps its own", relockClose, `
			1 grant 1:      unlock, unlocked
			2 opened:       enter 1, open
			9 grant 2 exit: enter 2
			10 cancelled:
			11 closed:      unlocked
			14 tick:        lock, locked
			never`},
		{"grants that follow are as ever", config, `
			1 cancelled:
			2 grant 1:   unlock, unlocked
			7s`},
	})
}

func TestStopped(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"whatever holds", config, `
			1 hold fire:     unlock, released
			2 hold schedule:
			3 stopped:       lock, locked
			never`},
		{"whatever strike runs", config, `
			1 grant 1 exit: unlock, unlocked
			2 grant 2:
			3 stopped:      lock, lapse 1, lapse 2, locked
			never`},
		{"alarms end", config, `
			1 opened:  sounder on, forced-open
			2 stopped: sounder off
			never`},
		{"warnings end", preAlarm, `
			0 start open: open
			20 tick:      sounder on, warn
			21 stopped:   sounder off, calm
			never`},
		{"the operator ends", operator, `
			1 grant 1:  unlock, unlocked
			1.5 tick:   operator on
			1.6 stopped: lock, operator off, lapse 1, locked
			never`},
		{"an open door under a hold", config, `
			1 hold schedule: unlock, free
			2 opened:
			3 stopped:       lock, open
			never`},
		{"nothing moves any more", config, `
			1 stopped:
			2 grant 1 exit: lapse 1
			3 hold fire:
			4 opened:
			5 shunt:
			6 start open:
			7 cancelled:
			8 unhold fire:
			9 stopped:
			never`},
	})
}
