package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
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

// DoorLogs lists what is held of the door logs of a gateway, by its signing key,
// in the order in which they were written. The error names what cannot be read
// of all ledgers; it does not stop the rest.
func DoorLogs(s *store.Store, gateway ledger.KeyID) ([]store.Info, error) {
	return ownLedgers(s, ledger.DoorLog, gateway)
}

// ownLedgers is DoorLogs of any kind.
func ownLedgers(s *store.Store, kind ledger.LogKind, author ledger.KeyID) ([]store.Info, error) {
	all, err := s.Ledgers()
	all = slices.DeleteFunc(all, func(l store.Info) bool { return l.Origin.Kind != kind || l.Origin.Author != author })
	slices.SortFunc(all, func(a, b store.Info) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), bytes.Compare(a.Origin.Incarnation[:], b.Origin.Incarnation[:]))
	})
	return all, err
}

// Reached is the latest time in the newest entries of a gateway's door logs, as
// DoorLogs lists them, by a clock that shows now: what a gateway that starts then
// takes to be the time up to which codes may have been used. It is the zero Time
// if there is none. An error does not stop the rest.
func Reached(s *store.Store, logs []store.Info, now time.Time) (latest time.Time, err error) {
	left := int64(reachedEntries)
	for _, l := range slices.Backward(logs) {
		for e, bad := range s.Entries(l, max(0, l.Size-left), l.Size) {
			if bad != nil {
				err = errors.Join(err, fmt.Errorf("%v: %w", l.Origin, bad))
				break
			}
			if at := time.UnixMilli(e.Time); !e.Dropped() && at.After(latest) && at.Before(now.Add(maxBack)) {
				latest = at
			}
		}
		if left -= l.Size; left <= 0 {
			break
		}
	}
	return latest, err
}

// reached is the latest time in the newest entries of this gateway's own door
// logs, those of earlier incarnations included: a clock that was set back while
// the gateway did not run must not make a code open again.
func (g *Gateway) reached(self ledger.KeyID) time.Time {
	// What cannot be read is the store's trouble, not the door's.
	logs, err := DoorLogs(g.folder.Store(), self)
	if err != nil {
		g.cfg.Log.Error("some ledgers cannot be read", "err", err)
	}
	now := g.cfg.Now()
	latest, err := Reached(g.folder.Store(), logs, now)
	if err != nil {
		g.cfg.Log.Error("the door log cannot be read", "err", err)
	}
	if latest.After(now) {
		g.cfg.Log.Warn("the clock is behind the door log: until it has caught up codes are refused", "log", latest, "clock", now)
	}
	return latest
}
