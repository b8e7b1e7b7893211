// Package sim is a door's hardware in process: relays, contacts, the channels of
// an ADC, card readers with keypads, and a serial scanner.
//
// Call [New], give its relays and inputs to the code under test in the place
// of package board's, drive it with [Board.SetInput], [Board.SetReading],
// [Board.Tap] and [Board.Press], and look at [Board.Transitions] and
// [Board.Shows]; a test ends with [Board.Check], which fails it for every
// breach of the drivers' contract that the board saw. [Board.Serve] lets
// another process watch and drive the board ([Dial]); [NewScanner] is a pty
// that speaks as a QR scanner does.
//
// It knows no keys and no signatures: a reader passes challenges and answers
// through. It does not simulate bounce, electrical levels or the kernel: whether the
// real drivers keep their promises is proved on the emulated board.
package sim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// What a call asked that cannot be; most are recorded as a Violation too.
var (
	ErrNoLine = errors.New("sim: board has no such line")
	ErrInUse  = errors.New("sim: line is already open")
	ErrClosed = errors.New("sim: relay is closed")
)

// Rule is a clause of the drivers' contract.
type Rule uint8

const (
	SetAfterClose    Rule = iota + 1 // Relay.Set after Relay.Close, Reader.Show after Reader.Close
	OpenTwice                        // a line opened while it is open
	UnknownLine                      // a line opened, or a channel read, that the board does not have
	EnergisedAtOpen                  // a relay opened that was left energised: SetSafe comes first
	EnergisedAtClose                 // a relay closed that its owner left energised
	LeftOpen                         // a line still open when Check looked
	EqualLevel                       // an input reported with the level it already had
)

func (r Rule) String() string {
	names := [...]string{"", "set after close", "opened twice", "unknown line", "energised at open",
		"energised at close", "left open", "equal level reported"}
	if int(r) < len(names) && r > 0 {
		return names[r]
	}
	return fmt.Sprintf("rule %d", uint8(r))
}

// Violation is a breach of the contract.
type Violation struct {
	At   time.Time
	Rule Rule
	Line string
}

func (v Violation) String() string { return fmt.Sprintf("%s: %v", v.Line, v.Rule) }

// Transition is a change of a relay. Setting the level it has is none.
type Transition struct {
	At        time.Time
	Relay     string
	Energised bool
}

// Config names the lines. Names are the caller's own, e.g. "front" and
// "front/contact".
type Config struct {
	Relays   []string
	Inputs   []string         // inactive to begin with
	Channels map[int]int      // of the ADC, 0 to MaxChannel → what each reads to begin with, per mille
	Readers  []Mount          // dark to begin with
	Now      func() time.Time // nil is time.Now; tests of pure code give their own
}

// Board is the simulated board. Its methods may be called from any goroutine.
type Board struct {
	now func() time.Time

	// The maps do not change after New.
	relays   map[string]*relayLine
	inputs   map[string]*inputLine
	channels map[int]*channel
	readers  map[Mount]*readerUnit

	mu          sync.Mutex // guards what the maps point to, and what follows
	transitions recent[Transition]
	shown       recent[Shown]
	violations  recent[Violation]
	watchers    map[chan Event]struct{}
}

type relayLine struct {
	energised bool
	owner     *Relay
	fault     *fault
}

// New makes a board with every relay de-energised and every input inactive.
// It panics if a name is empty or used twice, or a channel out of bounds: that is
// the caller's mistake.
func New(cfg Config) *Board {
	b := &Board{
		now:      cfg.Now,
		relays:   make(map[string]*relayLine),
		inputs:   make(map[string]*inputLine),
		channels: make(map[int]*channel),
		readers:  make(map[Mount]*readerUnit),
		watchers: make(map[chan Event]struct{}),
	}
	if b.now == nil {
		b.now = time.Now
	}
	seen := make(map[string]bool)
	names := slices.Concat(cfg.Relays, cfg.Inputs)
	for _, m := range cfg.Readers {
		names = append(names, m.String())
	}
	for _, n := range names {
		if n == "" || seen[n] {
			panic(fmt.Sprintf("sim: line name %q is empty or used twice", n))
		}
		seen[n] = true
	}
	for _, n := range cfg.Relays {
		b.relays[n] = &relayLine{}
	}
	for _, n := range cfg.Inputs {
		b.inputs[n] = &inputLine{}
	}
	for n, perMille := range cfg.Channels {
		if n < 0 || n > MaxChannel || perMille < 0 || perMille > MaxReading {
			panic(fmt.Sprintf("sim: ADC channel %d reads %d", n, perMille))
		}
		b.channels[n] = &channel{perMille: perMille}
	}
	for _, m := range cfg.Readers {
		b.readers[m] = &readerUnit{again: Shown{Mount: m, Loop: true}}
	}
	return b
}

// Energised tells a relay's present state; false for a name without a relay.
func (b *Board) Energised(relay string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.relays[relay]
	return l != nil && l.energised
}

// Transitions gives the changes of all relays so far, the newest [Kept], in order.
func (b *Board) Transitions() []Transition {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.transitions.all()
}

// Violations gives the breaches so far, the newest [Kept], in order.
func (b *Board) Violations() []Violation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.violations.all()
}

// TB is what Check needs of a *testing.T.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Check fails the test for every violation, and for every line left open:
// call it when the code under test has ended.
func (b *Board) Check(t TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.violations.all()
	for n, l := range b.relays {
		if l.owner != nil {
			found = append(found, Violation{Rule: LeftOpen, Line: n})
		}
	}
	for n, l := range b.inputs {
		if l.owner != nil {
			found = append(found, Violation{Rule: LeftOpen, Line: n})
		}
	}
	for m, u := range b.readers {
		if u.owner != nil {
			found = append(found, Violation{Rule: LeftOpen, Line: m.String()})
		}
	}
	for _, v := range found {
		t.Errorf("sim: contract broken: %v", v)
	}
}

// violate records a breach; b.mu is held.
func (b *Board) violate(r Rule, line string) {
	b.violations.add(Violation{b.now(), r, line})
}

// move changes a relay and tells who watches; b.mu is held.
func (b *Board) move(name string, l *relayLine, energised bool) {
	if l.energised == energised {
		return
	}
	l.energised = energised
	t := Transition{b.now(), name, energised}
	b.transitions.add(t)
	b.tell(Event{T: t.At, Relay: name, Energised: energised})
}
