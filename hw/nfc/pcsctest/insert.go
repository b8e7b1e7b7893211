package pcsctest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"tombolo/hw/nfc/vpcd"
)

const (
	dialTime = 5 * time.Second
	seenTime = 5 * time.Second // pcscd looks at the virtual reader every 0.4 s
)

// Inserted is a card that lies on the reader.
type Inserted struct {
	slot   *Slot
	cancel context.CancelFunc
	done   chan error
}

// Insert lays a card on the reader. pcscd sees it at its next look, up to half
// a second later.
func (d *Daemon) Insert(c vpcd.Card) (*Inserted, error) { return (&Slot{d, 0}).Insert(c) }

// Insert lays a card on the slot.
func (s *Slot) Insert(c vpcd.Card) (*Inserted, error) {
	host, text, err := net.SplitHostPort(vpcd.DefaultAddr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	conn, err := vpcd.Dial(ctx, net.JoinHostPort(host, strconv.Itoa(port+s.n)))
	if err != nil {
		return nil, err
	}
	in := &Inserted{slot: s, done: make(chan error, 1)}
	ctx, in.cancel = context.WithCancel(context.Background())
	go func() { in.done <- vpcd.Serve(ctx, conn, c) }()
	return in, nil
}

// Seen returns when pcscd has seen the card, or the card has left.
func (in *Inserted) Seen() error {
	return in.wait(func(there bool) bool { return there || len(in.done) > 0 })
}

// Remove takes the card away, at once, and returns when pcscd has seen that the
// reader is empty, so that the next card is another one to it. A card that left
// by itself, by an error of its Transmit, is removed as well. The error is that
// of the wait; with a pcscd that was killed there is none to wait for.
func (in *Inserted) Remove() error {
	in.cancel()
	<-in.done
	in.done <- nil // for a second Remove
	if in.slot.ours && in.slot.child == nil {
		return nil
	}
	return in.wait(func(there bool) bool { return !there })
}

// wait waits until what pcscd sees is enough.
func (in *Inserted) wait(enough func(there bool) bool) error {
	for end := time.Now().Add(seenTime); ; time.Sleep(poll) {
		there, err := occupied(in.slot.Reader())
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrDaemon, err)
		case enough(there):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%w does not see within %v that the card came or left", ErrDaemon, seenTime)
		}
	}
}
