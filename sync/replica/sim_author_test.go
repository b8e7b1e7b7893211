package replica_test

import (
	"cmp"
	"slices"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// simWriter is the author of a ledger in memory, as store.Author is of one in a
// file.
type simWriter struct {
	cfg   simAuthorConfig
	disk  *simMemory
	at    ledger.Origin
	begin *ledger.Begin // to be written first, in a new incarnation
	last  ledger.Checkpoint
}

// author continues the newest incarnation if the guard knows that it is as far
// as this key signed, and begins a new one otherwise.
func (d *simMemory) author(cfg simAuthorConfig) (simAuthor, error) {
	var last *simHeld
	mine := cfg.origin()
	for _, h := range d.held() {
		o := h.head.Origin
		if o.Author != mine.Author || o.Kind != mine.Kind || o.Community != mine.Community || h.charter != cfg.charter {
			continue
		}
		if last == nil || cmp.Or(cmp.Compare(h.generation, last.generation), cmp.Compare(h.head.Size, last.head.Size)) > 0 {
			last = &h
		}
	}
	a := &simWriter{cfg: cfg, disk: d}
	if last != nil && cfg.guard.signed[last.head.Origin] == last.head.Checkpoint {
		a.at, a.last = last.head.Origin, last.head.Checkpoint
		return a, nil
	}
	a.at = mine
	a.begin = &ledger.Begin{Charter: cfg.charter}
	cfg.random(a.at.Incarnation[:])
	if last != nil {
		a.begin.Generation = last.generation + 1
		a.begin.Predecessor = &ledger.Predecessor{Incarnation: last.head.Origin.Incarnation, Size: last.head.Size, Root: last.head.Root}
	}
	return a, nil
}

func (a *simWriter) origin() ledger.Origin { return a.at }

func (a *simWriter) append(now time.Time, bodies ...ledger.Body) error {
	l := a.disk.logs[a.at]
	next := simLog{}
	if l != nil {
		next = *l
	}
	if next.head.Size != a.last.Size || next.head.Root != a.last.Root {
		return store.ErrOtherAuthor
	}
	if next.tree != next.edge { // what is kept beside gives way to what its author says
		next.stored, next.tree = next.stored[:next.head.Size], next.edge
	}
	if a.begin != nil {
		bodies = slices.Insert(slices.Clone(bodies), 0, ledger.Body(a.begin))
	}
	next.stored = slices.Clip(next.stored)
	for _, b := range bodies {
		data, err := ledger.MarshalBody(b)
		if err != nil {
			return err
		}
		var salt ledger.Salt
		a.cfg.random(salt[:])
		e := ledger.Seal(next.tree.Size(), b.Kind(), b.Kind().Critical(), salt, now.UnixMilli(), data)
		next.stored = append(next.stored, e)
		next.tree.Append(e.Leaf, nil)
	}
	c := ledger.Checkpoint{Origin: a.at, Size: next.tree.Size(), Root: next.tree.Root()}
	note, err := ledger.Sign(c, a.cfg.key, uint64(now.Unix()))
	if err != nil {
		return err
	}
	head := ledger.Head{Checkpoint: c, Author: simPublic(a.cfg.key), Time: uint64(now.Unix()), Note: note}
	if err := next.settle(head); err != nil {
		return err
	}
	next.head, next.edge, next.seen = head, next.tree, now.Unix()
	a.disk.logs[a.at], a.begin, a.last = &next, nil, c
	a.cfg.guard.signed[a.at] = c
	return nil
}

func (a *simWriter) drop(now time.Time, first, last int64) error {
	return a.append(now, &ledger.Dropped{First: first, Last: last, Why: "retention"})
}
