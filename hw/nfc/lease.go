package nfc

import (
	"context"
	"errors"
	"fmt"

	"tombolo/passport/card"
)

// lease is a card that is lent to Config.Card: it is dead once ctx ended, it
// was given back or it said that it is gone.
type lease struct {
	ctx context.Context

	busy chan struct{} // filled during a Transmit, so that none outlives the lease
	t    card.Transceiver
}

func lend(ctx context.Context, t card.Transceiver) *lease {
	return &lease{ctx: ctx, busy: make(chan struct{}, 1), t: t}
}

func (l *lease) Transmit(command []byte) ([]byte, error) {
	l.busy <- struct{}{}
	defer func() { <-l.busy }()
	switch {
	case l.t == nil:
		return nil, fmt.Errorf("nfc: %w", card.ErrGone)
	case l.ctx.Err() != nil:
		return nil, l.late()
	}
	if err := checkCommand(command); err != nil {
		return nil, err
	}
	response, err := l.t.Transmit(command)
	if err != nil {
		if errors.Is(err, card.ErrGone) {
			l.t = nil
		}
		return nil, err
	}
	if l.ctx.Err() != nil {
		return nil, l.late()
	}
	if err := checkResponse(response); err != nil {
		return nil, err
	}
	return response, nil
}

func (l *lease) late() error {
	l.t = nil
	return fmt.Errorf("nfc: the card's time is over (%w): %w", context.Cause(l.ctx), card.ErrGone)
}

// end takes the card back, after a Transmit that is under way.
func (l *lease) end() {
	l.busy <- struct{}{}
	defer func() { <-l.busy }()
	l.t = nil
}

// checkCommand and checkResponse hold an exchange to the lengths of short
// APDUs; what stands in them is not this package's business.
func checkCommand(command []byte) error {
	if n := len(command); n < 4 || n > card.MaxCommand {
		return fmt.Errorf("nfc: %w: %d bytes", card.ErrCommand, n)
	}
	return nil
}

func checkResponse(response []byte) error {
	if n := len(response); n < 2 || n > card.MaxResponse {
		return fmt.Errorf("nfc: %w: it is %d bytes long", card.ErrAnswer, n)
	}
	return nil
}
