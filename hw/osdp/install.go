package osdp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// visitor is a reader that somebody works at by hand, by another key than its
// configured one or none. Run's goroutine owns it.
type visitor struct {
	reader *reader
	line   []*reader // the bus while it is visited: it stands in for the reader at its address
	until  time.Time
	last   error // why it is not online yet
	result chan visitEvent
}

// Install gives the reader at address, configured or not, its key: for at most
// window it is sought with the default key SCBK-D, which a reader takes in its
// installation mode only, and told the key with KEYSET inside that channel. It
// returns once the channel stands with the new key, with what the reader says
// of itself; a reader that has that key already is as good as installed. Keep
// the key before calling, and pin the Capabilities.
//
// While it is being installed, a reader that is configured at that address is
// not served. ErrWindow wraps what went wrong last; ErrNotInInstallMode.
func (b *Bus) Install(ctx context.Context, address byte, key Key, window time.Duration) (Identity, error) {
	switch {
	case key == DefaultKey:
		return Identity{}, fmt.Errorf("%w: the default key is no secret", ErrConfig)
	case address > maxAddress:
		return Identity{}, fmt.Errorf("%w: reader address %d", ErrConfig, address)
	}
	r := newReader(ReaderConfig{Address: address, Keys: []Key{DefaultKey, key}}, b.challenge, time.Now())
	r.install = &key
	var identity Identity
	err := b.visit(ctx, r, window, func(e visitEvent) error { identity = e.identity; return nil })
	return identity, err
}

// SetAddress tells the reader at address its new address and baud rate (COMSET,
// §6.13) and gives those that it says it will use; the bus has to be configured
// anew then. key is the reader's, nil if it has none: then it is told in clear.
// As with Install, the reader need not be configured.
func (b *Bus) SetAddress(ctx context.Context, address byte, key *Key, to byte, baud int) (byte, int, error) {
	if address > maxAddress || to > maxAddress || !slices.Contains(Bauds[:], baud) {
		return 0, 0, fmt.Errorf("%w: address %d, baud %d", ErrConfig, to, baud)
	}
	c := ReaderConfig{Address: address, Insecure: key == nil}
	if key != nil {
		c.Keys = []Key{*key}
	}
	r := newReader(c, b.challenge, time.Now())
	var com replyCom
	err := b.visit(ctx, r, offlineAfter, func(visitEvent) error {
		reply, err := b.ask(ctx, address, setCommunication(to, baud))
		if err != nil {
			return err
		}
		var ok bool
		if com, ok = reply.(replyCom); !ok {
			return fmt.Errorf("%w: %T to COMSET", ErrReply, reply)
		}
		return nil
	})
	return com.address, int(com.baud), err
}

// visit works at a reader until its work is done or the window is over.
func (b *Bus) visit(ctx context.Context, r *reader, window time.Duration, work func(visitEvent) error) error {
	r.visit = true
	result := make(chan visitEvent, 1)
	begun := make(chan error, 1)
	until := time.Now().Add(window)
	wait, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for {
		err := b.mail(func(now time.Time) { begun <- b.beginVisit(r, until, result, now) })
		if err == nil {
			break
		}
		b.mu.Lock()
		opened := b.opened
		b.mu.Unlock()
		select {
		case <-opened:
		case <-wait.Done():
			return fmt.Errorf("%w: %w", ErrWindow, err)
		}
	}
	if err := <-begun; err != nil {
		return err
	}
	defer b.mail(func(time.Time) {
		if b.visitor != nil && b.visitor.reader == r {
			b.endVisit(ErrWindow)
		}
	})
	select {
	case e := <-result:
		if e.err != nil {
			return e.err
		}
		return work(e)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Bus) beginVisit(r *reader, until time.Time, result chan visitEvent, now time.Time) error {
	if b.visitor != nil {
		return fmt.Errorf("%w: reader %d is being installed: one at a time", ErrConfig, b.visitor.reader.address)
	}
	line := []*reader{r}
	for _, o := range b.readers {
		if o.address != r.address {
			line = append(line, o)
			continue
		}
		o.fail(ErrInstalling, now)
		b.deliver(o)
	}
	b.visitor = &visitor{reader: r, line: line, until: until, result: result}
	return nil
}

// visited takes what the visitor tells: it is there, or why not yet.
func (b *Bus) visited(e visitEvent) {
	v := b.visitor
	if v == nil {
		return
	}
	if e.err != nil {
		v.last = e.err
		return
	}
	select {
	case v.result <- e:
	default: // it has been told before
	}
}

// visitEnds ends a visit whose window is over.
func (b *Bus) visitEnds(now time.Time) {
	v := b.visitor
	if v == nil || now.Before(v.until) {
		return
	}
	err := v.last
	switch {
	case err == nil:
		err = ErrSilent
	case v.reader.keySent: // whether it was taken nobody knows
	case v.reader.install != nil && errors.Is(err, ErrWrongKey):
		err = fmt.Errorf("%w: %w", ErrNotInInstallMode, err)
	}
	b.endVisit(fmt.Errorf("%w: %w", ErrWindow, err))
}

// endVisit lets the configured reader back onto the line.
func (b *Bus) endVisit(err error) {
	v := b.visitor
	if v == nil {
		return
	}
	now := time.Now()
	v.reader.fail(err, now)
	b.deliver(v.reader)
	b.visitor = nil
	select {
	case v.result <- visitEvent{err: err}:
	default:
	}
	for _, o := range b.readers {
		if o.address == v.reader.address {
			o.next, o.wait, o.misses, o.heardAt = now, 0, 0, now
		}
	}
}
