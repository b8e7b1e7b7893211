package sim

import "fmt"

// Relay has the method set of board.Relay.
type Relay struct {
	board *Board
	name  string
}

// OpenRelay opens a relay de-energised, as board.OpenRelay does.
func (b *Board) OpenRelay(name string) (*Relay, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.relays[name]
	switch {
	case l == nil:
		b.violate(UnknownLine, name)
		return nil, fmt.Errorf("%w: relay %q", ErrNoLine, name)
	case l.owner != nil:
		b.violate(OpenTwice, name)
		return nil, fmt.Errorf("%w: relay %q", ErrInUse, name)
	}
	if l.energised {
		b.violate(EnergisedAtOpen, name)
		b.move(name, l, false)
	}
	l.owner = &Relay{b, name}
	return l.owner, nil
}

// Set energises or de-energises the relay.
func (r *Relay) Set(energised bool) error {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	l := r.board.relays[r.name]
	if l.owner != r {
		r.board.violate(SetAfterClose, r.name)
		return fmt.Errorf("%w: %q", ErrClosed, r.name)
	}
	if f := l.fault; f != nil {
		l.fault = nil
		if f.moved {
			r.board.move(r.name, l, energised)
		}
		return f.err
	}
	r.board.move(r.name, l, energised)
	return nil
}

// Close de-energises the relay and frees it. Closing twice does nothing.
func (r *Relay) Close() error {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	l := r.board.relays[r.name]
	if l.owner != r {
		return nil
	}
	if l.energised {
		r.board.violate(EnergisedAtClose, r.name)
		r.board.move(r.name, l, false)
	}
	l.owner = nil
	return nil
}

// SetSafe de-energises relays that a killed owner left, as board.SetSafe does.
func (b *Board) SetSafe(names ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		l := b.relays[n]
		switch {
		case l == nil:
			b.violate(UnknownLine, n)
			return fmt.Errorf("%w: relay %q", ErrNoLine, n)
		case l.owner != nil:
			b.violate(OpenTwice, n)
			return fmt.Errorf("%w: relay %q", ErrInUse, n)
		}
		b.move(n, l, false)
	}
	return nil
}

type fault struct {
	err   error
	moved bool
}

// FailSet makes the next Set of a relay return err; moved says whether the
// relay moves all the same. A caller must be right in both cases.
func (b *Board) FailSet(relay string, err error, moved bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relays[relay].fault = &fault{err, moved}
}

// Kill is kill -9 of the process that holds the board: every line is freed,
// every relay and reader stays as it is, and the owners' handles are dead.
func (b *Board) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.relays {
		l.owner, l.fault = nil, nil
	}
	for _, l := range b.inputs {
		if in := l.owner; in != nil {
			l.owner = nil
			in.dead = true
		}
	}
	for _, u := range b.readers {
		u.owner = nil
	}
}
