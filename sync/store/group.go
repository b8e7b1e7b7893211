package store

import (
	"io"
	"iter"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// basis is where an author's ledger stands before a group.
type basis struct {
	head  ledger.Head
	tree  ledger.Tree
	begin *ledger.Begin // to be written first, in a new incarnation
}

// is tells whether two are the same place of the same history.
func (b basis) is(c basis) bool {
	return b.head.Checkpoint == c.head.Checkpoint && b.begin == c.begin
}

// group is what one commit stores: records, and once they are sealed their
// entries and the signed head that covers them. It may be sealed for a basis
// that is not durable yet; if it never is, the group is sealed again, and the
// head that was signed in vain has not left the process. What it is made of may
// serve for another group afterwards, see reset.
type group struct {
	given []record

	sealed bool
	basis  basis
	begin  []record // of a new incarnation: its Begin
	salts  []byte
	rows   rows
	nodes  []ledger.Node
	after  basis
}

func (g *group) reset() {
	clear(g.given)
	*g = group{given: g.given[:0], salts: g.salts[:0], rows: g.rows[:0], nodes: g.nodes[:0]}
}

// first is the index of the first record that was given.
func (g *group) first() int64 { return g.after.tree.Size() - int64(len(g.given)) }

// seal makes a group's entries and signs the head. It touches nothing of the
// author but its source of salts.
func (a *Author) seal(g *group, on basis) error {
	g.sealed, g.basis, g.begin = false, on, nil
	if on.begin != nil {
		begin, err := newRecord(Draft{on.begin, a.cfg.Now()})
		if err != nil {
			return err
		}
		g.begin = []record{begin}
	}
	const size = len(ledger.Salt{})
	g.salts = slices.Grow(g.salts[:0], size*(len(g.begin)+len(g.given)))
	g.salts = g.salts[:size*(len(g.begin)+len(g.given))]
	if err := a.random(g.salts); err != nil {
		return err
	}
	g.rows, g.nodes = g.rows[:0], g.nodes[:0]
	keep := func(level int, n int64, h tlog.Hash) {
		if level > 0 && level%ledger.TileHeight == 0 {
			g.nodes = append(g.nodes, ledger.Node{Level: level, N: n, Hash: h})
		}
	}
	tree, salts := on.tree, g.salts
	for r := range g.records() {
		kind := r.Body.Kind()
		e := ledger.Seal(tree.Size(), kind, kind.Critical(), ledger.Salt(salts), max(0, r.Time.UnixMilli()), r.body)
		g.rows.add(tree.Size(), e.Leaf, salts[:size], e.Time, e.Body)
		tree.Append(e.Leaf, keep)
		salts = salts[size:]
	}
	head, err := a.sign(on.head, tree)
	if err != nil {
		return err
	}
	g.sealed, g.after = true, basis{head: head, tree: tree}
	return nil
}

// records are all that the group stores.
func (g *group) records() iter.Seq[record] {
	return func(yield func(record) bool) {
		for _, all := range [][]record{g.begin, g.given} {
			for _, r := range all {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (a *Author) random(b []byte) error {
	a.drawing.Lock()
	defer a.drawing.Unlock()
	_, err := io.ReadFull(a.cfg.Rand, b)
	return err
}

// sign signs a state of the ledger whose last head is given.
func (a *Author) sign(last ledger.Head, tree ledger.Tree) (ledger.Head, error) {
	c := ledger.Checkpoint{Origin: last.Origin, Size: tree.Size(), Root: tree.Root()}
	now := uint64(max(0, a.cfg.Now().Unix()))
	signed, err := ledger.Sign(c, a.cfg.Key, now)
	return ledger.Head{Checkpoint: c, Author: last.Author, Time: now, Note: signed}, err
}

// write stores the entries of a sealed group.
func (g *group) write(w writer) error {
	if err := w.insert(g.rows); err != nil {
		return err
	}
	for r := range g.records() {
		if err := w.obey(r.Body); err != nil {
			return err
		}
	}
	for _, n := range g.nodes {
		if err := w.node(n); err != nil {
			return err
		}
	}
	return nil
}
