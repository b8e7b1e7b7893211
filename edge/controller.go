package edge

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Relay drives one line. Set returns once the line is driven, within
// microseconds, and never reads it back.
type Relay interface {
	Set(energised bool) error
}

// Reader shows people what became of them. Show returns at once: it plays a
// pattern once over what it shows again and again, or with loop replaces that.
// The empty pattern is dark and silent.
type Reader interface {
	Show(p policy.Pattern, loop bool)
}

// Journal takes the door log's entries. Record never waits: an entry that it
// takes is durable within the group commit's delay, in the order of the calls.
// RecordFirst takes its entry in that order, too; durable waits until it is, or
// cannot be, which takes it back.
type Journal interface {
	Record(body ledger.Body, at time.Time) error
	RecordFirst(body ledger.Body, at time.Time) (durable func(context.Context) error)
}

// Roster finds holders; *roster.Roster is one.
type Roster interface {
	ByWindow(passport.ID, [8]byte) (access.Holder, error)
	ByKey(passport.KeyID) (access.Holder, error)
	View() *roster.View
}

// Pins checks what was typed. It is slow by design, and called out of turn.
type Pins interface {
	Check(p passport.ID, typed string) (access.Pin, error)
}

// Door is the hardware of one door.
type Door struct {
	Relay    Relay
	FailSafe bool   // energised is locked; otherwise energised is unlocked
	Contact  bool   // a contact is wired
	Operator Relay  // of an automatic door, or nil
	Sounder  Relay  // or nil
	In, Out  Reader // or nil
}

// Config is what a Controller is made of.
type Config struct {
	Community passport.CommunityID
	Node      passport.NodeID
	Gateway   [32]byte // signing key: cards' challenges are bound to it
	Name      string   // the gateway's in the policy: other gateways' doors are not opened from here
	Doors     map[string]Door
	Roster    Roster
	Pins      Pins // nil: nobody has a PIN here
	Journal   Journal
	Clock     func() access.Clock // called from any goroutine
	Presence  *access.Presence    // what the door log says of people, or nil; the controller owns it from then on
	Reached   time.Time           // the latest that the door log shows; codes up to then may have been used
	Software  string              // name and version, for the Boot entry
	Log       *slog.Logger
}

// Controller owns its doors. Make it with New, run it with Run; every other
// method may be called from any goroutine while Run runs.
type Controller struct {
	cfg    Config
	turn   *turn
	alive  chan struct{}  // Run answers on it
	done   chan struct{}  // closed when nobody gets the turn any more
	beside sync.WaitGroup // what waits for a record or checks a PIN
	places map[string]place

	// All below belongs to the goroutine that has the turn.
	ctx     context.Context // Run's
	started time.Time
	began   int64 // Unix milliseconds: the wall clock at the start, as it is set now
	trust   access.Trust
	panel   *panel.Panel
	doors   map[string]*ownDoor
	wake    *time.Timer
	wakes   time.Duration // when wake goes off, since the start; never later than the panel's
}

// ownDoor is what a door's wires were told.
type ownDoor struct {
	hardware Door
	outputs  [3]output // by panel.Output
	typing   [2]typing // on the way in and out
}

type output struct {
	relay     Relay
	part      string // as faults name it
	energised bool
	fault     bool          // it could not be driven
	retry     time.Duration // then, while it could not
}

// ErrStopped says that the controller runs no more.
var ErrStopped = errors.New("the controller has stopped")

const (
	relayRetry = time.Second
	// clockTolerance is how far the log's clock and the system's may part before
	// the log's is set.
	clockTolerance = 500 * time.Millisecond
)

// New makes a controller. Nothing moves before Run.
func New(cfg Config) *Controller {
	c := &Controller{cfg: cfg, turn: newTurn(), alive: make(chan struct{}), done: make(chan struct{}), places: map[string]place{}, doors: map[string]*ownDoor{}}
	doors := map[string]panel.Hardware{}
	for name, h := range cfg.Doors {
		c.places[name] = c.placeOf(name)
		doors[name] = panel.Hardware{FailSafe: h.FailSafe, Contact: h.Contact}
		part := "door/" + name + "/"
		c.doors[name] = &ownDoor{hardware: h, outputs: [3]output{
			panel.Lock:     {relay: h.Relay, part: part + "relay"},
			panel.Operator: {relay: h.Operator, part: part + "operator"},
			panel.Sounder:  {relay: h.Sounder, part: part + "sounder"},
		}}
	}
	c.await() // nobody has a turn before Run
	c.panel = panel.New(panel.Config{
		Node: cfg.Node, Gateway: cfg.Name, Doors: doors, Presence: cfg.Presence, Reached: cfg.Reached, Software: cfg.Software,
	})
	return c
}

// Run locks every door, writes the Boot entry and lets everybody else have the
// turn until ctx ends; then it locks them again. It may be called once.
func (c *Controller) Run(ctx context.Context) error {
	defer c.beside.Wait()
	defer close(c.done)
	c.ctx, c.started = ctx, time.Now()
	clock := c.cfg.Clock()
	c.began, c.trust = clock.Now.UnixMilli(), clock.Trust
	c.wake, c.wakes = time.NewTimer(0), 0
	defer c.wake.Stop()
	c.step(panel.Started{Basis: c.basis()})
	second := time.NewTicker(time.Second)
	defer second.Stop()
	c.pass()
	for {
		select {
		case <-ctx.Done():
			c.await()
			c.step(panel.Stopped{})
			c.retryRelays(true)
			return nil
		case c.alive <- struct{}{}:
		case <-c.wake.C:
			c.await()
			c.wakes = never // it has gone off
			c.step(panel.Ticked{})
			c.pass()
		case <-second.C:
			c.await()
			c.refresh()
			c.retryRelays(false)
			c.step(panel.Ticked{})
			c.pass()
		}
	}
}

// await takes Run's own turn, for which it waits as long as that takes.
func (c *Controller) await() { _ = c.turn.take(context.Background(), nil) }

// never is when a timer goes off that is not set.
const never = time.Duration(math.MaxInt64)

// post makes a call in its turn, and returns nil once it is done.
func (c *Controller) post(ctx context.Context, call func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.turn.take(ctx, c.done); err != nil {
		return err
	}
	defer c.pass()
	if c.ctx.Err() != nil {
		return ErrStopped // what is left is to lock
	}
	call()
	return nil
}

// pass ends a turn.
func (c *Controller) pass() {
	// To be woken too early does no harm, and to set a timer costs more than to
	// look whether it has to be.
	if at, ok := c.panel.Wake(); ok && at < c.wakes {
		c.wakes = at
		// Moments are whole milliseconds: to come too early is to come twice.
		c.wake.Reset(max(at-time.Since(c.started), 0) + time.Millisecond)
	}
	c.turn.end()
}

// Ping returns once the doors have answered, and Run, which locks them again:
// what a watchdog is fed on.
func (c *Controller) Ping(ctx context.Context) error {
	if err := c.post(ctx, func() {}); err != nil {
		return err
	}
	select {
	case <-c.alive:
		return nil
	case <-c.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Refresh takes in a new view of the roster now, and not with the next
// presentation or second.
func (c *Controller) Refresh(ctx context.Context) error { return c.post(ctx, c.refresh) }

// Fault records that a part stopped working, or works again.
func (c *Controller) Fault(ctx context.Context, part, what string, cleared bool) error {
	return c.post(ctx, func() { c.recordFault(part, what, cleared) })
}

// Input tells of an input's level; door is empty for the gateway's own, and start
// is true for the level that was found when the input was opened, which is what
// comes first of each. It may bounce.
func (c *Controller) Input(ctx context.Context, name string, input panel.Input, line door.Line, start bool) error {
	return c.post(ctx, func() { c.step(panel.Moved{Door: name, Input: input, Line: line, Start: start}) })
}

// Generation is that of the roster's view that decisions are made on now.
func (c *Controller) Generation() uint64 { return c.cfg.Roster.View().Generation }

func (c *Controller) recordFault(part, what string, cleared bool) {
	c.record(&ledger.Fault{Part: ledger.CleanText(part, 100), What: ledger.CleanText(what, 400), Cleared: cleared})
}

func (c *Controller) basis() *access.Basis { return &c.cfg.Roster.View().Basis }

// refresh takes in the roster's newest view, what the system's clock shows, and
// what it is worth: a time is never trusted as another one is.
func (c *Controller) refresh() {
	clock, b := c.cfg.Clock(), c.basis()
	change := func() {
		c.trust = clock.Trust
		c.step(panel.Changed{Basis: b, Holders: c.waiting(b)})
	}
	if clock.Trust < c.trust { // no new time is trusted as the one before it was
		change()
	}
	c.follow(clock.Now)
	if b != c.panel.Basis() || clock.Trust != c.trust {
		change()
	}
}

// up is the time since the start in whole milliseconds, on the monotonic clock.
func (c *Controller) up() time.Duration { return time.Since(c.started).Truncate(time.Millisecond) }

// moment is now, by the log's clock: it runs with the monotonic clock and is set
// by ClockSteps alone, so that a log tells when everything happened, and after
// what time.
func (c *Controller) moment() panel.Moment {
	up := c.up()
	now := time.UnixMilli(c.began + up.Milliseconds())
	return panel.Moment{Up: up, Clock: access.Clock{Now: now, Trust: c.trust}, Age: c.panel.Basis().Age(now)}
}

// follow sets the log's clock when the system's has been set.
func (c *Controller) follow(now time.Time) {
	from, to := c.moment().MS(), now.UnixMilli()
	if d := time.Duration(to-from) * time.Millisecond; d.Abs() > clockTolerance {
		c.began += to - from
		c.step(panel.ClockSet{From: from, To: to})
	}
}

// step feeds the panel and does what it says.
func (c *Controller) step(e panel.Event) {
	m := c.moment()
	for _, a := range c.panel.Step(m, e) {
		d := c.doors[a.Door]
		switch a.Do {
		case panel.Drive:
			c.drive(&d.outputs[a.Output], a.Energised)
		case panel.Show:
			c.show(d, a.Exit, a.Signal, a.Loop)
		case panel.Record:
			c.recordAt(a.Body, m.Clock.Now)
		case panel.RecordFirst:
			c.recordFirst(a.Body, a.Seq, m.Clock.Now)
		}
	}
}

// drive moves a relay. One that fails is tried again every second until it obeys.
func (c *Controller) drive(o *output, energised bool) {
	o.energised = energised
	if o.relay == nil {
		return
	}
	err := o.relay.Set(energised)
	if err != nil {
		o.retry = c.up() + relayRetry
	}
	if failed := err != nil; failed != o.fault {
		o.fault = failed
		what := "the relay obeys again"
		if failed {
			what = "the relay cannot be driven: " + err.Error()
		}
		c.cfg.Log.Warn(what, "part", o.part)
		c.recordFault(o.part, what, !failed)
	}
}

func (c *Controller) retryRelays(now bool) {
	for _, d := range c.doors {
		for i := range d.outputs {
			if o := &d.outputs[i]; o.fault && (now || c.up() >= o.retry) {
				c.drive(o, o.energised)
			}
		}
	}
}

func (c *Controller) show(d *ownDoor, exit bool, s policy.Signal, loop bool) {
	r := d.hardware.In
	if exit {
		r = d.hardware.Out
	}
	if r == nil {
		return
	}
	feedback := policy.DefaultFeedback()
	if p := c.panel.Basis().Policy; p != nil {
		feedback = p.Feedback
	}
	r.Show(feedback[s], loop)
}

func (c *Controller) record(b ledger.Body) { c.recordAt(b, c.moment().Clock.Now) }

func (c *Controller) recordAt(b ledger.Body, at time.Time) {
	if err := c.cfg.Journal.Record(b, at); err != nil {
		c.cfg.Log.Error("not recorded", "kind", b.Kind().String(), "err", err)
	}
}

// recordFirst waits, out of turn, until a decision is durable, and tells
// the panel.
func (c *Controller) recordFirst(b ledger.Body, seq uint64, at time.Time) {
	ctx, durable := c.ctx, c.cfg.Journal.RecordFirst(b, at)
	c.beside.Go(func() {
		recording, cancel := context.WithTimeout(ctx, recordPatience)
		defer cancel()
		err := durable(recording)
		if err != nil {
			c.cfg.Log.Error("what opens only on record stays shut", "err", err)
		}
		if err := c.post(context.WithoutCancel(ctx), func() { c.step(panel.Recorded{Seq: seq, OK: err == nil}) }); err != nil {
			c.cfg.Log.Error("a recorded opening came too late", "err", err)
		}
	})
}

// recordPatience is how long somebody stands at a door whose disk does not
// answer.
const recordPatience = 5 * time.Second
