package nfc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ZaparooProject/go-pn532"
	"go.bug.st/serial"
)

const (
	uartBaud = 115200                // after reset, UM0701-02 §6.2.4
	uartPoll = 20 * time.Millisecond // bounds how long a read goes on after its context ended
	uartGap  = 50 * time.Millisecond // within a frame; an adapter's latency is 16 ms
)

// uartWake ends the chip's standby: a long preamble, and zeros while its
// oscillator starts, UM0701-02 §7.2.11.
var uartWake = []byte{0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// uartBus is the chip's high speed UART (HSU): a stream of frames.
type uartBus struct {
	port serial.Port
	path string
	buf  []byte // received and not yet a frame; at most maxFrame and one read
}

func openUART(path string) (bus, error) {
	port, err := serial.Open(path, &serial.Mode{BaudRate: uartBaud, DataBits: 8})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w%s", path, err, uartHint(err))
	}
	return &uartBus{port: port, path: path}, nil
}

// uartHint says what to do about a port that does not open.
func uartHint(err error) string {
	code := serial.PortErrorCode(-1)
	if e, ok := errors.AsType[*serial.PortError](err); ok {
		code = e.Code()
	}
	switch {
	case code == serial.PortNotFound || errors.Is(err, fs.ErrNotExist):
		return " (Raspberry Pi: enable_uart=1 in config.txt, no serial console in cmdline.txt)"
	case code == serial.PermissionDenied || errors.Is(err, fs.ErrPermission):
		return " (the service's user has to be in the group dialout)"
	case code == serial.PortBusy:
		return " (another program has it open)"
	}
	return ""
}

func (u *uartBus) kind() pn532.TransportType { return pn532.TransportUART }

func (u *uartBus) wake() error {
	if err := u.write(uartWake); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond) // T_osc_start, data sheet §9.12
	return nil
}

func (u *uartBus) write(b []byte) error {
	n, err := u.port.Write(b)
	if err == nil && n != len(b) {
		err = fmt.Errorf("%d of %d bytes written", n, len(b))
	}
	return u.wrap(err)
}

func (u *uartBus) read(ctx context.Context, _ int) (frame, error) {
	var chunk [256]byte
	var over error
	for last := time.Now(); ; {
		f, used, need, err := decodeFrame(u.buf)
		u.buf = u.buf[used:]
		if !errors.Is(err, errFrameShort) {
			return f, err
		}
		if need > 0 && time.Since(last) > uartGap {
			u.buf = nil
			return frame{}, errFrameCut
		}
		if over != nil {
			return frame{}, over
		}
		// What arrived in time counts, however late a busy machine comes to look.
		over = ctx.Err()
		wait := uartPoll
		if until, ok := ctx.Deadline(); ok || over != nil {
			wait = max(min(wait, time.Until(until)), time.Millisecond)
		}
		if err := u.port.SetReadTimeout(wait); err != nil {
			return frame{}, u.wrap(err)
		}
		n, err := u.port.Read(chunk[:]) // 0, nil after the whole timeout
		if err != nil {
			return frame{}, u.wrap(err)
		}
		if n > 0 {
			u.buf, last = append(u.buf, chunk[:n]...), time.Now()
		}
	}
}

func (u *uartBus) flush() error {
	u.buf = nil
	return u.wrap(u.port.ResetInputBuffer())
}

func (u *uartBus) close() error { return u.wrap(u.port.Close()) }

func (u *uartBus) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", u.path, err)
}
