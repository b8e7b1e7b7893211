package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"

	"tombolo/cmd/internal/wiring"
	"tombolo/hw/nfc"
	"tombolo/passport"
	"tombolo/passport/card"
)

// taps has the cards at one reader asked, whoever brings them there.
type taps struct {
	*reading
	*unread
}

func (rd *reading) taps(ctx context.Context, r reader, log *slog.Logger) taps {
	return taps{rd, newUnread(ctx, r, rd.to, log)}
}

// card asks a card and presents its answer. Whatever else it is or does, one
// that was torn away among it, is shown as refused, so that whoever holds it
// tries again; on the way out that opens, too.
func (t taps) card(tr card.Transceiver) {
	a, err := card.Tap(tr, card.Asker{
		Gateway: t.gateway, Door: passport.DoorTarget(t.node, t.r.door), Identity: t.identity(), Rand: rand.Reader,
		Challenge: func(nonce [32]byte) passport.Challenge { return t.unread.to.Challenge(t.r.door, nonce) },
	})
	if err != nil {
		t.refused(err)
		return
	}
	// Under the reader's context: the card's may be over by now.
	if err := t.unread.to.Tap(t.ctx, t.r.door, t.r.exit, a.Challenge, a.Key, a.Signature); err != nil && t.ctx.Err() == nil {
		t.unread.log.Error("a tap was not decided", "err", err)
	}
}

// passed is told of what an NFC reader could not ask. On the way in a card that
// left before that is nothing yet: mostly it comes nearer in the next moment.
func (t taps) passed(err error) {
	if t.unread.r.exit || !errors.Is(err, card.ErrGone) {
		t.refused(err)
	}
}

// readCards runs an NFC reader.
func (rd *reading) readCards(ctx context.Context, r reader, log *slog.Logger, tried func()) error {
	t := rd.taps(ctx, r, log)
	defer t.stop()
	where := r.cfg.Bus
	open := func(ctx context.Context) (nfc.Field, error) {
		return nfc.OpenPN532(ctx, nfc.PN532Config{Bus: r.cfg.Bus, Log: log})
	}
	if r.cfg.Kind == wiring.PCSC {
		where = pcscName(r.cfg)
		open = func(ctx context.Context) (nfc.Field, error) { return nfc.OpenPCSC(ctx, r.cfg.Name) }
	}
	return nfc.Run(ctx, nfc.Config{
		Open: open, Log: log, Refused: t.passed, State: rd.state(ctx, r.name, "no reader at "+where, tried),
		Card: func(_ context.Context, tr card.Transceiver) { t.card(tr) },
	})
}

// pcscName is a PC/SC reader as a wiring names it, in words.
func pcscName(r wiring.Reader) string {
	if r.Name == "" {
		return "PC/SC"
	}
	return "PC/SC, named " + r.Name
}
