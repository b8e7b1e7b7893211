package hub

import (
	"context"
	"log/slog"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// logReports says of each report that came since the last look whose it is, once: by
// the process that takes that gateway's in. It is called under looking.
func (h *Hub) logReports(v *view, rights replica.Rights) {
	first := h.seen.Load() == nil // what was there at the start was said when it came
	mine, _ := h.seats.share()
	until := map[ledger.Origin]int64{}
	for id, all := range v.reports {
		for _, r := range all {
			until[r.origin] = max(until[r.origin], r.index)
			if first || r.index <= h.logged[r.origin] || !mine[shardOf(r.origin.Author)] {
				continue
			}
			level, args := slog.LevelInfo, []any{"gateway", rights.Authors[r.origin.Author].Name, "id", r.origin.Author.String(), "node", v.slugs[r.node], "epoch", id.String(), "tags", r.count}
			if e := v.byID[id]; e != nil {
				args = append(args, "number", e.Opened.Number)
			}
			if r.fault != "" {
				level, args = slog.LevelWarn, append(args, "fault", string(r.fault))
			}
			h.cfg.Log.Log(context.Background(), level, "a report came", args...)
		}
	}
	for o, index := range until {
		h.logged[o] = max(h.logged[o], index)
	}
}
