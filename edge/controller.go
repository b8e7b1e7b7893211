package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Relay drives one lock. Set returns once the line is driven, within
// microseconds, and never reads it back.
type Relay interface {
	Set(energised bool) error
}

// Journal takes the door log's entries. Record never waits: an entry that it
// takes is durable within the group commit's delay, in the order of the calls.
// RecordFirst returns once its entry is durable.
type Journal interface {
	Record(body ledger.Body, at time.Time) error
	RecordFirst(ctx context.Context, body ledger.Body, at time.Time) error
}

// Roster finds holders; *roster.Roster is one.
type Roster interface {
	ByWindow(passport.ID, [8]byte) (access.Holder, error)
	ByKey(passport.KeyID) (access.Holder, error)
	View() *roster.View
}

// Door is the hardware of one door.
type Door struct {
	Relay    Relay
	FailSafe bool // energised is locked; otherwise energised is unlocked
	Contact  bool // a contact is wired
}

// Config is what a Controller is made of.
type Config struct {
	Community passport.CommunityID
	Node      passport.NodeID
	Gateway   [32]byte // signing key: cards' challenges are bound to it
	Name      string   // the gateway's in the policy: other gateways' doors are not opened from here
	Doors     map[string]Door
	Roster    Roster
	Journal   Journal
	Clock     func() roster.Clock // called from any goroutine
	Reached   time.Time           // the latest that the door log shows; codes up to then may have been used
	Software  string              // name and version, for the Boot entry
	Log       *slog.Logger
}

// Controller owns its doors. Make it with New, run it with Run; every other
// method may be called from any goroutine while Run runs.
type Controller struct {
	cfg       Config
	calls     chan func()
	done      chan struct{}  // closed when the owner takes no more
	recording sync.WaitGroup // openings that wait for their record

	// All below belongs to Run's goroutine.
	ctx     context.Context // Run's
	started time.Time
	doors   map[string]*ownDoor
	codes   *access.Codes
	seq     uint64
	offset  time.Duration // of the wall clock against the monotonic one
}

type ownDoor struct {
	name     string
	hardware Door
	state    door.State
	contact  door.Settle
	rex      door.Settle
	fault    bool          // the relay could not be driven
	retry    time.Duration // then, while it could not
}

// ErrStopped says that the controller runs no more.
var ErrStopped = errors.New("the controller has stopped")

const (
	defaultStrike   = 5 * time.Second // where no policy names the door, for the way out
	defaultHeldOpen = 30 * time.Second
	relayRetry      = time.Second
	clockTolerance  = 2 * time.Second
)

// New makes a controller. Nothing moves before Run.
func New(cfg Config) *Controller {
	c := &Controller{
		cfg: cfg, calls: make(chan func()), done: make(chan struct{}),
		doors: map[string]*ownDoor{}, codes: access.NewCodes(cfg.Reached),
	}
	for name, hardware := range cfg.Doors {
		c.doors[name] = &ownDoor{name: name, hardware: hardware}
	}
	return c
}

// Run locks every door, writes the Boot entry and owns the doors until ctx
// ends; then it locks them again. It may be called once.
func (c *Controller) Run(ctx context.Context) error {
	defer c.recording.Wait()
	defer close(c.done)
	c.ctx, c.started = ctx, time.Now()
	for _, d := range c.doors {
		c.drive(d, false)
	}
	clock := c.cfg.Clock()
	c.offset = c.clockOffset(clock)
	c.boot(clock)
	wake := time.NewTimer(0)
	defer wake.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			c.lockAll()
			return nil
		case call := <-c.calls:
			call()
		case <-wake.C:
			c.tick()
		case <-second.C:
			c.watchClock()
			c.tick()
		}
		wake.Reset(c.untilWake())
	}
}

func (c *Controller) lockAll() {
	for _, d := range c.doors {
		if d.fault {
			c.drive(d, false)
		}
		c.step(d, door.Event{Kind: door.Cancelled}, nil)
	}
}

// post hands a call to the owner. It returns nil once the owner has it.
func (c *Controller) post(ctx context.Context, call func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.calls <- call:
		return nil
	case <-c.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ping returns once the owner has answered: what a watchdog is fed on.
func (c *Controller) Ping(ctx context.Context) error {
	answered := make(chan struct{})
	if err := c.post(ctx, func() { close(answered) }); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-c.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fault records that a part stopped working, or works again.
func (c *Controller) Fault(ctx context.Context, part, what string, cleared bool) error {
	return c.post(ctx, func() { c.recordFault(part, what, cleared) })
}

func (c *Controller) recordFault(part, what string, cleared bool) {
	c.record(&ledger.Fault{Part: ledger.CleanText(part, 100), What: ledger.CleanText(what, 400), Cleared: cleared})
}

func (c *Controller) boot(clock roster.Clock) {
	b := &ledger.Boot{Software: c.cfg.Software, Kinds: ledger.KnownKinds(), Clock: "unknown"}
	if clock.Known {
		b.Clock = "known"
	}
	if p := c.cfg.Roster.View().Policy; p != nil {
		b.Policy = p.Version
	}
	c.record(b)
}

// policyDoor is the door in the policy of a view, or nil if the policy does not
// give it to this gateway.
func (c *Controller) policyDoor(v *roster.View, name string) *policy.Door {
	if v.Policy == nil {
		return nil
	}
	d := v.Policy.Doors[name]
	if d == nil || d.Gateway != c.cfg.Name {
		return nil
	}
	return d
}

func (c *Controller) doorConfig(d *ownDoor) door.Config {
	cfg := door.Config{Strike: defaultStrike, HeldOpen: defaultHeldOpen, HasContact: d.hardware.Contact}
	if p := c.policyDoor(c.cfg.Roster.View(), d.name); p != nil {
		cfg.Strike, cfg.HeldOpen = p.Strike, p.HeldOpen
	}
	return cfg
}

// step feeds a door's machine and does what it says: the lock, then first, then
// what is told.
func (c *Controller) step(d *ownDoor, e door.Event, first ledger.Body) {
	e.At = c.up()
	var actions []door.Action
	d.state, actions = door.Step(c.doorConfig(d), d.state, e)
	for _, a := range actions {
		if a.Do == door.Lock || a.Do == door.Unlock {
			c.drive(d, a.Do == door.Unlock)
		}
	}
	if first != nil {
		c.record(first)
	}
	for _, a := range actions {
		switch a.Do {
		case door.Enter, door.Lapse:
			c.record(&ledger.Passage{Seq: a.Grant.Seq, Door: d.name, Exit: a.Grant.Exit, Entered: a.Do == door.Enter})
		case door.Change:
			c.record(&ledger.DoorState{Door: d.name, State: a.Name.String()})
		}
	}
}

// open lets a granted decision through: the lock, then the record.
func (c *Controller) open(d *ownDoor, decision *ledger.Decision) {
	grant := door.Grant{Seq: decision.Seq, Exit: decision.Exit}
	c.step(d, door.Event{Kind: door.Granted, Grant: grant}, decision)
}

// drive moves the lock. A relay that fails is tried again every second until
// it obeys.
func (c *Controller) drive(d *ownDoor, unlock bool) {
	err := d.hardware.Relay.Set(unlock != d.hardware.FailSafe)
	if err != nil {
		d.retry = c.up() + relayRetry
	}
	if failed := err != nil; failed != d.fault {
		d.fault = failed
		what := "the relay obeys again"
		if failed {
			what = fmt.Sprintf("the relay cannot be driven: %v", err)
		}
		c.cfg.Log.Warn(what, "door", d.name)
		c.recordFault("door/"+d.name+"/relay", what, !failed)
	}
}

// tick does what has come due.
func (c *Controller) tick() {
	now := c.up()
	for _, d := range c.doors {
		if d.fault && now >= d.retry {
			c.drive(d, d.state.Unlocked())
		}
		c.settle(d)
		if at, ok := d.state.Wake(); ok && now >= at {
			c.step(d, door.Event{Kind: door.Tick}, nil)
		}
	}
}

func (c *Controller) untilWake() time.Duration {
	wake := c.up() + time.Hour
	for _, d := range c.doors {
		for _, wakes := range [...]func() (time.Duration, bool){d.state.Wake, d.contact.Wake, d.rex.Wake} {
			if at, ok := wakes(); ok {
				wake = min(wake, at)
			}
		}
	}
	return max(wake-c.up(), 0)
}

// up is the time since the start, on the monotonic clock.
func (c *Controller) up() time.Duration { return time.Since(c.started) }

func (c *Controller) clockOffset(clock roster.Clock) time.Duration {
	return time.Duration(clock.Now.UnixNano()) - c.up()
}

// watchClock notices a wall clock that was set.
func (c *Controller) watchClock() {
	clock := c.cfg.Clock()
	offset := c.clockOffset(clock)
	if d := offset - c.offset; d < -clockTolerance || d > clockTolerance {
		c.record(&ledger.ClockStep{From: clock.Now.Add(-d).UnixMilli(), To: clock.Now.UnixMilli()})
	}
	c.offset = offset
}

func (c *Controller) record(b ledger.Body) {
	if err := c.cfg.Journal.Record(b, c.cfg.Clock().Now); err != nil {
		c.cfg.Log.Error("not recorded", "kind", b.Kind().String(), "err", err)
	}
}

// Generation is that of the roster's view that decisions are made on now.
func (c *Controller) Generation() uint64 { return c.cfg.Roster.View().Generation }
