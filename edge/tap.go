package edge

import (
	"context"

	"tombolo/edge/access"
	"tombolo/passport"
)

// Challenge is what a card or a phone at a door's reader signs: it is bound to
// this gateway, the door and the time. nonce is fresh and random, from the
// reader's driver, and used once.
func (c *Controller) Challenge(name string, nonce [32]byte) passport.Challenge {
	ch := passport.Challenge{
		Community: c.cfg.Community,
		Place:     passport.TapPlace(c.cfg.Gateway, passport.DoorTarget(c.cfg.Node, name)),
		Nonce:     nonce,
	}
	if clock := c.cfg.Clock(); clock.Known {
		ch.Time = uint64(clock.Now.Unix())
	}
	return ch
}

// Tap takes a door key's answer to a challenge that was made for this door and
// for this answer. Like Code it verifies on the caller's goroutine. That no
// challenge is used twice is the driver's part: it makes one, runs the card's
// APDUs and forgets it.
func (c *Controller) Tap(ctx context.Context, name string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error {
	k := c.checkTap(name, ch, key, sig)
	k.p.Exit = exit
	return c.post(ctx, func() { c.decide(name, k) })
}

func (c *Controller) checkTap(name string, ch passport.Challenge, key passport.Key, sig passport.Signature) checked {
	k := checked{mode: "tap", p: access.Presentation{Mode: passport.ModeTap}}
	if own := c.Challenge(name, ch.Nonce); ch.Community != own.Community || ch.Place != own.Place {
		k.reason = access.OutOfScope
		return k
	}
	tap, err := passport.NewTap(ch, key, sig)
	if err != nil {
		k.reason = access.Unreadable
		return k
	}
	k.generation = c.cfg.Roster.View().Generation
	if k.holder, err = c.cfg.Roster.ByKey(key.ID()); err != nil {
		c.cfg.Log.Error("look up a holder", "err", err)
		k.reason = access.Internal
		return k
	}
	if !k.holder.Known {
		k.reason = access.UnknownKey
		return k
	}
	// The kind says how the key signs; it is the wallet's word, not the card's.
	verifier, err := passport.NewVerifier(k.holder.Delegation.Key)
	if err == nil && k.holder.Delegation.Key != key {
		err = passport.ErrKeyMismatch
	}
	if err == nil {
		err = tap.Verify(verifier, ch.Community, ch.Place)
	}
	if err != nil {
		k.reason = access.BadSignature
		return k
	}
	if k.raw, err = tap.MarshalBinary(); err != nil {
		k.reason = access.Internal
	}
	return k
}
