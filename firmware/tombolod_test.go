// Package firmware_test runs the daemon as a board runs it: the commands of
// tombolod.service, a static arm64 program, the kernel of the image, real GPIO
// lines (package virt), and a gateway's folder made with the real commands.
package firmware_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/firmware/qemu"
	"tombolo/firmware/virt"
)

// The lines of gateway.toml.
const (
	relay    = 0 // door front: fail-secure, active-high
	yard     = 1 // door yard: fail-secure, active-low
	contact  = 2 // of front, high = open
	rex      = 4 // of front
	yardRex  = 5
	strike   = 2 * time.Second // by policy.toml
	tooLate  = time.Second     // by issue 2: for safe after the restart
	lateness = time.Second     // an emulated processor that shares two real ones
)

// relays are the levels of each relay's line.
var relays = map[int]struct{ safe, energised virt.Level }{
	relay: {virt.Low, virt.High},
	yard:  {virt.High, virt.Low},
}

// board is a guest, and how much of its record was judged.
type board struct {
	*virt.Machine
	t    *testing.T
	seen map[int]int // transitions by line
}

// moved is everything that a line did since the last call, and must be want.
func (b *board) moved(line int, want ...virt.Level) []virt.Transition {
	b.t.Helper()
	all := b.Transitions(line)
	now := all[b.seen[line]:]
	ok := len(now) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = now[i].Level == want[i]
	}
	if !ok {
		b.t.Fatalf("line %d did %v, want %v", line, now, want)
	}
	b.seen[line] = len(all)
	return now
}

// still: neither relay did anything since the last look.
func (b *board) still() {
	b.t.Helper()
	b.moved(relay)
	b.moved(yard)
}

// ready waits until the daemon has told the manager so: its inputs are open.
func (b *board) ready() {
	b.t.Helper()
	b.WaitConsole("guest: notify: READY=1", 20*time.Second)
}

// press presses a button until the lock is energised.
func (b *board) press(button, line int) (at time.Time, energised virt.Transition) {
	b.t.Helper()
	at = time.Now()
	b.SetInput(button, true)
	energised = b.WaitTransition(line, relays[line].energised, at, 5*time.Second)
	b.SetInput(button, false)
	return at, energised
}

// strikes presses a button, waits for the release and holds both against the
// strike time.
func (b *board) strikes(button, line int, during func()) {
	b.t.Helper()
	at, on := b.press(button, line)
	if during != nil {
		during()
	}
	b.WaitTransition(line, relays[line].safe, on.At, strike+5*time.Second)
	tr := b.moved(line, relays[line].energised, relays[line].safe)
	reaction, held := tr[0].At.Sub(at), tr[1].At.Sub(tr[0].At)
	b.t.Logf("line %d: energised %v after the button's edge, for %v", line, reaction.Round(time.Millisecond), held.Round(time.Millisecond))
	if reaction > lateness {
		b.t.Errorf("line %d was energised %v after the button", line, reaction)
	}
	// The strike counts from the moment that the controller hears of the
	// button, so what it takes to drive the line is missing at its end.
	if held < strike-100*time.Millisecond || held > strike+lateness {
		b.t.Errorf("line %d was energised for %v, want %v", line, held, strike)
	}
}

// killed presses the button and kills the daemon in the strike.
func (b *board) killed() {
	b.t.Helper()
	_, on := b.press(rex, relay)
	time.Sleep(700 * time.Millisecond) // by then the decision is on record, of which 50 ms are the journal's delay
	dead := b.Kill()
	if now := b.Transitions(relay); now[len(now)-1] != on {
		b.t.Fatalf("the strike was over before the daemon was dead: %v", now)
	}
	time.Sleep(time.Until(on.At.Add(strike + 500*time.Millisecond)))
	b.moved(relay, virt.High)
	if l := b.Line(relay); l != virt.High {
		b.t.Errorf("the line is %v after kill -9: then this kernel frees it by itself, and the test proves nothing", l)
	}
	b.t.Logf("killed %v into the strike: the line stays energised", dead.At.Sub(on.At).Round(time.Millisecond))
}

func TestTombolod(t *testing.T) {
	u := readUnit(t, "tombolod.service")
	run, safe := u.one(t, "ExecStart"), u.one(t, "ExecStopPost")
	tools := hostTools(t)
	dir := tools.gateway(t)
	files := filesOf(t, dir, "/var/lib/tombolo")
	files["/etc/tombolo/gateway.toml"] = "testdata/gateway.toml"
	program := strings.Fields(run)
	files[program[0]] = daemon(t)
	b := &board{t: t, seen: map[int]int{}, Machine: virt.Boot(t, virt.Config{
		Guest: qemu.Guest{
			Files: files, Program: program, StayDown: true,
			Env:    append(u.environment(t), "WATCHDOG_USEC="+u.microseconds(t, "WatchdogSec")),
			Kernel: commandLine(t),
		},
		PulledUp: []int{yard},
		Clock:    time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC), // a Pi without a clock chip
	})}

	// From power-on: driven once, to the safe level.
	b.ready()
	b.moved(relay, virt.Low)
	b.moved(yard, virt.High)

	b.strikes(rex, relay, nil)
	// Somebody goes through, while the clock jumps over 56 years.
	b.strikes(rex, relay, func() {
		b.SetClock(time.Now())
		b.SetInputSeen(contact, true)
	})
	b.SetInputSeen(contact, false)
	time.Sleep(300 * time.Millisecond) // it counts after 20 ms, and is on record after 50 more
	b.WaitConsole("guest: notify: WATCHDOG=1", 10*time.Second)
	b.still()

	stop := func() {
		t.Helper()
		if l := b.Stop().Text; !strings.Contains(l, "exit status 0") {
			t.Error(l)
		}
	}
	stop()
	for _, argv := range [][]string{{program[0], "check", "--config", program[len(program)-1]}, strings.Fields(safe)} {
		if l := b.Run(argv...).Text; !strings.Contains(l, "exit status 0") {
			t.Errorf("%v: %s", argv, l)
		}
	}
	b.still()
	b.Start()
	b.ready()
	b.still()

	b.killed()
	at := time.Now()
	b.Start()
	off := b.WaitTransition(relay, virt.Low, at, 10*time.Second)
	if d := off.At.Sub(at); d > tooLate {
		t.Errorf("safe %v after the restart, want %v", d, tooLate)
	} else {
		t.Logf("safe %v after the restart", d.Round(time.Millisecond))
	}
	b.ready()
	b.moved(relay, virt.Low)

	// Stopped in the middle of a strike.
	b.press(rex, relay)
	time.Sleep(200 * time.Millisecond)
	stop()
	tr := b.moved(relay, virt.High, virt.Low)
	if d := tr[1].At.Sub(tr[0].At); d >= strike {
		t.Errorf("the strike lasted %v: the daemon was stopped too late for this test", d)
	}

	// Killed in the middle of one, and not started again: ExecStopPost.
	b.Start()
	b.ready()
	b.killed()
	at = time.Now()
	if l := b.Run(strings.Fields(safe)...).Text; !strings.Contains(l, "exit status 0") {
		t.Error(l)
	}
	d := b.moved(relay, virt.Low)[0].At.Sub(at)
	t.Logf("%s: safe after %v", safe, d.Round(time.Millisecond))
	if d > tooLate {
		t.Errorf("%s took %v", safe, d)
	}

	// The other door has not moved in all that time, and could have.
	b.moved(yard)
	b.Start()
	b.ready()
	b.strikes(yardRex, yard, nil)
	stop()
	b.still()
	for line := range relays {
		if n := b.Reads(line); n != 0 {
			t.Errorf("line %d, an output, was read %d times", line, n)
		}
	}
	for _, tr := range b.Transitions() {
		if _, ok := relays[tr.Line]; !ok {
			t.Errorf("a line that is no output was driven: %v", tr)
		}
	}
	if b.Reads(contact) == 0 {
		t.Error("no read of the contact: the record misses reads")
	}

	// A class that the kernel does not name is one that systemd leaves out.
	classes := strings.Fields(string(b.ReadFile("/proc/devices")))
	for _, allowed := range u["DeviceAllow"] {
		class, _ := strings.CutPrefix(strings.Fields(allowed)[0], "char-")
		if !slices.Contains(classes, class) {
			t.Errorf("DeviceAllow=%s: /proc/devices has no such class: %v", allowed, classes)
		}
	}
	got := tools.doorLog(t, b.ReadFile("/var/lib/tombolo/ledgers.db"))
	if want := wantLog(); got != want {
		t.Errorf("the door log is\n%swant\n%s", got, want)
	}
}

// wantLog is what TestTombolod has the daemon write, see doorLog.
func wantLog() string {
	var s strings.Builder
	boot := func(clock string) {
		fmt.Fprintf(&s, "boot: clock %s, policy 1\nfront: contact normal\n", clock)
	}
	granted := func(seq int, door string) {
		passed := ""
		if door == "yard" { // which has no contact
			passed = fmt.Sprintf("yard: passage %d, entered true\n", seq)
		}
		fmt.Fprintf(&s, "%[1]s: rex active\n%[1]s: decision %[2]d, rex, granted true: exit\n%[3]s%[1]s: unlocked\n", door, seq, passed)
	}
	s.WriteString("begin: generation 0\n")
	boot("unknown")
	granted(1, "front")
	s.WriteString("front: locked\nfront: passage 1, entered false\n")
	granted(2, "front")
	s.WriteString("front: contact active\nfront: passage 2, entered true\nfront: open\nfront: contact normal\nfront: locked\n")
	boot("rtc")
	granted(1, "front") // killed
	boot("rtc")
	granted(1, "front") // stopped
	s.WriteString("front: passage 1, entered false\nfront: locked\n")
	boot("rtc")
	granted(1, "front") // killed, and made safe by another
	boot("rtc")
	granted(1, "yard")
	s.WriteString("yard: locked\n")
	return s.String()
}
