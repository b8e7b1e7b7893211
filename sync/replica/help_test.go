package replica

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// testKey is the Ed25519 key whose seed is SHA-256("tombolo test key " ‖ name).
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testPub(name string) ed25519.PublicKey { return testKey(name).Public().(ed25519.PublicKey) }

func testPeer(name string) Peer { return ledger.KeyIDOf(testPub(name)) }

var (
	testCommunity = ledger.CharterID(sha256.Sum256([]byte("a community's first charter")))
	testNode      = ledger.CharterID(sha256.Sum256([]byte("a node's first charter")))
	testStart     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// testRights: issuer and issuer2, a steward, gw1 (the replica under test in most
// tests) to gw4, a hub, and a heartbeat.
func testRights() Rights {
	r := Rights{
		Community: testCommunity, Node: testNode, Authors: map[ledger.KeyID]Author{},
		Heartbeats: []ledger.Cosigner{{Role: ledger.RoleHeartbeat, Key: testPub("heartbeat")}},
	}
	add := func(name string, charter ledger.CharterID, kinds ...ledger.LogKind) {
		a := Author{Key: testPub(name), Kinds: kinds, Charter: map[ledger.LogKind]ledger.CharterID{}, Name: name,
			Hold: testPub(name + " hold"), Witness: testPub(name + " witness")}
		for _, k := range kinds {
			a.Charter[k] = charter
		}
		r.Authors[testPeer(name)] = a
	}
	add("issuer", testCommunity, ledger.CommunityLog)
	add("issuer2", testCommunity, ledger.CommunityLog)
	add("steward", testNode, ledger.NodeLog, ledger.DirectoryLog)
	for _, gw := range []string{"gw1", "gw2", "gw3", "gw4"} {
		add(gw, testNode, ledger.DoorLog)
	}
	add("hub", testCommunity, ledger.CensusLog)
	return r
}

// change is testRights with one author changed.
func (r Rights) change(name string, f func(*Author)) Rights {
	all := map[ledger.KeyID]Author{}
	for id, a := range r.Authors {
		if id == testPeer(name) {
			f(&a)
		}
		all[id] = a
	}
	r.Authors = all
	return r
}

// tb is what the helpers need of a test, or of a property's check.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Error(args ...any)
}

// history is a ledger as its author wrote it: one of several when it forked.
type history struct {
	tb      tb
	author  ed25519.PrivateKey
	origin  ledger.Origin
	entries []ledger.Entry
	tree    ledger.Tree
	trees   []ledger.Tree // by size
	notes   map[[2]int64][]byte
	nodes   map[[2]int64]tlog.Hash
	salt    uint64
}

func newHistory(t tb, author string, kind ledger.LogKind, incarnation byte) *history {
	return &history{
		tb: t, author: testKey(author), nodes: map[[2]int64]tlog.Hash{}, notes: map[[2]int64][]byte{}, trees: make([]ledger.Tree, 1),
		origin: ledger.Origin{Community: testCommunity, Kind: kind, Author: testPeer(author), Incarnation: ledger.Incarnation{incarnation}},
	}
}

// fork is the first size entries under another continuation.
func (h *history) fork(size int) *history {
	f := &history{
		tb: h.tb, author: h.author, origin: h.origin, salt: h.salt + 1,
		nodes: map[[2]int64]tlog.Hash{}, notes: map[[2]int64][]byte{}, trees: make([]ledger.Tree, 1),
	}
	for _, e := range h.entries[:size] {
		f.add(e)
	}
	return f
}

func (h *history) add(e ledger.Entry) {
	h.entries = append(h.entries, e)
	h.tree.Append(e.Leaf, func(level int, n int64, x tlog.Hash) { h.nodes[[2]int64{int64(level), n}] = x })
	h.trees = append(h.trees, h.tree)
}

func (h *history) write(b ledger.Body) {
	body, err := ledger.MarshalBody(b)
	if err != nil {
		h.tb.Fatal(err)
	}
	h.seal(b.Kind(), b.Kind().Critical(), body)
}

func (h *history) seal(kind ledger.Kind, critical bool, body []byte) {
	n := h.tree.Size()
	salt := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("salt"), h.salt<<32|uint64(n)))
	h.add(ledger.Seal(n, kind, critical, ledger.Salt(salt[:16]), testStart.UnixMilli()+n, body))
}

// fill writes up to a size.
func (h *history) fill(size int64) *history {
	for n := h.tree.Size(); n < size; n = h.tree.Size() {
		switch {
		case n == 0 && (h.origin.Kind == ledger.CommunityLog || h.origin.Kind == ledger.CensusLog):
			h.write(&ledger.Begin{Charter: testCommunity})
		case n == 0:
			h.write(&ledger.Begin{Charter: testNode})
		case h.origin.Kind == ledger.CommunityLog:
			h.write(&ledger.Suspend{Passport: h.salt<<32 + uint64(n), Why: "lost"})
		case h.origin.Kind == ledger.NodeLog:
			h.write(&ledger.Bar{Passport: h.salt<<32 + uint64(n), Ends: 1})
		case h.origin.Kind == ledger.DirectoryLog:
			h.write(&ledger.DirectoryGone{Gateway: "gw", Signing: [32]byte{1, byte(n)}})
		case h.origin.Kind == ledger.ReportLog:
			h.write(&ledger.Occupancy{Zone: "house", Sure: 20, Most: uint32(h.salt<<16 + uint64(n) + 20)})
		case h.origin.Kind == ledger.CensusLog:
			h.write(&ledger.EpochClosed{Epoch: ledger.EpochID{1, byte(n)}, Size: 20, Rules: 1, Reports: 1})
		default:
			h.write(&ledger.Passage{Seq: h.salt<<32 + uint64(n), Door: "front"})
		}
	}
	return h
}

func (h *history) Tree() (ledger.Tree, error) { return h.tree, nil }

func (h *history) Leaves(lo, hi int64) (out [][]byte, err error) {
	for _, e := range h.entries[lo:hi] {
		out = append(out, e.Leaf)
	}
	return out, nil
}

func (h *history) Node(level int, n int64) (tlog.Hash, error) {
	x, ok := h.nodes[[2]int64{int64(level), n}]
	if !ok {
		return x, fmt.Errorf("no node %d at level %d", n, level)
	}
	return x, nil
}

func (h *history) treeAt(size int64) ledger.Tree { return h.trees[size] }

// note signs the first size entries, so many seconds after the start.
func (h *history) note(size int64, after int64) []byte {
	if note := h.notes[[2]int64{size, after}]; note != nil {
		return append([]byte(nil), note...)
	}
	note, err := ledger.Sign(ledger.Checkpoint{Origin: h.origin, Size: size, Root: h.treeAt(size).Root()}, h.author, uint64(testStart.Unix()+after))
	if err != nil {
		h.tb.Fatal(err)
	}
	h.notes[[2]int64{size, after}] = note
	return append([]byte(nil), note...)
}

func (h *history) pub() ed25519.PublicKey { return h.author.Public().(ed25519.PublicKey) }

func (h *history) headAt(size, after int64) ledger.Head {
	head, err := ledger.OpenHead(h.note(size, after), h.pub())
	if err != nil {
		h.tb.Fatal(err)
	}
	return head
}

// at is the ledger as a store that holds so many entries tells of it.
func (h *history) at(size int64) Ledger { return Ledger{h.headAt(size, 0), h.treeAt(size)} }

// head is an announcement; a tail of from = size is none.
func (h *history) head(size, from int64) Head {
	m := Head{Author: h.pub(), Note: h.note(size, 0)}
	if from < size {
		m.From, m.Tail = from, append([]ledger.Entry(nil), h.entries[from:size]...)
	}
	return m
}

// give is entries from to to-1 against the head at size.
func (h *history) give(from, to, size int64) Give {
	proof, err := ledger.ProveStretch(h, to, size)
	if err != nil {
		h.tb.Fatal(err)
	}
	return Give{Author: h.pub(), Note: h.note(size, 0), From: from, Entries: append([]ledger.Entry(nil), h.entries[from:to]...), Proof: proof}
}

// held is a peer's acknowledgement, with its witness's if that is asked for.
func (h *history) held(peer string, size int64, witness bool) Held {
	note, err := ledger.Cosign(h.note(size, 0), ledger.RoleHold, testKey(peer+" hold"), uint64(testStart.Unix()))
	if err == nil && witness {
		note, err = ledger.Cosign(note, ledger.RoleWitness, testKey(peer+" witness"), uint64(testStart.Unix()))
	}
	if err != nil {
		h.tb.Fatal(err)
	}
	return Held{Author: h.pub(), Note: note}
}

func (h *history) forkOf(other *history, a, b int64) ledger.Fork {
	f, err := ledger.ProveFork(h.headAt(a, 0), other.headAt(b, 0), ledger.Hashes(other))
	if err != nil {
		h.tb.Fatal(err)
	}
	return f
}
