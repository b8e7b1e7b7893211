// Package servicetest is the service manager's end of package service, for tests.
package servicetest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Manager is a service manager's socket.
type Manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// Listen opens a manager's socket. A daemon finds it by NOTIFY_SOCKET, see
// [Manager.Socket].
func Listen(t *testing.T) Manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return Manager{t, conn}
}

// Own opens a socket for this process, whose environment it sets.
func Own(t *testing.T) Manager {
	t.Helper()
	m := Listen(t)
	t.Setenv("NOTIFY_SOCKET", m.Socket())
	return m
}

// Socket is the value of NOTIFY_SOCKET.
func (m Manager) Socket() string { return m.conn.LocalAddr().String() }

// Told is the next thing that the manager was told, or "" if there is none within
// the patience.
func (m Manager) Told(patience time.Duration) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, err := m.conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

// Want waits for what the manager must be told next.
func (m Manager) Want(want string) {
	m.t.Helper()
	if got := m.Told(20 * time.Second); got != want {
		m.t.Fatalf("the service manager was told %q, want %q", got, want)
	}
}
