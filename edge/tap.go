package edge

import (
	"context"
	"errors"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/passport"
)

// Challenge is what a card or a phone at a door's reader signs: it is bound to
// this gateway, the door and the time. nonce is fresh and random, from the
// reader's driver, and used once.
func (c *Controller) Challenge(name string, nonce [32]byte) passport.Challenge {
	ch := passport.Challenge{
		Community: c.cfg.Community,
		Place:     c.place(name).tap,
		Nonce:     nonce,
	}
	if clock := c.cfg.Clock(); clock.Known() {
		ch.Time = uint64(clock.Now.Unix())
	}
	return ch
}

// Tap takes a door key's answer to a challenge that was made for this door and
// for this answer. Like Code it verifies before its turn comes. That no
// challenge is used twice is the driver's part: it makes one, runs the card's
// APDUs and forgets it.
func (c *Controller) Tap(ctx context.Context, name string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error {
	k := c.checkTap(name, ch, key, sig)
	k.Exit = exit
	return c.post(ctx, func() { c.decide(&k) })
}

func (c *Controller) checkTap(name string, ch passport.Challenge, key passport.Key, sig passport.Signature) checked {
	k := checked{Presented: panel.Presented{Door: name, Mode: "tap", Presentation: access.Presentation{Mode: passport.ModeTap}}}
	if ch.Community != c.cfg.Community || ch.Place != c.place(name).tap {
		k.Refused = access.OutOfScope
		return k
	}
	var err error
	k.generation = c.cfg.Roster.View().Generation
	if k.Holder, err = c.cfg.Roster.ByKey(key.ID()); err != nil {
		c.cfg.Log.Error("look up a holder", "err", err)
		k.Refused = access.Internal
		return k
	}
	if !k.Holder.Known {
		k.Refused = access.UnknownKey
		if key.Validate() != nil {
			k.Refused = access.Unreadable
		}
		return k
	}
	// The kind says how the key signs; it is the wallet's word, not the card's.
	tap := passport.Tap{Nonce: ch.Nonce, Time: ch.Time, Key: key, Sig: sig}
	err = tap.Verify(k.Holder.Delegation.Key.Once(), ch.Community, ch.Place)
	switch {
	case errors.Is(err, passport.ErrSignatureRange):
		k.Refused = access.Unreadable
		return k
	case err != nil:
		k.Refused = access.BadSignature
		return k
	}
	if curve := key.Kind.Curve(); curve == passport.Secp256k1 {
		tap.Sig = sig.NormalizeLowS(curve) // the form in which it is stored
	}
	if k.Raw, err = tap.MarshalBinary(); err != nil {
		k.Refused = access.Internal
	}
	return k
}
