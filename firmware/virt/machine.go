// Package virt is an emulated board with real GPIO registers, so that tests see
// what a lock would see.
//
// Call [Boot] with programs that [qemu.Build] made, then drive inputs with
// [Machine.SetInput], the program as package qemu has it, and look at
// [Machine.Transitions]: the complete record of what the guest did to every
// line, taken from the device model's own trace and not by sampling.
//
// The board is QEMU's "virt" machine with its PL061, eight lines of the chip
// "9030000.pl061", of which line 3 is the machine's power key. It is not a
// Raspberry Pi: the pin driver differs, and so does what a line does before the
// kernel runs (package raspi). The package is for tests alone.
package virt

import (
	"bytes"
	"io"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"tombolo/firmware/qemu"
)

// Chip is the label of the board's GPIO chip.
const Chip = "9030000.pl061"

// Config says what the board is made of.
type Config struct {
	qemu.Guest
	// Clock is what the board's clock shows at power-on; zero is the host's time.
	Clock time.Time
	// PulledUp are the lines with a resistor to the supply, as an active-low
	// relay needs one: they are high while nobody drives them.
	PulledUp []int
	// Keyboard has a USB keyboard on the board, for Type.
	Keyboard bool
}

// Machine is a running board.
type Machine struct {
	*qemu.Machine
	tb   testing.TB
	gpio string // QOM path of the PL061
}

// Boot starts the board and returns when PID 1 runs.
func Boot(tb testing.TB, cfg Config) *Machine {
	tb.Helper()
	rtc := "base=utc"
	if !cfg.Clock.IsZero() {
		rtc = "base=" + cfg.Clock.UTC().Format("2006-01-02T15:04:05")
	}
	hardware := []string{"-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "512",
		"-accel", "tcg,thread=multi", "-nic", "none", "-rtc", rtc}
	if cfg.Keyboard {
		hardware = append(hardware, "-device", "qemu-xhci", "-device", "usb-kbd")
	}
	m := &Machine{tb: tb, Machine: qemu.Start(tb, qemu.Config{
		Guest: cfg.Guest, Machine: hardware, Append: "console=ttyAMA0 loglevel=3",
		Trace: []string{"pl061_update", "pl061_read"},
	})}
	m.gpio = m.Device("pl061")
	for _, n := range cfg.PulledUp {
		m.SetInput(n, true)
	}
	m.PowerOn()
	return m
}

// SetInput drives a line from outside.
func (m *Machine) SetInput(line int, high bool) {
	m.tb.Helper()
	v := 0
	if high {
		v = 1
	}
	m.Qtest("set_irq_in %s unnamed-gpio-in %d %d", m.gpio, line, v)
}

// patience is for what a guest does at once.
const patience = 10 * time.Second

// SetInputSeen drives a line that the guest watches for edges, and returns when
// its kernel has read the new level. The PL061 has one bit for each line's edge
// and Linux reads the level after it, so two edges that come while the emulator
// is starved of time are one, or none, before any program can see them.
func (m *Machine) SetInputSeen(line int, high bool) {
	m.tb.Helper()
	from := m.traced()
	m.SetInput(line, high)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if reads(m.readTrace(from), line) > 0 {
			return
		}
	}
	m.tb.Fatalf("the guest did not read line %d within %v of its edge", line, patience)
}

// Reads counts how often the guest has read the level of that line.
func (m *Machine) Reads(line int) int {
	m.tb.Helper()
	return reads(m.readTrace(0), line)
}

// Line reads what the guest does to a line at this moment, from the registers
// (ARM DDI 0190B §3.3: GPIODATA under the mask of all lines, GPIODIR).
func (m *Machine) Line(n int) Level {
	m.tb.Helper()
	const base, data, dir = 0x09030000, 0x3fc, 0x400
	return level(uint64(m.Read(base+dir)), uint64(m.Read(base+data)), n)
}

// Transitions gives everything the guest has done to these lines since power
// was applied, in order; to all lines if none is named.
func (m *Machine) Transitions(lines ...int) []Transition {
	m.tb.Helper()
	all, err := transitions(m.readTrace(0))
	if err != nil {
		m.tb.Fatal(err)
	}
	if len(lines) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(t Transition) bool { return !slices.Contains(lines, t.Line) })
}

// readTrace gives the whole lines of the trace so far, from an offset on.
func (m *Machine) readTrace(from int) []byte {
	m.tb.Helper()
	f, err := os.Open(m.TraceFile())
	if err != nil {
		m.tb.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, int64(from), math.MaxInt64-int64(from)))
	if err != nil {
		m.tb.Fatal(err)
	}
	return b[:bytes.LastIndexByte(b, '\n')+1]
}

// traced is how long the trace is, up to the end of a line.
func (m *Machine) traced() int {
	m.tb.Helper()
	info, err := os.Stat(m.TraceFile())
	if err != nil {
		m.tb.Fatal(err)
	}
	const last = 1 << 12 // more than a line has
	from := max(0, int(info.Size())-last)
	return from + len(m.readTrace(from))
}

// WaitTransition waits until the guest has brought a line to a level after a
// time, and gives the first such transition.
func (m *Machine) WaitTransition(line int, to Level, after time.Time, within time.Duration) Transition {
	m.tb.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		for _, t := range m.Transitions(line) {
			if t.Level == to && t.At.After(after) {
				return t
			}
		}
		if time.Now().After(end) {
			m.tb.Fatalf("line %d did not go %v within %v: %v", line, to, within, m.Transitions(line))
		}
	}
}
