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

// Tap takes a door key's answer to a challenge of this door. Like Code it
// verifies on the caller's goroutine.
func (c *Controller) Tap(ctx context.Context, name string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error {
	k := c.checkTap(ch, key, sig)
	k.p.Exit = exit
	return c.post(ctx, func() { c.decide(ctx, name, k) })
}

func (c *Controller) checkTap(ch passport.Challenge, key passport.Key, sig passport.Signature) checked {
	k := checked{mode: "tap", p: access.Presentation{Mode: passport.ModeTap}}
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
