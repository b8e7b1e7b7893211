package nfc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ZaparooProject/go-pn532"

	"tombolo/passport/card"
)

// errTarget is wrapped by the errors of parseTargets: it says what is wrong.
var errTarget = errors.New("the PN532 lists a card that makes no sense")

// target is one card in the response to InListPassiveTarget, UM0701-02 §7.3.5.
type target struct {
	number byte    // what the chip calls it: 1 or 2
	atqa   [2]byte // SENS_RES
	sak    byte    // SEL_RES
	uid    []byte  // NFCID1: 4, 7 or 10 bytes; a phone draws it anew each time
	ats    []byte  // of a card that was sent RATS, with its length; nil: not there
}

// iso says that the card speaks ISO 14443-4: ISO 14443-3 §6.5.3.4.
func (t target) iso() bool { return t.sak&0x20 != 0 }

// parseTargets reads NbTg and, for each target,
//
//	Tg, SENS_RES[2], SEL_RES, NFCIDLength, NFCID1…, [ATSLength, ATS…]
//
// strictly and wholly. Only the last of them may lack the ATS that its SEL_RES
// promises: it did not answer RATS. The error wraps errTarget.
func parseTargets(b []byte) ([]target, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: no count", errTarget)
	}
	n, b := int(b[0]), b[1:]
	if n > 2 {
		return nil, fmt.Errorf("%w: %d of at most 2", errTarget, n)
	}
	var list []target
	for i := range n {
		if len(b) < 5 {
			return nil, fmt.Errorf("%w: target %d is cut off after %d bytes", errTarget, i+1, len(b))
		}
		t := target{number: b[0], atqa: [2]byte(b[1:3]), sak: b[3]}
		length := int(b[4])
		b = b[5:]
		switch {
		case t.number != 1 && t.number != 2:
			return nil, fmt.Errorf("%w: target number %d", errTarget, t.number)
		case i > 0 && t.number == list[0].number:
			return nil, fmt.Errorf("%w: target number %d twice", errTarget, t.number)
		case length != 4 && length != 7 && length != 10:
			return nil, fmt.Errorf("%w: an NFCID1 of %d bytes", errTarget, length)
		case len(b) < length:
			return nil, fmt.Errorf("%w: an NFCID1 of %d bytes is cut off after %d", errTarget, length, len(b))
		}
		t.uid, b = slices.Clone(b[:length]), b[length:]
		if t.iso() && len(b) > 0 {
			length := int(b[0]) // with itself, ISO 14443-4 §5.2
			if length == 0 || length > len(b) {
				return nil, fmt.Errorf("%w: an ATS of %d bytes in %d", errTarget, length, len(b))
			}
			t.ats, b = slices.Clone(b[:length]), b[length:]
		} else if t.iso() && i+1 < n {
			return nil, fmt.Errorf("%w: target 1 has no ATS", errTarget)
		}
		list = append(list, t)
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow", errTarget, len(b))
	}
	return list, nil
}

// appendTargets is the inverse of parseTargets.
func appendTargets(b []byte, list []target) []byte {
	b = append(b, byte(len(list)))
	for _, t := range list {
		b = append(b, t.number, t.atqa[0], t.atqa[1], t.sak, byte(len(t.uid)))
		b = append(append(b, t.uid...), t.ats...)
	}
	return b
}

var (
	errEnded = fmt.Errorf("%w: its turn is over", card.ErrGone)
	errSlow  = fmt.Errorf("%w: its time is over", card.ErrGone)
	errMute  = errors.New("it does not answer")
)

// pn532Card is the card that the chip has activated.
type pn532Card struct {
	field  *pn532Field
	ctx    context.Context // Wait's
	target byte
	until  time.Time
	dead   error // wraps card.ErrGone
}

// Transmit implements card.Transceiver. The command goes to the card at most
// once, whatever happens on the bus.
func (c *pn532Card) Transmit(command []byte) ([]byte, error) {
	if len(command) < 4 || len(command) > card.MaxCommand {
		return nil, fmt.Errorf("nfc: a command of %d bytes: it has 4 to %d", len(command), card.MaxCommand)
	}
	if c.dead != nil {
		return nil, c.dead
	}
	if time.Now().After(c.until) {
		return nil, c.end(errSlow)
	}
	ctx, cancel := context.WithDeadline(c.ctx, c.until)
	defer cancel()
	response, err := c.exchange(ctx, command)
	switch {
	case err == nil:
		return response, nil
	case errors.Is(err, card.ErrAnswer):
		c.end(errEnded)
		return nil, err
	case c.ctx.Err() != nil:
		return nil, c.end(fmt.Errorf("%w: %w", card.ErrGone, c.ctx.Err()))
	case errors.Is(err, context.DeadlineExceeded):
		return nil, c.end(errSlow)
	}
	// The chip's word that the card does not answer, or a chip that does not
	// answer itself: the next Wait or Left finds out which.
	return nil, c.end(fmt.Errorf("%w: %w", card.ErrGone, err))
}

func (c *pn532Card) end(err error) error {
	if c.dead == nil {
		c.dead = err
	}
	return c.dead
}

// Status of InDataExchange, UM0701-02 §7.1.
const (
	statusError = 0x3f // the error's number
	statusMore  = 0x40 // the response goes on: fetch the rest
	statusNAD   = 0x80 // a node address comes first; the chip was not told to
)

// exchange sends the APDU and collects the response. The chip divides what goes
// over the air into blocks, repeats those that were disturbed and grants the
// card the waiting time that it asks for (ISO 14443-4 §7); a command of
// card.MaxCommand bytes fits into one of its frames.
func (c *pn532Card) exchange(ctx context.Context, command []byte) ([]byte, error) {
	var response []byte
	send := append([]byte{c.target}, command...)
	for {
		resp, err := c.field.command(ctx, cmdInDataExchange, send...)
		if err != nil {
			return nil, err
		}
		if len(resp) == 0 {
			return nil, fmt.Errorf("%w: no status", errResponses)
		}
		status, part := resp[0], resp[1:]
		if e := status & statusError; e != 0 {
			return nil, pn532.NewPN532Error(e, "InDataExchange", "")
		}
		response = append(response, part...)
		switch {
		case status&statusNAD != 0:
			return nil, fmt.Errorf("%w: status %02X", errResponses, status)
		case len(response) > card.MaxResponse:
			return nil, fmt.Errorf("%w: more than %d bytes", card.ErrAnswer, card.MaxResponse)
		case status&statusMore != 0 && len(part) == 0:
			return nil, fmt.Errorf("%w: more of nothing", errResponses)
		case status&statusMore != 0:
			send = []byte{c.target} // §7.3.8: without data it fetches the rest
			continue
		case len(response) < 2:
			return nil, fmt.Errorf("%w: %d bytes", card.ErrAnswer, len(response))
		}
		return response, nil
	}
}
