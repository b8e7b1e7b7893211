package gateway

import (
	"cmp"
	"slices"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	// reachedEntries bounds how much of the door log a start looks at.
	reachedEntries = 4096
	// maxBack is how far the clock may have been set back since the log was
	// written; beyond it the log's clock is taken to have been the wrong one.
	maxBack = 24 * time.Hour
)

// reached is the latest time in the newest entries of this gateway's own door
// logs, those of earlier incarnations included: a clock that was set back while
// the gateway did not run must not make a code open again.
func (g *Gateway) reached(self ledger.KeyID) (latest time.Time) {
	// What cannot be read is the store's trouble, not the door's.
	all, err := g.folder.Store().Ledgers()
	if err != nil {
		g.cfg.Log.Error("some ledgers cannot be read", "err", err)
	}
	all = slices.DeleteFunc(all, func(l store.Info) bool { return l.Origin.Kind != ledger.DoorLog || l.Origin.Author != self })
	slices.SortFunc(all, func(a, b store.Info) int { return cmp.Compare(b.Generation, a.Generation) })
	now := g.cfg.Now()
	left := int64(reachedEntries)
	for _, l := range all {
		for e, err := range g.folder.Store().Entries(l, max(0, l.Size-left), l.Size) {
			if err != nil {
				g.cfg.Log.Error("the door log cannot be read", "err", err)
				break
			}
			if at := time.UnixMilli(e.Time); at.After(latest) && at.Before(now.Add(maxBack)) {
				latest = at
			}
		}
		if left -= l.Size; left <= 0 {
			break
		}
	}
	if latest.After(now) {
		g.cfg.Log.Warn("the clock is behind the door log: until it has caught up codes are refused", "log", latest, "clock", now)
	}
	return latest
}
