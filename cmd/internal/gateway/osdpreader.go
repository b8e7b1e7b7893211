package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tombolo/edge/policy"
	"tombolo/hw/osdp"
	"tombolo/passport/card"
)

// osdpReader is a reader on a bus. It is an osdp.Handler: those methods are
// called one at a time.
type osdpReader struct {
	reader
	place  Place
	bus    *osdpBus
	lights *osdpLights // nil as long as nobody shows anything

	// Set before the bus runs.
	reading *reading
	taps    taps
	log     *slog.Logger

	present, tampered, failed settled

	mu    sync.Mutex
	aside bool // it is being given a key
	other error
	id    osdp.Identity
	up    bool
	why   error // it is not up; nil also as long as nobody knows
}

func (r *osdpReader) attach(ctx context.Context, rd *reading, log *slog.Logger) {
	r.reading, r.log = rd, log.With("reader", r.name)
	r.taps = rd.taps(ctx, r.reader, r.log)
	state := rd.state(ctx, r.name, "no reader at "+r.place.String(), func() {})
	r.present = settled{every: settleFor, tell: func(_ string, err error) { state(err == nil, err) }}
	r.tampered = settled{every: settleFor, tell: r.fault("/case", "the reader's case is closed")}
	r.failed = settled{every: settleFor, tell: r.fault("/power", "the reader's power is back")}
}

func (r *osdpReader) config() osdp.ReaderConfig {
	c := osdp.ReaderConfig{Address: r.place.Address, Insecure: r.cfg.Insecure, Handler: r}
	if c.Insecure {
		return c
	}
	c.Keys = r.bus.keys.try(r.place)
	if i, ok := r.bus.keys.of(r.place); ok && i.UID != "" {
		c.Pinned = &i.Capabilities
	}
	return c
}

// setAside has nothing count that the reader reports, or counts it again; what it
// said in between is told when the bus begins anew.
func (r *osdpReader) setAside(aside bool) {
	r.mu.Lock()
	r.aside = aside
	r.mu.Unlock()
}

// forget begins anew with a bus that does.
func (r *osdpReader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.other, r.id, r.up, r.why = nil, osdp.Identity{}, false, nil
}

// counts tells whether what the reader reports counts. On the way out it does,
// whichever reader it is that has the key.
func (r *osdpReader) counts() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exit || !r.aside && r.other == nil
}

// identity is what the reader said of itself; ok is false while it is not there.
func (r *osdpReader) identity() (_ osdp.Identity, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id, r.up
}

// condition is how the reader is.
func (r *osdpReader) condition() (up bool, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up, r.why
}

// Identity is osdp.Handler's.
func (r *osdpReader) Identity(id osdp.Identity) {
	var other error
	if !r.cfg.Insecure {
		uid := hex.EncodeToString(id.UID[:])
		switch i, _ := r.bus.keys.of(r.place); {
		case i.UID == "":
			if err := r.bus.keys.met(r.place, id, time.Now()); err != nil {
				r.log.Error("which reader it is was not kept", "err", err)
			}
		case i.UID != uid:
			other = &otherReader{r.place, uid, i.UID}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id = id
	if r.aside {
		other = nil // its place is being given to it
	}
	r.other = other
}

// State is osdp.Handler's.
func (r *osdpReader) State(up bool, err error) {
	if _, given := r.bus.keys.of(r.place); !up && !r.cfg.Insecure && !given && !errors.Is(err, osdp.ErrPort) {
		err = &keyless{r.place, err}
	}
	r.mu.Lock()
	if up && r.other != nil {
		up, err = false, r.other
	}
	r.up, r.why = up, err
	aside := r.aside
	r.mu.Unlock()
	if !aside && !errors.Is(err, osdp.ErrNotRunning) { // the bus is begun anew
		r.present.is("", err)
	}
}

// Card is osdp.Handler's.
func (r *osdpReader) Card(_ context.Context, t card.Transceiver) {
	if r.counts() {
		r.taps.card(t)
	}
}

// Refused is osdp.Handler's.
func (r *osdpReader) Refused(err error) {
	if r.counts() {
		r.taps.refused(err)
	}
}

// Key is osdp.Handler's.
func (r *osdpReader) Key(key byte) {
	if !r.counts() {
		return
	}
	if err := r.reading.to.Key(r.taps.ctx, r.door, r.exit, key); err != nil && r.taps.ctx.Err() == nil {
		r.log.Error("a key was not taken", "err", err)
	}
}

// Tamper is osdp.Handler's.
func (r *osdpReader) Tamper(active bool) { r.change(&r.tampered, active, "the reader's case is open") }

// Power is osdp.Handler's.
func (r *osdpReader) Power(failed bool) {
	r.change(&r.failed, failed, "the reader says that its power fails")
}

func (r *osdpReader) change(s *settled, bad bool, what string) {
	if !bad {
		what = ""
	}
	s.is(what, nil)
}

// fault records that a part of the reader is not as it should be, or is again.
func (r *osdpReader) fault(part, good string) func(what string, _ error) {
	return func(what string, _ error) {
		cleared := what == ""
		if cleared {
			what = good
		}
		r.log.Warn(what)
		r.reading.fault(r.taps.ctx, r.name+part, what, cleared)
	}
}

// settleFor is how long a fault of a reader stands at least before the door log
// hears of its end, or of another.
const settleFor = 3 * time.Second

// settled passes on how something is, and not more often than the door log bears:
// a first change at once, and of those that follow within a while the last. Its
// beginning is in order.
type settled struct {
	tell  func(what string, err error) // nothing and nil: in order; from one goroutine at a time
	every time.Duration                // settleFor

	mu        sync.Mutex
	now, told struct {
		what string
		err  error
	}
	timer *time.Timer // runs while nothing passes
}

func (s *settled) is(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.what, s.now.err = what, err; s.timer == nil {
		s.pass()
	}
}

func (s *settled) pass() {
	if s.timer = nil; s.now.what == s.told.what && fmt.Sprint(s.now.err) == fmt.Sprint(s.told.err) {
		return
	}
	s.told = s.now
	s.tell(s.told.what, s.told.err)
	s.timer = time.AfterFunc(s.every, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pass()
	})
}

// Input is osdp.Handler's. No door's contact hangs on a reader: its cable ends
// outside.
func (r *osdpReader) Input(n int, active bool) {
	r.log.Info("a contact of the reader moved", "input", n, "active", active)
}

// osdpLights are a reader's own.
type osdpLights struct {
	reader *osdpReader

	mu    sync.Mutex
	shown policy.Step // without its time
	known bool        // the bus was told
}

var osdpColours = map[policy.Colour]osdp.Colour{
	policy.Green: osdp.Green, policy.Red: osdp.Red, policy.Amber: osdp.Amber, policy.Blue: osdp.Blue, policy.White: osdp.White,
}

func (l *osdpLights) light(s policy.Step) {
	s.For = 0
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known && s == l.shown {
		return
	}
	was, first := l.shown, !l.known
	bus := l.reader.bus.running()
	l.shown, l.known = s, bus != nil
	if bus == nil {
		return // it is told when it is there
	}
	if !first && s.Colour != was.Colour && was.Colour != policy.Dark {
		bus.Light(l.reader.place.Address, osdpColours[was.Colour], false)
	}
	if (first || s.Colour != was.Colour) && s.Colour != policy.Dark {
		bus.Light(l.reader.place.Address, osdpColours[s.Colour], true)
	}
	if first || s.Beep != was.Beep {
		bus.Beep(l.reader.place.Address, s.Beep)
	}
}

// again tells a bus that has just begun.
func (l *osdpLights) again() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.known = false
	s := l.shown
	l.mu.Unlock()
	l.light(s)
}

// Close leaves them to the reader, which is offline by now.
func (l *osdpLights) Close() error { return nil }
