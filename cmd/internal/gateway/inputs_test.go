package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/sim"
)

const inputsWiring = `[sim]
socket = "s"
[inputs]
fire = { adc = "sim", channel = 0, pull = "2.2k", series = "1k", parallel = "1k" }
tamper = { chip = "sim" }
mains = { chip = "sim" }
battery = { chip = "sim" }
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
operator = { chip = "sim" }
sounder = { chip = "sim" }
contact = { chip = "sim" }
rex = { adc = "sim", channel = 1, pull = "2.2k", series = "1k", parallel = "1k", normally_open = true }
tamper = { chip = "sim" }
[[doors.front.readers]]
kind = "scanner"
port = "a"
green = { chip = "sim" }
beeper = { chip = "sim" }
[[doors.front.readers]]
kind = "sim"
[[doors.front.readers]]
kind = "sim"
side = "out"
`

// heard notes what is told of inputs, a line each.
type heard struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (h *heard) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%d ", time.Since(h.start).Milliseconds())+fmt.Sprintf(format, args...))
}

func (h *heard) Input(_ context.Context, name string, in panel.Input, l door.Line, start bool) error {
	word := ""
	if start {
		word = ", found so"
	}
	h.note("%s/%v is %v%s", name, in, l, word)
	return nil
}

func (h *heard) since(n int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines[n:])
}

func inputsBoard(t *testing.T) (*hardware, *sim.Board) {
	t.Helper()
	w, err := wiring.Parse("/t/gateway.toml", []byte(inputsWiring))
	if err != nil {
		t.Fatal(err)
	}
	b := sim.New(SimConfig(w))
	h, err := newHardware(w, b)
	if err != nil {
		t.Fatal(err)
	}
	return h, b
}

// TestInputs: each input is told of with what was found and with each change;
// a supervised one in its four states.
func TestInputs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, b := inputsBoard(t)
		to := &heard{start: time.Now()}
		h.fault = func(part, what string, cleared bool) { to.note("%s: %s (%v)", part, what, cleared) }
		if err := b.SetInput("mains", true); err != nil {
			t.Fatal(err)
		}
		if err := h.openInputs(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		found := to.since(0)
		if want := []string{
			"0 /battery is normal, found so", "0 /fire is normal, found so", "0 /mains is active, found so", "0 /tamper is normal, found so",
			"0 front/contact is normal, found so", "0 front/rex is normal, found so", "0 front/tamper is normal, found so",
		}; !slices.Equal(slices.Sorted(slices.Values(found)), want) {
			t.Errorf("found %q", found)
		}
		drive := func(channel, perMille int) {
			if err := b.SetReading(channel, perMille); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * ms)
			synctest.Wait()
		}
		time.Sleep(5 * ms)
		drive(0, 476)  // 2k of 4.2k: the contact opened
		drive(0, 1000) // cut
		drive(0, 0)    // shorted
		drive(0, 400)  // in between: as it was
		drive(0, 312)
		drive(1, 312) // the button is pressed
		drive(1, 476)
		if err := b.SetInput("front/contact", true); err != nil {
			t.Fatal(err)
		}
		if want := []string{
			"10 /fire is active", "110 /fire is cut", "210 /fire is shorted", "410 /fire is normal",
			"510 front/rex is active", "610 front/rex is normal", "705 front/contact is active",
		}; !slices.Equal(to.since(len(found)), want) {
			t.Errorf("got  %q\nwant %q", to.since(len(found)), want)
		}
		if err := h.close(); err != nil {
			t.Error(err)
		}
		before := len(to.since(0))
		drive(0, 1000)
		if err := b.SetInput("front/contact", false); err != nil {
			t.Fatal(err)
		}
		if after := to.since(before); len(after) != 0 {
			t.Errorf("told after the end: %q", after)
		}
		b.Check(t)
	})
}

// TestInputFaults: a converter that does not answer and a voltage of no state
// are faults and no states, told once, with their end.
func TestInputFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, b := inputsBoard(t)
		to := &heard{start: time.Now()}
		h.fault = func(part, what string, cleared bool) { to.note("%s: %s (%v)", part, what, cleared) }
		if err := b.BreakChannel(0); err != nil {
			t.Fatal(err)
		}
		if err := h.openInputs(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		drive := func(after time.Duration, channel, perMille int) {
			time.Sleep(after)
			if err := b.SetReading(channel, perMille); err != nil {
				t.Fatal(err)
			}
		}
		drive(55*ms, 0, 476)   // it answers: what it says first was found
		drive(1500*ms, 1, 400) // a voltage of no state
		drive(2500*ms, 1, 312) // and of one
		time.Sleep(500 * ms)
		if err := h.close(); err != nil {
			t.Error(err)
		}
		var got []string
		for _, l := range to.since(0) {
			if strings.Contains(l, "fire") || strings.Contains(l, "rex") {
				got = append(got, l)
			}
		}
		slices.Sort(got[:2]) // the first round's order is not asked for
		if want := []string{
			"0 front/rex is normal, found so",
			"0 input/fire: the input cannot be read, and counts as it was: adc: channel 0: sim: the converter does not answer (false)",
			"60 /fire is active, found so",
			"1050 input/fire: the input is read again (true)",
			"2550 door/front/rex: its voltage, 400 of 1000, is that of no state: look at its cable and its resistors (false)",
			"4060 door/front/rex: its voltage is that of a state again (true)",
			"4060 front/rex is active",
		}; !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		b.Check(t)
	})
}

// TestOutputs: every output is opened, given to its door, and left safe.
func TestOutputs(t *testing.T) {
	t.Parallel()
	h, b := inputsBoard(t)
	doors, err := h.openRelays()
	if err != nil {
		t.Fatal(err)
	}
	d := doors["front"]
	if d.Relay == nil || d.Operator == nil || d.Sounder == nil || d.In == nil || d.Out == nil || !d.Contact || d.FailSafe {
		t.Fatalf("%+v", d)
	}
	for name, r := range map[string]interface{ Set(bool) error }{"front/relay": d.Relay, "front/operator": d.Operator, "front/sounder": d.Sounder} {
		if err := r.Set(true); err != nil || !b.Energised(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.In.Show(leftOpen, true)
	d.Out.Show(waiting, true)
	for end := time.Now().Add(5 * time.Second); !b.Energised("front/reader/1/beeper"); time.Sleep(ms) {
		if time.Now().After(end) {
			t.Fatal("nothing beeps")
		}
	}
	if b.Energised("front/reader/1/green") {
		t.Error("red is green")
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
	for _, l := range h.wiring.Outputs() {
		if b.Energised(l.Name) {
			t.Errorf("%s is left energised", l.Name)
		}
	}
	var shown []string
	for _, s := range b.Shows() {
		shown = append(shown, s.String())
	}
	if want := []string{
		"front/reader: red+beep 500ms, off 500ms, again", "front/reader/out: amber 300ms, off 300ms, again",
		"front/reader: dark", "front/reader/out: dark",
	}; !slices.Equal(shown, want) {
		t.Errorf("shown %q", shown)
	}
	b.Check(t)
}

// TestOutputsAfterKill: the next start drives what a killed one left.
func TestOutputsAfterKill(t *testing.T) {
	t.Parallel()
	h, b := inputsBoard(t)
	doors, err := h.openRelays()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []interface{ Set(bool) error }{doors["front"].Relay, doors["front"].Operator, doors["front"].Sounder} {
		if err := r.Set(true); err != nil {
			t.Fatal(err)
		}
	}
	b.Kill()
	if _, err := newHardware(h.wiring, b); err != nil {
		t.Fatal(err)
	}
	for _, l := range h.wiring.Outputs() {
		if b.Energised(l.Name) {
			t.Errorf("%s is left energised", l.Name)
		}
	}
	b.Check(t)
	_ = h.close() // what is left of the killed process in this one
}
