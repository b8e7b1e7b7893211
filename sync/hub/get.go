package hub

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
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

func (h *Hub) epochAnswer(v *view, e *Epoch) EpochAnswer {
	return answerOf(e, h.cfg.Now(), v.counts[e.ID], census.Attest(e.ID, v.signed))
}

// countsOf counts reports by what became of them.
func countsOf(all []ReportAnswer) (c ReportCounts) {
	for _, s := range all {
		switch s.State {
		case "counts", "covered":
			c.In++
		case "late":
			c.Late++
		case "faulty":
			c.Faulty++
		}
	}
	return c
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
	f, err := os.Open(h.lists.path(e.ID, listFile))
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
		out.Covers = append(out.Covers, CoveredAnswer{c.Origin.String(), c.Size, c.Root, Hex(c.Node)})
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
	if forever(w, r, fmt.Sprintf("%x-%x", c.Root, tag)) {
		return nil
	}
	var out ProofAnswer
	if p, err := l.Prove(tag); err == nil {
		out.Proof = p.Marshal()
	} else if a, err := l.ProveAbsent(tag); err == nil {
		out.Absence = a.Marshal()
	} else {
		return err
	}
	sendJSON(w, r, http.StatusOK, out)
	return nil
}

func (h *Hub) getReports(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	v, e, err := h.epoch(r)
	if err != nil {
		return err
	}
	items, next := cut(p, h.states(v, e), func(a ReportAnswer) string {
		return string(binary.BigEndian.AppendUint64([]byte(a.Ledger), uint64(a.Entry)))
	})
	sendJSON(w, r, http.StatusOK, ReportsAnswer{append([]ReportAnswer{}, items...), next})
	return nil
}

// states are an epoch's reports and what became of each, by ledger and entry.
func (h *Hub) states(v *view, e *Epoch) (out []ReportAnswer) {
	covered := map[ledger.Origin]census.Covered{}
	c, err := e.closed()
	closed := err == nil
	if closed {
		if all, _, err := h.covers(c); err == nil {
			for _, c := range all {
				covered[c.Origin] = c
			}
		}
	}
	for _, s := range v.reports[e.ID] {
		a := ReportAnswer{Ledger: s.origin.String(), Node: Hex(s.node), Slug: v.slugs[s.node], Entry: s.index}
		c, there := covered[s.origin]
		switch {
		case closed && there && s.index < c.Size && s.count == c.Count && s.root == c.TagsRoot:
			a.State = "covered"
		case s.fault != "":
			a.State, a.Fault = "faulty", string(s.fault)
		case closed && (!there || s.index >= c.Size):
			a.State = "late"
		case closed || s.older:
			a.State = "replaced"
		default:
			a.State = "counts"
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b ReportAnswer) int {
		if a.Ledger != b.Ledger {
			return bytes.Compare([]byte(a.Ledger), []byte(b.Ledger))
		}
		return int(min(max(a.Entry-b.Entry, -1), 1))
	})
	return out
}

// auditorOf is the auditor that a path names, if the epoch does.
func auditorOf(r *http.Request, e *Epoch) ([32]byte, error) {
	key, err := hex32(r, "auditor")
	if err == nil && !slices.ContainsFunc(e.Opened.Auditors, func(a ledger.Auditor) bool { return a.Sealing == key }) {
		err = notFound("the epoch names no such auditor")
	}
	return key, err
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
	out := OpeningsAnswer{Openings: []OpeningAnswer{}}
	if len(e.Draws) > 0 {
		// One opening has up to 64 KiB: a page of them has no more than 16 MiB.
		p.limit = min(p.limit, maxOpenings)
		seed := e.Draws[0].Seed
		items, next := cut(p, v.opened[openedKey{e.ID, seed, auditor}], func(p place) string {
			return string(binary.BigEndian.AppendUint64([]byte(string(p.tag[:])+p.origin.String()), uint64(p.index)))
		})
		out.Next = next
		for _, p := range items {
			sealed, err := h.sealed(p)
			if err != nil {
				return err
			}
			if sealed != nil {
				out.Openings = append(out.Openings, OpeningAnswer{Hex(seed), p.tag, sealed})
			}
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

func (h *Hub) getOccupancy(w http.ResponseWriter, r *http.Request) error {
	v, err := h.view(r)
	if err != nil {
		return err
	}
	sendJSON(w, r, http.StatusOK, occupancyAnswer(v, h.cfg.Now()))
	return nil
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

func (h *Hub) getSealedReports(w http.ResponseWriter, r *http.Request) error {
	_, e, c, err := h.closedEpoch(r)
	if err != nil {
		return err
	}
	auditor, err := auditorOf(r, e)
	if err != nil {
		return err
	}
	covers, marshalled, err := h.covers(c)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.Method == http.MethodHead {
		return nil
	}
	return h.broken(r, h.sealReports(r.Context(), w, e, auditor, covers, marshalled))
}
