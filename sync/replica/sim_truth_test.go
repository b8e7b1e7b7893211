package replica_test

import (
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// simTruth is what authors really signed. It learns of it from the authors alone,
// before anything is sent.
type simTruth struct {
	logs map[ledger.Origin][]*simHistory // more than one only of an author that was cloned
}

// simHistory is one history of one ledger, with nothing dropped.
type simHistory struct {
	entries []ledger.Entry
	bodies  []ledger.Body
	roots   []tlog.Hash           // of so many entries
	heads   map[int64]ledger.Head // the newest that was signed of a size
	tree    ledger.Tree
}

func (h *simHistory) size() int64 { return int64(len(h.entries)) }

func (h *simHistory) clone() *simHistory {
	c := *h
	c.entries, c.bodies, c.roots = slices.Clip(h.entries), slices.Clip(h.bodies), slices.Clip(h.roots)
	c.heads = map[int64]ledger.Head{}
	for size, head := range h.heads {
		c.heads[size] = head
	}
	return &c
}

// wrote takes what an author just signed: entries from a size on, and the head
// over them. It reports false if the author gave an entry's place away twice.
func (t *simTruth) wrote(h *simHistory, from int64, entries []ledger.Entry, head ledger.Head) bool {
	if from != h.size() {
		return false
	}
	for _, e := range entries {
		_, body, err := e.Open(head.Origin.Kind, h.size())
		if err != nil {
			return false
		}
		h.entries, h.bodies = append(h.entries, e), append(h.bodies, body)
		h.tree.Append(e.Leaf, nil)
		h.roots = append(h.roots, h.tree.Root())
	}
	h.heads[head.Size] = head
	return head.Size == h.size() && head.Root == h.tree.Root()
}

// begin is the history of a new incarnation.
func (t *simTruth) begin(o ledger.Origin) *simHistory {
	h := &simHistory{roots: []tlog.Hash{ledger.Tree{}.Root()}, heads: map[int64]ledger.Head{}}
	t.logs[o] = append(t.logs[o], h)
	return h
}

// signed finds the history of which so many entries have that root.
func (t *simTruth) signed(o ledger.Origin, size int64, root tlog.Hash) *simHistory {
	for _, h := range t.logs[o] {
		if size <= h.size() && h.roots[size] == root {
			return h
		}
	}
	return nil
}

// forked reports whether an author signed two histories of a ledger, the second
// of which says something.
func (t *simTruth) forked(o ledger.Origin) bool {
	all := t.logs[o]
	if len(all) < 2 {
		return false
	}
	n := min(all[0].size(), all[1].size())
	return all[0].roots[n] != all[1].roots[n]
}
