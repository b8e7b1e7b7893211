// Package scanner reads the codes of a serial QR scanner.
//
// Call [Run]: it opens the port, hands over each code as one frame, and opens
// the port again when it was unplugged, until its context ends. The framing
// alone is [Framer], which opens nothing and reads no clock.
//
// Scanners of the GM65 class speak 8N1, 9600 baud out of the box, over TTL or
// as a USB virtual COM port, with CR, LF or CRLF after each code or nothing at
// all. The package takes all four without being told which.
//
// It does not know what a code means, does not write to the scanner, and does
// not read scanners that act as a keyboard. What waits in the port's buffer
// when it is opened is thrown away: nobody stands at the door with it any more.
package scanner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.bug.st/serial"

	"tombolo/hw/internal/reopen"
)

// ErrConfig is wrapped by Run when it cannot start at all.
var ErrConfig = errors.New("scanner: configuration")

// ErrGone is wrapped by the error that State gets when an open port stopped
// answering: the scanner was unplugged, or its adapter reset.
var ErrGone = errors.New("scanner: port is gone")

// Config says which port, and who hears of it. All functions are called from
// Run's own goroutine, one at a time, and hold up reading while they run.
type Config struct {
	Port string // device path; prefer a stable name under /dev/serial/by-id
	Baud int    // 0 is 9600; always 8N1

	// Idle is the gap that ends a code of a scanner without a line ending;
	// 0 is 50 ms, negative is never (line endings only).
	Idle time.Duration

	// RetryMin and RetryMax bound the wait between attempts to open the port,
	// which doubles from one to the other; 0 is 250 ms and 5 s.
	RetryMin, RetryMax time.Duration

	// Frame gets each code, in a slice of its own. Required.
	Frame func(frame []byte)

	// Refused gets a *FrameError for each code that was dropped. May be nil.
	Refused func(err error)

	// State is called when the port comes up (true, nil) and when it goes or
	// is missing (false, why): on the first outcome and on each change, not on
	// each attempt. May be nil.
	State func(up bool, err error)

	Log *slog.Logger // nil discards
}

// pollEvery bounds how long Run goes on after its context ended. The port is
// closed only by the goroutine that reads it: closing it from elsewhere could
// let a last read hit a descriptor that is already somebody else's.
const pollEvery = 100 * time.Millisecond

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Port == "":
		return c, fmt.Errorf("%w: port is empty: name the scanner's device, e.g. /dev/serial/by-id/…", ErrConfig)
	case c.Frame == nil:
		return c, fmt.Errorf("%w: Frame is nil", ErrConfig)
	case c.Baud < 0:
		return c, fmt.Errorf("%w: baud %d: use the scanner's own rate, usually 9600", ErrConfig, c.Baud)
	case c.RetryMin < 0 || c.RetryMax < 0:
		return c, fmt.Errorf("%w: retry times are negative", ErrConfig)
	}
	if c.Baud == 0 {
		c.Baud = 9600
	}
	if c.Idle == 0 {
		c.Idle = 50 * time.Millisecond
	}
	if c.RetryMin == 0 {
		c.RetryMin = 250 * time.Millisecond
	}
	if c.RetryMax == 0 {
		c.RetryMax = 5 * time.Second
	}
	c.RetryMax = max(c.RetryMax, c.RetryMin)
	if c.Refused == nil {
		c.Refused = func(error) {}
	}
	if c.State == nil {
		c.State = func(bool, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("port", c.Port, "baud", c.Baud)
	return c, nil
}

// Run reads codes until ctx ends and then returns nil; a port that is missing
// or goes is tried again for ever. The only error is ErrConfig, at once.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	reopen.Run(ctx, reopen.Config{Min: cfg.RetryMin, Max: cfg.RetryMax, What: "scanner", Log: cfg.Log, State: cfg.State}, func(state func(bool, error)) (bool, error) {
		return session(ctx, cfg, state)
	})
	return nil
}

// session opens the port and reads it until it fails or ctx ends; worked says
// that it yielded at least one byte.
func session(ctx context.Context, cfg Config, state func(bool, error)) (worked bool, err error) {
	port, err := serial.Open(cfg.Port, &serial.Mode{BaudRate: cfg.Baud, DataBits: 8})
	if err != nil {
		return false, fmt.Errorf("scanner: open %s: %w", cfg.Port, err)
	}
	defer port.Close()
	if err := port.ResetInputBuffer(); err != nil {
		return false, fmt.Errorf("scanner: clear %s: %w", cfg.Port, err)
	}
	state(true, nil)

	emit := func(frame []byte, err error) {
		if err != nil {
			cfg.Log.Debug("code refused", "err", err)
			cfg.Refused(err)
			return
		}
		cfg.Frame(frame)
	}
	framer := Framer{Idle: cfg.Idle}
	// The framer's clock is the time that was waited in vain: a process that
	// was held up between two reads does not cut a code in two.
	var quiet time.Time
	buf := make([]byte, 4096)
	for ctx.Err() == nil {
		wait := pollEvery
		if gap, open := framer.Wait(quiet); open {
			wait = min(wait, gap)
		}
		if err := port.SetReadTimeout(wait); err != nil {
			return worked, fmt.Errorf("scanner: %s: %w", cfg.Port, err)
		}
		n, err := port.Read(buf) // 0, nil after the whole timeout
		if err != nil {
			return worked, fmt.Errorf("%w: %s: %w", ErrGone, cfg.Port, err)
		}
		if n == 0 {
			quiet = quiet.Add(wait)
			framer.Expire(quiet, emit)
			continue
		}
		worked = true
		framer.Push(quiet, buf[:n], emit)
	}
	return worked, nil
}
