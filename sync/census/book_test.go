package census_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// book is a ledger in memory: a ledger.Reader.
type book struct {
	key     ed25519.PrivateKey
	origin  ledger.Origin
	tree    ledger.Tree
	entries []ledger.Entry
	nodes   map[[2]int64]tlog.Hash
}

func newBook(tb testing.TB, kind ledger.LogKind, community, charter ledger.CharterID, key ed25519.PrivateKey) *book {
	tb.Helper()
	b := &book{key: key, nodes: map[[2]int64]tlog.Hash{},
		origin: ledger.Origin{Community: community, Kind: kind, Author: ledger.KeyIDOf(public(key)), Incarnation: ledger.Incarnation{1}}}
	b.add(tb, opens-1000, &ledger.Begin{Charter: charter})
	return b
}

// add appends an entry at a time in Unix seconds and gives its index.
func (b *book) add(tb testing.TB, at int64, body ledger.Body) int64 {
	tb.Helper()
	data, err := ledger.MarshalBody(body)
	if err != nil {
		tb.Fatal(err)
	}
	n := b.tree.Size()
	salt := sha256.Sum256(fmt.Appendf(nil, "%v %d", b.origin, n))
	e := ledger.Seal(n, body.Kind(), body.Kind().Critical(), ledger.Salt(salt[:16]), 1000*at, data)
	b.entries = append(b.entries, e)
	b.tree.Append(e.Leaf, func(level int, n int64, h tlog.Hash) { b.nodes[[2]int64{int64(level), n}] = h })
	return n
}

func (b *book) Tree() (ledger.Tree, error) { return b.tree, nil }

func (b *book) Leaves(lo, hi int64) (out [][]byte, err error) {
	for _, e := range b.entries[lo:hi] {
		out = append(out, e.Leaf)
	}
	return out, nil
}

func (b *book) Node(level int, n int64) (tlog.Hash, error) {
	h, ok := b.nodes[[2]int64{int64(level), n}]
	if !ok {
		return h, fmt.Errorf("no node %d at level %d", n, level)
	}
	return h, nil
}

// head signs what is there, at a time; others cosign it.
func (b *book) head(tb testing.TB, at uint64, others ...ledger.Cosigner) ledger.Head {
	tb.Helper()
	note, err := ledger.Sign(ledger.Checkpoint{Origin: b.origin, Size: b.tree.Size(), Root: b.tree.Root()}, b.key, at)
	if err != nil {
		tb.Fatal(err)
	}
	for _, c := range others {
		if note, err = ledger.Cosign(note, c.Role, ed25519.PrivateKey(c.Key), at); err != nil { // the private one
			tb.Fatal(err)
		}
	}
	return opened(tb, note, b.key)
}

func opened(tb testing.TB, note []byte, key ed25519.PrivateKey) ledger.Head {
	tb.Helper()
	h, err := ledger.OpenHead(note, public(key))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func (b *book) show(tb testing.TB, h ledger.Head, index int64) census.Shown {
	tb.Helper()
	s, err := census.Show(b, h, index, b.entries[index])
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
