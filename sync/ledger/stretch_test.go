package ledger

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

const stretched = 1500 // entries of the ledger that these tests cut up

// stretches is that ledger, and the head at every size; they are not changed.
func stretches(tb testing.TB) (*memory, []Head) {
	tb.Helper()
	cutUp.Do(func() {
		cutUp.memory = newMemory().fill(tb, stretched, 0)
		cutUp.heads = []Head{{}}
		var tree Tree
		for _, e := range cutUp.entries {
			tree.Append(e.Leaf, nil)
			cutUp.heads = append(cutUp.heads, Head{Checkpoint: Checkpoint{cutUp.origin, tree.Size(), tree.Root()}})
		}
	})
	return cutUp.memory, cutUp.heads
}

var cutUp struct {
	sync.Once
	*memory
	heads []Head
}

func (m *memory) stretch(tb interface{ Fatal(...any) }, from, to, size int64) Stretch {
	proof, err := ProveStretch(m, to, size)
	if err != nil {
		tb.Fatal(err)
	}
	return Stretch{From: from, Entries: slices.Clone(m.entries[from:to]), Proof: proof}
}

func (m *memory) treeAt(size int64) (t Tree) {
	for _, e := range m.entries[:size] {
		t.Append(e.Leaf, nil)
	}
	return t
}

// However a ledger is cut up, and whichever later head each piece is proved
// against, its receiver ends with the one tree, and with each stored node once.
func TestStretchesAnyCut(t *testing.T) {
	t.Parallel()
	m, heads := stretches(t)
	rapid.Check(t, func(t *rapid.T) {
		var tree Tree
		nodes := map[[2]int64]tlog.Hash{}
		for tree.Size() < stretched {
			from := tree.Size()
			to := min(stretched, from+rapid.Int64Range(1, 700).Draw(t, "entries"))
			head := heads[rapid.Int64Range(to, stretched).Draw(t, "head")]
			x, err := CheckStretch(tree, head, m.stretch(t, from, to, head.Size))
			if err != nil {
				t.Fatalf("%d to %d of %d: %v", from, to, head.Size, err)
			}
			if x.Before() != tree || x.Tree().Root() != heads[to].Root || x.Tree().Size() != to || x.Head().Checkpoint != head.Checkpoint ||
				x.Whole() != (to == head.Size) || int64(len(x.Entries())) != to-from || x.Missing() != 0 {
				t.Fatalf("%d to %d of %d: %+v", from, to, head.Size, x)
			}
			if n := len(x.Records()); (n == 1) != (from == 0) || n > 1 {
				t.Fatalf("%d to %d: %d records", from, to, n)
			}
			for _, n := range x.Nodes() {
				at := [2]int64{int64(n.Level), n.N}
				if _, twice := nodes[at]; twice || m.nodes[at] != n.Hash {
					t.Fatalf("node %v", at)
				}
				nodes[at] = n.Hash
			}
			tree = x.Tree()
		}
		if len(nodes) != stretched/ChunkSize {
			t.Fatalf("%d nodes", len(nodes))
		}
	})
}

// A newer head of the size that is held comes without entries.
func TestStretchRefreshes(t *testing.T) {
	t.Parallel()
	m, heads := stretches(t)
	x, err := CheckStretch(m.treeAt(300), heads[300], Stretch{From: 300})
	if err != nil || !x.Whole() || len(x.Entries()) != 0 || x.Tree() != x.Before() {
		t.Errorf("%+v, %v", x, err)
	}
	other := heads[300]
	other.Root[0] ^= 1
	_, err = CheckStretch(m.treeAt(300), other, Stretch{From: 300})
	refusedAt(t, err, 300, 300, ErrProof)
}

// What a stretch holds is all that passes: nothing added, taken, moved, changed.
func TestMutatedStretchNeverPasses(t *testing.T) {
	t.Parallel()
	whole, heads := stretches(t)
	m := *whole
	m.entries = slices.Clone(m.entries)
	for i := 3; i < len(m.entries); i += 5 { // without their bodies only the root protects them
		m.entries[i] = m.entries[i].Drop()
	}
	trees := make([]Tree, 1, stretched+1)
	for _, e := range m.entries {
		next := trees[len(trees)-1]
		next.Append(e.Leaf, nil)
		trees = append(trees, next)
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(2, stretched).Draw(t, "size")
		to := rapid.Int64Range(1, size).Draw(t, "to")
		from := rapid.Int64Range(max(0, to-40), to-1).Draw(t, "from")
		s := m.stretch(t, from, to, size)
		if _, err := CheckStretch(trees[from], heads[size], s); err != nil {
			t.Fatalf("before: %v", err)
		}
		i := rapid.IntRange(0, len(s.Entries)-1).Draw(t, "entry")
		e := &s.Entries[i]
		flip := func(b []byte) []byte {
			b = slices.Clone(b)
			b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			return b
		}
		switch rapid.IntRange(0, 10).Draw(t, "what") {
		case 0:
			e.Leaf = flip(e.Leaf)
		case 1:
			if e.Dropped() {
				e.Body = []byte{0}
			} else {
				e.Body = flip(e.Body)
			}
		case 2:
			e.Salt = Salt(flip(e.Salt[:]))
		case 3:
			e.Time += rapid.Int64Range(1, 1<<40).Draw(t, "time")
		case 4:
			j := rapid.IntRange(0, len(s.Entries)-1).Draw(t, "other")
			if i == j {
				return
			}
			s.Entries[i], s.Entries[j] = s.Entries[j], s.Entries[i]
		case 5:
			if len(s.Entries) == 1 {
				return // it holds nothing: the table has it
			}
			s.Entries = s.Entries[:len(s.Entries)-1]
		case 6:
			s.Entries = slices.Insert(s.Entries, i, *e)
		case 7:
			s.From += rapid.SampledFrom([]int64{-1, 1, ChunkSize, math.MaxInt64 - from}).Draw(t, "moved")
		case 8:
			if len(s.Proof) == 0 {
				s.Proof = []tlog.Hash{{}}
			} else {
				n := rapid.IntRange(0, len(s.Proof)-1).Draw(t, "hash")
				s.Proof = slices.Clone(s.Proof)
				s.Proof[n] = tlog.Hash(flip(s.Proof[n][:]))
			}
		case 9:
			s.Proof = append(slices.Clone(s.Proof), tlog.Hash{})
		case 10: // another history's edge
			if from == 0 {
				return
			}
			b, err := trees[from].MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			b[8+rapid.IntRange(0, len(b)-9).Draw(t, "edge")] ^= 1
			if trees[from], err = ParseTree(b); err != nil {
				t.Fatal(err)
			}
			defer func(was Tree) { trees[from] = was }(whole.treeAt(from))
		}
		if _, err := CheckStretch(trees[from], heads[size], s); err == nil {
			t.Fatal("it passes")
		}
	})
}

// Head and place are the attacker's, too; the table says which of them is refused
// before anything is hashed.
func TestCheckStretchMalformed(t *testing.T) {
	t.Parallel()
	m, heads := stretches(t)
	edge := m.treeAt(300)
	if _, err := CheckStretch(edge, heads[1000], m.stretch(t, 300, 400, 1000)); err != nil {
		t.Fatal(err)
	}
	begin, err := MarshalBody(&Begin{Charter: testCommunity})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f     func(*Tree, *Head, *Stretch)
		is    error
		first int64 // of the *At; -1 when it cannot be placed
		last  int64
	}{
		"before the edge":     {func(_ *Tree, _ *Head, s *Stretch) { s.From = 299 }, ErrStretch, -1, 0},
		"behind the edge":     {func(_ *Tree, _ *Head, s *Stretch) { s.From = 301 }, ErrStretch, -1, 0},
		"negative":            {func(_ *Tree, _ *Head, s *Stretch) { s.From = -1 }, ErrStretch, -1, 0},
		"beyond the head":     {func(_ *Tree, h *Head, _ *Stretch) { *h = heads[350] }, ErrStretch, -1, 0},
		"behind the head":     {func(_ *Tree, h *Head, _ *Stretch) { *h = heads[299] }, ErrStretch, -1, 0},
		"an empty head":       {func(e *Tree, h *Head, s *Stretch) { *e, h.Size, *s = Tree{}, 0, Stretch{} }, ErrStretch, -1, 0},
		"a head out of range": {func(_ *Tree, h *Head, _ *Stretch) { h.Size = math.MaxInt64 }, ErrStretch, -1, 0},
		"nothing":             {func(_ *Tree, _ *Head, s *Stretch) { s.Entries = nil }, ErrStretch, -1, 0},
		"a giant's proof":     {func(_ *Tree, _ *Head, s *Stretch) { s.Proof = testProof(97) }, ErrStretch, -1, 0},
		"no proof":            {func(_ *Tree, _ *Head, s *Stretch) { s.Proof = nil }, ErrProof, 300, 399},
		"proof one short":     {func(_ *Tree, _ *Head, s *Stretch) { s.Proof = s.Proof[1:] }, ErrProof, 300, 399},
		"proof one long":      {func(_ *Tree, _ *Head, s *Stretch) { s.Proof = append(s.Proof, tlog.Hash{}) }, ErrProof, 300, 399},
		"proof reversed":      {func(_ *Tree, _ *Head, s *Stretch) { slices.Reverse(s.Proof) }, ErrProof, 300, 399},
		"another root":        {func(_ *Tree, h *Head, _ *Stretch) { h.Root[31]++ }, ErrProof, 300, 399},
		"another size":        {func(_ *Tree, h *Head, _ *Stretch) { h.Size = 500 }, ErrProof, 300, 399},
		"another edge":        {func(e *Tree, _ *Head, _ *Stretch) { e.edge[0][0]++ }, ErrProof, 300, 399},
		"an entry short":      {func(_ *Tree, _ *Head, s *Stretch) { s.Entries = s.Entries[:99] }, ErrProof, 300, 398},
		"an entry more":       {func(_ *Tree, _ *Head, s *Stretch) { s.Entries = append(s.Entries, m.entries[400]) }, ErrProof, 300, 400},
		"an entry out":        {func(_ *Tree, _ *Head, s *Stretch) { s.Entries = slices.Delete(s.Entries, 9, 10) }, ErrCommitment, 309, 309},
		"no leaf":             {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9].Leaf = nil }, ErrLeaf, 309, 309},
		"another body":        {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9].Body = begin }, ErrCommitment, 309, 309},
		"Begin again":         {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9] = Seal(309, KindBegin, true, Salt{}, 1, begin) }, ErrBegin, 309, 309},
		"of another log":      {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9] = Seal(309, KindAdmit, true, Salt{}, 1, begin) }, ErrWrongLog, 309, 309},
		"a malformed body":    {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9] = Seal(309, KindPassage, false, Salt{}, 1, begin) }, ErrBody, 309, 309},
		"dropped with a time": {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9] = Entry{Leaf: s.Entries[9].Leaf, Time: 1} }, ErrCommitment, 309, 309},
		"beyond the bound":    {func(_ *Tree, _ *Head, s *Stretch) { s.Entries[9].Body = make([]byte, MaxBody+1) }, ErrTooLarge, 309, 309},
		"no Begin":            {func(e *Tree, _ *Head, s *Stretch) { *e, s.From = Tree{}, 0 }, ErrCommitment, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, h, s := edge, heads[1000], m.stretch(t, 300, 400, 1000)
			c.f(&e, &h, &s)
			x, err := CheckStretch(e, h, s)
			if c.first >= 0 {
				refusedAt(t, err, c.first, c.last, c.is)
			} else if !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
			if x.Entries() != nil || x.Tree() != (Tree{}) {
				t.Errorf("something came of it: %+v", x)
			}
		})
	}
}

func TestProveStretchRefuses(t *testing.T) {
	t.Parallel()
	m, _ := stretches(t)
	for _, c := range [][2]int64{{0, 10}, {-1, 10}, {11, 10}, {1, 0}, {math.MaxInt64, math.MaxInt64 - 1}} {
		if _, err := ProveStretch(m, c[0], c[1]); !errors.Is(err, ErrStretch) {
			t.Errorf("%d of %d: %v", c[0], c[1], err)
		}
	}
	if p, err := ProveStretch(m, 10, 10); err != nil || len(p) != 0 {
		t.Errorf("%v, %v", p, err)
	}
}

// What is missing is counted, and the records are those of the ledger itself.
func TestContinueCounts(t *testing.T) {
	t.Parallel()
	m := newMemory().fill(t, 10, 0)
	m.add(t, &Dropped{First: 2, Last: 3, Why: "x"})
	m.add(t, &Expired{Incarnation: Incarnation{1}, Before: 9, Why: "x"})
	m.entries[2], m.entries[3] = m.entries[2].Drop(), m.entries[3].Drop()
	run, err := Continue(DoorLog, Tree{}, m.entries)
	if err != nil || run.Missing() != 2 || run.Tree() != m.tree {
		t.Fatalf("%+v, %v", run, err)
	}
	var got []Kind
	for _, r := range run.Records() {
		got = append(got, r.Body.Kind())
		if leaf, err := ParseLeaf(m.entries[r.Index].Leaf); err != nil || leaf.Kind != r.Body.Kind() {
			t.Errorf("entry %d is %v, %v", r.Index, leaf.Kind, err)
		}
	}
	if !slices.Equal(got, []Kind{KindBegin, KindDropped, KindExpired}) {
		t.Errorf("%v", got)
	}
}

// FuzzCheckStretch changes one byte of a stretch, or cuts it: it is refused, or it
// is what it was.
func FuzzCheckStretch(f *testing.F) {
	m, heads := stretches(f)
	f.Add(uint16(0), uint16(1), uint16(2), uint16(0), byte(1))
	f.Add(uint16(255), uint16(256), uint16(1000), uint16(99), byte(0x80))
	f.Add(uint16(256), uint16(700), uint16(700), uint16(40), byte(7))
	f.Add(uint16(1023), uint16(1025), uint16(1500), uint16(2), byte(0))
	f.Fuzz(func(t *testing.T, from, to, size, at uint16, bits byte) {
		n := int64(size)%stretched + 1
		hi := int64(to)%n + 1
		lo := max(int64(from)%hi, hi-300)
		s := m.stretch(t, lo, hi, n)
		tree := m.treeAt(lo)
		if _, err := CheckStretch(tree, heads[n], s); err != nil {
			t.Fatal(err)
		}
		all := encode(struct {
			_       struct{} `cbor:",toarray"`
			From    int64
			Entries []Entry
			Proof   []tlog.Hash
		}{From: s.From, Entries: s.Entries, Proof: s.Proof})
		changed := bytes.Clone(all)
		i := (int(at) << 3) % len(changed)
		changed[i] ^= bits
		if bits == 0 {
			changed = changed[:i]
		}
		var again struct {
			_       struct{} `cbor:",toarray"`
			From    int64
			Entries []Entry
			Proof   []tlog.Hash
		}
		if decodeWhole(changed, &again) != nil {
			return
		}
		x, err := CheckStretch(tree, heads[n], Stretch{From: again.From, Entries: again.Entries, Proof: again.Proof})
		if err == nil && !bytes.Equal(changed, all) || err == nil && x.Tree().Root() != heads[hi].Root {
			t.Fatalf("byte %d ^ %x passes", i, bits)
		}
	})
}
