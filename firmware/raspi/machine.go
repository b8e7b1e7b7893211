// Package raspi is an emulated Raspberry Pi 3B on which the kernel that Tombolo's
// image ships runs its own pin driver: what that driver does with a line whose
// program has died is seen here, and nowhere else short of a board.
//
// Call [Boot] with programs that [qemu.Build] made, then look at a line with
// [Machine.Line], or at every change of its level with [Machine.Changes].
//
// It is slower than package virt's board, and no input can be driven from
// outside: QEMU's model raises no edge. It has no boot firmware, so no
// config.txt, and no resistors: the level of a line that nobody drives is not
// to be had from it. The package is for tests alone.
package raspi

import (
	"slices"
	"testing"
	"time"

	"tombolo/firmware/qemu"
)

// Chip is the label of the header's GPIO chip, whose lines are BCM numbers.
const Chip = "pinctrl-bcm2835"

// Machine is a running Pi.
type Machine struct {
	*qemu.Machine
	tb testing.TB
}

// Boot starts the Pi and returns when PID 1 runs.
func Boot(tb testing.TB, guest qemu.Guest) *Machine {
	tb.Helper()
	m := &Machine{tb: tb, Machine: qemu.Start(tb, qemu.Config{
		Guest: guest,
		// On several host threads QEMU 7.2's raspi3b hangs at boot as often as not.
		Machine:    []string{"-M", "raspi3b", "-accel", "tcg,thread=single", "-nic", "none"},
		DeviceTree: "bcm2710-rpi-3-b.dtb",
		// That tree gives the first serial port to Bluetooth; the second is the
		// header's, as on a board.
		Serial: []string{"null"},
		// QEMU has neither the watchdog's registers nor the USB controller's fast
		// interrupts.
		Append: "console=ttyS0,115200 loglevel=3 initcall_blacklist=bcm2835_wdt_driver_init dwc_otg.fiq_fsm_enable=0",
	})}
	m.InterceptOutputs(m.Device("bcm2835_gpio"))
	m.PowerOn()
	return m
}

// Line reads what the guest does to a line at this moment, from the registers
// (BCM2835 ARM Peripherals §6.1: three bits of GPFSELn for each line, of which
// 000 is an input and 001 an output; GPLEV0).
func (m *Machine) Line(bcm int) qemu.Level {
	m.tb.Helper()
	const gpfsel0, gplev0 = 0x3f200000, 0x3f200034
	switch function := m.Read(uint64(gpfsel0+4*(bcm/10))) >> (3 * (bcm % 10)) & 7; function {
	case 0:
		return qemu.Floating
	case 1:
	default:
		m.tb.Fatalf("BCM %d has the alternate function %03b", bcm, function)
	}
	if m.Read(gplev0)>>bcm&1 == 0 {
		return qemu.Low
	}
	return qemu.High
}

// WaitLine waits until the guest has brought a line to a level, and gives when
// that was seen.
func (m *Machine) WaitLine(bcm int, to qemu.Level, within time.Duration) time.Time {
	m.tb.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		is := m.Line(bcm)
		now := time.Now()
		if is == to {
			return now
		}
		if now.After(end) {
			m.tb.Fatalf("BCM %d is %v, and did not go %v within %v", bcm, is, to, within)
		}
	}
}

// Changes gives every change of the level to which the guest drove a line, since
// power-on and in order; a line begins low. A level that the guest sets while the
// line is an input is no change of an output, nor is the line's turning into one:
// so a driver that sets the level first shows nothing when it takes a line, and
// one that sets the direction first shows its pulse. A level that the last change
// told of already is not told again.
func (m *Machine) Changes(bcm int) []qemu.IRQ {
	m.tb.Helper()
	return slices.DeleteFunc(m.Outputs(), func(c qemu.IRQ) bool { return c.Line != bcm })
}
