//go:build pcsc

package nfc

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/ebfe/scard"

	"tombolo/passport/card"
)

// pcscCard is the card that the worker is connected to.
type pcscCard struct {
	w    *worker
	ctx  context.Context // ends with the card's time
	end  context.CancelFunc
	gone error // why, once it has left
}

func newPCSCCard(ctx context.Context, w *worker) *pcscCard {
	ctx, end := context.WithTimeout(ctx, CardTime)
	return &pcscCard{w: w, ctx: ctx, end: end}
}

func (c *pcscCard) Transmit(command []byte) ([]byte, error) {
	if err := checkCommand(command); err != nil {
		return nil, err
	}
	if c.gone == nil && c.ctx.Err() != nil {
		c.gone = fmt.Errorf("nfc: %w (%w)", card.ErrGone, c.ctx.Err())
	}
	if c.gone != nil {
		return nil, c.gone
	}
	// The command is copied: a call that is given up may still read it.
	command = append([]byte(nil), command...)
	response, err := call(c.ctx, c.w, math.MaxInt64, func() ([]byte, error) {
		if c.w.card == nil {
			return nil, scard.ErrRemovedCard
		}
		return c.w.card.Transmit(command)
	})
	switch {
	case errors.Is(err, scard.ErrInsufficientBuffer):
		return nil, fmt.Errorf("nfc: %w (%w)", card.ErrAnswer, err)
	case err != nil:
		// Whatever went wrong, the card's state is not known any more.
		c.gone = fmt.Errorf("nfc: %w (%w)", card.ErrGone, err)
		return nil, c.gone
	}
	if len(response) == 0 { // no card says nothing: some drivers report one that left so
		c.gone = fmt.Errorf("nfc: %w (an empty response)", card.ErrGone)
		return nil, c.gone
	}
	if err := checkResponse(response); err != nil {
		return nil, err
	}
	return response, nil
}
