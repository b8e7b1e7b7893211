package peer

import (
	"context"
	"errors"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// known is what the replica was told of a ledger, as far as a change shows in it.
type known struct {
	note string
	edge int64
}

func knownOf(l replica.Ledger) known { return known{string(l.Head.Note), l.Edge.Size()} }

// watch has the owner look at the file when somebody wrote to it: this process's
// author, a command that reads in a file. It rests after each look twenty times as
// long as that took, so that many ledgers cost little; but never long.
func (n *Node) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var changed func() (bool, error)
	end := func() {}
	defer func() { end() }()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-n.rescan:
			asked = true
		case <-tick.C:
		}
		var err error
		if changed == nil { // a new watch's first look says yes: nothing is missed
			watching, cancel := context.WithCancel(ctx)
			end = cancel
			changed, err = n.cfg.Store.Watch(watching)
		}
		var moved bool
		if err == nil {
			moved, err = changed()
		}
		if err != nil {
			end()
			changed = nil
			continue
		}
		if !asked && !moved {
			continue
		}
		began := time.Now()
		if !n.lookAtAll(ctx) {
			return
		}
		pause(ctx, min(20*time.Since(began), watchAtLeast))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// lookAtAll reads the heads of all ledgers, the forks and the charters, and has
// the owner compare them with what the replica knows.
func (n *Node) lookAtAll(ctx context.Context) bool {
	all, err := n.cfg.Store.Ledgers()
	if err != nil {
		n.cfg.Log.Debug("some ledgers cannot be read", "err", err)
	}
	return n.tell(ctx, func(n *Node) {
		moved := false
		for _, i := range all {
			// What was stored since is told when it is read again.
			if k, ok := n.known[i.Origin]; ok && k.note == string(i.Note) {
				continue
			}
			moved = n.look(i.Origin) || moved
		}
		if moved && n.cfg.Stored != nil {
			n.cfg.Stored()
		}
		n.write[0].add(second, refreshRights{})
	})
}

// look reads one ledger and tells the replica if it changed.
func (n *Node) look(o ledger.Origin) bool {
	i, err := n.cfg.Store.Ledger(o)
	if errors.Is(err, store.ErrNoLedger) {
		return false
	}
	var l replica.Ledger
	if err == nil {
		l, err = n.stored(i)
	}
	if err != nil {
		n.cfg.Log.Debug("a ledger cannot be read", "ledger", o.String(), "err", err)
		return false
	}
	return n.tellStored(l)
}

// tellStored tells the replica how far a ledger is durable, unless it knows.
func (n *Node) tellStored(l replica.Ledger) bool {
	o := l.Head.Origin
	now := knownOf(l)
	if n.known[o] == now {
		return false
	}
	n.known[o] = now
	n.step(replica.Stored{Ledger: l})
	return true
}

// lookAtOwn looks at the ledgers that this participant writes.
func (n *Node) lookAtOwn() {
	moved := false
	for o := range n.known {
		if n.own(o) {
			moved = n.look(o) || moved
		}
	}
	if !moved { // a new incarnation
		n.Look()
	}
}
