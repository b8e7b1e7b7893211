package osdptest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// LineConfig says how a line is.
type LineConfig struct {
	Baud       int           // 0: 115,200
	Turnaround time.Duration // between a command's last byte and a reply's first; 0: 3 ms
	Trace      func(fromPanel bool, b []byte)
}

// Line is a multi-drop RS-485 line with its devices, behind a pseudo-terminal
// that takes the place of the panel's serial port. A pseudo-terminal moves
// bytes at once; the line takes its time over each of them, in both directions,
// as their baud rate has it.
type Line struct {
	cfg      LineConfig
	ours     *os.File
	theirs   *os.File // held open so that the panel may close and open its end
	done     chan struct{}
	late     sync.WaitGroup
	finished chan struct{}

	closing sync.Once
	closed  error // of closing

	writing sync.Mutex // one sender at a time

	mu      sync.Mutex
	devices []*PD
}

// NewLine makes a line. Close it.
func NewLine(cfg LineConfig, devices ...*PD) (*Line, error) {
	if cfg.Baud == 0 {
		cfg.Baud = 115200
	}
	if cfg.Turnaround == 0 {
		cfg.Turnaround = 3 * time.Millisecond
	}
	ours, theirs, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("osdptest: no pseudo-terminal: %w", err)
	}
	// A terminal echoes and edits lines until somebody makes it raw.
	if _, err := term.MakeRaw(int(theirs.Fd())); err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	l := &Line{cfg: cfg, ours: ours, theirs: theirs, devices: devices,
		done: make(chan struct{}), finished: make(chan struct{})}
	go l.run()
	return l, nil
}

// Path is the device node that the panel opens as its serial port.
func (l *Line) Path() string { return l.theirs.Name() }

// Open opens the panel's end as a plain file, without setting it up.
func (l *Line) Open() (io.ReadWriteCloser, error) {
	return os.OpenFile(l.Path(), os.O_RDWR|unix.O_NOCTTY, 0)
}

// Attach hangs another device on the line.
func (l *Line) Attach(p *PD) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.devices = append(l.devices[:len(l.devices):len(l.devices)], p)
}

// Noise puts bytes onto the line that no command asked for.
func (l *Line) Noise(b []byte) { l.send(b, time.Now(), l.cfg.Baud) }

// Close pulls the panel's adapter out and waits until the line is quiet.
func (l *Line) Close() error {
	l.closing.Do(func() {
		close(l.done)
		l.closed = errors.Join(l.ours.Close(), l.theirs.Close())
	})
	<-l.finished
	l.late.Wait()
	return l.closed
}

// PanelBaud is the rate that the panel has set its port to; 0: none of OSDP's.
func (l *Line) PanelBaud() int {
	t, err := unix.IoctlGetTermios(int(l.theirs.Fd()), unix.TCGETS)
	if err != nil {
		return 0
	}
	return map[uint32]int{unix.B9600: 9600, unix.B19200: 19200, unix.B38400: 38400, unix.B57600: 57600,
		unix.B115200: 115200, unix.B230400: 230400}[t.Cflag&unix.CBAUD]
}

func (l *Line) run() {
	defer close(l.finished)
	var heard []byte
	buf := make([]byte, 4096)
	for {
		n, err := l.ours.Read(buf)
		if err != nil {
			return
		}
		wire := time.Now() // when the last byte of what is dealt with has come
		heard = append(heard, buf[:n]...)
		for {
			frame, used := next(heard)
			if frame == nil {
				heard = heard[used:]
				break
			}
			if l.cfg.Trace != nil {
				l.cfg.Trace(true, frame)
			}
			wire = wire.Add(l.duration(used, l.cfg.Baud))
			time.Sleep(time.Until(wire))
			l.hand(frame, wire)
			heard = heard[used:]
		}
	}
}

// hand has every device hear a frame, and sends what they answer.
func (l *Line) hand(frame []byte, at time.Time) {
	l.mu.Lock()
	devices := l.devices
	l.mu.Unlock()
	for _, p := range devices {
		baud := l.cfg.Baud
		if set := p.baud(); set != 0 {
			if baud = set; l.PanelBaud() != set {
				continue // what comes at another rate is noise to it
			}
		}
		for i, a := range p.Hear(frame, at) {
			start := at.Add(l.cfg.Turnaround + a.After)
			if i == 0 && a.After == 0 {
				l.send(a.Bytes, start, baud)
				continue
			}
			l.late.Go(func() {
				select {
				case <-time.After(time.Until(start)):
					l.send(a.Bytes, time.Now(), baud)
				case <-l.done:
				}
			})
		}
	}
}

// send writes bytes from start on, each when a line of that rate would have it.
func (l *Line) send(b []byte, start time.Time, baud int) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.cfg.Trace != nil {
		l.cfg.Trace(false, b)
	}
	for sent := 0; sent < len(b); {
		time.Sleep(time.Until(start.Add(l.duration(sent+1, baud))))
		due := min(len(b), int(time.Since(start)/l.duration(1, baud)))
		if due <= sent {
			continue
		}
		if _, err := l.ours.Write(b[sent:due]); err != nil {
			return
		}
		sent = due
	}
}

// duration of so many bytes, 8N1.
func (l *Line) duration(n, baud int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(baud)
}

func (p *PD) baud() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Baud
}
