package replica_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// simMemory is a disk in memory.
type simMemory struct {
	logs   map[ledger.Origin]*simLog
	proved map[ledger.Origin]ledger.Fork
	chains map[ledger.CharterID]ledger.Charters
	signed map[simAck]ledger.Head
}

type simAck struct {
	origin ledger.Origin
	peer   replica.Peer
	role   ledger.Role
}

// simLog is one ledger; what lies behind head is kept beside and not shown.
type simLog struct {
	simHeld
	stored []ledger.Entry // never changed in place: backups share it
	tree   ledger.Tree
}

func newSimMemory() *simMemory {
	return &simMemory{
		logs: map[ledger.Origin]*simLog{}, proved: map[ledger.Origin]ledger.Fork{},
		chains: map[ledger.CharterID]ledger.Charters{}, signed: map[simAck]ledger.Head{},
	}
}

func simCompareOrigins(a, b ledger.Origin) int {
	return cmp.Or(
		slices.Compare(a.Community[:], b.Community[:]), cmp.Compare(a.Kind, b.Kind),
		slices.Compare(a.Author[:], b.Author[:]), slices.Compare(a.Incarnation[:], b.Incarnation[:]))
}

func (d *simMemory) held() (all []simHeld) {
	for _, l := range d.logs {
		if l.head.Size > 0 {
			all = append(all, l.simHeld)
		}
	}
	slices.SortFunc(all, func(a, b simHeld) int { return simCompareOrigins(a.head.Origin, b.head.Origin) })
	return all
}

func (d *simMemory) ledger(o ledger.Origin) (simHeld, bool) {
	l, ok := d.logs[o]
	if !ok || l.head.Size == 0 {
		return simHeld{}, false
	}
	return l.simHeld, true
}

func (d *simMemory) edge(o ledger.Origin) (ledger.Tree, bool) {
	l, ok := d.logs[o]
	if !ok {
		return ledger.Tree{}, false
	}
	return l.tree, true
}

func (d *simMemory) parts() (all []ledger.Origin) {
	for o, l := range d.logs {
		if l.head.Size == 0 {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, simCompareOrigins)
	return all
}

func (d *simMemory) entries(o ledger.Origin, lo, hi int64) []ledger.Entry {
	l := d.logs[o]
	if l == nil {
		return nil
	}
	hi = min(hi, l.head.Size)
	return l.stored[min(lo, hi):hi]
}

// extend is store.Store.Extend.
func (d *simMemory) extend(x ledger.Extension, seen int64) error {
	head := x.Head()
	l := d.logs[head.Origin]
	if l == nil {
		l = &simLog{}
		l.head = ledger.Head{Checkpoint: ledger.Checkpoint{Origin: head.Origin}, Author: head.Author}
	}
	if x.Before() != l.tree {
		return store.ErrGap
	}
	next := *l
	next.stored = append(l.stored[:len(l.stored):len(l.stored)], x.Entries()...)
	next.tree = x.Tree()
	if !x.Whole() {
		d.logs[head.Origin] = &next
		return nil
	}
	if head.Size == l.head.Size && !simNewer(head, l.head, seen) {
		return nil
	}
	if err := next.settle(head); err != nil {
		d.forget(head.Origin)
		return err
	}
	next.head, next.edge, next.seen = head, next.tree, seen
	d.logs[head.Origin] = &next
	return nil
}

// simNewer is the store's rule for a head of the size that is held.
func simNewer(head, held ledger.Head, seen int64) bool {
	const ahead = 24 * 3600
	switch {
	case int64(head.Fresh()) > seen+ahead:
		return false
	case int64(held.Fresh()) > seen+ahead:
		return true
	}
	return head.Fresh() > held.Fresh()
}

// settle obeys the entries that become whole by head: Begin, Dropped.
func (l *simLog) settle(head ledger.Head) error {
	missing := ledger.Missing{Expires: head.Origin.Kind.Expires()}
	copied := false
	for i := l.head.Size; i < int64(len(l.stored)); i++ {
		_, body, err := l.stored[i].Open(head.Origin.Kind, i)
		if err != nil {
			return &ledger.At{First: i, Last: i, Err: err}
		}
		missing.Take(i, l.stored[i], body)
		switch b := body.(type) {
		case *ledger.Begin:
			l.charter, l.generation = b.Charter, b.Generation
		case *ledger.Dropped:
			if !copied {
				l.stored, copied = slices.Clone(l.stored), true
			}
			for n := b.First; n <= min(b.Last, int64(len(l.stored))-1); n++ {
				if leaf, err := ledger.ParseLeaf(l.stored[n].Leaf); err == nil && !leaf.Kind.IsRecord() {
					l.stored[n] = l.stored[n].Drop()
				}
			}
		}
	}
	return missing.Check()
}

func (d *simMemory) forget(o ledger.Origin) {
	l := d.logs[o]
	switch {
	case l == nil:
	case l.head.Size == 0:
		delete(d.logs, o)
	default:
		one := *l
		one.stored, one.tree = l.stored[:l.head.Size:l.head.Size], l.simHeld.edge
		d.logs[o] = &one
	}
}

func (d *simMemory) compare(h ledger.Head) (*ledger.Fork, error) {
	l := d.logs[h.Origin]
	if l == nil || h.Size < 1 || h.Size > l.head.Size {
		return nil, nil
	}
	f, err := ledger.ProveFork(h, l.head, ledger.Hashes(l.reader()))
	if errors.Is(err, ledger.ErrFork) {
		return nil, nil
	}
	return &f, err
}

func (d *simMemory) stretch(o ledger.Origin, from int64, most int) (ledger.Head, ledger.Stretch, error) {
	l := d.logs[o]
	if l == nil || from > l.head.Size {
		return ledger.Head{}, ledger.Stretch{}, fmt.Errorf("%v: nothing from %d on", o, from)
	}
	s := ledger.Stretch{From: from}
	for bytes := 0; from+int64(len(s.Entries)) < l.head.Size; {
		e := l.stored[from+int64(len(s.Entries))]
		bytes += len(e.Leaf) + len(e.Body) + 40
		if len(s.Entries) > 0 && bytes > most {
			break
		}
		s.Entries = append(s.Entries, e)
	}
	var err error
	s.Proof, err = ledger.ProveStretch(l.reader(), from+int64(len(s.Entries)), l.head.Size)
	return l.head, s, err
}

// reader reads the whole part.
func (l *simLog) reader() simReader { return simReader{l.stored[:l.head.Size], l.simHeld.edge} }

type simReader struct {
	entries []ledger.Entry
	tree    ledger.Tree
}

func (r simReader) Tree() (ledger.Tree, error) { return r.tree, nil }

func (r simReader) Leaves(lo, hi int64) (all [][]byte, err error) {
	for _, e := range r.entries[lo:hi] {
		all = append(all, e.Leaf)
	}
	return all, nil
}

func (r simReader) Node(level int, n int64) (tlog.Hash, error) {
	var t ledger.Tree
	for _, e := range r.entries[n<<level : (n+1)<<level] {
		t.Append(e.Leaf, nil)
	}
	return t.Root(), nil
}

func (d *simMemory) addFork(f ledger.Fork, seen int64) error {
	a, _, err := f.Heads()
	if err != nil {
		return err
	}
	if _, ok := d.proved[a.Origin]; !ok {
		d.proved[a.Origin] = f
	}
	return nil
}

func (d *simMemory) forks() (all []ledger.Fork) {
	for _, o := range slices.SortedFunc(maps.Keys(d.proved), simCompareOrigins) {
		all = append(all, d.proved[o])
	}
	return all
}

func (d *simMemory) addHeld(peer replica.Peer, h ledger.Head, seen int64) error {
	for _, c := range h.Others {
		key := simAck{h.Origin, peer, c.Role}
		if was := d.signed[key]; h.Size >= was.Size {
			d.signed[key] = h
		}
	}
	return nil
}

func (d *simMemory) addCharter(s ledger.SignedCharter) error {
	if first, err := ledger.CheckCharter(ledger.Charters{}, s); err == nil {
		if _, ok := d.chains[first.ID()]; !ok {
			d.chains[first.ID()] = first
		}
		return nil
	}
	for id, chain := range d.chains {
		if next, err := ledger.CheckCharter(chain, s); err == nil {
			d.chains[id] = next
			return nil
		}
	}
	return ledger.ErrCharterChain
}

func (d *simMemory) acks(o ledger.Origin) map[replica.Peer]int64 {
	all := map[replica.Peer]int64{}
	for key, h := range d.signed {
		if key.origin == o && key.role == ledger.RoleHold {
			all[key.peer] = h.Size
		}
	}
	return all
}

func (d *simMemory) charters(id ledger.CharterID) ledger.Charters { return d.chains[id] }

// backup shares what never changes in place.
func (d *simMemory) backup() simBackup { return simMemoryBackup{d.copy()} }

type simMemoryBackup struct{ was *simMemory }

func (b simMemoryBackup) restore() simDisk { return b.was.copy() }

func (d *simMemory) copy() *simMemory {
	c := newSimMemory()
	for o, l := range d.logs {
		one := *l
		one.stored = l.stored[:len(l.stored):len(l.stored)]
		c.logs[o] = &one
	}
	for o, f := range d.proved {
		c.proved[o] = f
	}
	for id, chain := range d.chains {
		c.chains[id] = chain
	}
	for k, h := range d.signed {
		c.signed[k] = h
	}
	return c
}

func (d *simMemory) close() {}
