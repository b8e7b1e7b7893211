package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/policy"
	"tombolo/hw/sim"
)

const ms = time.Millisecond

var (
	granted  = policy.Pattern{{Colour: policy.Green, Beep: true, For: 200 * ms}, {Colour: policy.Green, For: 300 * ms}}
	leftOpen = policy.Pattern{{Colour: policy.Red, Beep: true, For: 500 * ms}, {For: 500 * ms}}
	waiting  = policy.Pattern{{Colour: policy.Amber, For: 300 * ms}, {For: 300 * ms}}
)

// TestPlayer: what is shown when, in milliseconds since the start.
func TestPlayer(t *testing.T) {
	t.Parallel()
	type show struct {
		at      int
		pattern policy.Pattern
		loop    bool
	}
	for _, c := range []struct {
		name  string
		shows []show
		want  string // each change in 2 s, as looked at every 10 ms
	}{
		{"nothing", nil, "0 off"},
		{"once", []show{{100, granted, false}}, "0 off, 100 green+beep, 300 green, 600 off"},
		{"again and again", []show{{0, waiting, true}}, "0 amber, 300 off, 600 amber, 900 off, 1200 amber, 1500 off, 1800 amber"},
		{"again and again, until dark", []show{{0, waiting, true}, {700, nil, true}}, "0 amber, 300 off, 600 amber, 700 off"},
		{"once over again and again", []show{{0, leftOpen, true}, {250, granted, false}}, "0 red+beep, 250 green+beep, 450 green, 750 red+beep, 1250 off, 1750 red+beep"},
		{"what is shown once is not cut short", []show{{0, granted, false}, {100, waiting, true}}, "0 green+beep, 200 green, 500 amber, 800 off, 1100 amber, 1400 off, 1700 amber"},
		{"once after once", []show{{0, granted, false}, {100, granted, false}}, "0 green+beep, 300 green, 600 off"},
		{"dark once ends what is shown once", []show{{0, waiting, true}, {100, granted, false}, {200, nil, false}}, "0 amber, 100 green+beep, 200 amber, 500 off, 800 amber, 1100 off, 1400 amber, 1700 off"},
		{"one for another", []show{{0, waiting, true}, {400, leftOpen, true}}, "0 amber, 300 off, 400 red+beep, 900 off, 1400 red+beep, 1900 off"},
		{"a step of no time", []show{{0, policy.Pattern{{Colour: policy.Red}}, true}}, "0 red"},
	} {
		start := time.Unix(1000, 0)
		var p player
		var got []string
		last := "?"
		shows := c.shows
		for at := 0; at < 2000; at += 10 {
			now := start.Add(time.Duration(at) * ms)
			for len(shows) > 0 && shows[0].at == at {
				p.show(shows[0].pattern, shows[0].loop, now)
				shows = shows[1:]
			}
			step, until, ok := p.at(now)
			if ok && !until.After(now) {
				t.Fatalf("%s: at %d it is owed before now", c.name, at)
			}
			look := step.Colour.String()
			if step.Beep {
				look += "+beep"
			}
			if look != last {
				got = append(got, fmt.Sprintf("%d %s", at, look))
				last = look
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.name, s, c.want)
		}
	}
}

// TestPlayerAfterSleep: a machine that slept for a year does not play it all.
func TestPlayerAfterSleep(t *testing.T) {
	t.Parallel()
	var p player
	start := time.Unix(1000, 0)
	p.show(policy.Pattern{{Colour: policy.Red, For: 20 * ms}, {For: 20 * ms}}, true, start)
	now := start.AddDate(1, 0, 0)
	if _, until, ok := p.at(now); !ok || !until.After(now) || until.After(now.Add(20*ms)) {
		t.Errorf("owed at %v, now is %v", until, now)
	}
}

// lamps are a reader's lines on a simulated board.
func lamps(t *testing.T) (*sim.Board, wiring.Reader, [3]lamp) {
	t.Helper()
	names := []string{"green", "red", "beeper"}
	b := sim.New(sim.Config{Relays: names})
	var out [3]lamp
	for i, name := range names {
		r, err := b.OpenRelay(name)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = lamp{relay: r, part: name}
	}
	line := &wiring.Line{}
	return b, wiring.Reader{Green: line, Red: line, Beeper: line}, out
}

// TestIndicator plays on lines, and leaves them dark.
func TestIndicator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r, lines := lamps(t)
		i := newIndicator(&lineLights{r, lines, func(part, what string, _ bool) { t.Errorf("%s: %s", part, what) }})
		start := time.Now()
		i.Show(waiting, true)
		time.Sleep(650 * ms) // amber, off, amber since 50 ms
		i.Show(granted, false)
		time.Sleep(250 * ms)
		if err := i.Close(); err != nil { // while it shows green
			t.Error(err)
		}
		var got []string
		for _, tr := range b.Transitions() {
			word := map[bool]string{true: "on", false: "off"}[tr.Energised]
			got = append(got, fmt.Sprintf("%d %s %s", tr.At.Sub(start).Milliseconds(), tr.Relay, word))
		}
		want := []string{
			"0 green on", "0 red on", "300 green off", "300 red off", "600 green on", "600 red on",
			"650 red off", "650 beeper on", "850 beeper off", "900 green off",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		b.Check(t)
	})
}

// TestIndicatorFault: a line that fails is told once, whether it moved or not,
// and again when it obeys.
func TestIndicatorFault(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, r, lines := lamps(t)
			var told []string
			i := newIndicator(&lineLights{r, lines, func(part, what string, cleared bool) { told = append(told, fmt.Sprint(part, " ", cleared, " ", what)) }})
			b.FailSet("red", errors.New("gone"), moved)
			i.Show(leftOpen, true)
			time.Sleep(1100 * ms)
			if !b.Energised("red") {
				t.Error("it does not play on")
			}
			if err := i.Close(); err != nil {
				t.Error(err)
			}
			if want := []string{"red false the indicator cannot be driven: gone", "red true the indicator obeys again"}; !slices.Equal(told, want) {
				t.Errorf("told %q", told)
			}
			b.Check(t)
		})
	}
}

// TestReaders: what one reader of a side shows, all show; where there is none
// the controller is given nil.
func TestReaders(t *testing.T) {
	t.Parallel()
	if (readers{}).reader() != nil {
		t.Error("no readers are a reader")
	}
	b := sim.New(sim.Config{Readers: []sim.Mount{{Door: "a"}, {Door: "b"}}})
	var all readers
	for _, door := range []string{"a", "b"} {
		r, err := b.OpenReader(sim.Mount{Door: door})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		all = append(all, simLamp{r})
	}
	all.reader().Show(granted, false)
	all.reader().Show(waiting, true)
	var got []string
	for _, s := range b.Shows() {
		got = append(got, s.String())
	}
	if want := []string{
		"a/reader: green+beep 200ms, green 300ms", "b/reader: green+beep 200ms, green 300ms",
		"a/reader: amber 300ms, off 300ms, again", "b/reader: amber 300ms, off 300ms, again",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
