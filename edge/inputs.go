package edge

import (
	"context"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// Contact tells of a door's contact; start is true for the level that was found
// when the input was opened. It may bounce.
func (c *Controller) Contact(ctx context.Context, name string, open, start bool) error {
	return c.post(ctx, func() {
		d := c.doors[name]
		switch {
		case d == nil:
		case start:
			d.contact = d.contact.Start(open)
			c.step(d, door.Event{Kind: door.AtStart, Open: open}, contactInput(d))
		default:
			var changed bool
			if d.contact, changed = d.contact.Take(c.up(), open); changed {
				c.contactMoved(d)
			}
		}
	})
}

func contactInput(d *ownDoor) *ledger.Input {
	return &ledger.Input{Door: d.name, Input: "contact", Active: d.contact.Active()}
}

func (c *Controller) contactMoved(d *ownDoor) {
	e := door.Event{Kind: door.Closed}
	if d.contact.Active() {
		e.Kind = door.Opened
	}
	c.step(d, e, contactInput(d))
}

// Rex tells of a request to exit. Pressing it lets out, whatever else holds. It
// may bounce.
func (c *Controller) Rex(ctx context.Context, name string, active bool) error {
	return c.post(ctx, func() {
		d := c.doors[name]
		if d == nil {
			return
		}
		var changed bool
		if d.rex, changed = d.rex.Take(c.up(), active); changed {
			c.rexMoved(d)
		}
	})
}

func (c *Controller) rexMoved(d *ownDoor) {
	if !d.rex.Active() {
		return
	}
	view := c.cfg.Roster.View()
	if p := c.policyDoor(view, d.name); p != nil && p.Rex == policy.RexShunt {
		c.step(d, door.Event{Kind: door.Shunt}, &ledger.Input{Door: d.name, Input: "rex", Active: true})
		return
	}
	c.seq++
	c.open(d, c.decision(d.name, true, "rex", access.Verdict{Granted: true, Reason: access.Exit}, c.cfg.Clock(), view))
}

// settle looks where inputs that bounced have come to rest.
func (c *Controller) settle(d *ownDoor) {
	var changed bool
	if d.contact, changed = d.contact.Rest(c.up()); changed {
		c.contactMoved(d)
	}
	if d.rex, changed = d.rex.Rest(c.up()); changed {
		c.rexMoved(d)
	}
}
