package hub

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"sync"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// A gateway has its own node's tags and not the list: which of its lines were drawn
// it asks the hub ([census.DrawnAsk]).

// answer answers what a gateway asked and signed; nil is no answer. It is a
// peer.Config's.
func (h *Hub) answer(ctx context.Context, _ replica.Peer, body []byte) []byte {
	chain, err := h.cfg.Community()
	if err != nil {
		return nil
	}
	self := [32]byte(h.cfg.Author.Public().(ed25519.PublicKey))
	by, body, err := census.OpenAsk(chain.ID(), self, body)
	if err != nil {
		return nil
	}
	ask, err := census.ParseDrawnAsk(body)
	if err != nil {
		return nil
	}
	lines, err := h.drawnOf(ctx, by, ask)
	if err != nil {
		if ctx.Err() == nil {
			h.cfg.Log.Error("a gateway was not told which of its tags were drawn", "gateway", by.String(), "epoch", ask.Epoch.String(), "err", err)
		}
		return nil
	}
	if lines == nil {
		return nil
	}
	return lines.Marshal()
}

// drawnOf is nil for an epoch that has no such draw.
func (h *Hub) drawnOf(ctx context.Context, by ledger.KeyID, ask census.DrawnAsk) (*census.DrawnAnswer, error) {
	v := h.seen.Load()
	if v == nil {
		return nil, nil
	}
	e := v.byID[ask.Epoch]
	if e == nil || len(e.Draws) == 0 {
		return nil, nil
	}
	draw := e.Draws[0].Draw
	if draw.Seed != ask.Seed {
		return nil, nil
	}
	closed, err := e.closed()
	if err != nil || closed.Root != draw.Root || closed.Withheld {
		return nil, err
	}
	list, err := h.list(ctx, e, func(string) func(done, total int64) { return func(int64, int64) {} })
	if err != nil {
		return nil, err
	}
	own, err := h.met(e, closed, list, by)
	if err != nil {
		return nil, err
	}
	lines := make([]uint64, len(own))
	for i, l := range own {
		lines[i] = l.index
	}
	var a census.DrawnAnswer
	err = guarded(func() error {
		a = list.Drawn(lines, func(census.Tag) bool { return true }, ask.After)
		return nil
	})
	return &a, err
}

// tagsOf are the tags that a gateway reported, strictly ascending, TagSize bytes
// each; none of what no covered report of its holds.
func (h *Hub) tagsOf(e *Epoch, closed *ledger.EpochClosed, by ledger.KeyID) ([]byte, error) {
	covers, _, err := h.covers(closed)
	if err != nil {
		return nil, err
	}
	for _, c := range covers {
		if c.Origin.Author != by {
			continue
		}
		info, r, err := h.coveredReport(e.ID, c)
		if err != nil {
			return nil, errors.Join(ErrLost, err)
		}
		return r.tags(h.cfg.Store, info, nil)
	}
	return nil, nil
}

// has finds a tag among those of a report.
func has(tags []byte, t census.Tag) bool {
	lo, hi := 0, len(tags)/ledger.TagSize
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if bytes.Compare(tags[mid*ledger.TagSize:][:len(t)], t[:]) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(tags)/ledger.TagSize && [32]byte(tags[lo*ledger.TagSize:][:32]) == t
}

// drawings remember what draws met, and whose that is: thousands of gateways ask for
// it, and whoever asks for openings.
type drawings struct {
	mu sync.Mutex
	of map[drawing]*drawnLines // under mu
}

// drawing is all that a draw's lines, and whose they are, follow from.
type drawing struct {
	seed, root, covers [32]byte
	size               uint64
	sample             uint32
}

// drawnLines are the lines of a list that a draw met, ascending.
type drawnLines struct {
	all []uint64
	own map[ledger.KeyID][]drawnLine // of those who reported
}

// drawnLine is a drawn line of the list. Lines ascend by their tags, too.
type drawnLine struct {
	index uint64
	tag   census.Tag
}

// maxDrawings bounds the draws that are remembered.
const maxDrawings = 32

// met are the lines that an epoch's draw met and a gateway reported; none for one of
// whom the close covers no report.
func (h *Hub) met(e *Epoch, closed *ledger.EpochClosed, list *census.List, by ledger.KeyID) (own []drawnLine, err error) {
	h.drawn.mu.Lock()
	defer h.drawn.mu.Unlock()
	d := h.drawn.lines(e.Draws[0].Draw, closed.Covers, e.Opened.Sample)
	if own, known := d.own[by]; known {
		return own, nil
	}
	tags, err := h.tagsOf(e, closed, by)
	if err != nil || len(tags) == 0 {
		return nil, err
	}
	err = guarded(func() error {
		for _, i := range d.all {
			if t := list.At(int64(i)).Tag; has(tags, t) {
				own = append(own, drawnLine{i, t})
			}
		}
		return nil
	})
	if err == nil {
		d.own[by] = own
	}
	return own, err
}

// lines is called under mu.
func (d *drawings) lines(draw *ledger.Draw, covers [32]byte, sample uint32) *drawnLines {
	of := drawing{draw.Seed, draw.Root, covers, draw.Size, sample}
	l := d.of[of]
	if l == nil {
		if d.of == nil || len(d.of) >= maxDrawings {
			d.of = map[drawing]*drawnLines{}
		}
		l = &drawnLines{census.Indices(draw.Seed, draw.Root, draw.Size, sample), map[ledger.KeyID][]drawnLine{}}
		d.of[of] = l
	}
	return l
}
