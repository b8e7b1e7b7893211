package sim

import (
	"fmt"
	"sync"
	"time"
)

type inputLine struct {
	active bool
	owner  *Input
	drive  sync.Mutex // held from a change to the end of its report: keeps their order
}

// Input has the method set of board.Input.
type Input struct {
	board  *Board
	name   string
	report func(active bool, at time.Time)

	// Guarded by board.mu.
	reported bool // report was called
	level    bool // with this, last
	dead     bool // closed, or its process killed
}

// OpenInput opens an input; report gets its level before OpenInput returns and
// then each change, one call at a time, from the goroutine of SetInput. It may
// set relays; it must not drive or close this input.
func (b *Board) OpenInput(name string, report func(active bool, at time.Time)) (*Input, error) {
	l := b.inputs[name]
	if l == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.violate(UnknownLine, name)
		return nil, fmt.Errorf("%w: input %q", ErrNoLine, name)
	}
	l.drive.Lock()
	defer l.drive.Unlock()
	b.mu.Lock()
	if l.owner != nil {
		defer b.mu.Unlock()
		b.violate(OpenTwice, name)
		return nil, fmt.Errorf("%w: input %q", ErrInUse, name)
	}
	in := &Input{board: b, name: name, report: report}
	l.owner = in
	active, at := l.active, b.now()
	b.mu.Unlock()
	in.deliver(active, at)
	return in, nil
}

// SetInput drives an input. The level it has already makes no edge.
func (b *Board) SetInput(name string, active bool) error {
	l := b.inputs[name]
	if l == nil {
		return fmt.Errorf("%w: input %q", ErrNoLine, name)
	}
	l.drive.Lock()
	defer l.drive.Unlock()
	b.mu.Lock()
	if l.active == active {
		b.mu.Unlock()
		return nil
	}
	l.active = active
	in, at := l.owner, b.now()
	b.tell(Event{T: at, Input: name, Active: active})
	b.mu.Unlock()
	if in != nil {
		in.deliver(active, at)
	}
	return nil
}

// Active tells an input's present level; false for a name without an input.
func (b *Board) Active(input string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.inputs[input]
	return l != nil && l.active
}

// deliver calls report outside the board's lock, so that it may set relays.
func (in *Input) deliver(active bool, at time.Time) {
	b := in.board
	b.mu.Lock()
	dead := in.dead
	equal := in.reported && in.level == active
	if equal && !dead {
		b.violate(EqualLevel, in.name)
	}
	in.reported, in.level = true, active
	b.mu.Unlock()
	if !dead && !equal {
		in.report(active, at)
	}
}

// Close frees the input: when it returns, report will not be called again.
// Closing twice does nothing. Called from report it waits for itself, as the
// real driver does.
func (in *Input) Close() error {
	b := in.board
	l := b.inputs[in.name]
	b.mu.Lock()
	if !in.dead {
		in.dead = true
		l.owner = nil
	}
	b.mu.Unlock()
	l.drive.Lock() // a report that runs holds it
	defer l.drive.Unlock()
	return nil
}
