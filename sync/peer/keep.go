package peer

import (
	"context"
	"errors"
	"reflect"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// errBusy: more was to be stored than ever should be.
var errBusy = errors.New("too much is to be stored at once")

// carryOut does what writes to the store. It runs on a worker's goroutine.
func (n *Node) carryOut(ctx context.Context, jobs []job) {
	var extensions []replica.Store
	arrived := false
	flush := func() {
		arrived = n.extend(ctx, extensions) || arrived
		extensions = nil
	}
	for _, j := range jobs {
		if s, ok := j.(replica.Store); ok {
			extensions = append(extensions, s)
			continue
		}
		flush()
		var err error
		switch j := j.(type) {
		case replica.Forget:
			err = n.forget(ctx, j.Origin)
		case replica.StoreCharter:
			var added bool
			if _, added, err = n.cfg.Store.AddCharter(j.Signed); added {
				arrived = true
				n.refresh(ctx)
			}
		case replica.StoreFork:
			if err = n.cfg.Store.AddFork(j.Fork, n.cfg.Now().Unix()); err == nil {
				arrived = true
				n.convict(ctx, j.Fork)
			}
		case replica.StoreHeld:
			err = n.cfg.Store.AddHeld(j.Peer, j.Head, n.cfg.Now().Unix())
		case refreshRights:
			n.refresh(ctx)
		}
		if err != nil {
			n.troubles.log(n.cfg.Log, "what a peer sent is not stored", "err", err)
		}
	}
	flush()
	if !arrived {
		return
	}
	if n.cfg.Stored != nil {
		n.cfg.Stored()
	}
	if n.cfg.Present != nil {
		n.tell(ctx, func(n *Node) { n.cfg.Present() }) // Status shows it now
	}
}

// forget lets go of what is stored of a ledger beyond its head.
func (n *Node) forget(ctx context.Context, o ledger.Origin) error {
	if err := n.cfg.Store.Forget(o); err != nil {
		return err
	}
	l, err := n.ledger(o)
	if errors.Is(err, store.ErrNoLedger) {
		l, err = replica.Ledger{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}}}, nil
	}
	if err == nil {
		n.tell(ctx, func(n *Node) {
			n.known[o] = knownOf(l)
			n.step(replica.Stored{Ledger: l})
		})
	}
	return err
}

// extend stores what was verified, and tells what became of it: all of it in one
// commit, or where that fails one after the other.
func (n *Node) extend(ctx context.Context, all []replica.Store) (arrived bool) {
	if len(all) == 0 {
		return false
	}
	xs := make([]ledger.Extension, len(all))
	for i, s := range all {
		xs[i] = s.Extension
	}
	seen := n.cfg.Now().Unix()
	stored, err := n.cfg.Store.Extend(seen, xs...)
	failed, done := map[ledger.Origin]bool{}, map[ledger.Origin]replica.Store{} // the last of each
	became := map[ledger.Origin]replica.Ledger{}
	for i, s := range all {
		o := xs[i].Head().Origin
		if failed[o] {
			continue // what it stands on is not there
		}
		bad := err
		if err != nil && len(all) > 1 {
			_, bad = n.cfg.Store.Extend(seen, xs[i])
		}
		if bad != nil {
			failed[o] = true
			n.fail(ctx, s, bad)
		} else {
			done[o] = s
			delete(became, o)
			if err == nil && stored[i].Fresh { // what was just written need not be read and verified
				became[o] = replica.Ledger{Head: xs[i].Head(), Edge: xs[i].Tree()}
				if n.cfg.Grown != nil {
					n.cfg.Grown(xs[i])
				}
			}
		}
	}
	rights := false
	for o, last := range done {
		rights = rights || o.Kind == ledger.NodeLog || o.Kind == ledger.DirectoryLog
		l, ok := became[o]
		if !ok {
			var err error
			if l, err = n.ledger(o); err != nil {
				n.troubles.log(n.cfg.Log, "a ledger cannot be read", "ledger", o.String(), "err", err)
				n.tell(ctx, func(n *Node) {
					n.step(replica.NotStored{Origin: o, Err: err, Edge: last.Extension.Tree(), Giver: last.Giver})
				})
				continue
			}
		}
		n.tell(ctx, func(n *Node) {
			n.known[o] = knownOf(l)
			n.step(replica.Stored{Ledger: l})
		})
	}
	if rights {
		n.refresh(ctx)
	}
	return len(done) > 0
}

// fail tells the replica that an extension was not stored, and takes out those
// of the ledger that the owner has sent after it.
func (n *Node) fail(ctx context.Context, s replica.Store, err error) {
	o := s.Extension.Head().Origin
	n.troubles.log(n.cfg.Log, "a ledger cannot be stored", "ledger", o.String(), "from", n.called(s.Giver), "err", err)
	n.tell(ctx, func(n *Node) {
		n.writer(o).remove(func(j job) bool {
			later, ok := j.(replica.Store)
			return ok && later.Extension.Head().Origin == o
		})
		n.notStored(s, err)
	})
}

func (n *Node) notStored(s replica.Store, err error) {
	o := s.Extension.Head().Origin
	edge, bad := n.cfg.Store.Edge(o)
	if bad != nil && !errors.Is(bad, store.ErrNoLedger) {
		n.troubles.log(n.cfg.Log, "a ledger cannot be read", "ledger", o.String(), "err", bad)
	}
	n.step(replica.NotStored{Origin: o, Err: err, Edge: edge, Giver: s.Giver})
}

// ledger is how far one is stored, whole or in part.
func (n *Node) ledger(o ledger.Origin) (replica.Ledger, error) {
	i, err := n.cfg.Store.Ledger(o)
	if errors.Is(err, store.ErrNoLedger) {
		edge, err := n.cfg.Store.Edge(o)
		return replica.Ledger{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}}, Edge: edge}, err
	}
	if err != nil {
		return replica.Ledger{}, err
	}
	return n.stored(i)
}

// refresh looks at rights, charters and forks again. It runs on the worker's
// goroutine.
func (n *Node) refresh(ctx context.Context) {
	rights, err := n.cfg.Rights()
	var chains []replica.Chain
	if err == nil {
		chains, err = n.charters(rights)
	}
	if err != nil {
		n.troubles.log(n.cfg.Log, "whose ledgers count stays as it was", "err", err)
		return
	}
	n.tell(ctx, func(n *Node) {
		versions := func(all []replica.Chain) (n int) {
			for _, c := range all {
				n += c.Len()
			}
			return n
		}
		if versions(chains) != n.versions {
			n.versions = versions(chains)
			n.step(replica.ChartersChanged{Chains: chains})
		}
		n.mu.Lock()
		same := reflect.DeepEqual(rights, n.rights)
		n.rights = rights
		n.mu.Unlock()
		if !same {
			n.step(replica.RightsChanged{Rights: rights})
		}
	})
	forks, err := n.cfg.Store.Forks()
	if err != nil {
		n.troubles.log(n.cfg.Log, "the proofs of forks cannot be read", "err", err)
		return
	}
	for _, f := range forks {
		n.convict(ctx, f)
	}
}

// convict tells the replica of a fork, once. It runs on the worker's goroutine.
func (n *Node) convict(ctx context.Context, f ledger.Fork) {
	a, _, err := f.Heads()
	if err != nil || n.forked[a.Origin] {
		return
	}
	n.forked[a.Origin] = true
	n.cfg.Log.Error("an author signed two histories of a ledger; nothing more of it is taken in", "ledger", a.Origin.String())
	n.tell(ctx, func(n *Node) { n.step(replica.Convicted{Evidence: f}) })
}
