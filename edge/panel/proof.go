package panel

import (
	"errors"
	"fmt"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// What is wrong with a decision that its presentation does not stand behind.
var (
	errNobody   = errors.New("it lets somebody in, and nobody has presented anything")
	errOther    = errors.New("it names another passport or key than what was presented")
	errPlace    = errors.New("what was presented was made for another place")
	errMode     = errors.New("nothing is presented in this way")
	errAgain    = errors.New("the same tap has opened a door before: a challenge is answered once")
	errNoHolder = errors.New("the ledgers have no such key of this passport")
)

// proof says why what was presented does not stand behind a decision, or is nil.
func (r *replay) proof(p *Presented, b *ledger.Decision) error {
	if p.Raw != nil {
		return r.proves(p, b)
	}
	if b.Granted && !b.Exit || b.Passport != 0 || len(b.Key) > 0 {
		return errNobody
	}
	return nil
}

// proves holds a signed presentation against the decision that names it: its key,
// its passport, its place and its signature.
func (c ReplayConfig) proves(p *Presented, b *ledger.Decision) error {
	if p.who() != passport.ID(b.Passport) || len(b.Key) != len(passport.KeyID{}) {
		return errOther
	}
	switch p.Mode {
	case "tap":
		return c.provesTap(b)
	case "window":
		return c.provesWindow(p, b)
	}
	return errMode
}

// once refuses a tap that lets in for the second time. Codes are the panel's own
// affair.
func once(proves func(*Presented, *ledger.Decision) error) func(*Presented, *ledger.Decision) error {
	opened := map[[32]byte]bool{} // by nonce
	return func(p *Presented, b *ledger.Decision) error {
		if err := proves(p, b); err != nil || p.Mode != "tap" || !b.Granted {
			return err
		}
		t, err := passport.ParseTap(b.Presentation)
		switch {
		case err != nil:
			return err
		case opened[t.Nonce]:
			return errAgain
		}
		opened[t.Nonce] = true
		return nil
	}
}

func (c ReplayConfig) provesTap(b *ledger.Decision) error {
	t, err := passport.ParseTap(b.Presentation)
	if err != nil {
		return fmt.Errorf("the presentation cannot be read: %w", err)
	}
	if id := t.Key.ID(); string(b.Key) != string(id[:]) {
		return errOther
	}
	place := passport.TapPlace(c.Key, passport.DoorTarget(c.Node, b.Door))
	return unsigned(t.Verify(t.Key.Once(), c.Community, place))
}

// provesWindow: a code names its key in short alone, the roster has it whole.
func (c ReplayConfig) provesWindow(p *Presented, b *ledger.Decision) error {
	w, err := passport.ParseWindow(b.Presentation)
	target := passport.NodeTarget(c.Node)
	if p.ForDoor {
		target = passport.DoorTarget(c.Node, b.Door)
	}
	switch {
	case err != nil:
		return fmt.Errorf("the presentation cannot be read: %w", err)
	case w.Passport != passport.ID(b.Passport) || w.Key != passport.KeyID(b.Key).Short():
		return errOther
	case w.Target != target.Short():
		return errPlace
	case !p.Holder.Known:
		return errNoHolder
	}
	return unsigned(w.Verify(p.Holder.Delegation.Key.Once(), c.Community, target))
}

func unsigned(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("nobody has signed the presentation: %w", err)
}
