package hub

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

var errHex = errors.New("not 64 hexadecimal digits, lower case")

func (h *Hub) getCommunity(w http.ResponseWriter, r *http.Request) error {
	v, err := h.view(r)
	if err != nil {
		return err
	}
	c := v.community.Latest()
	key := [32]byte(h.cfg.Author.Public().(ed25519.PublicKey))
	sendJSON(w, r, http.StatusOK, CommunityAnswer{
		ID: Hex(v.community.ID()), Slug: c.Slug, Charter: uint64(v.community.Len()), Hub: key, Software: h.cfg.Software, Time: h.cfg.Now().Unix(), Estate: v.estate,
		Named: slices.ContainsFunc(c.Authors, func(a ledger.Author) bool { return a.Role == ledger.Hub && a.Key == key && !a.Retired }),
	})
	return nil
}

func (h *Hub) epochAnswer(v *view, e *Epoch) EpochAnswer {
	return answerOf(e, h.cfg.Now(), v.counts[e.ID], census.Attest(e.ID, v.signed))
}

func (h *Hub) getEpochs(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	v, err := h.view(r)
	if err != nil {
		return err
	}
	out := EpochsAnswer{Epochs: []EpochAnswer{}}
	items, next := cut(p, v.epochs, func(e *Epoch) string {
		b := binary.BigEndian.AppendUint64(nil, uint64(e.Opened.Opens))
		b = binary.BigEndian.AppendUint64(b, e.Opened.Number)
		return string(append(b, e.ID[:]...))
	})
	for _, e := range items {
		out.Epochs = append(out.Epochs, h.epochAnswer(v, e))
	}
	out.Next = next
	sendJSON(w, r, http.StatusOK, out)
	return nil
}

func (h *Hub) getEpoch(w http.ResponseWriter, r *http.Request) error {
	v, e, err := h.epoch(r)
	if err != nil {
		return err
	}
	sendJSON(w, r, http.StatusOK, h.epochAnswer(v, e))
	return nil
}

// published is a closed epoch's list, unless it is withheld.
func (h *Hub) published(r *http.Request) (*Epoch, *ledger.EpochClosed, *census.List, error) {
	_, e, c, err := h.closedEpoch(r)
	if err != nil {
		return nil, nil, nil, err
	}
	if c.Withheld {
		return nil, nil, nil, withheld(e)
	}
	l, err := h.list(r.Context(), e, func(string) func(done, total int64) { return func(int64, int64) {} })
	return e, c, l, err
}

func (h *Hub) getList(w http.ResponseWriter, r *http.Request) error {
	e, c, _, err := h.published(r)
	if err != nil {
		return err
	}
	f, err := h.lists.file(e.ID, c.Root)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, c.Root))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}

func (h *Hub) getCovers(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	_, _, c, err := h.closedEpoch(r)
	if err != nil {
		return err
	}
	all, _, err := h.covers(c)
	if err != nil {
		return err
	}
	if forever(w, r, fmt.Sprintf("%x-%s-%d", c.Covers, p.after, p.limit)) {
		return nil
	}
	items, next := cut(p, all, func(c census.Covered) string { return c.Origin.String() })
	out := CoversAnswer{Hash: c.Covers, Covers: []CoveredAnswer{}, Next: next}
	for _, c := range items {
		out.Covers = append(out.Covers, CoveredAnswer{c.Origin.String(), c.Root, Hex(c.Node)})
	}
	sendJSON(w, r, http.StatusOK, out)
	return nil
}

func (h *Hub) getProof(w http.ResponseWriter, r *http.Request) error {
	tag, err := hex32(r, "tag")
	if err != nil {
		return err
	}
	_, c, l, err := h.published(r)
	if err != nil {
		return err
	}
	var out ProofAnswer
	err = guarded(func() error {
		if p, err := l.Prove(tag); err == nil {
			out.Proof = p.Marshal()
			return nil
		}
		a, err := l.ProveAbsent(tag)
		out.Absence = a.Marshal()
		return err
	})
	if err != nil || forever(w, r, fmt.Sprintf("%x-%x", c.Root, tag)) {
		return err
	}
	sendJSON(w, r, http.StatusOK, out)
	return nil
}

func (h *Hub) getOccupancy(w http.ResponseWriter, r *http.Request) error {
	v, err := h.view(r)
	if err != nil {
		return err
	}
	sendJSON(w, r, http.StatusOK, occupancyAnswer(v, h.cfg.Now()))
	return nil
}
