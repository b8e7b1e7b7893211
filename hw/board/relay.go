package board

import (
	"errors"
	"fmt"
	"sync"

	"github.com/warthog618/go-gpiocdev"
)

// ErrClosed is returned by Set after Close.
var ErrClosed = errors.New("board: relay is closed")

// RelayConfig names a relay's line.
type RelayConfig struct {
	Chip      string // label (pinctrl-bcm2711), path (/dev/gpiochip0) or HeaderChip
	Line      int    // offset on the chip, not a header pin
	ActiveLow bool   // the relay is energised by a low level
}

// Relay is an output. It is de-energised from the moment it is requested: the
// level is part of the kernel's line request, so no moment lies between the
// direction and the level. Its level is never read back from the hardware:
// some drivers turn the line into an input for that and let the relay go.
type Relay struct {
	name string

	mu     sync.Mutex // held over each write, so that nothing follows Close's
	line   *gpiocdev.Line
	closed bool
}

// OpenRelay requests the line de-energised.
func OpenRelay(cfg RelayConfig) (*Relay, error) {
	chip, _, err := openChip(cfg.Chip, cfg.Line)
	if err != nil {
		return nil, err
	}
	defer chip.Close() // the line request outlives it
	opts := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(consumer), gpiocdev.AsOutput(0)}
	if cfg.ActiveLow {
		opts = append(opts, gpiocdev.AsActiveLow) // 0 is then the high level
	}
	line, err := chip.RequestLine(cfg.Line, opts...)
	name := fmt.Sprintf("line %d of %s", cfg.Line, chip.Label)
	if err != nil {
		return nil, fmt.Errorf("board: request relay, %s: %w", name, err)
	}
	return &Relay{name: name, line: line}, nil
}

// Set energises or de-energises the relay. After an error the relay may be in
// either state; the caller should try to de-energise it and report a fault.
func (r *Relay) Set(energised bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("%w: %s", ErrClosed, r.name)
	}
	return r.set(energised)
}

func (r *Relay) set(energised bool) error {
	v := 0
	if energised {
		v = 1
	}
	if err := r.line.SetValue(v); err != nil {
		return fmt.Errorf("board: relay, %s: %w", r.name, err)
	}
	return nil
}

// Close de-energises the relay and frees the line: a freed output keeps its
// level on most kernels, so the order matters. Closing twice does nothing.
func (r *Relay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return errors.Join(r.set(false), r.line.Close())
}

// SetSafe de-energises each relay and frees it: what a daemon does before
// anything else, and systemd's ExecStopPost after it, because a process that
// was killed leaves its outputs as they were. It tries every relay, whatever
// fails, and joins the errors.
func SetSafe(relays []RelayConfig) error {
	var errs []error
	for _, cfg := range relays {
		r, err := OpenRelay(cfg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
