package hub

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// rules is how lists are made: census' version.
const rules = 1

// The stages that Close tells of.
const (
	StageLook    = "look"    // through the report ledgers: entries
	StageCollect = "collect" // the tags of the reports that count: tags
	StageSort    = "sort"    // tags
	StageHash    = "hash"    // tags
	StageWrite   = "write"   // the list's file: bytes
)

// appendTries bounds how often an entry is tried that somebody else came before.
const appendTries = 8

// Close closes an epoch that is over: it makes the list of what is in the store,
// writes it and appends EpochClosed. An epoch that is closed already is not closed
// again: then it returns what it was closed with, and sees that its files are there.
// It waits while another process of the hub closes or draws. progress, unless it is
// nil, is called by one goroutine at a time.
//
// Errors: ErrNoEpoch, ErrNotOver, ErrNotHub, ErrSetBack, ErrTwoClosed, ErrLost; those of the
// store and of ctx, after which it may be called again.
func (h *Hub) Close(ctx context.Context, epoch ledger.EpochID, progress func(stage string, done, total int64)) (ledger.EpochClosed, error) {
	h.closing.Lock()
	defer h.closing.Unlock()
	began := time.Now()
	tell := func(stage string) func(done, total int64) {
		return func(done, total int64) {
			if progress != nil {
				progress(stage, done, total)
			}
		}
	}
	ctx, release, err := h.alone(ctx)
	if err != nil {
		return ledger.EpochClosed{}, err
	}
	defer release()
	for range appendTries {
		closed, err := h.close(ctx, epoch, tell)
		if errors.Is(err, store.ErrOtherAuthor) {
			continue // somebody came before: what they wrote is found now
		}
		if err == nil {
			h.metrics.closed(h.cfg.Now(), time.Since(began))
		}
		return closed, err
	}
	return ledger.EpochClosed{}, ErrBusy
}

func (h *Hub) close(ctx context.Context, epoch ledger.EpochID, tell func(string) func(done, total int64)) (none ledger.EpochClosed, err error) {
	author, err := h.writer(ctx, false) // before the look: what is written after it makes the append fail
	if err != nil {
		return none, err
	}
	looked := h.cfg.Now()
	v, err := h.freshView(tell(StageLook))
	if err != nil {
		return none, err
	}
	e := v.byID[epoch]
	if e == nil {
		return none, ErrNoEpoch
	}
	if len(e.Closed) > 0 {
		closed, err := e.closed()
		if err != nil {
			return none, err
		}
		_, err = h.list(ctx, e, tell)
		return *closed, err
	}
	if looked.Unix() < e.Opened.Closes {
		return none, fmt.Errorf("%w: on %s", ErrNotOver, time.Unix(e.Opened.Closes, 0).UTC().Format(time.RFC3339))
	}
	tags, covers, err := h.collect(ctx, v, e, tell(StageCollect))
	for errors.Is(err, errDropped) { // what their gateways reported before may count
		if v, err = h.freshView(nil); err == nil {
			tags, covers, err = h.collect(ctx, v, e, tell(StageCollect))
		}
	}
	if err != nil {
		return none, err
	}
	list, err := census.NewList(merge(tags, tell(StageSort)))
	if err != nil {
		return none, err
	}
	marshalled := census.MarshalCovers(covers)
	closed := ledger.EpochClosed{
		Epoch: epoch, Size: uint64(list.Len()), Root: rootOf(list, tell(StageHash)), Rules: rules, Reports: uint32(len(covers)), Covers: coversHash(marshalled),
		Nodes: v.estate.Nodes, Doors: v.estate.Doors, Floor: v.estate.Floor,
	}
	if closed.Size < ledger.Withheld {
		closed.Withheld, closed.Size = true, 0
	}
	if err := h.keep(epoch, tags[:list.Len()*ledger.TagSize], marshalled, tell(StageWrite)); err != nil {
		return none, err
	}
	if err := ctx.Err(); err != nil {
		return none, context.Cause(ctx)
	}
	// What the hub acknowledges while it sorts is not in the list: the close is of when
	// it looked, so that nobody takes that for suppressed.
	if err := h.append(author, &closed, looked); err != nil {
		return none, err
	}
	return closed, nil
}

// keep makes a list and what it covers durable.
func (h *Hub) keep(epoch ledger.EpochID, list, covers []byte, progress func(done, total int64)) error {
	h.lists.clean(epoch)
	total := int64(len(list) + len(covers))
	progress(0, total)
	if err := h.cfg.Store.Pin(coversPin(coversHash(covers)), covers); err != nil {
		return err
	}
	err := h.lists.write(epoch, listFile, list)
	if err == nil {
		err = h.lists.write(epoch, coversFile, covers)
	}
	if err != nil {
		return fmt.Errorf("write the list of epoch %v: %w", epoch, err)
	}
	progress(total, total)
	return nil
}

// collect gathers the tags of the reports that count, in no order.
func (h *Hub) collect(ctx context.Context, v *view, e *Epoch, progress func(done, total int64)) (tags []byte, covers []census.Covered, err error) {
	var counting []seen
	var begins []int64 // of each in tags
	var total int64
	for _, s := range v.reports[e.ID] {
		if s.fault != "" {
			h.cfg.Log.Warn("a report does not count", "epoch", e.ID.String(), "ledger", s.origin.String(), "node", s.node.String(), "entry", s.index, "why", string(s.fault))
		}
		if s.counts() {
			counting, begins = append(counting, s), append(begins, total*ledger.TagSize)
			total += int64(s.count)
		}
	}
	// What is not touched takes no memory, and growing would take it twice.
	tags, covers = make([]byte, total*ledger.TagSize), make([]census.Covered, len(counting))
	errs := make([]error, len(counting))
	var failed atomic.Bool
	var done atomic.Int64
	progress(0, total)
	spread(len(counting), 1, func(n, _ int) {
		s, end := counting[n], begins[n]+int64(counting[n].count)*ledger.TagSize
		if errs[n] = context.Cause(ctx); errs[n] == nil && !failed.Load() {
			covers[n], errs[n] = h.gather(e.ID, s, tags[begins[n]:begins[n]:end])
		}
		switch {
		case errors.Is(errs[n], errDropped): // all of these are found at once
			h.spoilt(v.reports[e.ID], s)
		case errs[n] != nil:
			failed.Store(true)
		}
		done.Add(int64(s.count))
	}, func(int) { progress(done.Load(), total) })
	for n, err := range errs {
		if err != nil {
			return nil, nil, fmt.Errorf("report %d of %d: %w", n+1, len(errs), err)
		}
	}
	if len(covers) > census.MaxCovers {
		return nil, nil, fmt.Errorf("%d reports; at most %d can be covered", len(covers), census.MaxCovers)
	}
	slices.SortFunc(covers, func(a, b census.Covered) int { return a.Origin.Compare(b.Origin) })
	return tags, covers, nil
}

// gather appends a report's tags to into, which has room for just these, and says
// what is covered with them.
func (h *Hub) gather(epoch ledger.EpochID, s seen, into []byte) (census.Covered, error) {
	info, err := h.cfg.Store.Ledger(s.origin)
	if err != nil {
		return census.Covered{}, err
	}
	_, err = s.tags(h.cfg.Store, info, into)
	return census.Covered{Origin: s.origin, Size: info.Size, Root: info.Root, Node: s.node, Count: s.count, TagsRoot: s.root, Salt: h.coversSalt(epoch, s.origin)}, err
}

// spoilt marks a report whose bodies were dropped after it was looked at, and what else
// its ledger holds of that kind: a gateway must not spoil one after the other.
func (h *Hub) spoilt(all []seen, found seen) {
	info, err := h.cfg.Store.Ledger(found.origin)
	if err != nil {
		return // the next look finds out
	}
	for _, s := range all {
		if s.origin != found.origin || s.fault != "" {
			continue
		}
		if s.report != found.report {
			if _, err := s.tags(h.cfg.Store, info, nil); !errors.Is(err, errDropped) {
				continue
			}
		}
		h.looking.Lock()
		s.report.fault = FaultDropped
		h.looking.Unlock()
	}
}

// counts tells whether a report is its gateway's that counts.
func (s seen) counts() bool { return s.fault == "" && !s.older }

// list is a closed epoch's, made anew from what it covers if its file is not there.
func (h *Hub) list(ctx context.Context, e *Epoch, tell func(string) func(done, total int64)) (*census.List, error) {
	closed, err := e.closed()
	if err != nil {
		return nil, err
	}
	size := closed.Size
	if closed.Withheld {
		// Its size is said nowhere; the covers say enough to make it again.
		return h.remade(ctx, e, closed, tell)
	}
	l, err := h.lists.get(e.ID, closed.Root, size)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return l, err
	}
	if _, err := h.remade(ctx, e, closed, tell); err != nil {
		return nil, err
	}
	return h.lists.get(e.ID, closed.Root, size)
}

// remade makes a closed epoch's list again, from the reports that it covers.
func (h *Hub) remade(ctx context.Context, e *Epoch, closed *ledger.EpochClosed, tell func(string) func(done, total int64)) (*census.List, error) {
	covers, marshalled, err := h.covers(closed)
	if err != nil {
		return nil, err
	}
	if len(covers) > 0 && !h.indexed() {
		if _, err := h.freshView(tell(StageLook)); err != nil {
			return nil, err
		}
	}
	var total int64
	for _, c := range covers {
		total += int64(c.Count)
	}
	tags := make([]byte, 0, total*ledger.TagSize)
	for _, c := range covers {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		info, r, err := h.coveredReport(e.ID, c)
		if err == nil {
			tags, err = r.tags(h.cfg.Store, info, tags)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLost, err)
		}
		tell(StageCollect)(int64(len(tags)/ledger.TagSize), total)
	}
	list, err := census.NewList(merge(tags, tell(StageSort)))
	if err != nil {
		return nil, err
	}
	if rootOf(list, tell(StageHash)) != closed.Root {
		return nil, fmt.Errorf("%w: what is here makes another list", ErrLost)
	}
	return list, h.keep(e.ID, tags[:list.Len()*ledger.TagSize], marshalled, tell(StageWrite))
}

// covering is what a close covers, read and as it is stored.
type covering struct {
	all        []census.Covered
	marshalled []byte
}

// maxCovering bounds the epochs of which it is kept in memory.
const maxCovering = 32

// covers is what a close covers, by the store.
func (h *Hub) covers(closed *ledger.EpochClosed) ([]census.Covered, []byte, error) {
	h.covered.mu.Lock()
	defer h.covered.mu.Unlock()
	if c, ok := h.covered.byHash[closed.Covers]; ok {
		return c.all, c.marshalled, nil
	}
	b, err := h.cfg.Store.Pinned(coversPin(closed.Covers))
	if err == nil && coversHash(b) != closed.Covers {
		err = errors.New("it has another hash")
	}
	var all []census.Covered
	if err == nil {
		all, err = census.ParseCovers(b)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: what it covers: %w", ErrLost, err)
	}
	if len(h.covered.byHash) >= maxCovering {
		clear(h.covered.byHash)
	}
	h.covered.byHash[closed.Covers] = covering{all, b}
	return all, b, nil
}

// errNotWhole: a report that a close covers is not there any more as it was.
var errNotWhole = errors.New("the report that was covered is not whole")

// coveredReport finds the report that a close covers.
func (h *Hub) coveredReport(epoch ledger.EpochID, c census.Covered) (store.Info, *report, error) {
	info, err := h.cfg.Store.Ledger(c.Origin)
	if err != nil {
		return info, nil, err
	}
	h.looking.Lock()
	defer h.looking.Unlock()
	if b := h.index.books[c.Origin]; b != nil {
		for _, r := range slices.Backward(b.of(epoch)) {
			if r.fault == "" && r.index < c.Size && r.root == c.TagsRoot && r.count == c.Count {
				return info, r, nil
			}
		}
	}
	return info, nil, fmt.Errorf("%v: %w", c.Origin, errNotWhole)
}

// indexed tells whether the report ledgers were looked through.
func (h *Hub) indexed() bool {
	h.looking.Lock()
	defer h.looking.Unlock()
	return len(h.index.books) > 0
}

// freshView reads what is in the store now.
func (h *Hub) freshView(progress func(done, total int64)) (*view, error) {
	h.looking.Lock()
	defer h.looking.Unlock()
	if err := h.lookNow(progress); err != nil {
		return nil, err
	}
	return h.seen.Load(), nil
}

// author opens the census ledger, if the charter says that it is this hub's.
func (h *Hub) author() (*store.Author, error) {
	chain, err := h.cfg.Community()
	if err != nil {
		return nil, err
	}
	public := [32]byte(h.cfg.Author.Public().(ed25519.PublicKey))
	named := slices.ContainsFunc(chain.Latest().Authors, func(a ledger.Author) bool {
		return a.Role == ledger.Hub && a.Key == public && !a.Retired
	})
	if !named {
		return nil, ErrNotHub
	}
	return h.cfg.Store.OpenAuthor(store.AuthorConfig{
		Key: h.cfg.Author, Community: chain.ID(), Kind: ledger.CensusLog, Charter: chain.ID(), Guard: h.cfg.Guard, Now: h.cfg.Now, Rand: h.cfg.Rand,
	})
}

// append writes to the census ledger, and has it announced.
func (h *Hub) append(a *store.Author, body ledger.Body, at time.Time) error {
	if _, err := a.Append(store.Draft{Body: body, Time: at}); err != nil {
		return err
	}
	if h.node != nil {
		h.node.Appended()
	}
	return nil
}

// alone holds the lease of who closes and draws until release; the context ends with
// it.
func (h *Hub) alone(ctx context.Context) (_ context.Context, release func(), err error) {
	const name = "hub/close"
	holder := h.cfg.Holder + "/close"
	ttl := cmp.Or(h.cfg.Lease, defaultLease)
	for {
		got, err := h.cfg.Store.Lease(ctx, name, holder, ttl)
		if err != nil {
			return nil, nil, err
		}
		if got {
			break
		}
		if !pause(ctx, min(time.Second, ttl/3)) {
			return nil, nil, fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for until := time.Now().Add(ttl); pause(ctx, ttl/3); {
			began := time.Now()
			got, err := h.cfg.Store.Lease(ctx, name, holder, ttl)
			switch {
			case got:
				until = began.Add(ttl)
			case err == nil || !time.Now().Before(until):
				cancel(errors.Join(ErrBusy, err))
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
		over, end := context.WithTimeout(context.Background(), time.Second)
		defer end()
		if err := h.cfg.Store.Release(over, name, holder); err != nil {
			h.cfg.Log.Debug("a lease ends by itself", "lease", name, "err", err)
		}
	}, nil
}
