package nfc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ZaparooProject/go-pn532"

	"tombolo/passport/card"
)

// The PN532 and go-pn532.
//
// What the chip is told goes through that library's Device where it does one
// command and checks the answer, and over a Transport of our own (chip) to the
// bus. The library's own transports stay unused, as of v0.26.1: its SPI asks of a
// full duplex port what periph's refuses, and expects the chip to go back in a
// frame that it is half through; none of the three has extended frames, without
// which a response of more than 252 bytes is lost; the UART says "no card" for a
// chip that is gone; and I²C and SPI start all of periph's host drivers, which
// map the processor's registers. Its SendDataExchange takes the status "more
// data" for an error, and its retries repeat what a card may have done.
//
// Its simulator of the chip is what the tests hold this driver against.

// ErrBus is wrapped by ParsePN532Bus.
var ErrBus = errors.New("nfc: not a PN532's bus")

// PN532Config says where a PN532 is.
type PN532Config struct {
	// Bus is the kind of bus and its device, as the module's switches are set:
	// "i2c:/dev/i2c-1", "spi:/dev/spidev0.0" or "uart:/dev/ttyAMA0".
	Bus string

	Log *slog.Logger // nil discards
}

// ParsePN532Bus splits the kind of bus ("i2c", "spi", "uart") from the path of
// its device. The error wraps ErrBus.
func ParsePN532Bus(s string) (kind, path string, err error) {
	kind, path, ok := strings.Cut(s, ":")
	switch {
	case !ok || path == "":
		return "", "", fmt.Errorf(`%w: %q: write it as "i2c:/dev/i2c-1", "spi:/dev/spidev0.0" or "uart:/dev/ttyAMA0"`, ErrBus, s)
	case kind != "i2c" && kind != "spi" && kind != "uart":
		return "", "", fmt.Errorf("%w: %q: the kind %q is none of i2c, spi and uart", ErrBus, s, kind)
	case strings.TrimSpace(path) != path || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", "", fmt.Errorf("%w: %q: the path has spaces or control characters at its ends or in it", ErrBus, s)
	}
	return kind, path, nil
}

// leftAfter is how many looks in a row find nothing before a card has left: a
// phone listens only for a part of the time.
const leftAfter = 4

// pn532Times is how long things take at most. Tests that wait for many things
// to fail use shorter ones.
type pn532Times struct {
	// ack is within what the chip acknowledges a command: the manual says 15 ms;
	// a bus adapter's latency and a busy machine come on top.
	ack time.Duration
	// answer is for commands that involve no card, or only look for one.
	answer time.Duration
	// card is what a card has for all of its APDUs.
	card time.Duration
	// poll is the pause between two looks for a card. The field is off meanwhile:
	// the module stays cool, and each look finds cards that have just been powered
	// up. A look takes about 5 ms for each try.
	poll time.Duration
	// mute is what a card that says that it speaks ISO 14443-4 may take to do so:
	// it may be half in the field only.
	mute time.Duration
}

var usualTimes = pn532Times{ack: 100 * time.Millisecond, answer: 500 * time.Millisecond, card: CardTime, poll: 40 * time.Millisecond, mute: time.Second}

// pn532Field is a PN532 as a Field. Everything in it belongs to the goroutine
// that calls its methods.
type pn532Field struct {
	bus     string
	chip    *chip
	device  *pn532.Device
	times   pn532Times
	log     *slog.Logger
	current *pn532Card // the last that Wait returned
	refused error      // what Wait said last, of what is still there
}

// OpenPN532 opens the reader and sets it up. The error says what to check.
func OpenPN532(ctx context.Context, cfg PN532Config) (Field, error) {
	return openPN532(ctx, cfg, usualTimes)
}

func openPN532(ctx context.Context, cfg PN532Config, times pn532Times) (Field, error) {
	kind, path, err := ParsePN532Bus(cfg.Bus)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	open := map[string]func(string) (bus, error){"i2c": openI2C, "spi": openSPI, "uart": openUART}[kind]
	b, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("nfc: PN532: %w", err)
	}
	f := &pn532Field{bus: cfg.Bus, chip: &chip{bus: b, times: times}, times: times, log: cfg.Log.With("bus", cfg.Bus)}
	if err := f.setUp(ctx); err != nil {
		err = fmt.Errorf("nfc: no PN532 works at %s (%s): %w", cfg.Bus, hints[kind], err)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// hints are what to check when nothing answers.
var hints = map[string]string{
	"i2c":  "check its wires and that its switches are set to I²C; i2cdetect shows it as 24",
	"spi":  "check its wires, chip select among them, and that its switches are set to SPI",
	"uart": "check its wires, crossed RX and TX, and that its switches are set to HSU",
}

func (f *pn532Field) setUp(ctx context.Context) (err error) {
	if f.device, err = pn532.New(f.chip); err != nil {
		return err
	}
	if err := f.chip.bus.wake(); err != nil {
		return err
	}
	// Normal mode, without which the chip goes back to standby, §7.2.10.
	if err := f.device.SAMConfiguration(ctx, pn532.SAMModeNormal, 0, 0); err != nil {
		return err
	}
	version, err := f.device.GetFirmwareVersion(ctx)
	if err != nil {
		return err
	}
	f.log.Debug("PN532", "firmware", version.Version)
	for _, c := range [...]struct {
		cmd  byte
		args []byte
	}{
		// It sends RATS by itself and takes part in no peer-to-peer, §7.2.9.
		{cmdSetParameters, []byte{0x10}},
		// Retries of ATR, PSL and of the search for a card, §7.3.1 item 5: one
		// more try, for a card that a first disturbance hid; the default is to
		// search for ever.
		{cmdRFConfiguration, []byte{0x05, 0x02, 0x01, 0x01}},
	} {
		if _, err := f.command(ctx, c.cmd, c.args...); err != nil {
			return err
		}
	}
	return f.fieldOff(ctx)
}

// command sends one that has no data to check.
func (f *pn532Field) command(ctx context.Context, cmd byte, args ...byte) ([]byte, error) {
	resp, err := f.chip.SendCommand(ctx, cmd, args)
	if err != nil {
		return nil, err
	}
	return resp[1:], nil
}

// fieldOff takes the power from whatever is in the field, §7.3.1 item 1.
func (f *pn532Field) fieldOff(ctx context.Context) error {
	_, err := f.command(ctx, cmdRFConfiguration, 0x01, 0x00)
	return err
}

// look lists at most two targets of ISO 14443 type A, at 106 kbit/s, which every
// card has to know: a second one is enough to know that there are several. The
// field stays on if there is one; else the chip has switched it off, §3.1.3.10.
func (f *pn532Field) look(ctx context.Context) ([]target, error) {
	resp, err := f.command(ctx, cmdInListPassiveTarget, 2, 0x00)
	if err != nil {
		return nil, err
	}
	return parseTargets(resp)
}

// Wait implements Field. A card is told within times.poll and what the chip
// and its bus take to find it. Cards of type B are not looked for.
func (f *pn532Field) Wait(ctx context.Context) (card.Transceiver, error) {
	f.end()
	empty := 0
	var mute time.Time // since when a card is there that does not answer
	for {
		targets, err := f.look(ctx)
		odd := errors.Is(err, errTarget) // the chip's frame was whole: it is the card that is odd
		if err != nil && !odd {
			return nil, f.lost(ctx, err)
		}
		var refused, why error
		switch {
		case odd:
			refused, why = ErrNotISO, err
		case len(targets) > 1:
			refused = ErrSeveral
		case len(targets) == 1 && !targets[0].iso():
			refused = ErrNotISO
		case len(targets) == 1 && targets[0].ats != nil:
			f.refused = nil
			f.current = &pn532Card{field: f, ctx: ctx, target: targets[0].number, until: time.Now().Add(f.times.card)}
			return f.current, nil
		case len(targets) == 1 && mute.IsZero():
			mute = time.Now()
		case len(targets) == 1 && time.Since(mute) > f.times.mute:
			refused, why = ErrNotISO, errMute
		}
		if empty++; odd || len(targets) > 0 {
			empty = 0
			if err := f.fieldOff(ctx); err != nil {
				return nil, f.lost(ctx, err)
			}
		}
		switch {
		case refused != nil && !errors.Is(f.refused, refused):
			if f.refused = refused; why != nil {
				return nil, fmt.Errorf("%w (%w)", refused, why)
			}
			return nil, refused
		case empty >= leftAfter && f.refused == nil && !mute.IsZero():
			return nil, fmt.Errorf("nfc: %w (%w)", card.ErrGone, errMute)
		case empty >= leftAfter:
			f.refused, mute = nil, time.Time{}
		}
		if err := pause(ctx, f.times.poll); err != nil {
			return nil, err
		}
	}
}

// Left implements Field.
func (f *pn532Field) Left(ctx context.Context) error {
	f.end()
	on := true // after Wait it may be
	for empty := 0; empty < leftAfter; {
		if on {
			if err := f.fieldOff(ctx); err != nil {
				return f.lost(ctx, err)
			}
		}
		if err := pause(ctx, f.times.poll); err != nil {
			return err
		}
		targets, err := f.look(ctx)
		odd := errors.Is(err, errTarget)
		if err != nil && !odd {
			return f.lost(ctx, err)
		}
		on = odd || len(targets) > 0
		if empty++; on {
			empty = 0
		}
	}
	f.refused = nil
	return nil
}

// end makes the last card's Transceiver dead.
func (f *pn532Field) end() {
	if f.current != nil {
		f.current.end(errEnded)
		f.current = nil
	}
}

// Close implements Field: it leaves the chip without its field.
func (f *pn532Field) Close() error {
	f.end()
	if f.chip.closed {
		return nil
	}
	if f.device != nil {
		ctx, cancel := context.WithTimeout(context.Background(), f.times.ack)
		defer cancel()
		_ = f.fieldOff(ctx) // a reader that is lost does not hear it
	}
	return f.chip.Close()
}

func (f *pn532Field) lost(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("nfc: the PN532 at %s is lost: %w", f.bus, err)
}
