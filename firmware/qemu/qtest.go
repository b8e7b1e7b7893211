package qemu

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// IRQ is a change of one of the outputs that InterceptOutputs watches.
type IRQ struct {
	At   time.Time // when it arrived, a moment after it was so
	Line int
	High bool
}

// readQtest tells answers from what QEMU says unasked.
func (m *Machine) readQtest() {
	defer close(m.replies)
	lines := bufio.NewScanner(m.qtest)
	for lines.Scan() {
		text, unasked := strings.CutPrefix(lines.Text(), "IRQ ")
		if !unasked {
			m.replies <- text
			continue
		}
		how, number, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		m.imu.Lock()
		m.irqs = append(m.irqs, IRQ{time.Now(), n, how == "raise"})
		m.imu.Unlock()
	}
}

// Qtest runs one command of the qtest protocol (docs/devel/testing/qtest.rst of
// QEMU) and gives what follows its OK.
func (m *Machine) Qtest(format string, args ...any) string {
	m.tb.Helper()
	m.qmu.Lock()
	defer m.qmu.Unlock()
	command := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(m.qtest, command); err != nil {
		m.tb.Fatal(err)
	}
	reply, connected := <-m.replies
	result, ok := strings.CutPrefix(strings.TrimSpace(reply), "OK")
	if !connected || !ok {
		m.tb.Fatalf("qtest: %s: %q", command, reply)
	}
	return strings.TrimSpace(result)
}

// Read reads a 32-bit register of the machine.
func (m *Machine) Read(address uint64) uint32 {
	m.tb.Helper()
	v, err := strconv.ParseUint(m.Qtest("readl %#x", address), 0, 32)
	if err != nil {
		m.tb.Fatal(err)
	}
	return uint32(v)
}

// InterceptOutputs has QEMU tell every change of a device's outputs from now on.
func (m *Machine) InterceptOutputs(device string) {
	m.tb.Helper()
	m.Qtest("irq_intercept_out %s", device)
}

// Outputs gives the changes of intercepted outputs so far, in order.
func (m *Machine) Outputs() []IRQ {
	m.tb.Helper()
	m.Qtest("endianness") // what QEMU said before this answer has been read
	m.imu.Lock()
	defer m.imu.Unlock()
	return slices.Clone(m.irqs)
}
