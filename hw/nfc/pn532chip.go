package nfc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ZaparooProject/go-pn532"
)

// Commands that the library has no method of its own for that suits, UM0701-02 §7.
const (
	cmdSetParameters       = 0x12
	cmdRFConfiguration     = 0x32
	cmdInDataExchange      = 0x40
	cmdInListPassiveTarget = 0x4a
)

const (
	// attempts is how often a command is sent that may be repeated.
	attempts = 3
	// resends is how often a damaged response is asked for again.
	resends = 2
	// skips is how many frames of an earlier command are passed over.
	skips = 4
)

var (
	errNoACK     = errors.New("the PN532 does not acknowledge")
	errNoAnswer  = errors.New("the PN532 acknowledged, but does not answer")
	errDamaged   = errors.New("what comes from the PN532 is damaged")
	errSyntax    = errors.New("the PN532 does not know the command")
	errResponses = errors.New("the PN532 answers something else")
)

// bus carries frames to the chip and back. Its errors mean that the bus itself
// failed, but for ctx's own and those of decodeFrame.
type bus interface {
	kind() pn532.TransportType
	// wake makes the chip listen after power-up or when it lost track.
	wake() error
	// write sends one frame.
	write(frame []byte) error
	// read waits for the next frame, of about want bytes.
	read(ctx context.Context, want int) (frame, error)
	// flush drops what was received and not read.
	flush() error
	close() error
}

// chip is the command layer, UM0701-02 §6.2.2, over any bus. It implements
// pn532.Transport, so that the library's commands run over it.
type chip struct {
	bus    bus
	times  pn532Times
	closed bool
}

var _ pn532.Transport = (*chip)(nil)

// SendCommand sends one command and gives the response: its code, cmd+1, and the
// data. A command is sent again if the chip did not take it or answered nothing
// that makes sense, except InDataExchange: the card may have carried that out
// already, so its response may be asked for again (a NACK makes the chip repeat
// the bytes and nothing else), the command never.
func (c *chip) SendCommand(ctx context.Context, cmd byte, args []byte) ([]byte, error) {
	if 1+len(args) > maxFrameData {
		return nil, errFrameDataSize
	}
	frame := encodeFrame(tfiHost, append([]byte{cmd}, args...))
	tries := attempts
	if cmd == cmdInDataExchange {
		tries = 1
	}
	for {
		resp, err := c.try(ctx, cmd, frame)
		tries--
		switch {
		case err == nil:
			return resp, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, errNoACK) && !errors.Is(err, errNoAnswer) && !errors.Is(err, errDamaged) && !errors.Is(err, errResponses), tries == 0:
			return nil, fmt.Errorf("command %02X: %w", cmd, err)
		}
		if err := c.bus.wake(); err != nil {
			return nil, err
		}
	}
}

func (c *chip) try(ctx context.Context, cmd byte, command []byte) ([]byte, error) {
	if err := c.bus.flush(); err != nil {
		return nil, err
	}
	if err := c.bus.write(command); err != nil {
		return nil, err
	}
	resp, err := c.await(ctx, cmd)
	if errors.Is(err, errNoAnswer) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// §6.2.2.1 d: an ACK from the host ends what the chip is doing.
		_ = c.bus.write(frameACK)
	}
	return resp, err
}

// await reads the acknowledgement and the response.
func (c *chip) await(ctx context.Context, cmd byte) ([]byte, error) {
	const (
		silent = iota // so far
		spoke         // something that was damaged: the ACK, or garbage before it
		acked
	)
	state, damaged, skipped := silent, 0, 0
	limit := time.Now().Add(c.times.ack)
	for {
		want := len(frameACK)
		if state != silent {
			want = responseSize(cmd)
		}
		f, err := c.read(ctx, limit, want)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			switch {
			case state == silent:
				return nil, errNoACK
			case damaged > 0:
				return nil, errDamaged
			}
			return nil, errNoAnswer
		case isFrameError(err) && state == silent:
			state, limit = spoke, c.answerLimit(ctx, cmd)
			continue
		case isFrameError(err) && (state == spoke || damaged == resends):
			// A NACK to a chip that has not taken the command would fetch the
			// response to an earlier one.
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		case isFrameError(err):
			damaged++
			limit = time.Now().Add(c.times.answer)
			// What is still to come of the damaged frame is not to be taken for
			// the beginning of the next.
			if err := errors.Join(c.bus.flush(), c.bus.write(frameNACK)); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		switch {
		case f.kind == kindACK && state != acked:
			state, limit = acked, c.answerLimit(ctx, cmd)
		case f.kind == kindError:
			return nil, errSyntax
		case f.kind == kindData && f.data[0] == cmd+1:
			return f.data, nil // acknowledged or not: the ACK was lost
		case skipped == skips:
			return nil, errResponses
		default:
			skipped++ // an earlier command's, or what has been said
		}
	}
}

func (c *chip) read(ctx context.Context, limit time.Time, want int) (frame, error) {
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	return c.bus.read(ctx, want)
}

// answerLimit is when the response is overdue: the card's own time for an
// exchange with it, which is in ctx.
func (c *chip) answerLimit(ctx context.Context, cmd byte) time.Time {
	if until, ok := ctx.Deadline(); ok && cmd == cmdInDataExchange {
		return until
	}
	return time.Now().Add(c.times.answer)
}

// responseSize is how long a response's frame mostly is at most: what a bus that
// has no length of its own reads first.
func responseSize(cmd byte) int {
	switch cmd {
	case cmdInDataExchange:
		return 64
	case cmdInListPassiveTarget:
		return 48
	}
	return 16
}

func isFrameError(err error) bool {
	for _, e := range []error{errFrameCut, errFrameLength, errFrameSum, errFrameTooLong, errFrameTFI, errFrameEmpty, errFrameNoStart} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close implements pn532.Transport.
func (c *chip) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.bus.close()
}

// SetTimeout implements pn532.Transport; the times are ours.
func (c *chip) SetTimeout(time.Duration) error { return nil }

// IsConnected implements pn532.Transport.
func (c *chip) IsConnected() bool { return !c.closed }

// Type implements pn532.Transport.
func (c *chip) Type() pn532.TransportType { return c.bus.kind() }
