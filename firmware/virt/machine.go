// Package virt boots the kernel that Tombolo's image ships on an emulated board
// with real GPIO registers, so that tests see what a lock would see.
//
// Call [Build] for each program, [Boot] with them, then drive inputs with
// [Machine.SetInput], the program with [Machine.Kill], [Machine.Stop] and
// [Machine.Start], and look at [Machine.Transitions]: the complete record of
// what the guest did to every line, taken from the device model's own trace and
// not by sampling.
//
// The board is QEMU's "virt" machine with its PL061, eight lines of the chip
// "9030000.pl061", of which line 3 is the machine's power key. It is not a
// Raspberry Pi: the pin driver differs, and so does what a line does before the
// kernel runs. The package is for tests alone.
package virt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Chip is the label of the board's GPIO chip.
const Chip = "9030000.pl061"

// Config says what the guest is made of.
type Config struct {
	// Files of the guest: absolute path there to path here. They keep their
	// permissions, and are the guest's to write: its root is in memory.
	Files map[string]string
	// Program is the argument list that PID 1 keeps running; the first is a
	// path among Files.
	Program []string
	Env     []string
	// Manual leaves the program for Start.
	Manual bool
	// RestartAfter is how long a program that died stays dead; 0 is 500 ms.
	RestartAfter time.Duration
	// StayDown leaves a program that died dead until Start.
	StayDown bool
	Kernel   string // more of the kernel's command line
	// Clock is what the board's clock shows at power-on; zero is the host's time.
	Clock time.Time
	// PulledUp are the lines with a resistor to the supply, as an active-low
	// relay needs one: they are high while nobody drives them.
	PulledUp []int
}

// Machine is a running guest.
type Machine struct {
	tb    testing.TB
	trace string // file
	gpio  string // QOM path of the PL061

	console net.Conn
	cmu     sync.Mutex
	lines   []ConsoleLine
	cursor  int           // first line that WaitConsole has not passed
	more    chan struct{} // closed and replaced with each line

	qmu   sync.Mutex // one qtest command is on its way at a time
	qtest net.Conn
	qread *bufio.Reader
}

// ConsoleLine is a line that the guest wrote, and when it arrived.
type ConsoleLine struct {
	At   time.Time
	Text string
}

// guestConfig is what PID 1 reads; package guest has its counterpart.
type guestConfig struct {
	Argv         []string `json:"argv"`
	Env          []string `json:"env"`
	Manual       bool     `json:"manual"`
	RestartAfter int64    `json:"restart_after_ms"`
	StayDown     bool     `json:"stay_down"`
}

// Boot starts the machine, one at a time for each user of the host, and returns
// when PID 1 runs; the test's clean-up ends it. A test that fails gets the
// console in its log.
func Boot(tb testing.TB, cfg Config) *Machine {
	tb.Helper()
	qemu, err := exec.LookPath("qemu-system-aarch64")
	if err != nil {
		tb.Fatal("qemu-system-aarch64 is missing: apt-get install --no-install-recommends qemu-system-arm")
	}
	if cfg.RestartAfter == 0 {
		cfg.RestartAfter = 500 * time.Millisecond
	}
	settings, err := json.Marshal(guestConfig{cfg.Program, cfg.Env, cfg.Manual, cfg.RestartAfter.Milliseconds(), cfg.StayDown})
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]file{"/virt.json": {0o644, settings}}
	read := func(to, from string) {
		info, err := os.Stat(from)
		if err != nil {
			tb.Fatal(err)
		}
		b, err := os.ReadFile(from)
		if err != nil {
			tb.Fatal(err)
		}
		files[to] = file{info.Mode().Perm(), b}
	}
	read("/init", Build(tb, BuildConfig{Package: "tombolo/firmware/virt/guest"}))
	for to, from := range cfg.Files {
		read(to, from)
	}

	alone(tb)
	// A socket's path is short: t.TempDir is too long for some test names.
	dir, err := os.MkdirTemp("", "virt")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("initrd"), initramfs(files), 0o600); err != nil {
		tb.Fatal(err)
	}
	m := &Machine{tb: tb, trace: in("trace"), more: make(chan struct{})}
	rtc := "base=utc"
	if !cfg.Clock.IsZero() {
		rtc = "base=" + cfg.Clock.UTC().Format("2006-01-02T15:04:05")
	}
	var stderr strings.Builder
	cmd := exec.Command(qemu, "-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "512",
		"-accel", "tcg,thread=multi", "-nic", "none", "-display", "none", "-no-reboot", "-rtc", rtc,
		"-kernel", kernel(tb), "-initrd", in("initrd"),
		"-append", strings.TrimSpace("console=ttyAMA0 loglevel=3 rdinit=/init panic=-1 "+cfg.Kernel),
		"-monitor", "unix:"+in("monitor")+",server=on,wait=off",
		"-serial", "unix:"+in("console")+",server=on,wait=off",
		"-qtest", "unix:"+in("qtest")+",server=on,wait=off", "-qtest-log", os.DevNull,
		"-trace", "pl061_update", "-trace", "pl061_read", "-D", m.trace, "-msg", "timestamp=on",
		"-S") // nothing runs before the observers are connected
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	exited := make(chan struct{})
	var conns []net.Conn
	go func() { cmd.Wait(); close(exited) }()
	tb.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
		for _, c := range conns {
			c.Close()
		}
		if tb.Failed() {
			tb.Logf("console:\n%s%s", m.Console(), stderr.String())
		}
	})
	dial := func(name string) net.Conn {
		tb.Helper()
		for range 200 {
			if c, err := net.Dial("unix", in(name)); err == nil {
				conns = append(conns, c)
				return c
			}
			select {
			case <-exited:
				tb.Fatalf("qemu ended: %s", stderr.String())
			case <-time.After(25 * time.Millisecond):
			}
		}
		tb.Fatalf("qemu does not listen on its %s socket", name)
		return nil
	}
	m.console = dial("console")
	go m.readConsole()
	m.qtest = dial("qtest")
	m.qread = bufio.NewReader(m.qtest)
	monitor := dial("monitor")
	m.gpio = findGPIO(tb, monitor)
	for _, n := range cfg.PulledUp {
		m.SetInput(n, true)
	}
	if _, err := fmt.Fprintln(monitor, "cont"); err != nil {
		tb.Fatal(err)
	}
	m.WaitConsole("virt: init", 60*time.Second)
	return m
}

// alone waits until no other machine of this user runs: two would starve each
// other of processors, and what tests measure is real time.
func alone(tb testing.TB) {
	tb.Helper()
	name := filepath.Join(os.TempDir(), fmt.Sprintf("tombolo-virt-%d.lock", os.Getuid()))
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { lock.Close() }) // unlocks
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		tb.Fatal(err)
	}
}

// findGPIO asks the monitor for the PL061's path in the object tree.
func findGPIO(tb testing.TB, monitor net.Conn) string {
	tb.Helper()
	fmt.Fprintln(monitor, "info qom-tree")
	monitor.SetReadDeadline(time.Now().Add(10 * time.Second))
	defer monitor.SetReadDeadline(time.Time{})
	var tree strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := monitor.Read(buf)
		if err != nil {
			tb.Fatalf("qemu's machine has no pl061: %v", err)
		}
		tree.Write(buf[:n])
		if head, _, ok := strings.Cut(tree.String(), " (pl061)"); ok {
			return "/machine/unattached" + head[strings.LastIndex(head, "/"):]
		}
	}
}

// command runs one qtest command (docs/devel/qtest.rst) and gives what follows
// its OK.
func (m *Machine) command(format string, args ...any) (string, error) {
	m.qmu.Lock()
	defer m.qmu.Unlock()
	if _, err := fmt.Fprintf(m.qtest, format+"\n", args...); err != nil {
		return "", err
	}
	for {
		line, err := m.qread.ReadString('\n')
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(line, "IRQ ") {
			continue // unasked
		}
		result, ok := strings.CutPrefix(strings.TrimSpace(line), "OK")
		if !ok {
			return "", errors.New("qtest: " + line)
		}
		return strings.TrimSpace(result), nil
	}
}

// SetInput drives a line from outside.
func (m *Machine) SetInput(line int, high bool) {
	m.tb.Helper()
	v := 0
	if high {
		v = 1
	}
	if _, err := m.command("set_irq_in %s unnamed-gpio-in %d %d", m.gpio, line, v); err != nil {
		m.tb.Fatal(err)
	}
}

// SetInputSeen drives a line that the guest watches for edges, and returns when
// its kernel has read the new level. The PL061 has one bit for each line's edge
// and Linux reads the level after it, so two edges that come while the emulator
// is starved of time are one, or none, before any program can see them.
func (m *Machine) SetInputSeen(line int, high bool) {
	m.tb.Helper()
	from := len(m.readTrace(0))
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
	read := func(reg uint64) uint64 {
		s, err := m.command("readl %#x", base+reg)
		if err != nil {
			m.tb.Fatal(err)
		}
		v, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			m.tb.Fatal(err)
		}
		return v
	}
	return level(read(dir), read(data), n)
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
	f, err := os.Open(m.trace)
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
