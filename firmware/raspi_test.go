//go:build soak

package firmware_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/firmware/qemu"
	"tombolo/firmware/raspi"
)

// The lines of raspi.toml, with what they are without power and during a strike.
const (
	piFront = 17 // active-high: pulled down at power-on
	piYard  = 5  // active-low: pulled up at power-on
)

var piRelays = map[string]struct {
	bcm             int
	safe, energised qemu.Level
}{
	"front": {piFront, qemu.Low, qemu.High},
	"yard":  {piYard, qemu.High, qemu.Low},
}

// midStrike is when the daemon is killed: its decision is on record, and the
// strike is not half over.
const midStrike = 700 * time.Millisecond

// TestRaspi kills the daemon in the middle of a strike on the Pi's own kernel
// and pin driver.
func TestRaspi(t *testing.T) {
	const setting = "pinctrl_bcm2835.persist_gpio_outputs"
	u := readUnit(t, "tombolod.service")
	run, safe := strings.Fields(u.one(t, "ExecStart")), strings.Fields(u.one(t, "ExecStopPost"))
	tools := hostTools(t)
	files := filesOf(t, tools.gateway(t), "/var/lib/tombolo")
	files["/etc/tombolo/gateway.toml"] = "testdata/raspi.toml"
	files[run[0]] = daemon(t)
	files["/bin/press"] = qemu.Build(t, qemu.BuildConfig{Package: "tombolo/firmware/raspi/press"})
	files["/bin/lines"] = qemu.Build(t, qemu.BuildConfig{Package: "tombolo/firmware/qemu/lines"})

	boot := func(t *testing.T, commandLine string) *pi {
		m := raspi.Boot(t, qemu.Guest{
			Files: files, Program: run, StayDown: true, Kernel: commandLine,
			Env: append(u.environment(t), "WATCHDOG_USEC="+u.microseconds(t, "WatchdogSec")),
		})
		p := &pi{Machine: m, t: t, seen: map[string]int{}, high: map[string]bool{}}
		p.ready()
		p.SetClock(time.Now())
		return p
	}
	check := func(p *pi) (exit, kernel string) {
		said, exit := p.Output(run[0], "check", "--config", run[len(run)-1])
		for line := range strings.Lines(said) {
			if strings.Contains(line, "kernel: ") {
				kernel += line
			}
		}
		return exit, kernel
	}

	// What image and package ship.
	t.Run("shipped", func(t *testing.T) {
		p := boot(t, commandLine(t))
		for _, door := range []string{"front", "yard"} {
			r := piRelays[door]
			p.strikes(door)
			p.energise(door)
			time.Sleep(midStrike)
			at := time.Now()
			p.Kill()
			free := p.WaitLine(r.bcm, qemu.Floating, 5*time.Second).Sub(at)
			p.changed(door, r.energised) // not released before
			if free > tooLate {
				t.Errorf("%s: free %v after the order to kill, want %v", door, free, tooLate)
			}
			t.Logf("%s: free %v after the order to kill", door, free.Round(time.Millisecond))
			time.Sleep(strike)
			for other, r := range piRelays {
				if l := p.Line(r.bcm); l != qemu.Floating {
					t.Errorf("the line of %s is %v after kill -9", other, l)
				}
			}
			if exit, kernel := check(p); !strings.Contains(exit, "exit status 0") ||
				!strings.HasPrefix(kernel, "ok ") || !strings.Contains(kernel, setting+" is off") {
				t.Errorf("tombolod check: %s: %q", exit, kernel)
			}
			p.Start()
			p.ready()
		}
		p.strikes("front")
	})

	// What the kernel does unless it is told.
	t.Run("default", func(t *testing.T) {
		p := boot(t, "")
		p.energise("front")
		time.Sleep(midStrike)
		p.Kill()
		time.Sleep(strike + time.Second)
		p.changed("front", qemu.High)
		if l := p.Line(piFront); l != qemu.High {
			t.Errorf("the line is %v after kill -9: this kernel frees it by itself, and the setting is not what does it", l)
		}
		if exit, kernel := check(p); !strings.Contains(exit, "exit status 1") ||
			!strings.HasPrefix(kernel, "FAULT ") || !strings.Contains(kernel, setting) {
			t.Errorf("tombolod check does not refuse: %s: %q", exit, kernel)
		}
		at := time.Now()
		if l := p.Run(safe...).Text; !strings.Contains(l, "exit status 0") {
			t.Error(l)
		}
		off := p.changed("front", qemu.Low).At
		t.Logf("%v: safe %v after the order", safe, off.Sub(at).Round(time.Millisecond))
		if l := p.Line(piFront); l != qemu.Low {
			t.Errorf("the line is %v after %v", l, safe)
		}
	})
}

// pi is a guest, and how much of its record was judged.
type pi struct {
	*raspi.Machine
	t    *testing.T
	seen map[string]int  // changes by door
	high map[string]bool // the last change, by door
}

// changed is everything to which a door's line was driven since the last call,
// and must be want; it gives the last change. The record has changes alone: a
// level that was there when the line's last change was told is not told again.
func (p *pi) changed(door string, want ...qemu.Level) (last qemu.IRQ) {
	p.t.Helper()
	all := p.Changes(piRelays[door].bcm)
	now := all[p.seen[door]:]
	p.seen[door] = len(all)
	var told []bool
	for _, l := range want {
		if high := l == qemu.High; high != p.high[door] {
			p.high[door] = high
			told = append(told, high)
		}
	}
	if !slices.EqualFunc(now, told, func(c qemu.IRQ, high bool) bool { return c.High == high }) {
		p.t.Fatalf("%s: the line changed %v, want %v", door, now, want)
	}
	if len(now) > 0 {
		last = now[len(now)-1]
	}
	return last
}

// ready waits for the daemon. Its relays are then driven to their safe sides,
// and no level was to be seen on the way there: the driver sets a line's level
// before its direction, where the other order would be a pulse, and a change of
// an output.
func (p *pi) ready() {
	p.t.Helper()
	p.WaitConsole("guest: notify: READY=1", 60*time.Second)
	for door, r := range piRelays {
		if l := p.Line(r.bcm); l != r.safe {
			p.t.Errorf("%s: the line is %v when the daemon is ready", door, l)
		}
		p.changed(door)
	}
}

// button drives a door's simulated button.
func (p *pi) button(door, how string) {
	p.t.Helper()
	if said, exit := p.Output("/bin/press", "/run/sim.sock", door+"/rex", how); !strings.Contains(exit, "exit status 0") {
		p.t.Fatalf("%s%s", said, exit)
	}
}

// energise presses a door's button and waits for its lock.
func (p *pi) energise(door string) {
	p.t.Helper()
	p.button(door, "on")
	p.WaitLine(piRelays[door].bcm, piRelays[door].energised, 5*time.Second)
}

// strikes presses a button, and holds the release against the strike time.
func (p *pi) strikes(door string) {
	p.t.Helper()
	r := piRelays[door]
	pressed := time.Now()
	p.energise(door)
	seen := time.Now()
	// Looking at the board's lines moves none of them.
	lines, exit := p.Output("/bin/lines")
	for other, r := range piRelays {
		if want := fmt.Sprintf("line: %s %d GPIO%d tombolo output", raspi.Chip, r.bcm, r.bcm); !strings.Contains(lines, want) {
			p.t.Errorf("%s: the board's lines lack %q: %s%s", other, want, exit, lines)
		}
	}
	p.WaitLine(r.bcm, r.safe, strike+5*time.Second)
	off := p.changed(door, r.energised, r.safe).At
	if off.Before(pressed.Add(strike)) || off.After(seen.Add(strike+lateness)) {
		p.t.Errorf("%s was released %v after the button, want %v", door, off.Sub(pressed), strike)
	}
	for other := range piRelays {
		p.changed(other)
	}
	p.button(door, "off")
}
