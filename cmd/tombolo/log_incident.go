package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// stretch is the part of a gateway's logs whose decisions are to be made again:
// what lies between the times and, of the newest log alone, the numbers.
type stretch struct {
	since, until time.Time
	first, last  int64
	newest       bool
}

func (s *stretch) has(newest bool, index, ms int64) bool {
	at := time.UnixMilli(ms)
	return (!s.newest || newest) && index >= s.first && index <= s.last &&
		(s.since.IsZero() || !at.Before(s.since)) && (s.until.IsZero() || at.Before(s.until))
}

// run is what a gateway wrote between one Boot and the next; what stands before
// the first Boot of a log is a run that made no decision.
type run struct {
	log        int   // in the gateway's logs
	start, end int64 // entries start to end-1
	at         int64 // of the Boot, Unix milliseconds
	boots      bool
	wanted     int64 // entries start to wanted-1 are to be made again; 0 for none
}

// incident makes a gateway's decisions again.
type incident struct {
	store     *store.Store
	gateway   *gatewayLog
	node      passport.NodeID
	name      string // as the policies have it
	presence  *access.Presence
	world     *pastWorld
	forgotten int64 // bodies that were dropped before the stretch, and would count
}

func newIncident(f *folder.Folder, g *gatewayLog, other *policy.Policy) (*incident, error) {
	node, err := f.Node()
	if err != nil {
		return nil, err
	}
	if other != nil && other.Node != node.Latest().Slug {
		return nil, fmt.Errorf("the policy file is for the node %q, and this folder's node is %q", other.Node, node.Latest().Slug)
	}
	community, err := f.CommunityID()
	if err != nil {
		return nil, err
	}
	enrolled := false
	all, err := f.Gateways()
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		enrolled = enrolled || one.Keys.Signing == g.key
	}
	if !enrolled {
		return nil, fmt.Errorf("the node's ledgers here do not tell which gateway %s is: import them with `tombolo ledger import`", g.name)
	}
	return &incident{
		store: f.Store(), gateway: g, node: passport.NodeID(node.ID()), name: g.name, presence: access.NewPresence(),
		world: newPastWorld(f, community, node.ID(), g.key, other),
	}, nil
}

// outcomes makes the decisions of a stretch again. It stops after an error.
func (i *incident) outcomes(ctx context.Context, s *stretch) iter.Seq2[replayed, error] {
	return func(yield func(replayed, error) bool) {
		runs, err := i.runs(ctx, s)
		for n := 0; n < len(runs) && err == nil; n++ {
			r := runs[n]
			if r.wanted == 0 {
				err = i.remember(ctx, r, r.start)
				continue
			}
			for o, bad := range i.again(ctx, r) {
				if err = bad; err != nil {
					break
				}
				if s.has(r.log == len(i.gateway.logs)-1, o.Index, o.Time) && !yield(o, nil) {
					return
				}
			}
			if err == nil && n < len(runs)-1 {
				err = i.remember(ctx, r, r.wanted)
			}
		}
		if err != nil {
			yield(replayed{}, err)
		}
	}
}

// runs finds those that the stretch touches, and all before them.
func (i *incident) runs(ctx context.Context, s *stretch) ([]run, error) {
	var all []run
	touched := 0
	for n, l := range i.gateway.logs {
		all = append(all, run{log: n})
		index := int64(0)
		for e, err := range i.store.Entries(l, 0, l.Size) {
			if err == nil && index%ledger.ChunkSize == 0 {
				err = ctx.Err()
			}
			var leaf ledger.Leaf
			if err == nil {
				leaf, err = ledger.ParseLeaf(e.Leaf)
			}
			if err != nil {
				return nil, i.at(run{log: n}, index, err)
			}
			if leaf.Kind == ledger.KindBoot && !e.Dropped() {
				all = append(all, run{log: n, start: index, at: e.Time, boots: true})
			}
			r := &all[len(all)-1]
			index++
			r.end = index
			if r.boots && !e.Dropped() && s.has(n == len(i.gateway.logs)-1, index-1, e.Time) {
				r.wanted, touched = index, len(all)
			}
		}
	}
	return all[:touched], nil
}

// pastEntry is an entry of a door log, with what is known of it without a body.
type pastEntry struct {
	panel.Logged
	kind    ledger.Kind
	dropped bool
}

// entries yields a run's from one on.
func (i *incident) entries(ctx context.Context, r run, from, to int64) iter.Seq2[pastEntry, error] {
	return func(yield func(pastEntry, error) bool) {
		l := i.gateway.logs[r.log]
		index := from
		for e, err := range i.store.Entries(l, from, to) {
			if err == nil && index%ledger.ChunkSize == 0 {
				err = ctx.Err()
			}
			out := pastEntry{Logged: panel.Logged{Index: index, Time: e.Time}, dropped: e.Dropped()}
			if err == nil {
				var leaf ledger.Leaf
				leaf, out.Body, err = e.Open(ledger.DoorLog, index)
				out.kind = leaf.Kind
			}
			if err != nil {
				err = i.at(r, index, err)
			}
			if !yield(out, err) || err != nil {
				return
			}
			index++
		}
	}
}

// at says where an error is.
func (i *incident) at(r run, index int64, err error) error {
	return fmt.Errorf("%v: %w", i.gateway.logs[r.log].Origin, &ledger.At{First: index, Last: index, Err: err})
}

// remember takes what is not made again as it stands.
func (i *incident) remember(ctx context.Context, r run, from int64) error {
	for e, err := range i.entries(ctx, r, from, r.end) {
		switch {
		case err != nil:
			return err
		case e.dropped:
			switch e.kind {
			case ledger.KindDecision, ledger.KindPassage, ledger.KindPassUsed:
				i.forgotten++
			}
		case e.Body != nil:
			i.presence.Apply(e.Time, e.Body)
		}
		if b, ok := e.Body.(*ledger.Basis); ok {
			i.world.pass(b, access.Clock{Now: time.UnixMilli(e.Time), Trust: access.ParseTrust(b.Clock)})
		}
	}
	return nil
}

var (
	errNoBasis = errors.New("the log does not say what this was decided on, as the gateway's first version wrote it: replay what a later one wrote")
	errDropped = errors.New("its body was dropped, and what follows depends on it: replay what stands behind the gateway's next start")
)

// again makes a run's decisions again.
func (i *incident) again(ctx context.Context, r run) iter.Seq2[replayed, error] {
	return func(yield func(replayed, error) bool) {
		log := i.gateway.logs[r.log]
		doors, err := i.doors(ctx, r)
		if err != nil {
			yield(replayed{}, err)
			return
		}
		before := append([]store.Info(nil), i.gateway.logs[:r.log+1]...)
		before[r.log].Size = r.start
		reached, err := gateway.Reached(i.store, before, time.UnixMilli(r.at))
		if err != nil {
			yield(replayed{}, err)
			return
		}
		cfg := panel.ReplayConfig{
			Config:    panel.Config{Node: i.node, Gateway: i.name, Doors: doors, Presence: i.presence, Reached: reached},
			Community: passport.CommunityID(i.world.community), Key: i.gateway.key,
		}
		entries := func(yield func(panel.Logged, error) bool) {
			for e, err := range i.entries(ctx, r, r.start, r.wanted) {
				if !yield(e.Logged, err) {
					return
				}
			}
		}
		for o, err := range panel.Replay(cfg, i.world, entries) {
			if err != nil {
				err = fmt.Errorf("%v: %w", log.Origin, err)
			}
			if !yield(replayed{o, log.Origin}, err) || err != nil {
				return
			}
		}
	}
}

// doors are those that a run tells of: that is how the gateway was wired then. A
// contact tells its level at the start. It refuses a run that does not tell all
// that its decisions were made on.
func (i *incident) doors(ctx context.Context, r run) (map[string]panel.Hardware, error) {
	doors := map[string]panel.Hardware{}
	told := false
	for e, err := range i.entries(ctx, r, r.start, r.wanted) {
		if err != nil {
			return nil, err
		}
		d := logEntry{body: e.Body}.door()
		contact := false
		switch b := e.Body.(type) {
		case nil:
			if e.dropped && matters(e.kind) {
				return nil, i.at(r, e.Index, fmt.Errorf("%v: %w", e.kind, errDropped))
			}
		case *ledger.Basis:
			told = true
		case *ledger.Decision:
			if !told {
				return nil, i.at(r, e.Index, errNoBasis)
			}
		case *ledger.Line:
			contact = b.Input == panel.Contact.String()
		case *ledger.Fault:
			d = "" // its part may name what is no door
		}
		if d != "" {
			doors[d] = panel.Hardware{Contact: contact || doors[d].Contact}
		}
	}
	return doors, nil
}

// matters tells whether anything hangs on an entry of a kind.
func matters(k ledger.Kind) bool {
	switch k {
	case ledger.KindFault, ledger.KindForkSeen, ledger.KindDropped, ledger.KindDoorState, ledger.KindInput,
		ledger.KindPolicyTried, ledger.KindExpired:
		return false
	}
	return k.Known()
}
