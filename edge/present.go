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

// Code takes a frame that a scanner read at a door, in or out. It verifies
// before its turn comes and returns when the door has answered, or waits for a
// record or a PIN; an error means that the controller did not take it.
func (c *Controller) Code(ctx context.Context, name string, exit bool, frame []byte) error {
	k := c.checkCode(name, frame)
	k.Exit = exit
	return c.post(ctx, func() { c.decide(&k) })
}

// Unread takes a presentation of which a reader could make nothing. Nobody is
// denied the way out, whatever they present: at a door's exit reader a driver
// passes everything on, here what it cannot read or take as an answer (a wrong
// length, no key, a challenge that is over or was answered), and it counts as
// any other presentation there does. On the way in it is refused.
func (c *Controller) Unread(ctx context.Context, name string, exit bool) error {
	k := unread(name)
	k.Exit = exit
	return c.post(ctx, func() { c.decide(&k) })
}

func unread(name string) checked {
	return checked{Presented: panel.Presented{Door: name, Mode: "unread", Refused: access.Unreadable}}
}

// checkCode parses a code and verifies it. A refusal that names nobody is not
// put down to anybody.
func (c *Controller) checkCode(name string, frame []byte) checked {
	w, err := qr.Decode(frame)
	if err != nil {
		return unread(name)
	}
	k := checked{Presented: panel.Presented{Door: name, Mode: "window", Presentation: access.Presentation{Mode: passport.ModeWindow, Window: w}}}
	place := c.place(name)
	target, ok := place.target(w)
	switch {
	case w.Community != c.cfg.Community.Short():
		k.Refused = access.OtherCommunity
		return k
	case !ok:
		k.Refused = access.OutOfScope
		return k
	}
	k.ForDoor = target != place.node
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

// place is a door as what is presented names it.
type place struct {
	node, door passport.Target // a code names either
	tap        passport.Target // a challenge is bound to this
}

// place is that of a door, hashed once for those of this gateway.
func (c *Controller) place(name string) place {
	if p, ok := c.places[name]; ok {
		return p
	}
	return c.placeOf(name)
}

func (c *Controller) placeOf(name string) place {
	p := place{node: passport.NodeTarget(c.cfg.Node), door: passport.DoorTarget(c.cfg.Node, name)}
	p.tap = passport.TapPlace(c.cfg.Gateway, p.door)
	return p
}

// target finds which of the places that a door answers to a code names.
func (p place) target(w passport.Window) (_ passport.Target, ok bool) {
	switch w.Target {
	case p.node.Short():
		return p.node, true
	case p.door.Short():
		return p.door, true
	}
	return passport.Target{}, false
}

// decide has the turn.
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

// waiting is what the roster says now of those who wait at doors. Who cannot be
// looked up presents again.
func (c *Controller) waiting(b *access.Basis) map[passport.KeyID]access.Holder {
	holders := map[passport.KeyID]access.Holder{}
	if b.Generation == c.panel.Basis().Generation {
		return holders
	}
	for _, id := range c.panel.Waiting() {
		h, err := c.cfg.Roster.ByKey(id)
		if err != nil {
			c.cfg.Log.Error("look up a holder", "err", err)
			continue
		}
		holders[id] = h
	}
	return holders
}
