package panel

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// World is what the ledgers said at the moments that a door log names.
type World interface {
	// Basis is that of an entry, at its time.
	Basis(b *ledger.Basis, c access.Clock) (*access.Basis, error)
	// ByKey finds a holder under the last Basis.
	ByKey(passport.KeyID) (access.Holder, error)
	// Sibling is what stands in another gateway's door log: entries from to size-1, of
	// which those with bodies whose kinds access.Heard names are enough. ErrNotHeld
	// says that not all of that can be known any more.
	Sibling(log ledger.Origin, from, size int64) ([]Logged, error)
}

// ErrNotHeld says that a sibling's door log is not at hand.
var ErrNotHeld = errors.New("the door log is not held here")

// Logged is an entry of a door log; Body is nil where it was dropped.
type Logged struct {
	Index int64
	Time  int64 // Unix milliseconds
	Body  ledger.Body
}

// Outcome is one decision, as it was made and as it is made again; or with a nil
// Decision and a Note an entry that no gateway writes.
type Outcome struct {
	Logged
	Decision *ledger.Decision
	Again    access.Verdict
	Same     bool
	// Note says why a decision was not made again, or is empty: what was refused
	// before anybody was known depends on a signature that is not kept, and what
	// nobody has signed for is no decision of the gateway's.
	Note string
}

// ReplayConfig is a gateway's, with what it remembered before the Boot.
type ReplayConfig struct {
	Config
	Community passport.CommunityID
	Key       [32]byte // the gateway's: cards' challenges are bound to it
}

// Replay makes the decisions of a door log again, from a Boot on. Each decision
// is made on what the log says had happened before it, so that one difference
// makes no others: with the policy of the time all are the same; with another
// those differ that it changes, and with any those that no signed presentation
// stands behind. An error ends it.
func Replay(cfg ReplayConfig, w World, log iter.Seq2[Logged, error]) iter.Seq2[Outcome, error] {
	return again(&replay{cfg: cfg.Config, world: w, proves: once(cfg.proves)}, log)
}

func again(r *replay, log iter.Seq2[Logged, error]) iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		cfg := r.cfg
		if !cfg.Reached.IsZero() {
			r.reached = cfg.Reached.UnixMilli()
		}
		for entry, err := range log {
			var out []Outcome
			if err == nil {
				out, err = r.entry(entry)
			}
			if err != nil {
				yield(Outcome{Logged: entry}, fmt.Errorf("entry %d: %w", entry.Index, err))
				return
			}
			for _, o := range out {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

type replay struct {
	cfg     Config
	world   World
	proves  func(*Presented, *ledger.Decision) error
	panel   *Panel // nil before the first Boot
	began   int64  // Unix ms: when Up was 0, by the clock as it is set now
	reached int64  // the latest time of any entry, Unix ms
	trust   access.Trust
	booted  bool                        // a Boot came, and not yet its Basis
	last    *ledger.Basis               // of this run
	passes  map[uint64]*ledger.PassUsed // for decisions that have not been met yet
	due     []*ledger.Decision          // made again by an input, and not yet met in the log
	orders  map[uint64]answered         // by the decisions that come next
	heard   map[ledger.Origin]int64     // of siblings' door logs so much was folded in this run
	lost    []ledger.Origin             // of which not all that was folded then is held
}

// maxBack is how far ahead of a start the log may be before its clock is taken to
// have been the wrong one.
const maxBack = 24 * time.Hour

func (r *replay) entry(e Logged) (out []Outcome, err error) {
	if b, ok := e.Body.(*ledger.Boot); ok {
		out = r.unmet(e)
		for i := range out { // a crash took what was not yet durable
			out[i].Same, out[i].Note = true, "the log was cut off before this exit was recorded"
		}
		r.boot(e.Time, b)
	}
	if r.panel == nil {
		return nil, nil
	}
	if b, ok := e.Body.(*ledger.ClockStep); ok {
		r.began += b.To - b.From
		r.panel.presence.Apply(e.Time, b) // before all that happens by the new time
	}
	m := r.moment(e.Time)
	switch b := e.Body.(type) {
	case *ledger.Basis:
		out, err = r.basis(m, e, b)
	case *ledger.Line:
		r.line(m, b)
	case *ledger.PassUsed:
		r.passes[b.Seq] = b // the decision comes next, but for what was recorded while it waited
	case *ledger.Ordered:
		at := access.Order{Origin: b.Origin, Index: b.Index}
		r.orders[b.Seq] = answered{b, r.panel.presence.Answered(at)}
	case *ledger.Siblings:
		r.step(m, Ticked{})
		err = r.siblings(m, b)
	case *ledger.Opening:
		r.step(m, Recorded{Seq: b.Seq, OK: true})
	case *ledger.Decision:
		out, err = r.decision(m, e, b)
	default:
		r.step(m, Ticked{})
	}
	if _, caused := e.Body.(*ledger.Line); !caused {
		out = append(r.unmet(e), out...)
	}
	r.remember(e)
	r.reached = max(r.reached, e.Time)
	return out, err
}

// remember takes an entry, once all that it changes has been made again. What a
// guest spends is part of the decision.
func (r *replay) remember(e Logged) {
	switch b := e.Body.(type) {
	case nil, *ledger.ClockStep, *ledger.PassUsed:
		return
	case *ledger.Decision:
		if used := r.passes[b.Seq]; used != nil {
			r.panel.presence.Apply(e.Time, used)
			delete(r.passes, b.Seq)
		}
	}
	r.panel.presence.Apply(e.Time, e.Body)
}

func (r *replay) moment(at int64) Moment {
	return Moment{
		Up:    time.Duration(at-r.began) * time.Millisecond,
		Clock: access.Clock{Now: time.UnixMilli(at), Trust: r.trust}, Age: -1,
	}
}

func (r *replay) boot(at int64, b *ledger.Boot) {
	if r.panel != nil {
		r.cfg.Presence = r.panel.presence
		for _, used := range r.passes { // spent all the same
			r.cfg.Presence.Apply(at, used)
		}
	}
	r.cfg.Reached = time.Time{}
	if r.reached > 0 && r.reached < at+maxBack.Milliseconds() {
		r.cfg.Reached = time.UnixMilli(r.reached)
	}
	r.panel, r.began, r.booted, r.last = New(r.cfg), at, true, nil
	r.panel.follows = true
	r.passes, r.orders = map[uint64]*ledger.PassUsed{}, map[uint64]answered{}
	r.heard, r.lost = map[ledger.Origin]int64{}, nil
	r.trust = access.ParseTrust(b.Clock)
}

func (r *replay) basis(m Moment, e Logged, b *ledger.Basis) (out []Outcome, err error) {
	r.trust = access.ParseTrust(b.Clock)
	m.Clock.Trust = r.trust
	if note := wentBack(r.last, b); note != "" {
		out = append(out, Outcome{Logged: e, Note: note})
	}
	r.last = b
	basis, err := r.world.Basis(b, m.Clock)
	switch {
	case err != nil:
		return nil, err
	case r.booted:
		r.booted = false
		r.step(m, Started{Basis: basis})
	default:
		holders := map[passport.KeyID]access.Holder{}
		for _, id := range r.panel.Waiting() {
			if holders[id], err = r.world.ByKey(id); err != nil {
				return nil, err
			}
		}
		r.step(m, Changed{Basis: basis, Holders: holders})
	}
	return out, nil
}

// wentBack says what a Basis knows less of than the one before it in the same run:
// ledgers only grow, and a policy is only ever followed by a later one.
func wentBack(before, b *ledger.Basis) string {
	if before == nil {
		return ""
	}
	if b.Policy < before.Policy {
		return fmt.Sprintf("the policy goes back from version %d to %d in mid-run", before.Policy, b.Policy)
	}
	sizes := map[string]int64{}
	for _, s := range b.Sources {
		sizes[s.Origin] = s.Size
	}
	for _, s := range before.Sources {
		size, named := sizes[s.Origin]
		if size < s.Size && (named || len(b.Sources) < ledger.MaxSources) {
			return fmt.Sprintf("%s shrinks from %d entries to %d in mid-run", s.Origin, s.Size, size)
		}
	}
	return ""
}

// step takes an event. What it decides by itself is to come next in the log.
func (r *replay) step(m Moment, e Event) {
	for _, a := range r.panel.Step(m, e) {
		if d, ok := a.Body.(*ledger.Decision); ok && d.Mode == modeRex {
			r.due = append(r.due, d)
		}
	}
}

// line takes an input, which stands in the log once it is at rest.
func (r *replay) line(m Moment, b *ledger.Line) {
	input, ok := ParseInput(b.Input)
	level, err := door.ParseLine(b.State)
	if ok && err == nil { // otherwise newer software wrote it
		r.step(m, Moved{Door: b.Door, Input: input, Line: level, Start: true})
	}
}

// unmet are exits that are made again and that the log does not have.
func (r *replay) unmet(e Logged) (out []Outcome) {
	for _, d := range r.due {
		out = append(out, Outcome{Logged: e, Decision: d, Again: access.Verdict{Reason: access.Exit}, Note: "the log has no such exit"})
	}
	r.due = nil
	return out
}

func (r *replay) decision(m Moment, e Logged, b *ledger.Decision) ([]Outcome, error) {
	r.step(m, Ticked{})
	r.panel.seq = max(r.panel.seq, b.Seq) // a button's exit has the next number
	logged, known := access.ParseReason(b.Reason)
	grants := logged.Grants() || b.Granted
	_, waits := r.panel.opening[b.Seq]
	if waits && !grants { // a second decision of one number takes the first back
		r.step(m, Recorded{Seq: b.Seq})
		return nil, nil
	}
	o := Outcome{Logged: e, Decision: b}
	d := r.panel.byName[b.Door]
	switch {
	case !known:
		o.Note = "newer software gave the reason"
		return []Outcome{o}, nil
	case d == nil:
		o.Note = "the door is not known"
		return []Outcome{o}, nil
	case b.Mode == modeRex && len(r.due) > 0 && r.due[0].Door == b.Door:
		r.due = r.due[1:]
		o.Again, o.Same = access.Verdict{Reason: access.Exit}, logged == access.Exit && b.Granted
		return []Outcome{o}, nil
	case b.Mode == modeRemote:
		return []Outcome{r.remote(m, o, d)}, nil
	}
	p, err := r.presented(b)
	if err != nil {
		return nil, err
	}
	m.Age = time.Duration(b.RosterAge) * time.Second
	switch proof := r.proof(p, b); {
	case waits:
		o.Note = "another grant with this number waits for its record"
		return []Outcome{o}, nil
	case b.Granted != logged.Grants():
		o.Note = "its reason says another thing than the decision"
	case b.Mode == modeRex:
		o.Note = "the input would not have unlocked"
	case proof != nil:
		o.Note = proof.Error()
	case !grants && !b.Exit && (p.Raw == nil || asIs(logged)):
		p.Refused = logged
		o.Note = "refused before the rules were asked"
		o.Again, o.Same = access.Verdict{Reason: logged}, true
	default:
		o.Again = r.panel.Judge(m, p)
		o.Same = o.Again.Reason == logged
		if used := r.passes[b.Seq]; o.Same && (used != nil) != (o.Again.Pass != (ledger.PassID{})) || o.Same && used != nil && used.Pass != o.Again.Pass {
			o.Same, o.Note = false, "it spends another guest pass than it lets in on, or none"
		}
		if logged == access.Interlock && !o.Same && r.moved(m, p) {
			o.Again, o.Same = access.Verdict{Reason: logged}, true
			o.Note = "a contact that moves and comes to rest as it was is not logged"
		}
		if !o.Same && len(r.lost) > 0 && r.panel.listens(d, p) {
			o.Again, o.Note = access.Verdict{}, fmt.Sprintf("it was decided on what a sibling told, and %v: %v", ErrNotHeld, r.lost[0])
		}
	}
	verdict := access.Verdict{Reason: logged}
	if used := r.passes[b.Seq]; used != nil {
		verdict.Pass = used.Pass
	}
	r.panel.take(m, d, p, verdict, b)
	return []Outcome{o}, nil
}

// moved reports whether an interlock would refuse what it does if the contact of
// some door of it were just moving.
func (r *replay) moved(m Moment, p *Presented) bool {
	r.panel.moving = true
	defer func() { r.panel.moving = false }()
	return r.panel.Judge(m, p).Reason == access.Interlock
}

// asIs: a refusal that hangs on what no log tells.
func asIs(r access.Reason) bool {
	return r == access.Again || r == access.Internal || r == access.NotRecorded
}

// presented is what the record says was presented, as far as it can be read.
func (r *replay) presented(b *ledger.Decision) (*Presented, error) {
	p := &Presented{Door: b.Door, Presentation: access.Presentation{Exit: b.Exit}}
	p.Mode, p.Presentation.Pin = parseMode(b.Mode)
	if len(b.Presentation) == 0 {
		return p, nil
	}
	p.Raw = b.Presentation
	p.Presentation.Mode = passport.ModeTap
	if p.Mode == "window" {
		p.Presentation.Mode = passport.ModeWindow
		if w, err := passport.ParseWindow(b.Presentation); err == nil { // or there is no proof
			target := passport.DoorTarget(r.cfg.Node, b.Door)
			p.Window, p.ForDoor = w, w.Target == target.Short()
		}
	}
	if len(b.Key) != len(passport.KeyID{}) {
		return p, nil
	}
	var err error
	if p.Holder, err = r.world.ByKey(passport.KeyID(b.Key)); err != nil {
		return nil, err
	}
	if !p.Holder.Known {
		p.Holder.Delegation.Passport = passport.ID(b.Passport)
	}
	return p, nil
}
