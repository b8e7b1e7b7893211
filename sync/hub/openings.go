package hub

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// Who may open a drawn tag: a gateway of which the close covers a report that has it,
// and of what it sealed to an auditor the last counts. So nobody's junk stands in for
// another's evidence, nor beside it more than once.

// openedKey names what was opened to one auditor by an epoch's draw.
type openedKey struct {
	epoch   ledger.EpochID
	auditor [32]byte
}

// place is where an opening of a tag stands.
type place struct {
	tag        census.Tag
	origin     ledger.Origin
	generation uint64 // of the ledger
	index      int64
}

// openings takes over what a ledger opens to auditors whom its epoch names, by its
// draw. Whose the tags are is looked at when somebody asks.
func (v *view) openings(b *reportBook) {
	for _, o := range b.opened {
		e := v.byID[o.epoch]
		if e == nil || len(e.Draws) == 0 || e.Draws[0].Seed != o.draw || !e.names(o.auditor) {
			continue
		}
		k := openedKey{o.epoch, o.auditor}
		v.opened[k] = append(v.opened[k], place{o.tag, b.origin, b.generation, o.index})
	}
}

// names tells whether an epoch names an auditor.
func (e *Epoch) names(auditor [32]byte) bool {
	return slices.ContainsFunc(e.Opened.Auditors, func(a ledger.Auditor) bool { return a.Sealing == auditor })
}

// lastOfEach sorts openings, and keeps of each gateway its last one of a tag.
func lastOfEach(all []place) []place {
	slices.SortFunc(all, comparePlaces)
	kept := all[:0]
	for _, p := range all {
		if n := len(kept); n > 0 && kept[n-1].tag == p.tag && kept[n-1].origin.Author == p.origin.Author {
			kept[n-1] = p
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// openingsOf are those of an epoch's draw to an auditor that count, by tag.
func (h *Hub) openingsOf(ctx context.Context, v *view, e *Epoch, auditor [32]byte) (out []place, err error) {
	all := v.opened[openedKey{e.ID, auditor}]
	closed, err := e.closed()
	if len(all) == 0 || err != nil || closed.Withheld || closed.Root != e.Draws[0].Root {
		return nil, nil // what is wrong with the close and the draw, the epoch says
	}
	list, err := h.list(ctx, e, func(string) func(done, total int64) { return func(int64, int64) {} })
	if err != nil {
		return nil, err
	}
	asked := map[ledger.KeyID][]drawnLine{} // once for each gateway, whatever it opens
	for _, p := range all {
		own, known := asked[p.origin.Author]
		if !known {
			own, err = h.met(e, closed, list, p.origin.Author)
		}
		if errors.Is(err, errDropped) || errors.Is(err, errNotWhole) || errors.Is(err, ledger.ErrTruncated) {
			// Its author let go of it: others' openings do not depend on that.
			h.cfg.Log.Warn("a gateway's openings are not shown, as its report is not whole any more", "gateway", p.origin.Author.String(), "epoch", e.ID.String(), "err", err)
			own, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
		asked[p.origin.Author] = own
		if _, ok := slices.BinarySearchFunc(own, p.tag, func(l drawnLine, t census.Tag) int { return bytes.Compare(l.tag[:], t[:]) }); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

func (h *Hub) getOpenings(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	v, e, err := h.epoch(r)
	if err != nil {
		return err
	}
	auditor, err := auditorOf(r, e)
	if err != nil {
		return err
	}
	all, err := h.openingsOf(r.Context(), v, e, auditor)
	if err != nil {
		return err
	}
	// One opening has up to 64 KiB: a page of them has no more than 16 MiB.
	p.limit = min(p.limit, maxOpenings)
	type numbered struct {
		place
		nth uint64 // of the tag's
	}
	var each []numbered
	for i, o := range all {
		n := numbered{place: o}
		if i > 0 && all[i-1].tag == o.tag {
			n.nth = each[i-1].nth + 1
		}
		each = append(each, n)
	}
	items, next := cut(p, each, func(n numbered) string {
		return string(binary.BigEndian.AppendUint64(n.tag[:], n.nth)) // whose it is, nobody is told
	})
	out := OpeningsAnswer{Openings: []OpeningAnswer{}, Next: next}
	for _, n := range items {
		sealed, err := h.sealed(n.place)
		if err != nil {
			return err
		}
		if sealed != nil {
			out.Openings = append(out.Openings, OpeningAnswer{Hex(e.Draws[0].Seed), Hex(n.tag), sealed})
		}
	}
	sendJSON(w, r, http.StatusOK, out)
	return nil
}

// maxOpenings bounds a page of openings.
const maxOpenings = 200

// sealed reads an opening; nil if its body was dropped since.
func (h *Hub) sealed(p place) ([]byte, error) {
	i, err := h.cfg.Store.Ledger(p.origin)
	if err != nil {
		return nil, err
	}
	for e, err := range h.cfg.Store.Entries(i, p.index, p.index+1) {
		if err != nil {
			return nil, err
		}
		_, body, err := e.Open(ledger.ReportLog, p.index)
		if err != nil {
			return nil, err
		}
		if b, ok := body.(*ledger.Opened); ok {
			return b.Sealed, nil
		}
	}
	return nil, nil
}
