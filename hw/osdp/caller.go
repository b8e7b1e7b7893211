package osdp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tombolo/passport/card"
)

// maxEvents is how many events wait for a handler before keys, refusals and
// cards are dropped; the others are coalesced: the last of each counts.
const maxEvents = 256

// caller calls one reader's Handler, one event at a time.
type caller struct {
	bus     *Bus
	address byte
	handler Handler
	wake    chan struct{} // capacity 1

	mu     sync.Mutex
	events []any
	card   int // the card that is served
	cancel context.CancelCauseFunc
	left   int // the latest card that has left
	why    error
}

func newCaller(b *Bus, address byte, h Handler) *caller {
	return &caller{bus: b, address: address, handler: h, wake: make(chan struct{}, 1)}
}

// queue never waits.
func (c *caller) queue(event any) {
	c.mu.Lock()
	if len(c.events) >= maxEvents {
		c.thin(event)
	} else {
		c.events = append(c.events, event)
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// thin makes room in a full queue for an event that counts.
func (c *caller) thin(event any) {
	same := func(x any) bool {
		switch e := event.(type) {
		case stateEvent:
			_, ok := x.(stateEvent)
			return ok
		case identityEvent:
			_, ok := x.(identityEvent)
			return ok
		case tamperEvent:
			_, ok := x.(tamperEvent)
			return ok
		case powerEvent:
			_, ok := x.(powerEvent)
			return ok
		case inputEvent:
			before, ok := x.(inputEvent)
			return ok && before.n == e.n
		}
		return false
	}
	switch e := event.(type) {
	case keyEvent, refusedEvent:
		return
	case cardEvent:
		// Run's goroutine is the caller: it must not wait, and does not.
		c.bus.post(c.address, func(r *reader, _ time.Time) { r.dropCard(fmt.Errorf("%w: the gateway is busy", card.ErrGone)) })
		return
	case inputEvent:
		if e.n >= maxEvents {
			return
		}
	}
	kept := c.events[:0]
	for _, x := range c.events {
		if !same(x) {
			kept = append(kept, x)
		}
	}
	c.events = append(kept, event)
}

// gone ends a card's time.
func (c *caller) gone(e goneEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.why = e.card, e.err
	if c.card == e.card && c.cancel != nil {
		c.cancel(e.err)
	}
}

// run calls the handler until ctx ends and the last state has been told.
func (c *caller) run(ctx context.Context) {
	for {
		c.mu.Lock()
		events := c.events
		c.events = nil
		c.mu.Unlock()
		for _, e := range events {
			c.call(ctx, e)
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
	}
}

func (c *caller) call(ctx context.Context, event any) {
	switch e := event.(type) {
	case stateEvent:
		c.handler.State(e.up, e.err)
	case identityEvent:
		c.handler.Identity(e.identity)
	case refusedEvent:
		c.handler.Refused(e.err)
	case keyEvent:
		c.handler.Key(e.key)
	case tamperEvent:
		c.handler.Tamper(e.active)
	case powerEvent:
		c.handler.Power(e.failed)
	case inputEvent:
		c.handler.Input(e.n, e.active)
	case cardEvent:
		c.serve(ctx, e.card)
	}
}

// serve lets the handler talk to a card.
func (c *caller) serve(ctx context.Context, number int) {
	ctx, cancelTime := context.WithTimeout(ctx, CardTime)
	defer cancelTime()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.mu.Lock()
	if c.left >= number {
		c.mu.Unlock()
		return
	}
	c.card, c.cancel = number, cancel
	c.mu.Unlock()
	c.handler.Card(ctx, &transceiver{c.bus, c.address, number, ctx})
	c.mu.Lock()
	c.cancel = nil
	c.mu.Unlock()
	c.bus.post(c.address, func(r *reader, now time.Time) { r.endCard(number, now) })
}

// transceiver is a card behind a reader.
type transceiver struct {
	bus     *Bus
	address byte
	card    int
	ctx     context.Context // of the one call of Handler.Card that it is for
}

// Transmit implements card.Transceiver.
func (t *transceiver) Transmit(apdu []byte) ([]byte, error) {
	if len(apdu) < 4 || len(apdu) > card.MaxCommand {
		return nil, fmt.Errorf("%w: a command of %d bytes", card.ErrAnswer, len(apdu))
	}
	q := &request{command: sendAPDU(apdu), card: t.card, result: make(chan resultEvent, 1)}
	reply, err := t.bus.do(t.ctx, t.address, q)
	if err != nil {
		if cause := context.Cause(t.ctx); cause != nil && t.ctx.Err() != nil {
			err = cause
		}
		return nil, gone(err)
	}
	x, ok := reply.(xrdAPDU)
	if !ok {
		return nil, fmt.Errorf("%w: %T", card.ErrAnswer, reply)
	}
	return x.response, nil
}

// gone wraps card.ErrGone, whatever ended the exchange.
func gone(err error) error {
	if isGone(err) {
		return err
	}
	return fmt.Errorf("%w: %w", card.ErrGone, err)
}
