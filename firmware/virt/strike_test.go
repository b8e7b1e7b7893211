package virt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tombolo/firmware/qemu"
	"tombolo/firmware/virt"
)

// The lines of package strike.
const (
	relay     = 0
	activeLow = 1
	contact   = 2
	rex       = 4
	counter   = 5
	spare     = 6 // the relay of "strike check", active-low
)

const edges = 1000 // of the counter, at least 5 ms apart

// TestStrike is what a lock may expect of hw/board on the image's kernel, each
// point from the complete record of what the lines did; and, to save a boot, what
// a scanner that types may expect of hw/keyboard.
func TestStrike(t *testing.T) {
	m := virt.Boot(t, virt.Config{
		Guest: qemu.Guest{
			Files: map[string]string{
				"/bin/strike": qemu.Build(t, qemu.BuildConfig{Package: "tombolo/firmware/virt/strike"}),
				"/bin/lines":  qemu.Build(t, qemu.BuildConfig{Package: "tombolo/firmware/qemu/lines"}),
				"/bin/keys":   qemu.Build(t, qemu.BuildConfig{Package: "tombolo/firmware/virt/keys"}),
			},
			Program:      []string{"/bin/strike"},
			RestartAfter: 500 * time.Millisecond,
		},
		PulledUp: []int{activeLow, contact},
		Keyboard: true,
	})
	energised := map[int]virt.Level{relay: virt.High, activeLow: virt.Low}
	safe := map[int]virt.Level{relay: virt.Low, activeLow: virt.High}
	seen := make(map[int]int) // transitions that were looked at
	moved := func(line int, want ...virt.Level) []virt.Transition {
		t.Helper()
		all := m.Transitions(line)
		now := all[seen[line]:]
		ok := len(now) == len(want)
		for i := 0; ok && i < len(want); i++ {
			ok = now[i].Level == want[i]
		}
		if !ok {
			t.Fatalf("line %d did %v, want %v", line, now, want)
		}
		seen[line] = len(all)
		return now
	}
	press := func() time.Time {
		at := time.Now()
		m.SetInput(rex, true)
		return at
	}

	m.WaitConsole("strike: contact false", 20*time.Second)
	taken := m.WaitConsole("strike: taken:", 20*time.Second).Text
	if !strings.Contains(taken, "is held by tombolo") {
		t.Errorf("a line that is taken: %q", taken)
	}
	m.WaitConsole("strike: ready", 5*time.Second)
	// From power-on: driven once, to the safe level, and never to the other.
	moved(relay, virt.Low)
	moved(activeLow, virt.High)

	m.SetInput(contact, false)
	m.WaitConsole("strike: contact true", 5*time.Second)
	if l := m.Run("/bin/strike", "check").Text; !strings.Contains(l, "exit status 0") {
		t.Errorf("strike check: %s", l)
	}
	// The control of every place that finds no pulse. The PL061's driver sets a
	// line's direction before its level (Linux, drivers/gpio/gpio-pl061.c,
	// pl061_direction_output), so an active-low relay without the resistor that
	// it needs is energised for a microsecond, and the record has that, too.
	pulse := moved(spare, virt.Low, virt.High, virt.Low, virt.High)
	t.Logf("active-low relay without a resistor: pulse of %v at the request", pulse[1].At.Sub(pulse[0].At))
	moved(relay)
	moved(activeLow)

	// Looking at the board while the door is energised: what the kernel says of
	// each line, and that nothing moves.
	at := press()
	m.WaitConsole("strike: energised", 5*time.Second)
	for line := range 2 {
		if l := m.Line(line); l != energised[line] {
			t.Errorf("line %d is %v in the strike", line, l)
		}
	}
	said, _ := m.Output("/bin/lines")
	for _, want := range []string{"0 - tombolo output", "1 - tombolo output", "2 - tombolo input", "6 - - output", "7 - - input"} {
		if !strings.Contains(said, "line: "+virt.Chip+" "+want+"\n") {
			t.Errorf("the board's lines lack %q:\n%s", want, said)
		}
	}
	m.WaitConsole("strike: released", 5*time.Second)
	for line := range 2 {
		tr := moved(line, energised[line], safe[line])
		if late := tr[0].At.Sub(at); late > time.Second {
			t.Errorf("line %d was energised %v after the button", line, late)
		}
		if d := tr[1].At.Sub(tr[0].At); d < 950*time.Millisecond || d > 2*time.Second {
			t.Errorf("line %d was energised for %v, want 1 s", line, d)
		}
	}
	m.SetInput(rex, false)

	// Contacts: no edge is lost at the pace of a bouncing one.
	for i := range edges {
		m.SetInputSeen(counter, i%2 == 0)
		time.Sleep(5 * time.Millisecond)
	}
	// It tells the count after each pause, so a starved one tells it more than once.
	m.WaitConsole(fmt.Sprintf("strike: %d edges, level false", edges), 5*time.Second)

	// Killed while energised: the kernel leaves the line, the next start frees it.
	press()
	m.WaitConsole("strike: energised", 5*time.Second)
	dead := m.Kill()
	m.SetInput(rex, false)
	for line := range 2 {
		if l := m.Line(line); l != energised[line] {
			t.Errorf("line %d is %v after kill -9: then this kernel frees it by itself, and the test proves nothing", line, l)
		}
	}
	started := m.WaitConsole("guest: started", 5*time.Second)
	m.WaitConsole("strike: ready", 5*time.Second)
	for line := range 2 {
		tr := moved(line, energised[line], safe[line])
		if !tr[1].At.After(dead.At) {
			t.Errorf("line %d was released before the program was dead", line)
		}
		if d := tr[1].At.Sub(started.At); d > time.Second {
			t.Errorf("line %d was safe %v after the restart, want 1 s", line, d)
		} else {
			t.Logf("line %d safe %v after the restart", line, d.Round(time.Millisecond))
		}
	}

	// Stop and start: not a pulse, whether idle or in the middle of a strike.
	m.Stop()
	m.Start()
	m.WaitConsole("strike: ready", 5*time.Second)
	for line := range 2 {
		moved(line)
	}
	press()
	m.WaitConsole("strike: energised", 5*time.Second)
	if l := m.Stop().Text; !strings.Contains(l, "exit status 0") {
		t.Error(l)
	}
	for line := range 2 {
		moved(line, energised[line], safe[line])
		if l := m.Line(line); l != safe[line] {
			t.Errorf("line %d is %v after the stop", line, l)
		}
		// Reading an output is what makes some drivers let it go.
		if n := m.Reads(line); n != 0 {
			t.Errorf("line %d was read %d times", line, n)
		}
	}
	if n := m.Reads(counter); n < edges {
		t.Errorf("%d reads of the counter's line: the record misses reads", n)
	}
	typed(t, m)
}
