package door_test

import (
	"testing"
	"time"

	"tombolo/edge/door"
)

func TestOperator(t *testing.T) {
	t.Parallel()
	play(t, []example{
		{"swings when the bolt is back", operator, `
			1 grant 1: unlock, unlocked
			1.5 tick:  operator on
			2 opened:  enter 1, open
			2.5 tick:  operator off
			6s`},
		{"once for two", operator, `
			1 grant 1:   unlock, unlocked
			1.2 grant 2:
			1.5 tick:    operator on
			2 grant 3:
			2.5 tick:    operator off
			7s`},
		{"again for another", operator, `
			1 grant 1: unlock, unlocked
			1.5 tick:  operator on
			2.5 tick:  operator off
			3 grant 2:
			3.5 tick:  operator on
			4.5 tick:  operator off
			8s`},
		{"is off when the lock goes shut", with(func(c *door.Config) { c.Operator, c.Relock = door.OperatorAll, door.RelockOpen }), `
			1 grant 1:  unlock, unlocked
			1.5 tick:   operator on
			1.8 opened: enter 1, open
			2 tick:     lock, operator off
			31.8s`},
		{"never swings at a locked door", with(func(c *door.Config) { c.Operator, c.Strike = door.OperatorAll, 400*time.Millisecond }), `
			1 grant 1: unlock, unlocked
			1.4 tick:  lock, locked
			1.42 tick: lapse 1
			never`},
		{"for those who need it", operatorSome, `
			1 grant 1:          unlock, unlocked
			2 grant 2 extended:
			2.5 tick:           operator on
			3.5 tick:           operator off
			17s`},
		{"never", config, `
			1 grant 1 extended: unlock, unlocked
			16s`},
		{"holds never start it", operator, `
			1 hold fire:     unlock, released
			2 hold schedule:
			never`},
		{"a grant under a hold does", operator, `
			1 hold schedule: unlock, free
			2 grant 1:
			2.5 tick:        operator on
			3.5 tick:        operator off
			7s`},
		{"cancelled before it swings", operator, `
			1 grant 1:     unlock, unlocked
			1.2 cancelled: lock, locked
			1.22 tick:     lapse 1
			never`},
		{"cancelled while an exit's strike runs", operatorSome, `
			1 grant 1 exit:      unlock, unlocked
			2 grant 2 extended:
			2.5 tick:            operator on
			2.6 cancelled:       operator off, lapse 2
			6s`},
		{"an exit's swing that serves an entry too runs on", operator, `
			1 grant 1 exit: unlock, unlocked
			1.1 grant 2:
			1.2 cancelled:  lapse 2
			1.5 tick:       operator on
			2.5 tick:       operator off
			6s`},
		{"an exit's swing runs on", operator, `
			1 grant 1 exit: unlock, unlocked
			1.2 cancelled:
			1.5 tick:       operator on
			1.6 cancelled:
			2.5 tick:       operator off
			6s`},
		{"the tick is late", operator, `
			1 grant 1: unlock, unlocked
			3 late:
			6s`},
	})
}
