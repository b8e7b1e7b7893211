package qemu

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"
)

func (m *Machine) readConsole() {
	lines := bufio.NewScanner(m.console)
	for lines.Scan() {
		m.cmu.Lock()
		m.lines = append(m.lines, ConsoleLine{time.Now(), strings.TrimRight(lines.Text(), "\r")})
		close(m.more)
		m.more = make(chan struct{})
		m.cmu.Unlock()
	}
}

// Console gives everything that the guest has written, but for ReadFile.
func (m *Machine) Console() string {
	m.cmu.Lock()
	defer m.cmu.Unlock()
	var s strings.Builder
	for _, l := range m.lines {
		if strings.HasPrefix(l.Text, "guest: data ") {
			continue
		}
		fmt.Fprintf(&s, "%s %s\n", l.At.UTC().Format("15:04:05.000"), l.Text)
	}
	return s.String()
}

// WaitConsole waits for the next line that contains text, and gives it. It
// goes on where the last one stopped, so each line is found once.
func (m *Machine) WaitConsole(text string, within time.Duration) ConsoleLine {
	m.tb.Helper()
	timeout := time.After(within)
	for {
		m.cmu.Lock()
		for m.cursor < len(m.lines) {
			l := m.lines[m.cursor]
			m.cursor++
			if strings.Contains(l.Text, text) {
				m.cmu.Unlock()
				return l
			}
		}
		more := m.more
		m.cmu.Unlock()
		select {
		case <-more:
		case <-timeout:
			m.tb.Fatalf("the guest did not say %q within %v", text, within)
		}
	}
}

func (m *Machine) tell(command string) {
	m.tb.Helper()
	if _, err := fmt.Fprintln(m.console, command); err != nil {
		m.tb.Fatal(err)
	}
}

// patience is for what a guest or QEMU does at once.
const patience = 10 * time.Second

// Kill sends the program SIGKILL and gives when it was dead. Unless it is to
// stay down, PID 1 starts it again by itself: wait for "guest: started" for when.
func (m *Machine) Kill() ConsoleLine {
	m.tb.Helper()
	m.tell("kill")
	return m.WaitConsole("guest: ended", patience)
}

// Stop sends the program SIGTERM and gives when it had ended, with how. It
// stays down until Start.
func (m *Machine) Stop() ConsoleLine {
	m.tb.Helper()
	m.tell("stop")
	return m.WaitConsole("guest: ended", patience)
}

// Start starts a program that is down and gives when.
func (m *Machine) Start() ConsoleLine {
	m.tb.Helper()
	m.tell("start")
	return m.WaitConsole("guest: started", patience)
}

// Run runs another program of the guest to its end, with its output on the
// console, and gives its last line: "guest: ran: exit status 0". Arguments must
// not contain white space.
func (m *Machine) Run(argv ...string) ConsoleLine {
	m.tb.Helper()
	m.Spawn(argv...)
	return m.Ran()
}

// Spawn begins what Run does. PID 1 obeys nothing else before Ran.
func (m *Machine) Spawn(argv ...string) {
	m.tb.Helper()
	m.tell("run " + strings.Join(argv, " "))
}

// Ran waits for the end of the program that Spawn began.
func (m *Machine) Ran() ConsoleLine {
	m.tb.Helper()
	return m.WaitConsole("guest: ran", patience)
}

// Output is Run, with what came over the console meanwhile.
func (m *Machine) Output(argv ...string) (output, exit string) {
	m.tb.Helper()
	m.cmu.Lock()
	from := len(m.lines)
	m.cmu.Unlock()
	exit = m.Run(argv...).Text
	m.cmu.Lock()
	defer m.cmu.Unlock()
	var s strings.Builder
	for _, l := range m.lines[from : m.cursor-1] {
		s.WriteString(l.Text + "\n")
	}
	return s.String(), exit
}

// SetClock sets the guest's clock, as NTP would.
func (m *Machine) SetClock(to time.Time) {
	m.tb.Helper()
	m.tell(fmt.Sprintf("clock %d", to.UnixMilli()))
	m.WaitConsole("guest: clock is set", patience)
}

// ReadFile gives a file of the guest, through the console. No program that
// writes to the console may be running.
func (m *Machine) ReadFile(path string) []byte {
	m.tb.Helper()
	m.tell("read " + path)
	var text strings.Builder
	for {
		l := m.WaitConsole("guest: ", patience).Text
		part, ok := strings.CutPrefix(l, "guest: data ")
		if !ok {
			if l != "guest: read" {
				m.tb.Fatalf("read %s: %s", path, l)
			}
			break
		}
		text.WriteString(part)
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text.String())))
	if err != nil {
		m.tb.Fatalf("read %s: %v", path, err)
	}
	b, err := io.ReadAll(z) // checks sum and length
	if err != nil {
		m.tb.Fatalf("read %s: %v", path, err)
	}
	return b
}
