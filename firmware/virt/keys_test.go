package virt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tombolo/firmware/virt"
)

// typed has a scanner that is a keyboard type a code, on the kernel's own USB,
// HID and evdev, and holds that nobody else hears it.
func typed(t *testing.T, m *virt.Machine) {
	t.Helper()
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:" // RFC 9285 §4.2
	m.Spawn("/bin/keys")
	m.WaitConsole("keys: listening", 15*time.Second)
	m.Type("1")
	m.WaitConsole("keys: heard", 10*time.Second)
	if l := m.WaitConsole("keys: up", 10*time.Second).Text; !strings.Contains(l, "device or resource busy") {
		t.Errorf("a second program takes the scanner for itself: %s", l)
	}
	m.Type(alphabet + "\n")
	if l := m.WaitConsole("keys: frame", 20*time.Second).Text; !strings.Contains(l, fmt.Sprintf("%q", alphabet)) {
		t.Errorf("typed %q, and %s", alphabet, l)
	}
	if l := m.WaitConsole("keys: overheard", 5*time.Second).Text; !strings.HasSuffix(l, "overheard 0 bytes") {
		t.Errorf("a second program hears what is typed: %s", l)
	}
	// The control: it listens, and hears as soon as it may.
	m.WaitConsole("keys: let go", 5*time.Second)
	m.Type("1")
	m.WaitConsole("keys: heard again", 10*time.Second)
	if l := m.Ran().Text; !strings.Contains(l, "exit status 0") {
		t.Error(l)
	}
}
