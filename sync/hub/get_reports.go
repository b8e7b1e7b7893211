package hub

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

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
		return string(binary.BigEndian.AppendUint64([]byte(a.Ledger), a.nth))
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
		a := ReportAnswer{Ledger: s.origin.String(), Node: Hex(s.node), Slug: v.slugs[s.node], entry: s.index}
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
		return int(min(max(a.entry-b.entry, -1), 1))
	})
	for i := 1; i < len(out); i++ {
		if out[i].Ledger == out[i-1].Ledger {
			out[i].nth = out[i-1].nth + 1
		}
	}
	return out
}

// auditorOf is the auditor that a path names, if the epoch does.
func auditorOf(r *http.Request, e *Epoch) ([32]byte, error) {
	key, err := hex32(r, "auditor")
	if err == nil && !e.names(key) {
		err = notFound("the epoch names no such auditor")
	}
	return key, err
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
