package sim

import (
	"fmt"
	"os"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// Scanner is a serial QR scanner behind a pseudo-terminal.
type Scanner struct {
	slave *os.File // held open, so that a reader may come and go

	mu     sync.Mutex // a code goes out in one piece
	master *os.File
}

// NewScanner plugs a scanner in; Path is its port.
func NewScanner() (*Scanner, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("sim: scanner: %w", err)
	}
	// Before anybody configures the port it must not echo or translate.
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		master.Close()
		slave.Close()
		return nil, fmt.Errorf("sim: scanner: %w", err)
	}
	return &Scanner{slave: slave, master: master}, nil
}

// Path is the port's device, e.g. /dev/pts/3.
func (s *Scanner) Path() string { return s.slave.Name() }

// Scan shows a code: its characters and a CR, as scanners send by default.
func (s *Scanner) Scan(code string) error { return s.Send([]byte(code + "\r")) }

// Send puts bytes on the line as they are: noise, other line endings. It waits
// while the port's buffer of some 4 kB is full and nobody reads.
func (s *Scanner) Send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.master.Write(b); err != nil {
		return fmt.Errorf("sim: scanner: %w", err)
	}
	return nil
}

// Close unplugs the scanner: whoever reads the port gets an error.
func (s *Scanner) Close() error {
	err := s.master.Close()
	if e := s.slave.Close(); err == nil {
		err = e
	}
	return err
}
