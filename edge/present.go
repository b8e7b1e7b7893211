package edge

import (
	"context"
	"errors"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

// checked is a presentation after the reader's goroutine has done with it.
type checked struct {
	mode       string
	reason     access.Reason // why it was refused already, or None
	holder     access.Holder
	generation uint64 // of the view that the holder was found under
	p          access.Presentation
	raw        []byte // of a presentation whose signature holds
}

// Code takes a frame that a scanner read at a door, in or out. It verifies on
// the caller's goroutine and returns when the owner has it; an error means that
// the controller did not take it.
func (c *Controller) Code(ctx context.Context, name string, exit bool, frame []byte) error {
	k := c.checkCode(name, frame)
	k.p.Exit = exit
	return c.post(ctx, func() { c.decide(name, k) })
}

// checkCode parses a code and verifies it. A refusal that names nobody is not
// put down to anybody.
func (c *Controller) checkCode(name string, frame []byte) checked {
	k := checked{mode: "window", p: access.Presentation{Mode: passport.ModeWindow}}
	w, err := qr.Decode(frame)
	if err != nil {
		k.mode, k.reason = "unread", access.Unreadable
		return k
	}
	k.p.Window = w
	target, ok := c.targetOf(name, w)
	switch {
	case w.Community != c.cfg.Community.Short():
		k.reason = access.OtherCommunity
		return k
	case !ok:
		k.reason = access.OutOfScope
		return k
	}
	k.p.ForDoor = target != passport.NodeTarget(c.cfg.Node)
	k.generation = c.cfg.Roster.View().Generation
	if k.holder, err = c.cfg.Roster.ByWindow(w.Passport, w.Key); err != nil {
		c.cfg.Log.Error("look up a holder", "err", err)
		k.reason = access.Internal
		return k
	}
	if !k.holder.Known {
		k.reason = access.UnknownKey
		return k
	}
	verifier, err := passport.NewVerifier(k.holder.Delegation.Key)
	if err == nil {
		err = w.Verify(verifier, c.cfg.Community, target)
	}
	switch {
	case errors.Is(err, passport.ErrCardWindow):
		k.reason = access.WrongMode
	case err != nil:
		k.reason = access.BadSignature
	default:
		k.raw, err = w.MarshalBinary()
		if err != nil {
			k.reason = access.Internal
		}
	}
	return k
}

// targetOf finds which of the places that this door answers to a code names.
func (c *Controller) targetOf(name string, w passport.Window) (passport.Target, bool) {
	for _, t := range []passport.Target{passport.NodeTarget(c.cfg.Node), passport.DoorTarget(c.cfg.Node, name)} {
		if w.Target == t.Short() {
			return t, true
		}
	}
	return passport.Target{}, false
}

// decide runs on the owner's goroutine.
func (c *Controller) decide(name string, k checked) {
	d := c.doors[name]
	if d == nil {
		return
	}
	clock, view := c.cfg.Clock(), c.cfg.Roster.View()
	if k.reason == access.None && k.generation != view.Generation {
		c.lookUpAgain(&k)
	}
	c.seq++
	p := c.policyDoor(view, name)
	verdict := c.judge(name, k, clock, view, p)
	decision := c.decision(name, k.p.Exit, k.mode, verdict, clock, view)
	if k.raw != nil {
		decision.Passport = uint64(k.holder.Delegation.Passport)
		decision.Key = k.holder.KeyID[:]
		decision.Presentation = k.raw
	}
	switch {
	case !verdict.Granted:
		c.record(decision)
	case p != nil && p.RecordFirst && verdict.Reason == access.Granted:
		c.openRecorded(d, decision, clock.Now)
	default:
		c.open(d, decision)
	}
}

// lookUpAgain: the ledgers moved since the signature was checked.
func (c *Controller) lookUpAgain(k *checked) {
	h, err := c.cfg.Roster.ByKey(k.holder.KeyID)
	switch {
	case err != nil:
		c.cfg.Log.Error("look up a holder", "err", err)
		k.reason = access.Internal
	case !h.Known || h.Delegation.Key != k.holder.Delegation.Key || h.Delegation.Passport != k.holder.Delegation.Passport:
		k.reason = access.UnknownKey
	default:
		k.holder = h
	}
}

func (c *Controller) judge(name string, k checked, clock roster.Clock, view *roster.View, p *policy.Door) access.Verdict {
	switch {
	case k.p.Exit:
		return access.Verdict{Granted: true, Reason: access.Exit}
	case k.reason != access.None:
		return access.Verdict{Reason: k.reason}
	}
	number := k.holder.Delegation.Passport
	v := access.View{
		Node: c.cfg.Node, Policy: view.Policy, Name: name, Door: p,
		LivesHere:  view.LivesHere(name, number, k.holder.Wallet, clock.Now, clock.Known),
		ClockKnown: clock.Known,
		RosterAge:  view.Age(clock.Now),
	}
	verdict := access.Decide(clock.Now, k.holder, k.p, v)
	if verdict.Granted && k.p.Mode == passport.ModeWindow {
		if r := c.codes.Use(clock.Now, c.up(), k.p.Window); r != access.None {
			return access.Verdict{Reason: r}
		}
	}
	return verdict
}

// decision is the record of a verdict; seq was counted before.
func (c *Controller) decision(name string, exit bool, mode string, v access.Verdict, clock roster.Clock, view *roster.View) *ledger.Decision {
	d := &ledger.Decision{Seq: c.seq, Door: name, Exit: exit, Mode: mode, Granted: v.Granted, Reason: v.Reason.String(), RosterAge: -1}
	if age := view.Age(clock.Now); age >= 0 && clock.Known {
		d.RosterAge = int64(age / time.Second)
	}
	if view.Policy != nil {
		d.Policy = view.Policy.Version
	}
	return d
}

// openRecorded waits, beside the owner, until the decision is durable, and
// opens then. A record that fails is a denial, which is recorded when it can be.
func (c *Controller) openRecorded(d *ownDoor, decision *ledger.Decision, at time.Time) {
	ctx := c.ctx
	c.recording.Go(func() {
		recording, cancel := context.WithTimeout(ctx, recordPatience)
		defer cancel()
		err := c.cfg.Journal.RecordFirst(recording, decision, at)
		posted := c.post(context.WithoutCancel(ctx), func() {
			if err == nil {
				grant := door.Grant{Seq: decision.Seq, Exit: decision.Exit}
				c.step(d, door.Event{Kind: door.Granted, Grant: grant}, nil)
				return
			}
			c.cfg.Log.Error("a door that opens only on record stays shut", "door", d.name, "err", err)
			refused := *decision
			refused.Granted, refused.Reason = false, access.NotRecorded.String()
			c.record(&refused)
		})
		if posted != nil {
			c.cfg.Log.Error("a recorded opening came too late", "door", d.name, "err", posted)
		}
	})
}

// recordPatience is how long somebody stands at a door whose disk does not
// answer.
const recordPatience = 5 * time.Second
