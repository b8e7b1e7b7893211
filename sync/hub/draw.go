package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Draw draws from a closed epoch: it appends the epoch's one Draw, which reporters
// answer by themselves. The seed is what the beacon gave, and source says where it
// is to be found: it begins with what EpochOpened.Beacon says, so that a draw whose
// seed comes from elsewhere shows. Nobody checks here that it does come from there:
// that is for the auditors.
//
// Errors: ErrDrawn, with the draw that there is; ErrNoEpoch, ErrNotClosed,
// ErrTwoClosed, ErrWithheld, ErrAudited, ErrBeacon, ErrNotHub, ErrSetBack.
func (h *Hub) Draw(ctx context.Context, epoch ledger.EpochID, seed [32]byte, source string) (ledger.Draw, error) {
	h.closing.Lock()
	defer h.closing.Unlock()
	ctx, release, err := h.alone(ctx)
	if err != nil {
		return ledger.Draw{}, err
	}
	defer release()
	for range appendTries {
		d, err := h.draw(ctx, epoch, seed, source)
		if !errors.Is(err, store.ErrOtherAuthor) {
			return d, err
		}
	}
	return ledger.Draw{}, ErrBusy
}

func (h *Hub) draw(ctx context.Context, epoch ledger.EpochID, seed [32]byte, source string) (none ledger.Draw, err error) {
	author, err := h.writer(ctx, false)
	if err != nil {
		return none, err
	}
	v, err := h.freshView(nil)
	if err != nil {
		return none, err
	}
	e := v.byID[epoch]
	if e == nil {
		return none, ErrNoEpoch
	}
	if len(e.Draws) > 0 {
		return *e.Draws[0].Draw, ErrDrawn
	}
	closed, err := e.closed()
	switch {
	case err != nil:
		return none, err
	case closed.Withheld:
		return none, ErrWithheld
	case h.cfg.Now().Unix() >= e.Opened.Audit:
		return none, ErrAudited
	case seed == [32]byte{} || !strings.HasPrefix(source, e.Opened.Beacon):
		return none, fmt.Errorf("%w: %q", ErrBeacon, e.Opened.Beacon)
	}
	if err := ctx.Err(); err != nil {
		return none, context.Cause(ctx)
	}
	d := ledger.Draw{Epoch: epoch, Root: closed.Root, Size: closed.Size, Seed: seed, Source: source}
	if err := h.append(author, &d, h.cfg.Now()); err != nil {
		return none, err
	}
	return d, nil
}
