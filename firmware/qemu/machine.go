// Package qemu boots the kernel that Tombolo's image ships, with our program
// under a small PID 1, on a machine that QEMU emulates.
//
// Call [Build] for each program, [Start] with the machine and them, connect what
// is to observe it, then [Machine.PowerOn]. From there on the program is driven
// with [Machine.Kill], [Machine.Stop] and [Machine.Start], other programs with
// [Machine.Run], the machine's hardware with [Machine.Qtest] and
// [Machine.Monitor]. Package virt and package raspi are the machines; this one
// drives no line itself. It is for tests alone.
package qemu

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Guest says what runs in a machine.
type Guest struct {
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
}

// Config is a machine and its guest.
type Config struct {
	Guest
	// Machine are QEMU's arguments for the hardware: -M and what hangs on it.
	Machine []string
	// Serial are the back ends of the serial ports before the console's.
	Serial []string
	// Append is the kernel's command line as far as the hardware asks for it.
	Append string
	Trace  []string // events for TraceFile
	// DeviceTree is a file of the kernel's module; "" is QEMU's own tree.
	DeviceTree string
}

// Machine is a running guest.
type Machine struct {
	tb  testing.TB
	dir string

	console net.Conn
	cmu     sync.Mutex
	lines   []ConsoleLine
	cursor  int           // first line that WaitConsole has not passed
	more    chan struct{} // closed and replaced with each line

	qmu     sync.Mutex // one qtest command is on its way at a time
	qtest   net.Conn
	replies chan string // closed when QEMU hangs up
	imu     sync.Mutex
	irqs    []IRQ

	mmu     sync.Mutex // one monitor command is on its way at a time
	monitor net.Conn
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

// Start makes the machine, one at a time for each user of the host; it is
// connected and does nothing before PowerOn. The test's clean-up ends it. A test
// that fails gets the console in its log.
func Start(tb testing.TB, cfg Config) *Machine {
	tb.Helper()
	qemu, err := exec.LookPath("qemu-system-aarch64")
	if err != nil {
		tb.Fatal("qemu-system-aarch64 is missing: apt-get install --no-install-recommends qemu-system-arm")
	}
	archive := pack(tb, cfg.Guest)
	alone(tb)
	// A socket's path is short: t.TempDir is too long for some test names.
	dir, err := os.MkdirTemp("", "qemu")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	m := &Machine{tb: tb, dir: dir, more: make(chan struct{}), replies: make(chan string, 1)}
	if err := os.WriteFile(m.file("initrd"), archive, 0o600); err != nil {
		tb.Fatal(err)
	}
	socket := func(name string) string { return "unix:" + m.file(name) + ",server=on,wait=off" }
	args := append([]string{"-display", "none", "-no-reboot",
		"-kernel", kernel(tb, "vmlinuz"), "-initrd", m.file("initrd"),
		"-append", strings.TrimSpace(cfg.Append + " rdinit=/init panic=-1 " + cfg.Kernel),
		"-monitor", socket("monitor"), "-qtest", socket("qtest"), "-qtest-log", os.DevNull,
		"-S", // nothing runs before the observers are connected
	}, cfg.Machine...)
	for _, back := range append(cfg.Serial, socket("console")) {
		args = append(args, "-serial", back)
	}
	if cfg.DeviceTree != "" {
		args = append(args, "-dtb", kernel(tb, cfg.DeviceTree))
	}
	for _, event := range cfg.Trace {
		args = append(args, "-trace", event)
	}
	if len(cfg.Trace) > 0 {
		args = append(args, "-D", m.TraceFile(), "-msg", "timestamp=on")
	}
	m.launch(exec.Command(qemu, args...))
	return m
}

// pack makes the guest's root.
func pack(tb testing.TB, g Guest) []byte {
	tb.Helper()
	if g.RestartAfter == 0 {
		g.RestartAfter = 500 * time.Millisecond
	}
	settings, err := json.Marshal(guestConfig{g.Program, g.Env, g.Manual, g.RestartAfter.Milliseconds(), g.StayDown})
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]file{"/guest.json": {0o644, settings}}
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
	read("/init", Build(tb, BuildConfig{Package: "tombolo/firmware/qemu/guest"}))
	for to, from := range g.Files {
		read(to, from)
	}
	return initramfs(files)
}

// launch starts QEMU and connects to all of its sockets.
func (m *Machine) launch(cmd *exec.Cmd) {
	m.tb.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		m.tb.Fatal(err)
	}
	exited := make(chan struct{})
	var conns []net.Conn
	go func() { cmd.Wait(); close(exited) }()
	m.tb.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
		for _, c := range conns {
			c.Close()
		}
		if m.tb.Failed() {
			m.tb.Logf("console:\n%s%s", m.Console(), stderr.String())
		}
	})
	dial := func(name string) net.Conn {
		m.tb.Helper()
		for range 200 {
			if c, err := net.Dial("unix", m.file(name)); err == nil {
				conns = append(conns, c)
				return c
			}
			select {
			case <-exited:
				m.tb.Fatalf("qemu ended: %s", stderr.String())
			case <-time.After(25 * time.Millisecond):
			}
		}
		m.tb.Fatalf("qemu does not listen on its %s socket", name)
		return nil
	}
	m.console = dial("console")
	go m.readConsole()
	m.qtest = dial("qtest")
	go m.readQtest()
	m.monitor = dial("monitor")
	m.prompt()
}

// PowerOn lets the machine run, and returns when PID 1 does.
func (m *Machine) PowerOn() {
	m.tb.Helper()
	m.Monitor("cont")
	m.WaitConsole("guest: init", 60*time.Second)
}

func (m *Machine) file(name string) string { return filepath.Join(m.dir, name) }

// TraceFile is where QEMU writes the trace's events.
func (m *Machine) TraceFile() string { return m.file("trace") }

// alone waits until no other machine of this user runs: two would starve each
// other of processors, and what tests measure is real time.
func alone(tb testing.TB) {
	tb.Helper()
	name := filepath.Join(os.TempDir(), fmt.Sprintf("tombolo-qemu-%d.lock", os.Getuid()))
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { lock.Close() }) // unlocks
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		tb.Fatal(err)
	}
}

// Monitor runs one command of QEMU's monitor and gives what it printed.
func (m *Machine) Monitor(command string) string {
	m.tb.Helper()
	m.mmu.Lock()
	defer m.mmu.Unlock()
	if _, err := fmt.Fprintln(m.monitor, command); err != nil {
		m.tb.Fatal(err)
	}
	return m.prompt()
}

// prompt reads up to the monitor's next prompt.
func (m *Machine) prompt() string {
	m.tb.Helper()
	m.monitor.SetReadDeadline(time.Now().Add(patience))
	var text strings.Builder
	for in := bufio.NewReader(m.monitor); ; {
		b, err := in.ReadByte()
		if err != nil {
			m.tb.Fatalf("qemu's monitor: %v after %q", err, text.String())
		}
		text.WriteByte(b)
		if before, ok := strings.CutSuffix(text.String(), "\n(qemu) "); ok {
			return before
		}
	}
}

// Device gives the path in QEMU's object tree of the one device of a type.
func (m *Machine) Device(kind string) string {
	m.tb.Helper()
	// Two spaces more for each level: "    /gpio (bcm2835_gpio)".
	var path []string
	for line := range strings.Lines(m.Monitor("info qom-tree")) {
		name := strings.TrimLeft(line, " ")
		depth := (len(line) - len(name)) / 2
		name, what, ok := strings.Cut(strings.TrimSpace(name), " (")
		if !ok || name == "" || name[0] != '/' || depth > len(path) {
			continue
		}
		path = append(path[:depth], strings.TrimPrefix(name, "/"))
		if what == kind+")" {
			return "/" + strings.TrimPrefix(strings.Join(path, "/"), "/")
		}
	}
	m.tb.Fatalf("qemu's machine has no %s", kind)
	return ""
}
