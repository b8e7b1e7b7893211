package edge

import (
	"context"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
)

// The keys of a keypad beside its digits.
const (
	KeyEnter byte = '#'
	KeyClear byte = '*'
)

// maxTyped bounds what is typed before KeyEnter; a longer PIN is wrong.
const maxTyped = 16

// typing is what was typed at one reader so far.
type typing struct {
	digits   []byte
	checking uint64 // the wait whose PIN is being checked, or 0
}

func (d *ownDoor) typingAt(exit bool) *typing {
	if exit {
		return &d.typing[1]
	}
	return &d.typing[0]
}

// forget leaves nothing of what was typed.
func (t *typing) forget() {
	clear(t.digits)
	t.digits = t.digits[:0]
}

// Key takes one key of a reader's keypad: a digit, KeyEnter or KeyClear. Every
// key is answered alike, whether anybody waits for it or not.
func (c *Controller) Key(ctx context.Context, name string, exit bool, key byte) error {
	return c.post(ctx, func() {
		d := c.doors[name]
		if d == nil {
			return
		}
		c.refresh()
		c.show(d, exit, policy.SignalKey, false)
		t := d.typingAt(exit)
		switch {
		case key == KeyClear:
			t.forget()
		case key == KeyEnter:
			c.enter(name, exit, t)
		case key >= '0' && key <= '9' && len(t.digits) <= maxTyped:
			t.digits = append(t.digits, key)
		}
	})
}

// enter checks what was typed, if somebody's PIN is waited for.
func (c *Controller) enter(name string, exit bool, t *typing) {
	typed := string(t.digits)
	t.forget()
	d, _ := c.panel.Door(name)
	if d.AwaitsPin == 0 || d.PinExit != exit || t.checking == d.Wait {
		return
	}
	if c.cfg.Pins == nil {
		c.step(panel.Typed{Door: name, Wait: d.Wait, Pin: access.PinMissing})
		return
	}
	t.checking = d.Wait
	c.step(panel.Entered{Door: name, Wait: d.Wait}) // the check may be slow
	ctx, who := c.ctx, d.AwaitsPin
	c.beside.Go(func() {
		pin, err := c.cfg.Pins.Check(who, typed)
		if err != nil {
			c.cfg.Log.Error("a PIN cannot be checked", "err", err)
			pin = access.PinMissing
		}
		_ = c.post(ctx, func() { // after the stop nobody waits
			if t.checking == d.Wait {
				t.checking = 0
			}
			c.refresh()
			c.step(panel.Typed{Door: name, Wait: d.Wait, Pin: pin})
		})
	})
}
