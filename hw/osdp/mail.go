package osdp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tombolo/passport/card"
)

func isGone(err error) bool { return errors.Is(err, card.ErrGone) }

// Light turns one of the colours of a reader's light on or off. Of several that
// are on, the one that was turned on last shows. As with Beep, Text and Output,
// the call returns at once, an unknown address is ignored, and a reader that is
// offline is told when it is back.
func (b *Bus) Light(address byte, c Colour, on bool) {
	b.wish(address, func(w *wish) {
		for i, l := range w.lights {
			if l.colour == c {
				w.lights = append(w.lights[:i], w.lights[i+1:]...)
				break
			}
		}
		w.lights = append(w.lights, light{c, on})
	})
}

// Beep sounds the reader's buzzer until it is turned off.
func (b *Bus) Beep(address byte, on bool) { b.wish(address, func(w *wish) { w.beep = &on }) }

// Text shows up to 64 characters of printable ASCII on the reader's display,
// until another text comes.
func (b *Bus) Text(address byte, s string) {
	if len(s) > 4*maxText {
		s = s[:4*maxText]
	}
	b.wish(address, func(w *wish) { w.text = &s })
}

// Output switches the reader's output n, from 0 to 255, for good.
func (b *Bus) Output(address byte, n int, on bool) {
	if n < 0 || n > 255 {
		return
	}
	b.wish(address, func(w *wish) {
		if w.outputs == nil {
			w.outputs = make(map[byte]bool)
		}
		w.outputs[byte(n)] = on
	})
}

func (b *Bus) wish(address byte, set func(*wish)) {
	known := false
	for _, c := range b.cfg.Readers {
		known = known || c.Address == address
	}
	if !known {
		return
	}
	b.mu.Lock()
	w := b.shown[address]
	if w == nil {
		w = &wish{}
		b.shown[address] = w
	}
	set(w)
	b.mu.Unlock()
	b.ring()
}

func (b *Bus) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// post has Run's goroutine do something with the reader at address.
func (b *Bus) post(address byte, what func(*reader, time.Time)) error {
	return b.mail(func(now time.Time) {
		for _, r := range b.line() {
			if r.address == address {
				what(r, now)
				b.deliver(r)
			}
		}
	})
}

// mail has Run's goroutine do something. Once accepted it is done, whatever
// happens to the port.
func (b *Bus) mail(what func(now time.Time)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.running:
		return ErrNotRunning
	case len(b.mailbox) >= maxMail:
		return fmt.Errorf("%w: too much waits for it", ErrNotRunning)
	}
	b.mailbox = append(b.mailbox, what)
	b.ring()
	return nil
}

// readMail does what was posted.
func (b *Bus) readMail(now time.Time) {
	b.mu.Lock()
	mail, wishes := b.mailbox, b.shown
	if len(mail) > 0 {
		b.mailbox = nil
	}
	if len(wishes) > 0 {
		b.shown = make(map[byte]*wish)
	} else {
		wishes = nil // it stays theirs who write to it
	}
	b.mu.Unlock()
	for _, r := range b.readers {
		if w := wishes[r.address]; w != nil {
			r.wish(w, now)
		}
	}
	for _, what := range mail {
		what(now)
	}
}

// wish notes what the reader shall show.
func (r *reader) wish(w *wish, now time.Time) {
	for _, l := range w.lights {
		r.shown.setLight(l.colour, l.on)
	}
	if w.beep != nil {
		r.shown.setBeep(*w.beep)
	}
	if w.text != nil {
		r.shown.setText(*w.text)
	}
	for n, on := range w.outputs {
		r.shown.setOutput(n, on)
	}
	if r.phase == phaseOnline && !r.waiting() {
		r.next = now
	}
}

// do has a reader carry out a request and waits for its result.
func (b *Bus) do(ctx context.Context, address byte, q *request) (any, error) {
	err := b.mail(func(now time.Time) {
		for _, r := range b.line() {
			if r.address != address {
				continue
			}
			if q.card != 0 {
				r.transmit(q, now)
			} else {
				r.add(q, now)
			}
			b.deliver(r)
			return
		}
		q.result <- resultEvent{request: q, err: ErrUnknownReader}
	})
	if err != nil {
		return nil, err
	}
	select {
	case e := <-q.result:
		return e.reply, e.err
	case <-ctx.Done():
		b.post(address, func(r *reader, _ time.Time) { r.drop(q) })
		return nil, ctx.Err()
	}
}

// ask sends one command and gives its reply.
func (b *Bus) ask(ctx context.Context, address byte, c command) (any, error) {
	return b.do(ctx, address, &request{command: c, result: make(chan resultEvent, 1)})
}

// Rotate gives a reader a new key inside its Secure Channel (KEYSET), and waits
// until the channel stands with it. The caller keeps the key first, and both
// until Rotate returned: after an error the reader may have either. ErrKeyNotTaken:
// it has the old one. From then on the bus takes the new one alone.
func (b *Bus) Rotate(ctx context.Context, address byte, key Key) error {
	for _, c := range b.cfg.Readers {
		if c.Address == address && c.Insecure {
			return fmt.Errorf("%w: reader %d is insecure: a key would go over the wire in clear", ErrConfig, address)
		}
	}
	if key == DefaultKey {
		return fmt.Errorf("%w: the default key is no secret", ErrConfig)
	}
	_, err := b.do(ctx, address, &request{command: setKey(key), key: &key, result: make(chan resultEvent, 1)})
	return err
}

// Status is how a reader's inputs and outputs are right now.
type Status struct {
	Tamper, PowerFailed bool   // LSTATR
	Inputs, Outputs     []bool // ISTATR, OSTATR: nil if it has none
	Readers             []byte // RSTATR, §7.9: 0 normal, 1 not connected, 2 tampered; nil if it has none
}

// Status asks a reader for LSTATR, ISTATR, OSTATR and RSTATR. What it refuses is left out.
func (b *Bus) Status(ctx context.Context, address byte) (Status, error) {
	var s Status
	for _, code := range []byte{cmdLStat, cmdIStat, cmdOStat, cmdRStat} {
		reply, err := b.ask(ctx, address, ask(code))
		if nak := (*NAKError)(nil); errors.As(err, &nak) {
			continue
		} else if err != nil {
			return Status{}, err
		}
		switch x := reply.(type) {
		case replyLocal:
			s.Tamper, s.PowerFailed = x.tamper, x.power
		case replyInput:
			s.Inputs = x.active
		case replyOutput:
			s.Outputs = x.active
		case replyReader:
			s.Readers = x.state
		}
	}
	return s, nil
}

// Abort ends whatever operation of several messages the reader is in (ABORT, §6.21).
func (b *Bus) Abort(ctx context.Context, address byte) error {
	_, err := b.ask(ctx, address, ask(cmdAbort))
	return err
}

// Manufacturer sends a maker's own command (MFG, §6.17) and gives the data of
// its reply (MFGREP), nil if it was only acknowledged.
func (b *Bus) Manufacturer(ctx context.Context, address byte, vendor [3]byte, data []byte) ([]byte, error) {
	reply, err := b.ask(ctx, address, manufacturer(vendor, data))
	if err != nil {
		return nil, err
	}
	if x, ok := reply.(replyMfg); ok && x.vendor == vendor {
		return x.data, nil
	}
	return nil, nil
}
