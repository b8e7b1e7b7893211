package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// testKey is the Ed25519 key whose seed is SHA-256("tombolo test key " ‖ name),
// as in testdata/vectors.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func testSalt(n int64) (s Salt) {
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("salt"), uint64(n)))
	copy(s[:], h[:])
	return s
}

var (
	testCommunity = CharterID(sha256.Sum256([]byte("a first charter")))
	testAuthor    = testKey("author")
)

const testTime = 1767225600 // 2026-01-01, Unix seconds

// memory is a ledger in memory; it is a Reader.
type memory struct {
	origin  Origin
	tree    Tree
	entries []Entry
	nodes   map[[2]int64]tlog.Hash
}

func newMemory() *memory {
	return &memory{
		origin: Origin{testCommunity, DoorLog, KeyIDOf(public(testAuthor)), Incarnation{1, 2, 3}},
		nodes:  map[[2]int64]tlog.Hash{},
	}
}

// fill adds entries up to a size: Begin, then passages of which no two are the
// same; history tells ledgers apart.
func (m *memory) fill(tb testing.TB, size int64, history uint64) *memory {
	tb.Helper()
	for n := m.tree.Size(); n < size; n++ {
		if n == 0 {
			m.add(tb, &Begin{Charter: testCommunity})
		} else {
			m.add(tb, &Passage{Seq: history<<32 | uint64(n), Door: "front", Entered: n%3 != 0})
		}
	}
	return m
}

func (m *memory) add(tb testing.TB, body Body) {
	tb.Helper()
	b, err := MarshalBody(body)
	if err != nil {
		tb.Fatal(err)
	}
	n := m.tree.Size()
	m.addEntry(Seal(n, body.Kind(), body.Kind().Critical(), testSalt(n), 1000*(testTime+n), b))
}

func (m *memory) addEntry(e Entry) {
	m.entries = append(m.entries, e)
	m.tree.Append(e.Leaf, func(level int, n int64, h tlog.Hash) { m.nodes[[2]int64{int64(level), n}] = h })
}

func (m *memory) Tree() (Tree, error) { return m.tree, nil }

func (m *memory) Leaves(lo, hi int64) (out [][]byte, err error) {
	for _, e := range m.entries[lo:hi] {
		out = append(out, e.Leaf)
	}
	return out, nil
}

func (m *memory) Node(level int, n int64) (tlog.Hash, error) {
	h, ok := m.nodes[[2]int64{int64(level), n}]
	if level == 0 || level%TileHeight != 0 || !ok {
		return h, fmt.Errorf("no node %d at level %d", n, level)
	}
	return h, nil
}

// rootAt is the root of the first size entries, by package tlog alone.
func (m *memory) rootAt(tb testing.TB, size int64) tlog.Hash {
	tb.Helper()
	var t Tree
	for _, e := range m.entries[:size] {
		t.Append(e.Leaf, nil)
	}
	return t.Root()
}

// head signs the first size entries.
func (m *memory) head(tb testing.TB, size int64) Head {
	tb.Helper()
	return signed(tb, Checkpoint{m.origin, size, m.rootAt(tb, size)})
}

func signed(tb testing.TB, c Checkpoint) Head {
	tb.Helper()
	note, err := Sign(c, testAuthor, testTime)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := OpenHead(note, public(testAuthor))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// chunk is the chunk at start against the head at size.
func (m *memory) chunk(tb testing.TB, start, size int64) Chunk {
	tb.Helper()
	proof, err := ProveChunk(m, start, size)
	if err != nil {
		tb.Fatal(err)
	}
	c := Chunk{Start: start, Proof: proof}
	c.Entries = append(c.Entries, m.entries[start:ChunkEnd(start, size)]...)
	return c
}

func (m *memory) chunks(tb testing.TB, size int64) (all []Chunk) {
	tb.Helper()
	for start := int64(0); start < size; start += ChunkSize {
		all = append(all, m.chunk(tb, start, size))
	}
	return all
}

// verify reads chunks against a head.
func verify(h Head, chunks []Chunk) (Report, error) {
	v := NewVerifier(h)
	for _, c := range chunks {
		if err := v.Chunk(c); err != nil {
			return Report{}, err
		}
	}
	return v.Finish()
}

// refused asserts that an error is the one that is meant: its sentinel, and
// words that no other case of the table shares.
func refused(tb testing.TB, err, is error, says string) {
	tb.Helper()
	if !errors.Is(err, is) {
		tb.Errorf("%v, want %v", err, is)
	} else if !strings.Contains(err.Error(), says) {
		tb.Errorf("%q does not say %q", err, says)
	}
}

// refusedAt asserts an *At around first to last.
func refusedAt(tb testing.TB, err error, first, last int64, is error) {
	tb.Helper()
	at, ok := errors.AsType[*At](err)
	if !ok || at.First != first || at.Last != last || !errors.Is(err, is) {
		tb.Errorf("%v, want entries %d to %d: %v", err, first, last, is)
	}
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func testProof(n int) []tlog.Hash { return make([]tlog.Hash, n) }
