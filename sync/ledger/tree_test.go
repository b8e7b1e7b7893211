package ledger

import (
	"encoding/binary"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// stored is the oracle: the hashes as package tlog itself stores them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, i := range indexes {
		out = append(out, s[i])
	}
	return out, nil
}

func (s *stored) add(tb testing.TB, n int64, leaf []byte) {
	tb.Helper()
	more, err := tlog.StoredHashes(n, leaf, *s)
	if err != nil {
		tb.Fatal(err)
	}
	*s = append(*s, more...)
}

// At every size up to a few thousand: the root, every node that Append gives,
// and the state through its encoding.
func TestTreeIsRFC6962(t *testing.T) {
	t.Parallel()
	var tree Tree
	var oracle stored
	if want, _ := tlog.TreeHash(0, oracle); tree.Root() != want {
		t.Errorf("the empty tree's root is %v, want %v", tree.Root(), want)
	}
	for n := range int64(2500) {
		leaf := binary.BigEndian.AppendUint64(nil, uint64(n))
		oracle.add(t, n, leaf)
		before, size := tree.Root(), tree.Size()
		old := tree
		tree.Append(leaf, func(level int, n int64, h tlog.Hash) {
			if want := oracle[tlog.StoredHashIndex(level, n)]; h != want {
				t.Fatalf("node %d at level %d is %v, want %v", n, level, h, want)
			}
		})
		if old.Root() != before || old.Size() != size {
			t.Fatalf("appending to a copy changed the tree of %d leaves", size)
		}
		want, err := tlog.TreeHash(n+1, oracle)
		if err != nil || tree.Root() != want || tree.Size() != n+1 {
			t.Fatalf("size %d: root %v, want %v, %v", tree.Size(), tree.Root(), want, err)
		}
		b, _ := tree.MarshalBinary()
		if tree, err = ParseTree(b); err != nil || tree.Root() != want || tree.Size() != n+1 {
			t.Fatalf("size %d: through its encoding: %v, %v", n+1, tree.Root(), err)
		}
	}
}

func TestParseTreeMalformed(t *testing.T) {
	t.Parallel()
	state := func(size uint64, bytes int) []byte {
		return append(binary.BigEndian.AppendUint64(nil, size), make([]byte, bytes)...)
	}
	for name, c := range map[string]struct {
		in   []byte
		says string
	}{
		"nothing":             {nil, "0 bytes"},
		"half a size":         {make([]byte, 7), "7 bytes"},
		"empty with a hash":   {state(0, 32), "40 bytes for size 0"},
		"one leaf, no hash":   {state(1, 0), "8 bytes for size 1"},
		"one leaf, two":       {state(1, 64), "72 bytes for size 1"},
		"three leaves, one":   {state(3, 32), "40 bytes for size 3"},
		"four leaves, two":    {state(4, 64), "72 bytes for size 4"},
		"half a hash":         {state(2, 31), "39 bytes for size 2"},
		"a byte more":         {state(2, 33), "41 bytes for size 2"},
		"too large":           {state(1<<48+1, 64), "for size 281474976710657"},
		"negative":            {state(1<<63, 32), "for size 9223372036854775808"},
		"all ones, no hashes": {state(1<<64-1, 0), "8 bytes for size 18446744073709551615"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseTree(c.in)
			refused(t, err, ErrTree, c.says)
		})
	}
}

// Inclusion and consistency proofs come out of the stored tiles exactly as from
// tlog's own store, at the present size and at older ones.
func TestHashesProve(t *testing.T) {
	t.Parallel()
	const size = 2000
	m := newMemory().fill(t, size, 0)
	var oracle stored
	for n, e := range m.entries {
		oracle.add(t, int64(n), e.Leaf)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, size).Draw(t, "size")
		index := rapid.Int64Range(0, n-1).Draw(t, "index")
		old := rapid.Int64Range(1, n).Draw(t, "old")
		root, err := tlog.TreeHash(n, Hashes(m))
		if want, _ := tlog.TreeHash(n, oracle); err != nil || root != want {
			t.Fatalf("root %v, want %v, %v", root, want, err)
		}
		proof, err := tlog.ProveRecord(n, index, Hashes(m))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, n, root, index, tlog.RecordHash(m.entries[index].Leaf)); err != nil {
			t.Fatalf("inclusion: %v", err)
		}
		consistency, err := tlog.ProveTree(n, old, Hashes(m))
		if err != nil {
			t.Fatal(err)
		}
		oldRoot, _ := tlog.TreeHash(old, oracle)
		if err := tlog.CheckTree(consistency, n, root, old, oldRoot); err != nil {
			t.Fatalf("consistency: %v", err)
		}
	})
}

// Every stored hash, so that no level is reached by luck alone.
func TestHashesReadsEveryNode(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 700, 0)
	var oracle stored
	for n, e := range m.entries {
		oracle.add(t, int64(n), e.Leaf)
	}
	for index, want := range oracle {
		got, err := Hashes(m).ReadHashes([]int64{int64(index)})
		if err != nil || got[0] != want {
			level, n := tlog.SplitStoredHashIndex(int64(index))
			t.Fatalf("node %d at level %d: %v, want %v, %v", n, level, got, want, err)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	for _, size := range []int64{0, 1, 2, 3, 255, 256, 700} {
		b, _ := newMemory().fill(f, size, 0).tree.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		tree, err := ParseTree(in)
		if err != nil {
			return
		}
		if out, _ := tree.MarshalBinary(); string(out) != string(in) {
			t.Fatalf("%x became %x", in, out)
		}
		tree.Root()
		tree.Append([]byte("more"), nil)
	})
}
