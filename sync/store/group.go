package store

import (
	"io"

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
// head that was signed in vain has not left the process.
type group struct {
	given []record

	basis   basis    // of nothing before the group is sealed
	records []record // with a new incarnation's Begin
	rows    rows
	nodes   []node
	after   basis
}

// node is the root of a complete subtree.
type node struct {
	level int
	n     int64
	hash  tlog.Hash
}

// stored tells which levels of a tree are: every one that a tile begins with,
// but the leaves, which stand in the entries.
func stored(level int) bool { return level > 0 && level%ledger.TileHeight == 0 }

// sealed tells whether the group is ready for some basis.
func (g *group) sealed() bool { return g.rows != nil }

// first is the index of the first record that was given.
func (g *group) first() int64 { return g.after.tree.Size() - int64(len(g.given)) }

// seal makes a group's entries and signs the head. It touches nothing of the
// author but its source of salts.
func (a *Author) seal(g *group, on basis) error {
	records := g.given
	if on.begin != nil {
		begin, err := newRecord(Draft{on.begin, a.cfg.Now()})
		if err != nil {
			return err
		}
		records = append([]record{begin}, records...)
	}
	salts := make([]byte, len(ledger.Salt{})*len(records))
	if err := a.random(salts); err != nil {
		return err
	}
	var nodes []node
	keep := func(level int, n int64, h tlog.Hash) {
		if stored(level) {
			nodes = append(nodes, node{level, n, h})
		}
	}
	entries, tree := make([]ledger.Entry, len(records)), on.tree
	rows := make(rows, 0, len(records)*perRow+(len(records)/manyRows+1)*perInsert)
	for i, r := range records {
		kind := r.Body.Kind()
		salt := ledger.Salt(salts[i*len(ledger.Salt{}):])
		entries[i] = ledger.Seal(tree.Size(), kind, kind.Critical(), salt, max(0, r.Time.UnixMilli()), r.body)
		rows.add(tree.Size(), &entries[i])
		tree.Append(entries[i].Leaf, keep)
	}
	head, err := a.sign(on.head, tree)
	if err != nil {
		return err
	}
	*g = group{given: g.given, basis: on, records: records, rows: rows, nodes: nodes, after: basis{head: head, tree: tree}}
	return nil
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

// write stores a sealed group.
func (g *group) write(w writer) error {
	if err := w.insert(g.rows); err != nil {
		return err
	}
	for _, r := range g.records {
		if err := w.obey(r.Body); err != nil {
			return err
		}
	}
	for _, n := range g.nodes {
		if err := w.node(n); err != nil {
			return err
		}
	}
	return w.finish(g.after.tree, g.after.head, int64(g.after.head.Time))
}
