package gateway

import (
	"context"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

const (
	// forksEvery paces the announcement of proofs, one at a time: however many
	// there are, the doors' records find room.
	forksEvery = 2 * time.Second
	// announcedEntries bounds how much of the door log is searched, in strides,
	// for what was announced before. A proof that stands further back is
	// announced again, once for each start.
	announcedEntries = 1 << 20
	announcedStride  = 4096
)

// announceForks writes each proof that an author signed two histories into the
// door log, once. Trouble is logged and tried again: it is no reason to stop.
func (g *Gateway) announceForks(ctx context.Context) error {
	var announced map[ledger.Origin]bool // nil: no proof, so the door log was not read
	tick := time.NewTicker(forksEvery)
	defer tick.Stop()
	troubled := false
	for {
		forks, err := g.folder.Store().Forks()
		if err == nil && len(forks) > 0 && announced == nil {
			announced, err = g.announced(ctx, len(forks))
		}
		if err == nil {
			err = g.announceFork(ctx, forks, announced)
		}
		if err != nil && ctx.Err() == nil && !troubled {
			g.cfg.Log.Error("a proof of a fork is not announced", "err", err)
		}
		troubled = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// announceFork announces the first that was not announced yet.
func (g *Gateway) announceFork(ctx context.Context, forks []ledger.Fork, announced map[ledger.Origin]bool) error {
	for _, f := range forks {
		a, b, err := f.Heads()
		if err != nil {
			return err
		}
		if announced[a.Origin] {
			continue
		}
		// A start's log begins with its Boot: when the controller answers, that
		// stands there.
		if err := g.Controller.Ping(ctx); err != nil {
			return err
		}
		if err := (recorder{g}).Record(&ledger.ForkSeen{Evidence: f.Marshal()}, g.cfg.Now()); err != nil {
			return err
		}
		announced[a.Origin] = true
		g.cfg.Log.Error("an author signed two histories of a ledger: the proof stands in the door log", "ledger", a.Origin.String(), "sizes", []int64{a.Size, b.Size})
		return nil
	}
	return nil
}

// announced finds up to n proofs in this gateway's own door logs, from the end,
// those of earlier incarnations included.
func (g *Gateway) announced(ctx context.Context, n int) (map[ledger.Origin]bool, error) {
	s := g.folder.Store()
	all, err := DoorLogs(s, g.self)
	if err != nil {
		g.cfg.Log.Error("some ledgers cannot be read", "err", err)
	}
	found := map[ledger.Origin]bool{}
	left := announcedEntries
	for _, l := range slices.Backward(all) {
		for hi := l.Size; hi > 0 && left > 0 && len(found) < n; hi -= announcedStride {
			for e, err := range s.Entries(l, max(0, hi-announcedStride), hi) {
				if err != nil {
					return nil, err
				}
				if o, ok := forkSeen(e); ok {
					found[o] = true
				}
			}
			if left -= announcedStride; ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return found, nil
}

// forkSeen is the ledger that an entry of a door log convicts.
func forkSeen(e ledger.Entry) (o ledger.Origin, ok bool) {
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || leaf.Kind != ledger.KindForkSeen || e.Dropped() {
		return o, false
	}
	body, err := ledger.ParseBody(leaf.Kind, e.Body)
	if err != nil {
		return o, false
	}
	f, err := ledger.ParseFork(body.(*ledger.ForkSeen).Evidence)
	if err != nil {
		return o, false
	}
	a, _, err := f.Heads()
	return a.Origin, err == nil
}
