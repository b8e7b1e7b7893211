package hub

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// lookEvery is how often the store is asked whether anything changed; lookAtLeast is
// how often even where looking takes long.
const (
	lookEvery   = 250 * time.Millisecond
	lookAtLeast = 5 * time.Second
)

// view is what the store held at one look. Nothing in it changes any more.
type view struct {
	at        time.Time
	community ledger.Charters
	ledgers   []store.Info // community, directory and census ledgers
	epochs    []*Epoch
	byID      map[ledger.EpochID]*Epoch
	estate    census.Estate
	slugs     map[ledger.CharterID]string
	signed    []census.Signed
	reports   map[ledger.EpochID][]seen
	counts    map[ledger.EpochID]ReportCounts
	opened    map[openedKey][]place
	zones     []zoneOf
	entries   int64 // of all report ledgers
	authors   int   // report ledgers
	latest    int64 // when somebody else signed last, Unix seconds
}

// seen is a gateway's report of an epoch, and whether it counts.
type seen struct {
	*report
	origin     ledger.Origin
	node       ledger.CharterID
	generation uint64
	fault      Fault // the report's own, or why its author does not count
	older      bool  // there is a newer one of the same gateway that counts
}

// zoneOf is a zone of a node, by the last that a gateway of it said.
type zoneOf struct {
	zone
	node ledger.CharterID
	name string
}

// follow looks at the store whenever it changed. It rests after each look twenty
// times as long as that took, so that many ledgers take little of the machine; but
// never long: one slow look must not keep what comes next from being seen.
func (h *Hub) follow(ctx context.Context) {
	for {
		began := time.Now()
		if err := h.look(ctx, nil); err != nil && ctx.Err() == nil {
			h.cfg.Log.Warn("the store could not be looked through", "err", err)
		}
		if !pause(ctx, min(max(lookEvery, 20*time.Since(began)), lookAtLeast)) {
			return
		}
	}
}

// look reads what was added to the store, if anything was. Of a ledger that cannot
// be read everything up to there counts; the error is for the log.
func (h *Hub) look(ctx context.Context, progress func(done, total int64)) error {
	h.looking.Lock()
	defer h.looking.Unlock()
	if h.changed != nil {
		moved, err := h.changed()
		if err == nil && !moved && !h.again {
			return nil
		}
		if err != nil {
			h.changed = nil
		}
	}
	if h.changed == nil && h.running.Load() { // it holds a connection, until Run ends
		var err error
		if h.changed, err = h.cfg.Store.Watch(ctx); err != nil {
			return err
		}
		if _, err := h.changed(); err != nil { // from here on; what follows reads it all
			return err
		}
	}
	err := h.lookNow(progress)
	h.again = err != nil
	return err
}

// mostCame bounds what waits to be looked at without being read back: each has 120 kB
// at most.
const mostCame = 256

// grown is told what was stored.
func (h *Hub) grown(x ledger.Extension) {
	if x.Head().Origin.Kind != ledger.ReportLog || len(x.Entries()) == 0 {
		return
	}
	select {
	case h.came <- x:
	default: // the next look reads it
	}
}

// takeIn has the index know what was stored a moment ago.
func (h *Hub) takeIn(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case x := <-h.came:
			h.looking.Lock()
			h.index.add(x)
			h.looking.Unlock()
		}
	}
}

// lookNow is called under looking.
func (h *Hub) lookNow(progress func(done, total int64)) error {
	chain, err := h.cfg.Community()
	if err != nil {
		return err
	}
	rights, err := h.cfg.Rights()
	if err != nil {
		return err
	}
	all, err := h.cfg.Store.Ledgers()
	if all == nil && err != nil {
		return err
	}
	forks, forkErr := h.cfg.Store.Forks()
	if forkErr != nil {
		return forkErr
	}
	forked := map[ledger.Origin]bool{}
	for _, f := range forks {
		if a, _, err := f.Heads(); err == nil {
			forked[a.Origin] = true
		}
	}
	entries, bad := h.public.update(h.cfg.Store, chain, all)
	err = errors.Join(err, bad, h.index.update(h.cfg.Store, chain.ID(), all, progress))
	v := &view{at: h.cfg.Now(), community: chain, estate: estate(entries), slugs: slugs(entries), signed: signed(entries), reports: map[ledger.EpochID][]seen{}, counts: map[ledger.EpochID]ReportCounts{}, opened: map[openedKey][]place{}}
	v.epochs, v.byID = epochsOf(chain, entries)
	for _, i := range all {
		if i.Origin.Community == chain.ID() && i.Origin.Author != h.self {
			v.latest = max(v.latest, int64(min(i.Time, math.MaxInt64)))
		}
		switch i.Origin.Kind {
		case ledger.CommunityLog, ledger.DirectoryLog, ledger.CensusLog:
			if i.Origin.Community == chain.ID() {
				v.ledgers = append(v.ledgers, i)
			}
		}
	}
	h.summarize(v, rights, forked)
	for _, e := range v.epochs {
		v.counts[e.ID] = countsOf(h.states(v, e))
	}
	h.logReports(v, rights)
	h.seen.Store(v)
	return err
}

// summarize takes over what the report ledgers hold. It is called under looking.
func (h *Hub) summarize(v *view, rights replica.Rights, forked map[ledger.Origin]bool) {
	zones := map[zoneKey]zone{}
	for o, b := range h.index.books {
		v.authors++
		v.entries += b.read.upTo
		for _, r := range b.reports {
			v.reports[r.epoch] = append(v.reports[r.epoch], seen{r, o, b.node, b.generation, cmpFault(r.fault, standing(rights, forked, v.byID[r.epoch], b, r)), false})
		}
		v.openings(b)
		if reporter(rights, b) != "" || forked[o] {
			continue
		}
		for name, z := range b.zones {
			if was, there := zones[zoneKey{b.node, name}]; !there || z.at > was.at {
				zones[zoneKey{b.node, name}] = z
			}
		}
	}
	for _, all := range v.reports {
		rank(all)
	}
	for k, all := range v.opened {
		v.opened[k] = lastOfEach(all)
	}
	for k, z := range zones {
		v.zones = append(v.zones, zoneOf{z, k.node, k.name})
	}
	slices.SortFunc(v.zones, compareZones)
}

// standing is why a report's author does not count, or "".
func standing(rights replica.Rights, forked map[ledger.Origin]bool, e *Epoch, b *reportBook, r *report) Fault {
	if f := reporter(rights, b); f != "" {
		return f
	}
	switch a := rights.Authors[b.origin.Author]; {
	case forked[b.origin]:
		return FaultForked
	case a.Retired && r.index >= a.Counted[b.origin.Incarnation]:
		return FaultRetired
	case e != nil && r.count > uint64(e.Opened.Quota):
		return FaultQuota
	}
	return ""
}

// reporter is why an author's report ledger does not count at all, or "".
func reporter(rights replica.Rights, b *reportBook) Fault {
	a, ok := rights.Authors[b.origin.Author]
	if !ok || a.Removed || !slices.Contains(a.Kinds, ledger.ReportLog) || a.Charter[ledger.ReportLog] != b.node {
		return FaultGateway
	}
	return ""
}

// rank sorts an epoch's reports and marks those of which the same gateway has a
// newer one that counts: one in a later incarnation, or later in its ledger. One of
// an earlier incarnation could not be opened by a gateway that lost its disk.
func rank(all []seen) {
	slices.SortFunc(all, compareSeen)
	newest := map[ledger.KeyID]int{}
	for i, s := range all {
		if s.fault != "" {
			continue
		}
		if was, there := newest[s.origin.Author]; there {
			all[was].older = true
		}
		newest[s.origin.Author] = i
	}
}

// current is what was seen last; before Run, and without it, it looks.
func (h *Hub) current(ctx context.Context) (*view, error) {
	v := h.seen.Load()
	if v != nil && h.running.Load() {
		return v, nil
	}
	err := h.look(ctx, nil)
	if v = h.seen.Load(); v != nil {
		return v, nil
	}
	return nil, err
}
