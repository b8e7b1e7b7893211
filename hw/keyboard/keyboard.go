// Package keyboard reads the codes of a QR scanner that acts as a USB keyboard.
//
// Call [Run]: it opens the scanner's event device, takes it for itself (so that
// no code is typed into a console or read by another program), hands over each
// code as one frame, and opens the device again when it was unplugged, until
// its context ends. [List] finds what is attached. The decoding alone is
// [Decoder], which opens nothing.
//
// # Layouts
//
// A keyboard sends keys, not characters, and the scanner presses those that
// would type the code on the layout that it is set to. Set it to the US
// keyboard ("English", "USA", the default of nearly every make) or to its mode
// that does not depend on the layout, "ALT code" or "universal" in the manuals,
// which holds Alt and types each character's number on the keypad. Both are
// understood without being told which. A scanner that is set to another layout
// sends codes that are refused, never others: what is in them is signed.
//
// Letters are taken as capitals however they are typed, since a code has no
// others. A code ends with Enter, Tab, or a gap without keys.
//
// It does not know what a code means and writes nothing to the scanner. It
// needs the right to read the device, which a udev rule gives.
package keyboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	evdev "github.com/holoplot/go-evdev"

	"tombolo/hw/internal/reopen"
	"tombolo/hw/scanner"
)

var (
	// ErrConfig is wrapped by Run when it cannot start at all.
	ErrConfig = errors.New("keyboard: configuration")
	// ErrNotKeyboard: what is there is no device that types letters and digits.
	ErrNotKeyboard = errors.New("keyboard: not a keyboard: name the scanner's device that ends in -event-kbd under /dev/input/by-id")
	// ErrGrabbed: somebody else has taken the device.
	ErrGrabbed = errors.New("keyboard: the scanner is taken by another program: end that one, codes must reach nobody else")
	// ErrGone: the device stopped answering; the scanner was unplugged.
	ErrGone = errors.New("keyboard: the scanner is gone")
	// ErrLost: the kernel dropped keys of a code.
	ErrLost = errors.New("keyboard: keys of a code were lost: show it again")
	// ErrKey: a code had a key that types no character on a US keyboard.
	ErrKey = errors.New("keyboard: the scanner pressed a key that no code has: set it to the US keyboard layout, or to ALT codes")
)

// Config says which device, and who hears of it. All functions are called from
// Run's own goroutine, one at a time.
type Config struct {
	Device string // path; prefer a stable name, /dev/input/by-id/…-event-kbd

	// Idle is the gap without keys that ends a code of a scanner that presses
	// neither Enter nor Tab; 0 is 200 ms, negative is never.
	Idle time.Duration

	// RetryMin and RetryMax bound the wait between attempts to open the device,
	// which doubles from one to the other; 0 is 250 ms and 5 s.
	RetryMin, RetryMax time.Duration

	// Frame gets each code, in a slice of its own. Required.
	Frame func(frame []byte)

	// Refused gets a *scanner.FrameError, wrapped by ErrLost or ErrKey where
	// that is why, for each code that was dropped. May be nil.
	Refused func(err error)

	// State is called when the device comes up (true, nil) and when it goes or
	// is missing (false, why): on the first outcome and on each change, not on
	// each attempt. May be nil.
	State func(up bool, err error)

	Log *slog.Logger // nil discards
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Device == "":
		return c, fmt.Errorf("%w: device is empty: name the scanner's, e.g. /dev/input/by-id/…-event-kbd", ErrConfig)
	case c.Frame == nil:
		return c, fmt.Errorf("%w: Frame is nil", ErrConfig)
	case c.RetryMin < 0 || c.RetryMax < 0:
		return c, fmt.Errorf("%w: retry times are negative", ErrConfig)
	}
	if c.Idle == 0 {
		c.Idle = 200 * time.Millisecond
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
	c.Log = c.Log.With("device", c.Device)
	return c, nil
}

// Run reads codes until ctx ends and then returns nil; a device that is missing
// or goes is tried again for ever. The only error is ErrConfig, at once.
func Run(ctx context.Context, cfg Config) error {
	return run(ctx, cfg, openDevice)
}

func run(ctx context.Context, cfg Config, open func(path string) (source, error)) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	reopen.Run(ctx, reopen.Config{Min: cfg.RetryMin, Max: cfg.RetryMax, What: "scanner", Log: cfg.Log, State: cfg.State}, func(state func(bool, error)) (bool, error) {
		return session(ctx, cfg, open, state)
	})
	return nil
}

// session opens the device and reads it until it fails or ctx ends; worked says
// that it yielded at least one event.
func session(ctx context.Context, cfg Config, open func(string) (source, error), state func(bool, error)) (worked bool, err error) {
	dev, err := open(cfg.Device)
	if err != nil {
		return false, err
	}
	batches := pump(dev)
	defer batches.stop()
	state(true, nil)

	framer := scanner.Framer{Idle: cfg.Idle}
	emit := func(frame []byte, err error) {
		if err == nil {
			cfg.Frame(frame)
			return
		}
		err = explain(err)
		cfg.Log.Debug("code refused", "err", err)
		cfg.Refused(err)
	}
	var decoder Decoder
	// The framer's clock is the time that was waited in vain: keys that type
	// nothing by themselves keep a code open, and a process that was held up
	// does not cut one in two.
	var quiet time.Time
	for {
		var idle <-chan time.Time
		gap, open := framer.Wait(quiet)
		if open {
			idle = time.After(gap)
		}
		select {
		case <-ctx.Done():
			return worked, nil
		case b := <-batches.c:
			if b.err != nil {
				return worked, fmt.Errorf("%w: %s: %w", ErrGone, cfg.Device, b.err)
			}
			var typed []byte
			for _, e := range b.events {
				if c, ok := decoder.Decode(e); ok {
					typed = append(typed, c)
				}
			}
			if b.held != nil {
				decoder.Reset(b.held)
			}
			worked = worked || len(b.events) > 0
			framer.Push(quiet, typed, emit)
		case <-idle:
			quiet = quiet.Add(gap)
			framer.Expire(quiet, emit)
		}
	}
}

// explain says what a byte that a code cannot have stood for.
func explain(err error) error {
	fe, ok := errors.AsType[*scanner.FrameError](err)
	switch {
	case ok && fe.Byte == Lost:
		return fmt.Errorf("%w (%w)", ErrLost, err)
	case ok && fe.Byte == Unknown:
		return fmt.Errorf("%w (%w)", ErrKey, err)
	}
	return err
}

// types reports whether a device has the keys that a code needs.
func types(codes []evdev.EvCode) bool {
	have := map[evdev.EvCode]bool{}
	for _, c := range codes {
		have[c] = true
	}
	for _, c := range []evdev.EvCode{evdev.KEY_0, evdev.KEY_9, evdev.KEY_A, evdev.KEY_T, evdev.KEY_Z, evdev.KEY_LEFTSHIFT} {
		if !have[c] {
			return false
		}
	}
	return true
}
