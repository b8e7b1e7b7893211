package door_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/door"
)

var config = door.Config{Strike: 5 * time.Second, HeldOpen: 30 * time.Second, HasContact: true}

// run feeds events and returns what was done, one word an action, with the
// state's name after each Change.
func run(c door.Config, events ...door.Event) (s door.State, did []string) {
	for _, e := range events {
		var actions []door.Action
		s, actions = door.Step(c, s, e)
		for _, a := range actions {
			switch a.Do {
			case door.Unlock:
				did = append(did, "unlock")
			case door.Lock:
				did = append(did, "lock")
			case door.Enter:
				did = append(did, fmt.Sprintf("entered %d", a.Grant.Seq))
			case door.Lapse:
				did = append(did, fmt.Sprintf("lapsed %d", a.Grant.Seq))
			case door.Change:
				did = append(did, a.Name.String())
			}
		}
	}
	return s, did
}

func at(seconds float64, kind door.Kind) door.Event {
	return door.Event{At: time.Duration(seconds * float64(time.Second)), Kind: kind}
}

func grant(seconds float64, seq uint64) door.Event {
	e := at(seconds, door.Granted)
	e.Grant.Seq = seq
	return e
}

func TestDoor(t *testing.T) {
	t.Parallel()
	startOpen := at(0, door.AtStart)
	startOpen.Open = true
	noContact := config
	noContact.HasContact = false
	for _, tt := range []struct {
		name   string
		config door.Config
		events []door.Event
		want   []string
	}{
		{"granted, entered, closed", config, []door.Event{grant(1, 1), at(2, door.Opened), at(4, door.Closed), at(6, door.Tick)},
			[]string{"unlock", "unlocked", "entered 1", "open", "unlocked", "lock", "locked"}},
		{"granted, no passage", config, []door.Event{grant(1, 1), at(6, door.Tick)},
			[]string{"unlock", "unlocked", "lock", "lapsed 1", "locked"}},
		{"a tick too early does nothing", config, []door.Event{grant(1, 1), at(5.999, door.Tick)},
			[]string{"unlock", "unlocked"}},
		{"forced", config, []door.Event{at(1, door.Opened), at(2, door.Closed)},
			[]string{"forced-open", "locked"}},
		{"opened after the deadline whose tick is late", config, []door.Event{grant(1, 1), at(6.1, door.Opened)},
			[]string{"unlock", "unlocked", "lock", "lapsed 1", "locked", "forced-open"}},
		{"held open", config, []door.Event{grant(1, 1), at(2, door.Opened), at(6, door.Tick), at(32, door.Tick), at(40, door.Closed)},
			[]string{"unlock", "unlocked", "entered 1", "open", "lock", "held-open", "locked"}},
		{"a REX that need not unlock shunts forced-open", config, []door.Event{at(1, door.Shunt), at(5.9, door.Opened), at(7, door.Closed), at(8, door.Opened)},
			[]string{"open", "locked", "forced-open"}},
		{"a second grant lengthens the first", config, []door.Event{grant(1, 1), grant(4, 2), at(6, door.Tick), at(8, door.Opened), at(9, door.Tick)},
			[]string{"unlock", "unlocked", "entered 1", "entered 2", "open", "lock"}},
		{"a grant at an open door is a passage at once", config, []door.Event{grant(1, 1), at(2, door.Opened), grant(3, 2), at(8, door.Tick)},
			[]string{"unlock", "unlocked", "entered 1", "open", "entered 2", "lock"}},
		{"a grant does not excuse a forced door", config, []door.Event{at(1, door.Opened), grant(2, 1), at(7, door.Tick), at(8, door.Closed)},
			[]string{"forced-open", "unlock", "entered 1", "lock", "locked"}},
		{"open at the start is held open, not forced", config, []door.Event{startOpen, at(30, door.Tick), at(31, door.Closed)},
			[]string{"open", "held-open", "locked"}},
		{"without a contact nobody claims a passage", noContact, []door.Event{grant(1, 1), at(6, door.Tick)},
			[]string{"unlock", "unlocked", "lock", "locked"}},
		{"a contact that repeats itself", config, []door.Event{at(1, door.Opened), at(2, door.Opened), at(3, door.Closed), at(4, door.Closed)},
			[]string{"forced-open", "locked"}},
		{"cancelled", config, []door.Event{grant(1, 1), at(2, door.Cancelled), at(3, door.Opened)},
			[]string{"unlock", "unlocked", "lock", "lapsed 1", "locked", "forced-open"}},
		{"cancelled while locked", config, []door.Event{at(2, door.Cancelled)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, did := run(tt.config, tt.events...); !slices.Equal(did, tt.want) {
				t.Errorf("did  %q\nwant %q", did, tt.want)
			}
		})
	}
}

// TestProperties holds, over random sequences: relay actions alternate and come
// first, every grant is settled exactly once, nothing stays unlocked past its
// deadline, an unlocked door always owes a wake-up, and Step changes only what
// it returns.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := config
		c.HasContact = rapid.Bool().Draw(t, "contact")
		var s door.State
		var now, lastGrant time.Duration
		var seq uint64
		unlocked := false
		settled := map[uint64]int{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if wake, ok := s.Wake(); ok && rapid.Bool().Draw(t, "in time") {
				now = max(now, wake)
			} else {
				now += time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond
			}
			e := door.Event{At: now, Kind: door.Kind(rapid.IntRange(int(door.Granted), int(door.Tick)).Draw(t, "kind"))}
			if !c.HasContact && (e.Kind == door.Opened || e.Kind == door.Closed) {
				continue
			}
			if e.Kind == door.Granted {
				seq++
				e.Grant.Seq, lastGrant = seq, now
			}
			before := fmt.Sprintf("%+v", s)
			next, actions := door.Step(c, s, e)
			if after := fmt.Sprintf("%+v", s); after != before {
				t.Fatalf("Step changed its argument:\n%s\n%s", before, after)
			}
			s = next
			told := false
			for _, a := range actions {
				switch a.Do {
				case door.Unlock, door.Lock:
					if told {
						t.Fatal("the lock came after something told")
					}
					if unlocked == (a.Do == door.Unlock) {
						t.Fatalf("%v twice", a.Do)
					}
					unlocked = !unlocked
				case door.Enter, door.Lapse:
					told = true
					settled[a.Grant.Seq]++
				default:
					told = true
				}
			}
			if unlocked != s.Unlocked() {
				t.Fatal("the state and the actions differ")
			}
			if unlocked && now >= lastGrant+c.Strike {
				t.Fatalf("unlocked at %v, %v after the last grant", now, now-lastGrant)
			}
			if _, ok := s.Wake(); unlocked && !ok {
				t.Fatal("unlocked and owes no wake-up")
			}
		}
		s, actions := door.Step(c, s, door.Event{At: now + time.Hour, Kind: door.Tick})
		for _, a := range actions {
			if a.Do == door.Enter || a.Do == door.Lapse {
				settled[a.Grant.Seq]++
			}
		}
		for i := uint64(1); c.HasContact && i <= seq; i++ {
			if settled[i] != 1 {
				t.Fatalf("grant %d was settled %d times; %+v", i, settled[i], s)
			}
		}
	})
}
