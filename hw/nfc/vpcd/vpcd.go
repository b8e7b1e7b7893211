// Package vpcd is the card's side of vsmartcard's virtual reader (Debian's
// vsmartcard-vpcd): a program that holds a card to a PC/SC reader which has no
// hardware.
//
// Call [Dial] and then [Serve]: the card lies on the virtual reader for as long
// as Serve runs. The messages themselves are [ReadMessage] and [AppendData].
//
// The protocol has no authentication, and Debian's driver listens on every
// address of the machine: it is for tests and simulation, never for a door.
package vpcd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"tombolo/passport/card"
)

// DefaultAddr is where Debian's virtual reader waits for the card of its first
// slot.
const DefaultAddr = "127.0.0.1:35963"

// MaxATR is the longest answer to reset in bytes, ISO 7816-3 §8.2.
const MaxATR = 33

// ErrCard is wrapped by Serve when the card breaks its contract: an ATR or a
// response of a length that no card has.
var ErrCard = errors.New("vpcd: the card gave what no card can")

// Card is a card in software. A card that also has a method Reset() is told by
// it when the reader cuts its power or resets it.
type Card interface {
	card.Transceiver
	ATR() []byte // 2..MaxATR bytes
}

// wrongLength is what a card without extended length says to a long command,
// ISO 7816-4 §5.6.
var wrongLength = []byte{0x67, 0x00}

// Dial connects to the reader's slot that waits at addr; empty is DefaultAddr.
// A slot takes one card: a second one waits until the first has left.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	if addr == "" {
		addr = DefaultAddr
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("vpcd: no virtual reader at %s: install pcscd and vsmartcard-vpcd, and start pcscd: %w", addr, err)
	}
	return conn, nil
}

// Serve holds c to the reader until ctx ends or the reader goes, which are nil.
// An error of c.Transmit tears the card away, between the command and its
// response, and is returned as it is. Serve closes conn.
func Serve(ctx context.Context, conn net.Conn, c Card) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		quickAck(conn)
		m, err := ReadMessage(r)
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		answer, err := answer(c, m)
		if err != nil {
			return err
		}
		if answer == nil {
			continue
		}
		out, err := AppendData(nil, answer)
		if err != nil {
			return err
		}
		if _, err := conn.Write(out); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("vpcd: %w", err)
		}
	}
}

// answer is what the card says to a message; nil is nothing.
func answer(c Card, m Message) ([]byte, error) {
	switch m.Control {
	case 0:
	case ATR:
		atr := c.ATR()
		if len(atr) < 2 || len(atr) > MaxATR {
			return nil, fmt.Errorf("%w: an ATR of %d bytes", ErrCard, len(atr))
		}
		return atr, nil
	default: // power off, power on, reset
		if r, ok := c.(interface{ Reset() }); ok {
			r.Reset()
		}
		return nil, nil
	}
	if m.Long {
		return wrongLength, nil
	}
	response, err := c.Transmit(m.Command)
	if err != nil {
		return nil, err
	}
	if len(response) == 0 {
		return nil, fmt.Errorf("%w: an empty response", ErrCard) // the driver cannot tell it from a card that left
	}
	return response, nil
}
