package edge

import (
	"context"
	"errors"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/passport"
	"tombolo/passport/qr"
)

// checked is a presentation after the reader's goroutine has done with it.
type checked struct {
	panel.Presented
	generation uint64 // of the view that the holder was found under
}

// Code takes a frame that a scanner read at a door, in or out. It verifies on
// the caller's goroutine and returns when the owner has it; an error means that
// the controller did not take it.
func (c *Controller) Code(ctx context.Context, name string, exit bool, frame []byte) error {
	k := c.checkCode(name, frame)
	k.Exit = exit
	return c.post(ctx, func() { c.decide(&k) })
}

// checkCode parses a code and verifies it. A refusal that names nobody is not
// put down to anybody.
func (c *Controller) checkCode(name string, frame []byte) checked {
	k := checked{Presented: panel.Presented{Door: name, Mode: "window", Presentation: access.Presentation{Mode: passport.ModeWindow}}}
	w, err := qr.Decode(frame)
	if err != nil {
		k.Mode, k.Refused = "unread", access.Unreadable
		return k
	}
	k.Window = w
	target, ok := c.targetOf(name, w)
	switch {
	case w.Community != c.cfg.Community.Short():
		k.Refused = access.OtherCommunity
		return k
	case !ok:
		k.Refused = access.OutOfScope
		return k
	}
	k.ForDoor = target != passport.NodeTarget(c.cfg.Node)
	k.generation = c.cfg.Roster.View().Generation
	if k.Holder, err = c.cfg.Roster.ByWindow(w.Passport, w.Key); err != nil {
		c.cfg.Log.Error("look up a holder", "err", err)
		k.Refused = access.Internal
		return k
	}
	if !k.Holder.Known {
		k.Refused = access.UnknownKey
		return k
	}
	err = w.Verify(k.Holder.Delegation.Key.Once(), c.cfg.Community, target)
	switch {
	case errors.Is(err, passport.ErrCardWindow):
		k.Refused = access.WrongMode
	case err != nil:
		k.Refused = access.BadSignature
	default:
		k.Raw, err = w.MarshalBinary()
		if err != nil {
			k.Refused = access.Internal
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
func (c *Controller) decide(k *checked) {
	c.refresh()
	if d := c.doors[k.Door]; d != nil {
		d.typingAt(k.Exit).forget() // somebody else's, or typed too early
	}
	if k.Refused == access.None && k.generation != c.panel.Basis().Generation {
		c.lookUpAgain(k)
	}
	c.step(k.Presented)
}

// lookUpAgain: the ledgers moved since the signature was checked.
func (c *Controller) lookUpAgain(k *checked) {
	h, err := c.cfg.Roster.ByKey(k.Holder.KeyID)
	switch {
	case err != nil:
		c.cfg.Log.Error("look up a holder", "err", err)
		k.Refused = access.Internal
	case !h.Known || h.Delegation.Key != k.Holder.Delegation.Key || h.Delegation.Passport != k.Holder.Delegation.Passport:
		k.Refused = access.UnknownKey
	default:
		k.Holder = h
	}
}
