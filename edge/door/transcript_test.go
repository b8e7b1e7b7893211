package door_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"tombolo/edge/door"
)

// config is what the tests begin with.
var config = door.Config{
	Strike: 5 * time.Second, ExtendedStrike: 15 * time.Second,
	HeldOpen: 30 * time.Second, ExtendedHeldOpen: 2 * time.Minute,
	HasContact: true,
}

func with(change func(*door.Config)) door.Config {
	c := config
	change(&c)
	return c
}

var (
	relockOpen    = with(func(c *door.Config) { c.Relock = door.RelockOpen })
	relockClose   = with(func(c *door.Config) { c.Relock = door.RelockClose })
	preAlarm      = with(func(c *door.Config) { c.PreAlarm = 10 * time.Second })
	operator      = with(func(c *door.Config) { c.Operator = door.OperatorAll })
	operatorSome  = with(func(c *door.Config) { c.Operator = door.OperatorExtended })
	noContact     = with(func(c *door.Config) { c.HasContact = false })
	noContactOpen = with(func(c *door.Config) { c.HasContact, c.Relock = false, door.RelockOpen })
	noContactShut = with(func(c *door.Config) { c.HasContact, c.Relock = false, door.RelockClose })
)

// seconds reads a time of a transcript.
func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("%q is no time", s)
	}
	return time.Duration(f * float64(time.Second)).Round(time.Millisecond)
}

// event reads an event of a transcript.
func event(t *testing.T, at time.Duration, words []string) door.Event {
	t.Helper()
	e := door.Event{At: at}
	verbs := map[string]door.Kind{"tick": door.Tick, "late": door.Tick, "shunt": door.Shunt, "opened": door.Opened, "closed": door.Closed,
		"cancelled": door.Cancelled, "stopped": door.Stopped, "grant": door.Granted, "start": door.AtStart, "hold": door.Hold, "unhold": door.Unhold}
	e.Kind = verbs[words[0]]
	for _, w := range words[1:] {
		switch w {
		case "exit":
			e.Grant.Exit = true
		case "home":
			e.Grant.Kept = true
		case "extended":
			e.Grant.Extended = true
		case "open":
			e.Open = true
		case "shut":
		case "schedule":
			e.Hold = door.HoldSchedule
		case "fire":
			e.Hold = door.HoldFire
		default:
			seq, err := strconv.ParseUint(w, 10, 64)
			if err != nil {
				e.Kind = 0
			}
			e.Grant.Seq = seq
		}
	}
	if e.Kind == 0 {
		t.Fatalf("%q is no event", words)
	}
	return e
}

func words(actions []door.Action) string {
	var s []string
	for _, a := range actions {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

// transcript plays lines "seconds event: actions" and compares the actions. A
// line's time may not pass a Wake, unless its event is "late": so each tick
// stands where it is owed, and a tick that does nothing stands nowhere. The
// last line says when the next tick is owed, or "never".
func transcript(t *testing.T, c door.Config, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var s door.State
	for _, line := range lines[:len(lines)-1] {
		head, want, found := strings.Cut(line, ":")
		fields := strings.Fields(head)
		if !found || len(fields) < 2 {
			t.Fatalf("%q is no line of a transcript", line)
		}
		e := event(t, seconds(t, fields[0]), fields[1:])
		wake, owed := s.Wake()
		switch late := fields[1] == "late"; {
		case !late && owed && wake < e.At:
			t.Fatalf("%q: a tick is owed at %v before it", line, wake)
		case e.Kind == door.Tick && !late && (!owed || wake != e.At):
			t.Fatalf("%q: no tick is owed then, but at %v, %v", line, wake, owed)
		}
		var actions []door.Action
		s, actions = door.Step(c, s, e)
		if got := words(actions); got != strings.TrimSpace(want) {
			t.Fatalf("%s\ndid    %s", line, got)
		}
	}
	last, owes := strings.TrimSpace(lines[len(lines)-1]), "never"
	if wake, ok := s.Wake(); ok {
		owes = fmt.Sprint(wake)
	}
	if last != owes {
		t.Errorf("the next tick is owed %s, want %s", owes, last)
	}
}

type example struct {
	name   string
	config door.Config
	text   string
}

func play(t *testing.T, examples []example) {
	t.Helper()
	for _, tt := range examples {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			transcript(t, tt.config, tt.text)
		})
	}
}
