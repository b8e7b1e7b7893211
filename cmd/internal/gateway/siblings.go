package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/store"
)

const (
	// siblingsEvery is how often siblings are looked at when nothing says that one
	// of them came, went or wrote.
	siblingsEvery = time.Second
	// siblingStride is how many of a sibling's entries are read at a time, and
	// siblingBack how many at most of what it wrote before this start.
	siblingStride = 1024
	siblingBack   = 1 << 17
	// behindPatience is for how long what a sibling announced may be on its way. A
	// door that is busy announces something all the time.
	behindPatience = 2 * time.Second
)

// siblings tells the controller what stands in the door logs of the node's other
// gateways, and which of them cannot be reached, until ctx ends.
func (g *Gateway) siblings(ctx context.Context) error {
	f := feed{g: g, told: map[ledger.Origin]int64{}}
	tick := time.NewTicker(siblingsEvery)
	defer tick.Stop()
	troubled := false
	for {
		err := f.look(ctx)
		if errors.Is(err, edge.ErrStopped) || ctx.Err() != nil {
			return nil
		}
		if err != nil && !troubled {
			g.cfg.Log.Error("not all that siblings wrote counts here", "err", err)
		}
		troubled = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-g.net.present:
		case <-tick.C:
		}
	}
}

// feed is how far siblings' door logs were told.
type feed struct {
	g       *Gateway
	told    map[ledger.Origin]int64
	missing []string
	begun   bool                           // missing was told
	last    map[ledger.KeyID]ledger.Origin // the newest log of each, in one look
}

// look tells what is new.
func (f *feed) look(ctx context.Context) error {
	f.last = map[ledger.KeyID]ledger.Origin{}
	v := f.g.roster.View()
	if len(v.Siblings) == 0 && !f.begun {
		return nil
	}
	var status peer.Status
	if node := f.g.net.peer.Load(); node != nil {
		status = node.Status()
	}
	var err error
	here := heardOf(status, v.Siblings, f.g.cfg.Now())
	since := time.Duration(access.Backlog(v.Policy)) * time.Millisecond
	for _, l := range status.Ledgers {
		o, bad := ledger.ParseOrigin(l.Origin)
		_, sibling := v.Siblings[o.Author]
		if bad != nil || !sibling || o.Kind != ledger.DoorLog {
			continue
		}
		err = errors.Join(err, f.follow(ctx, o, l.Held, since))
	}
	gone := missing(here)
	if !f.begun || !slices.Equal(gone, f.missing) {
		if bad := f.g.Controller.Reach(ctx, gone); bad != nil {
			return errors.Join(err, bad)
		}
		f.begun, f.missing = true, gone
	}
	return err
}

// reachable tells of each sibling, by name, whether it is on the node's own link.
func reachable(s peer.Status, siblings map[ledger.KeyID]string) map[string]bool {
	own := ""
	for _, l := range s.Links {
		if l.Own && l.Up {
			own = l.Name
		}
	}
	on := map[string]bool{}
	for _, p := range s.Peers {
		on[p.Peer] = own != "" && slices.Contains(p.Links, own)
	}
	here := map[string]bool{}
	for id, name := range siblings {
		here[name] = here[name] || on[id.String()] // one may have followed another of that name
	}
	return here
}

// heardOf tells of each sibling, by name, whether it is on the node's own link and
// all that it wrote is here, as far as anybody says, but for what is under way.
func heardOf(s peer.Status, siblings map[ledger.KeyID]string, now time.Time) map[string]bool {
	here := reachable(s, siblings)
	for _, l := range s.Ledgers {
		o, err := ledger.ParseOrigin(l.Origin)
		name, ok := siblings[o.Author]
		if err != nil || !ok || o.Kind != ledger.DoorLog {
			continue
		}
		if late := l.Behind > 0 && (l.Since == nil || now.Sub(*l.Since).Abs() >= behindPatience); late || l.Forked {
			here[name] = false
		}
	}
	return here
}

// missing are those who cannot be reached, by name.
func missing(here map[string]bool) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(here)) {
		if !here[name] {
			out = append(out, name)
		}
	}
	return out
}

// newest tells whether a door log is the last that its gateway began, as far as was
// known when it was asked first: each of its boots begins one, and the controller
// listens to some only.
func (f *feed) newest(i store.Info) bool {
	last, ok := f.last[i.Origin.Author]
	if !ok {
		all, _ := DoorLogs(f.g.folder.Store(), i.Origin.Author) // what cannot be read is newer than nothing
		if len(all) > 0 {
			last = all[len(all)-1].Origin
		}
		f.last[i.Origin.Author] = last
	}
	return last == i.Origin
}

// follow tells what was added to a door log. Of logs that ended before the backlog
// only a gateway's newest is told, without its entries.
func (f *feed) follow(ctx context.Context, o ledger.Origin, held int64, backlog time.Duration) error {
	told, known := f.told[o]
	if known && told >= held || held == 0 {
		return nil
	}
	s := f.g.folder.Store()
	i, err := s.Ledger(o)
	if err != nil {
		return err
	}
	if !known {
		var ok bool
		if told, ok, err = f.g.Controller.Heard(ctx, o); err != nil {
			return err
		}
		if !ok {
			if told, err = begin(s, i, f.g.clock().Now.Add(-backlog)); err != nil {
				return fmt.Errorf("%v: %w", o, err)
			}
			if told == i.Size && !f.newest(i) {
				f.told[o] = told // should it grow after all, that is told
				return nil
			}
			if err := f.g.Controller.Tell(ctx, o, told, told, nil); err != nil {
				return err
			}
		}
		f.told[o] = told
	}
	for told < i.Size {
		upto := min(i.Size, told+siblingStride)
		entries, err := wrote(s, i, told, upto)
		if err == nil {
			err = f.g.Controller.Tell(ctx, o, told, upto, entries)
		}
		if err != nil {
			delete(f.told, o) // it is asked again
			return fmt.Errorf("%v: %w", o, err)
		}
		told = upto
		f.told[o] = told
	}
	return nil
}

// begin is the first of the newest entries of a door log that were written since a
// time, or its size if none was.
func begin(s *store.Store, i store.Info, since time.Time) (int64, error) {
	from := i.Size
	for from > 0 && i.Size-from < siblingBack {
		lo, at := max(0, from-siblingStride), max(0, from-siblingStride)
		old := false
		first := from
		for e, err := range s.Entries(i, lo, from) {
			if err != nil {
				return 0, err
			}
			switch {
			case !e.Dropped() && e.Time < since.UnixMilli():
				old, first = true, at+1
			case first > at:
				first = at
			}
			at++
		}
		if from = first; old {
			break
		}
	}
	return from, nil
}

// wrote reads the entries that the controller takes of a sibling's.
func wrote(s *store.Store, i store.Info, from, upto int64) (out []panel.Logged, err error) {
	index := from
	for e, err := range s.Entries(i, from, upto) {
		if err != nil {
			return nil, err
		}
		leaf, err := ledger.ParseLeaf(e.Leaf)
		if err != nil {
			return nil, &ledger.At{First: index, Last: index, Err: err}
		}
		if access.Heard(leaf.Kind) && !e.Dropped() {
			_, body, err := e.Open(ledger.DoorLog, index)
			if err != nil {
				return nil, &ledger.At{First: index, Last: index, Err: err}
			}
			out = append(out, panel.Logged{Index: index, Time: e.Time, Body: body})
		}
		index++
	}
	if index != upto {
		return nil, &ledger.At{First: index, Last: upto - 1, Err: ledger.ErrTruncated}
	}
	return out, nil
}
