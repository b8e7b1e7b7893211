package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a reader cannot do.
var (
	ErrDeaf  = errors.New("sim: nobody listens to the reader")
	ErrNoKey = errors.New("sim: a keypad has the keys 0 to 9, * and #")
)

// Mount is where a reader hangs.
type Mount struct {
	Door string
	Exit bool // on the way out
}

// String is e.g. "front/reader" and "front/reader/out".
func (m Mount) String() string {
	if m.Exit {
		return m.Door + "/reader/out"
	}
	return m.Door + "/reader"
}

// Handler is who listens to a reader: it is called from whatever goroutine
// presents something, one call at a time for each reader. An error says that
// nothing could be presented, not that somebody was refused.
type Handler interface {
	// Challenge is what a key has to sign, fresh at each call.
	Challenge(door string, exit bool) []byte
	// Tap takes the answer to the last challenge.
	Tap(door string, exit bool, answer []byte) error
	// Key takes one key of the keypad: '0' to '9', '*' or '#'.
	Key(door string, exit bool, key byte) error
}

// IsKey tells whether a keypad has this key.
func IsKey(key byte) bool { return key >= '0' && key <= '9' || key == '*' || key == '#' }

// Step is a part of a pattern.
type Step struct {
	Colour string // as the caller names it; "off" and "" are dark
	Beep   bool
	For    time.Duration
}

func (s Step) String() string {
	colour := s.Colour
	if colour == "" {
		colour = "off"
	}
	if s.Beep {
		colour += "+beep"
	}
	return fmt.Sprintf("%s %v", colour, s.For)
}

// Shown is what a reader was told to show: once, over what it shows again and
// again, or with Loop that. No steps are dark and silent.
type Shown struct {
	At    time.Time
	Mount Mount
	Steps []Step
	Loop  bool
}

// String is e.g. "front/reader: red+beep 100ms, off 100ms, again".
func (s Shown) String() string {
	words := make([]string, len(s.Steps))
	for i, step := range s.Steps {
		words[i] = step.String()
	}
	if len(words) == 0 {
		words = []string{"dark"}
	}
	if s.Loop && len(s.Steps) > 0 {
		words = append(words, "again")
	}
	return s.Mount.String() + ": " + strings.Join(words, ", ")
}

type readerUnit struct {
	again Shown // what it shows again and again
	owner *Reader
	drive sync.Mutex // held while a handler is called
}

// Reader is a card reader with a keypad that shows patterns.
type Reader struct {
	board *Board
	mount Mount

	handler Handler // guarded by board.mu; nil if nobody listens
}

// OpenReader opens a reader, dark and heard by nobody.
func (b *Board) OpenReader(m Mount) (*Reader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.readers[m]
	switch {
	case u == nil:
		b.violate(UnknownLine, m.String())
		return nil, fmt.Errorf("%w: %s", ErrNoLine, m)
	case u.owner != nil:
		b.violate(OpenTwice, m.String())
		return nil, fmt.Errorf("%w: %s", ErrInUse, m)
	}
	u.owner = &Reader{board: b, mount: m}
	b.show(u, m, nil, true)
	return u.owner, nil
}

// Show shows a pattern once, over what the reader shows again and again, or with
// loop replaces that. It keeps no part of steps.
func (r *Reader) Show(steps []Step, loop bool) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	u := r.board.readers[r.mount]
	if u.owner != r {
		r.board.violate(SetAfterClose, r.mount.String())
		return
	}
	r.board.show(u, r.mount, steps, loop)
}

// show tells of what is new; b.mu is held.
func (b *Board) show(u *readerUnit, m Mount, steps []Step, loop bool) {
	if len(steps) == 0 && (!loop || len(u.again.Steps) == 0) {
		return
	}
	s := Shown{b.now(), m, slices.Clone(steps), loop}
	if loop {
		u.again = s
	}
	b.shown.add(s)
	b.tell(Event{T: s.At, Shown: &s})
}

// Listen has h hear of what is presented from now, until stop: when that
// returns, h is called no more. A handler must not call it.
func (r *Reader) Listen(h Handler) (stop func()) {
	r.set(h)
	return func() {
		r.set(nil)
		u := r.board.readers[r.mount]
		u.drive.Lock() // a call that runs holds it
		defer u.drive.Unlock()
	}
}

func (r *Reader) set(h Handler) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.handler = h
}

// Close leaves the reader dark and heard by nobody. Closing twice does nothing.
func (r *Reader) Close() error {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	if u := r.board.readers[r.mount]; u.owner == r {
		r.board.show(u, r.mount, nil, true)
		u.owner, r.handler = nil, nil
	}
	return nil
}

// Shows gives what readers were told to show, the newest [Kept], in order; that a
// dark one is to be dark is left out.
func (b *Board) Shows() []Shown {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown.all()
}

// Challenge asks a reader what a key has to sign.
func (b *Board) Challenge(m Mount) (challenge []byte, err error) {
	err = b.present(m, func(h Handler) error {
		challenge = h.Challenge(m.Door, m.Exit)
		return nil
	})
	return challenge, err
}

// Tap gives a reader the answer to its last challenge.
func (b *Board) Tap(m Mount, answer []byte) error {
	return b.present(m, func(h Handler) error { return h.Tap(m.Door, m.Exit, answer) })
}

// Press presses a key of a reader's keypad.
func (b *Board) Press(m Mount, key byte) error {
	if !IsKey(key) {
		return ErrNoKey
	}
	return b.present(m, func(h Handler) error { return h.Key(m.Door, m.Exit, key) })
}

func (b *Board) present(m Mount, call func(Handler) error) error {
	u := b.readers[m]
	if u == nil {
		return fmt.Errorf("%w: %s", ErrNoLine, m)
	}
	u.drive.Lock()
	defer u.drive.Unlock()
	var h Handler
	b.mu.Lock()
	if u.owner != nil {
		h = u.owner.handler
	}
	b.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%w: %s", ErrDeaf, m)
	}
	return call(h)
}
