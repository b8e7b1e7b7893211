package panel

import (
	"maps"
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Config says whose doors they are and what is known at the start.
type Config struct {
	Node     passport.NodeID
	Gateway  string // its name in the policy: other gateways' doors are not opened from here
	Doors    map[string]Hardware
	Presence *access.Presence // what the door log says of people; the panel owns it from then on
	Reached  time.Time        // the latest that the door log shows; codes up to then may have been used
	Software string           // name and version, for the Boot entry
}

// Hardware is what the panel has to know of a door's wires.
type Hardware struct {
	FailSafe bool // energised is locked; otherwise energised is unlocked
	Contact  bool // a contact is wired
}

const (
	defaultStrike   = 5 * time.Second // where no policy names the door, for the way out
	defaultHeldOpen = 30 * time.Second
	// PinPatience is how long a PIN is waited for.
	PinPatience = 15 * time.Second
	never       = time.Duration(1<<63 - 1)
)

// Panel is the machine. It has one owner.
type Panel struct {
	cfg      Config
	doors    []*panelDoor // by name
	byName   map[string]*panelDoor
	own      [inputs]line // the gateway's own
	basis    *access.Basis
	trust    access.Trust
	presence *access.Presence
	codes    *access.Codes
	seq      uint64
	waits    uint64 // PINs that were waited for
	fire     bool
	used     func(ledger.PassID) uint32 // presence.Used, made once
	opening  map[uint64]*opening        // by the decisions that are not durable yet
	siblings *access.Siblings
	news     []*news  // of siblings' door logs, by origin
	missing  []string // gateways that cannot be reached
	known    []string // those of them that the log tells of
	second   int64    // Unix seconds that schedules and lockdowns were last looked at
	stopped  bool
	moving   bool // a Replay asks what is so while some partner's contact moves, which no log tells
	follows  bool // a Replay: the log says who is let in, and people are remembered by it alone

	// Of the step that is being taken.
	drives []Action
	told   []Action
}

type panelDoor struct {
	name     string
	hw       Hardware
	policy   *policy.Door // nil if no policy gives it to this gateway
	shared   bool         // siblings' doors lead into a zone that counts people here, or out of it
	cfg      door.Config
	state    door.State
	partners []*panelDoor
	lines    [inputs]line

	pin        *waiting // somebody whose PIN is waited for
	company    *waiting // somebody who waits for a second person or an escort
	escort     *escort  // who may escort and was let in last
	lockedDown bool
	warns      bool             // it is left open
	shown      [2]policy.Signal // again and again, on the way in and out
	scheduled  bool             // held by its schedule
	fired      bool             // held by fire, until it is over
}

type line struct {
	settle door.Settle
	known  bool // its level has been told
	faulty bool // it has been told that something is wrong
}

// waiting is a presentation that lacks something.
type waiting struct {
	Presented
	until   time.Duration
	with    *letIn // who has just been let in and takes this one along
	second  bool   // waits for a second person, not for an escort
	number  uint64 // of who types a PIN
	checked bool   // it was typed in time, and is being checked
}

// letIn is somebody who was let in just now.
type letIn struct {
	at      time.Duration
	escorts bool
	opening *opening // that they wait for, or nil
}

// escort may bring others in, until nobody has passed by their grant or they go
// out again.
type escort struct {
	Presented
	at  time.Duration
	seq uint64 // of their grant
}

// New makes a panel. Nothing moves before Started.
func New(cfg Config) *Panel {
	p := &Panel{
		cfg: cfg, byName: map[string]*panelDoor{}, basis: &access.Basis{}, presence: cfg.Presence,
		codes: access.NewCodes(cfg.Reached), opening: map[uint64]*opening{}, siblings: access.NewSiblings(cfg.Node),
	}
	if p.presence == nil {
		p.presence = access.NewPresence()
	}
	p.used = p.presence.Used
	for _, name := range slices.Sorted(maps.Keys(cfg.Doors)) {
		d := &panelDoor{name: name, hw: cfg.Doors[name]}
		p.doors = append(p.doors, d)
		p.byName[name] = d
	}
	return p
}

// Step takes an event. The actions are valid until the next Step.
func (p *Panel) Step(m Moment, e Event) []Action {
	clear(p.drives)
	clear(p.told)
	p.drives, p.told = p.drives[:0], p.told[:0]
	if p.stopped {
		return nil
	}
	p.step(m, e)
	p.settleSignals()
	p.drives = append(p.drives, p.told...)
	return p.drives
}

func (p *Panel) step(m Moment, e Event) {
	if e, ok := e.(Started); ok {
		p.start(m, e.Basis)
		return
	}
	if e, ok := e.(ClockSet); ok { // before all that happens by the new time
		p.record(m, &ledger.ClockStep{From: e.From, To: e.To})
	}
	before := m
	before.Clock.Trust = p.trust // what was due before a Changed goes by what the log says of the clock until then
	p.tick(before)
	switch e := e.(type) {
	case Changed:
		p.change(m, e.Basis, e.Holders)
	case Presented:
		p.presented(m, &e)
	case Entered:
		p.entered(m, e)
	case Typed:
		p.typed(m, e)
	case Moved:
		p.moved(m, e)
	case Recorded:
		p.recorded(m, e)
	case Told:
		p.hearOf(m, e)
	case Reach:
		p.missing = slices.Compact(slices.Sorted(slices.Values(e.Missing)))
	case Stopped:
		p.stop(m)
	}
}

func (p *Panel) start(m Moment, b *access.Basis) {
	for _, d := range p.doors {
		p.drive(d, Lock, false)
		p.drive(d, Operator, false)
		p.drive(d, Sounder, false)
	}
	boot := &ledger.Boot{Software: p.cfg.Software, Kinds: ledger.KnownKinds(), Clock: m.Clock.Trust.String()}
	if b.Policy != nil {
		boot.Policy = b.Policy.Version
	}
	p.record(m, boot)
	p.change(m, b, nil)
}

func (p *Panel) stop(m Moment) {
	for _, d := range p.doors {
		p.door(m, d, door.Event{Kind: door.Stopped}, nil)
	}
	p.stopped = true
}

// door feeds a door's machine and says what it does; first stands in the log
// before what is told of it.
func (p *Panel) door(m Moment, d *panelDoor, e door.Event, first ledger.Body) {
	e.At = m.Up
	var actions []door.Action
	d.state, actions = door.Step(d.cfg, d.state, e)
	if first != nil {
		p.record(m, first)
	}
	cameIn := false
	left := e.Kind == door.Stopped && d.fired // to its wires: nobody is locked in by a stop
	for _, a := range actions {
		switch a.Do {
		case door.Unlock, door.Lock:
			if left {
				continue
			}
			p.drive(d, Lock, a.Do == door.Unlock)
		case door.OperatorOn, door.OperatorOff:
			p.drive(d, Operator, a.Do == door.OperatorOn)
		case door.SounderOn, door.SounderOff:
			p.drive(d, Sounder, a.Do == door.SounderOn)
		case door.Enter, door.Lapse:
			p.record(m, &ledger.Passage{Seq: a.Grant.Seq, Door: d.name, Exit: a.Grant.Exit, Entered: a.Do == door.Enter})
			if a.Do == door.Lapse && d.escort != nil && d.escort.seq == a.Grant.Seq {
				d.escort = nil
			}
			cameIn = cameIn || a.Do == door.Enter && !a.Grant.Exit
		case door.Change:
			if left {
				continue
			}
			p.record(m, &ledger.DoorState{Door: d.name, State: a.Name.String()})
		case door.Warn, door.Calm:
			d.warns = a.Do == door.Warn
		}
	}
	if cameIn && d.policy != nil && d.policy.FirstIn {
		p.look(m)
	}
}

func (p *Panel) drive(d *panelDoor, o Output, on bool) {
	if o == Lock {
		on = on != d.hw.FailSafe
	}
	p.drives = append(p.drives, Action{Do: Drive, Door: d.name, Output: o, Energised: on})
}

// record appends to the door log; people are remembered by what stands there.
func (p *Panel) record(m Moment, b ledger.Body) {
	p.remember(m, b)
	p.told = append(p.told, Action{Do: Record, Body: b})
}

func (p *Panel) remember(m Moment, b ledger.Body) {
	if !p.follows {
		p.presence.Apply(m.MS(), b)
	}
}

// Door is what can be seen of a door.
type Door struct {
	State      door.State
	LockedDown bool
	AwaitsPin  passport.ID // whose PIN is waited for, or 0
	PinExit    bool        // on which side
	Wait       uint64      // which presentation that is, for Entered and Typed
}

// Door shows a door; ok is false if the panel has none of that name.
func (p *Panel) Door(name string) (_ Door, ok bool) {
	d := p.byName[name]
	if d == nil {
		return Door{}, false
	}
	out := Door{State: d.state, LockedDown: d.lockedDown}
	if d.pin != nil {
		out.AwaitsPin, out.PinExit, out.Wait = d.pin.who(), d.pin.Exit, d.pin.number
	}
	return out, true
}

// Waiting are the keys of those whose holders a Changed has to bring along, as
// they are still at a door.
func (p *Panel) Waiting() (keys []passport.KeyID) {
	for _, d := range p.doors {
		for _, w := range [...]*waiting{d.pin, d.company} {
			if w != nil {
				keys = append(keys, w.Holder.KeyID)
			}
		}
		if d.escort != nil {
			keys = append(keys, d.escort.Holder.KeyID)
		}
	}
	for _, o := range p.opening {
		for _, g := range o.grants {
			if g.by.Raw != nil { // a steward has no key at a door
				keys = append(keys, g.by.Holder.KeyID)
			}
		}
	}
	return keys
}

// Basis is what decisions are made on now.
func (p *Panel) Basis() *access.Basis { return p.basis }
