package hub

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"tombolo/sync/ledger"
)

// getCharters is a bundle of the community's charters and its nodes'.
func (h *Hub) getCharters(w http.ResponseWriter, r *http.Request) error {
	v, err := h.view(r)
	if err != nil {
		return err
	}
	chains, err := h.chains(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	b := ledger.NewBundleWriter(&out)
	for _, chain := range chains {
		for version := 1; version <= chain.Len(); version++ {
			_, signed := chain.Version(version)
			if err := b.Charter(signed); err != nil {
				return err
			}
		}
	}
	if err := b.Close(); err != nil {
		return err
	}
	send(w, r, http.StatusOK, "application/octet-stream", out.Bytes())
	return nil
}

// chains are the community's charters, and those of its nodes that are held.
func (h *Hub) chains(v *view) ([]ledger.Charters, error) {
	out := []ledger.Charters{v.community}
	ids, err := h.cfg.Store.CharterIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		chain, err := h.cfg.Store.Charters(id)
		if err != nil {
			return nil, err
		}
		if c := chain.Latest(); c.Kind == ledger.NodeCharter && c.Community == v.community.ID() {
			out = append(out, chain)
		}
	}
	return out, nil
}

// publicKinds are those of ledgers that anybody may have: no movements are in them.
var publicKinds = []ledger.LogKind{ledger.CensusLog, ledger.CommunityLog, ledger.DirectoryLog}

func (h *Hub) getLedgers(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	kinds := publicKinds
	if q := r.URL.Query(); q.Has("kind") {
		kind := ledger.LogKind(q.Get("kind"))
		if !slices.Contains(publicKinds, kind) {
			return badRequest("kind %q is none of census, community and directory", clip(string(kind)))
		}
		kinds = []ledger.LogKind{kind}
	}
	v, err := h.view(r)
	if err != nil {
		return err
	}
	var all []LedgerAnswer
	for _, i := range v.ledgers {
		if slices.Contains(kinds, i.Origin.Kind) {
			all = append(all, LedgerAnswer{
				Origin: i.Origin.String(), Author: [32]byte(i.Author), Size: i.Size, Root: Hex(i.Root), Time: i.Time, Note: string(i.Note), Held: []HeldAnswer{},
			})
		}
	}
	items, next := cut(p, all, func(a LedgerAnswer) string { return a.Origin })
	out := LedgersAnswer{Ledgers: append([]LedgerAnswer{}, items...), Next: next}
	for i := range out.Ledgers {
		o, err := ledger.ParseOrigin(out.Ledgers[i].Origin)
		if err != nil {
			return err
		}
		held, err := h.cfg.Store.Held(o)
		if err != nil {
			return err
		}
		for _, b := range held {
			out.Ledgers[i].Held = append(out.Ledgers[i].Held, HeldAnswer{b.Peer.String(), string(b.Role), b.Size, b.Time, string(b.Note)})
		}
	}
	sendJSON(w, r, http.StatusOK, out)
	return nil
}

// getBundle is a ledger, whole, with the charters by which it counts.
func (h *Hub) getBundle(w http.ResponseWriter, r *http.Request) error {
	v, err := h.view(r)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("tombolo/v1/%v/%s/%s/%s", v.community.ID(), r.PathValue("kind"), r.PathValue("author"), r.PathValue("incarnation"))
	o, err := ledger.ParseOrigin(name)
	if err != nil || !slices.Contains(publicKinds, o.Kind) {
		return badRequest("this is not a ledger's name: its kind, its author's key id and its incarnation")
	}
	i, err := h.cfg.Store.Ledger(o)
	if err != nil {
		return notFound("there is no such ledger")
	}
	chains, err := h.chains(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.Method == http.MethodHead {
		return nil
	}
	b := ledger.NewBundleWriter(w)
	for _, chain := range chains {
		if chain.ID() != v.community.ID() && chain.ID() != i.Charter {
			continue
		}
		for version := 1; version <= chain.Len(); version++ {
			_, signed := chain.Version(version)
			err = errors.Join(err, b.Charter(signed))
		}
	}
	err = errors.Join(err, b.Head(i.Author, i.Note))
	for c, bad := range h.cfg.Store.Chunks(i, 0) {
		if err = errors.Join(err, bad); err == nil {
			err = b.Chunk(c)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = b.Close()
	}
	return h.broken(r, err)
}

// broken ends an answer that has begun: whoever reads it misses its end.
func (h *Hub) broken(r *http.Request, err error) error {
	if err == nil {
		return nil
	}
	if r.Context().Err() == nil {
		h.cfg.Log.Error("an answer broke off", "path", r.URL.Path, "err", err)
	}
	panic(http.ErrAbortHandler)
}
