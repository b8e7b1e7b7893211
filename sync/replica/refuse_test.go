package replica

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestRefusals: what a hostile broker or peer sends changes nothing that is held,
// is counted, and is blamed on its sender where it was a lie.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	door := newHistory(t, "gw2", ledger.DoorLog, 1).fill(5)
	flip := func(m Give, f func(*Give)) Give {
		m.Entries = append([]ledger.Entry(nil), m.Entries...)
		f(&m)
		return m
	}
	badNote := l.note(12, 0)
	badNote[len(badNote)-4] ^= 1
	thief := newHistory(t, "gw3", ledger.CommunityLog, 1).fill(5)
	stranger := newHistory(t, "somebody", ledger.CommunityLog, 1).fill(5)
	otherCommunity := newHistory(t, "issuer", ledger.CommunityLog, 1)
	otherCommunity.origin.Community = testNode
	otherCommunity.fill(3)
	otherNode := newHistory(t, "steward", ledger.NodeLog, 1)
	otherNode.write(&ledger.Begin{Charter: testCommunity})
	for _, tt := range []struct {
		name  string
		link  LinkID
		scope Scope
		from  string
		m     Message
		blame error // nil: nobody is blamed
		count func(Counts) uint64
	}{
		{"a replayed head", lan, All, "gw2", l.head(10, 10), nil, func(c Counts) uint64 { return c.Repeated }},
		{"a replayed head with its tail", lan, All, "gw2", l.head(10, 9), nil, func(c Counts) uint64 { return c.Repeated }},
		{"a replayed give", lan, All, "gw2", l.give(5, 10, 10), nil, func(c Counts) uint64 { return c.Repeated }},
		{"a replayed give of an old head", lan, All, "gw2", l.give(0, 5, 8), nil, func(c Counts) uint64 { return c.Repeated }},
		{"a bad signature", lan, All, "gw2", Head{Author: l.pub(), Note: badNote}, ledger.ErrSignature, func(c Counts) uint64 { return c.Invalid }},
		{"another's key", lan, All, "gw2", Head{Author: testPub("gw2"), Note: l.note(12, 0)}, nil, func(c Counts) uint64 { return c.Strangers }},
		{"no key", lan, All, "gw2", Head{Note: l.note(12, 0)}, nil, func(c Counts) uint64 { return c.Strangers }},
		{"no note", lan, All, "gw2", Head{Author: l.pub()}, nil, func(c Counts) uint64 { return c.Invalid }},
		{"a long note", lan, All, "gw2", Head{Author: l.pub(), Note: bytes.Repeat([]byte("x"), 1<<20)}, nil, func(c Counts) uint64 { return c.Invalid }},
		{"a gateway writes as an issuer", lan, All, "gw3", thief.head(5, 0), nil, func(c Counts) uint64 { return c.Strangers }},
		{"nobody's ledger", lan, All, "gw2", stranger.head(5, 0), nil, func(c Counts) uint64 { return c.Strangers }},
		{"another community's", lan, All, "issuer", otherCommunity.head(3, 0), nil, func(c Counts) uint64 { return c.Strangers }},
		{"a door log in the open", lan, All, "gw2", door.head(5, 0), nil, func(c Counts) uint64 { return c.WrongScope }},
		{"a door log on the hub's link", wan, Node, "gw2", door.head(5, 0), nil, func(c Counts) uint64 { return c.WrongScope }},
		{"a community ledger as the node's", lan, Node, "gw2", l.head(12, 10), nil, func(c Counts) uint64 { return c.WrongScope }},
		{"a want of a door log in the open", lan, All, "gw2", Want{Origin: door.origin}, nil, func(c Counts) uint64 { return c.WrongScope }},
		{"a stranger's want of the node's", lan, Node, "somebody", Want{Origin: door.origin}, nil, func(c Counts) uint64 { return c.Strangers }},
		{"a want of what is not held", lan, Node, "gw2", Want{Origin: door.origin}, nil, func(c Counts) uint64 { return c.Unanswered }},
		{"a want from before the beginning", lan, All, "gw2", Want{Origin: l.origin, From: -1}, nil, func(c Counts) uint64 { return c.Unanswered }},
		{"a want from behind the end", lan, All, "gw2", Want{Origin: l.origin, From: math.MaxInt64}, nil, func(c Counts) uint64 { return c.Unanswered }},
		{"a doubt about another ledger", lan, All, "gw2", Want{Origin: l.origin, Note: stranger.note(2, 0)}, nil, func(c Counts) uint64 { return c.Invalid }},
		{"a changed body", lan, All, "gw2", flip(l.give(10, 15, 20), func(g *Give) { g.Entries[2].Body = []byte{1} }), ledger.ErrCommitment, func(c Counts) uint64 { return c.Invalid }},
		{"a changed leaf", lan, All, "gw2", flip(l.give(10, 15, 20), func(g *Give) { g.Entries[2] = l.entries[3] }), ledger.ErrCommitment, func(c Counts) uint64 { return c.Invalid }},
		{"a flipped proof", lan, All, "gw2", flip(l.give(10, 15, 20), func(g *Give) { g.Proof[0][0] ^= 1 }), ledger.ErrProof, func(c Counts) uint64 { return c.Invalid }},
		{"no proof", lan, All, "gw2", flip(l.give(10, 15, 20), func(g *Give) { g.Proof = nil }), ledger.ErrProof, func(c Counts) uint64 { return c.Invalid }},
		{"a truncated give", lan, All, "gw2", flip(l.give(10, 15, 20), func(g *Give) { g.Entries = g.Entries[:4] }), ledger.ErrProof, func(c Counts) uint64 { return c.Invalid }},
		{"a give beyond its head", lan, All, "gw2", flip(l.give(10, 15, 15), func(g *Give) { g.Entries = append(g.Entries, l.entries[15]) }), ledger.ErrStretch, func(c Counts) uint64 { return c.Invalid }},
		{"a give from before the beginning", lan, All, "gw2", flip(l.give(10, 15, 20), func(g *Give) { g.From = -3 }), nil, func(c Counts) uint64 { return c.Invalid }},
		{"a tail of other entries", lan, All, "gw2", Head{Author: l.pub(), Note: l.note(12, 0), From: 10, Tail: l.entries[9:11]}, ledger.ErrCommitment, func(c Counts) uint64 { return c.Invalid }},
		{"no evidence", lan, All, "gw2", Proof{[]byte{1, 2, 3}}, ledger.ErrFork, func(c Counts) uint64 { return c.Invalid }},
		{"no charter", lan, All, "gw2", Charter{[]byte{1, 2, 3}}, ledger.ErrCharter, func(c Counts) uint64 { return c.Invalid }},
		{"an acknowledgement of nobody", lan, Node, "gw2", Held{newHistory(t, "gw1", ledger.DoorLog, 1).fill(1).pub(), newHistory(t, "gw1", ledger.DoorLog, 1).fill(1).note(1, 0)}, ledger.ErrSignature, func(c Counts) uint64 { return c.Invalid }},
		{"an acknowledgement of another", lan, Node, "gw2", newHistory(t, "gw1", ledger.DoorLog, 1).fill(1).held("gw3", 1, false), ledger.ErrSignature, func(c Counts) uint64 { return c.Invalid }},
		{"an acknowledgement that is none of ours", lan, All, "gw2", l.held("gw2", 10, false), nil, func(c Counts) uint64 { return c.Strangers }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newUp(t, Config{}, l.at(10))
			h.hear("gw2", l.head(10, 10)) // the head that is replayed is no news
			before := tt.count(h.r.Status().Counts)
			out := h.step(Received{Link: tt.link, Scope: tt.scope, From: testPeer(tt.from), Message: tt.m})
			if s := only[Store](out); len(s) != 0 {
				t.Errorf("stored %d", s[0].Extension.Tree().Size())
			}
			if len(only[StoreFork](out)) != 0 || len(only[StoreHeld](out)) != 0 || len(only[SendGive](out)) != 0 {
				t.Errorf("%v", out)
			}
			blamed := only[Blame](out)
			if (len(blamed) > 0) != (tt.blame != nil) || len(blamed) > 0 && !errors.Is(blamed[0].Err, tt.blame) {
				t.Errorf("blamed %v, want %v", blamed, tt.blame)
			}
			if after := tt.count(h.r.Status().Counts); after == before {
				t.Errorf("it was not counted: %+v", h.r.Status().Counts)
			}
			// The replica is none the worse for it.
			h.hear("gw3", l.head(11, 10))
			if h.store(); h.size(l) != 11 {
				t.Errorf("holds %d, want 11", h.size(l))
			}
		})
	}
}

// TestFreshHeadWithoutEntries: a head that nobody backs with entries makes
// nothing look fresh.
func TestFreshHeadWithoutEntries(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	h := newUp(t, Config{}, l.at(10))
	h.hear("gw2", Head{Author: l.pub(), Note: l.note(20, 3600)})
	h.wait(time.Minute)
	if h.size(l) != 10 || h.whole[l.origin].Time != uint64(testStart.Unix()) {
		t.Errorf("holds %d as of %d", h.size(l), h.whole[l.origin].Time)
	}
	if s := h.r.Status().Ledgers[0]; s.Behind != 10 || s.Held != 10 {
		t.Errorf("%+v", s)
	}
}

// TestRefreshedHead: the same entries under a younger signature are stored, and
// one of a time to come hides nothing.
func TestRefreshedHead(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	h := newUp(t, Config{}, l.at(10))
	at := func(after int64) []Action {
		h.hear("gw2", Head{Author: l.pub(), Note: l.note(10, after)})
		return h.store()
	}
	at(60)
	if got := h.whole[l.origin].Time; got != uint64(testStart.Unix())+60 {
		t.Fatalf("the head is of %d", got)
	}
	at(30)
	at(10 * 24 * 3600) // from next week
	if got := h.whole[l.origin].Time; got != uint64(testStart.Unix())+60 {
		t.Errorf("the head is of %d", got)
	}
	at(90)
	if got := h.whole[l.origin].Time; got != uint64(testStart.Unix())+90 {
		t.Errorf("the head is of %d", got)
	}
	// A heartbeat refreshes too, and only once.
	note, err := ledger.Cosign(l.note(10, 90), ledger.RoleHeartbeat, testKey("heartbeat"), uint64(testStart.Unix())+900)
	if err != nil {
		t.Fatal(err)
	}
	if out := h.hear("gw2", Head{Author: l.pub(), Note: note}); len(only[Store](out)) != 1 {
		t.Errorf("%v", out)
	}
	h.store()
	if out := h.hear("gw3", Head{Author: l.pub(), Note: note}); len(only[Store](out)) != 0 {
		t.Errorf("%v", out)
	}
	// One of a longer ledger counts by its size, whatever its date.
	if w := wants(h.hear("gw2", Head{Author: l.pub(), Note: l.note(12, 10*24*3600)})); len(w) != 1 {
		t.Errorf("asked %v", w)
	}
}

// TestWrongCharter: a ledger that began under another charter is not stored,
// whoever gives it.
func TestWrongCharter(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "steward", ledger.NodeLog, 1)
	l.write(&ledger.Begin{Charter: ledger.CharterID{9}})
	l.fill(5)
	h := newUp(t, Config{})
	out := h.hear("gw2", l.head(5, 0))
	if len(only[Store](out)) != 0 || len(only[Blame](out)) != 0 {
		t.Errorf("%v", out)
	}
	if s := h.r.Status().Ledgers; len(s) != 0 && !errors.Is(s[0].Refused, ErrCharter) {
		t.Errorf("%+v", s)
	}
	if w := wants(h.wait(time.Hour)); len(w) != 0 {
		t.Errorf("asked %v", w)
	}
}

// TestUnknownKinds are stored and passed on, critical or not.
func TestUnknownKinds(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(3)
	l.seal(31000, false, []byte{1})
	l.seal(31001, true, []byte{2})
	l.fill(8)
	h := newUp(t, Config{})
	h.hear("gw2", l.head(8, 0))
	if h.store(); h.size(l) != 8 {
		t.Errorf("holds %d of 8", h.size(l))
	}
}

// TestWithheldBody: the store refuses a body that nobody recorded as dropped; the
// giver is blamed, and another gives it.
func TestWithheldBody(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(12)
	h := newUp(t, Config{}, l.at(10))
	g := l.give(10, 12, 12)
	g.Entries[0] = g.Entries[0].Drop()
	h.hear("gw2", l.head(12, 12))
	h.hear("gw3", l.head(12, 12))
	h.hear("gw2", g)
	if len(h.pending) != 1 {
		t.Fatal("the leaves verify: it is the store that tells")
	}
	h.pending = nil
	h.now = h.now.Add(2 * time.Second)
	out := h.step(NotStored{l.origin, &ledger.At{First: 10, Last: 10, Err: ledger.ErrWithheld}, l.treeAt(10), testPeer("gw2")})
	if b := only[Blame](out); len(b) != 1 || b[0].Peer != testPeer("gw2") {
		t.Errorf("blamed %v", b)
	}
	w := wants(append(out, h.wait(10*time.Second)...))
	if len(w) == 0 || w[0].To != testPeer("gw3") {
		t.Fatalf("asked %v", w)
	}
	h.hear("gw3", l.give(10, 12, 12))
	if h.store(); h.size(l) != 12 {
		t.Errorf("holds %d", h.size(l))
	}
}

// TestWithheldBegin: whoever keeps the first body back is blamed, and bars nobody
// else from giving the ledger.
func TestWithheldBegin(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "steward", ledger.NodeLog, 1).fill(5)
	h := newUp(t, Config{})
	g := l.head(5, 0)
	g.Tail = slices.Clone(g.Tail)
	g.Tail[0] = g.Tail[0].Drop()
	out := h.hear("gw2", g)
	if b := only[Blame](out); len(only[Store](out)) != 0 || len(b) != 1 || b[0].Peer != testPeer("gw2") || !errors.Is(b[0].Err, ledger.ErrWithheld) {
		t.Errorf("%v", out)
	}
	h.hear("gw3", l.head(5, 0))
	if h.store(); h.size(l) != 5 {
		t.Errorf("holds %d of 5", h.size(l))
	}
}

// TestShun: who lies three times in an hour is not asked for ten minutes.
func TestShun(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(40)
	h := newUp(t, Config{}, l.at(10))
	bad := l.give(10, 15, 20)
	bad.Entries[1].Body = []byte{1}
	for range 3 {
		h.hear("gw2", bad)
		h.now = h.now.Add(10 * time.Second)
	}
	p := h.r.Status().Peers
	if len(p) != 1 || p[0].Blames != 3 || p[0].Shun.IsZero() {
		t.Fatalf("%+v", p)
	}
	h.hear("gw2", l.head(30, 30))
	for _, s := range wants(h.wait(9 * time.Minute)) {
		if s.To == testPeer("gw2") {
			t.Fatalf("asked %v", s)
		}
	}
	if w := wants(h.wait(3 * time.Minute)); len(w) == 0 {
		t.Error("it is never asked again")
	}
	// What it says is heard all the while.
	h.hear("gw2", l.head(30, 10))
	if h.store(); h.size(l) != 30 {
		t.Errorf("holds %d", h.size(l))
	}
}

// TestRemoved: nothing of a removed gateway counts any more.
func TestRemoved(t *testing.T) {
	t.Parallel()
	door := newHistory(t, "gw2", ledger.DoorLog, 1).fill(20)
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	h := newUp(t, Config{}, l.at(10), door.at(5))
	h.hear("gw2", l.head(20, 20)) // it is being asked
	h.hear("gw2", Want{Origin: l.origin, From: 0})
	out := h.step(RightsChanged{testRights().change("gw2", func(a *Author) { a.Removed = true })})
	out = append(out, h.hear("gw2", l.head(20, 10))...)
	out = append(out, h.hear("gw2", l.give(10, 20, 20))...)
	out = append(out, h.hear("gw2", Want{Origin: l.origin, From: 3})...)
	out = append(out, h.hear("gw3", door.head(20, 5))...)
	out = append(out, h.hear("gw3", Want{Origin: door.origin, From: 0})...)
	h.step(PeerUp{lan, testPeer("gw2")})
	out = append(out, h.wait(time.Hour)...)
	if len(only[Store](out)) != 0 || len(only[SendGive](out)) != 0 {
		t.Errorf("%v", out)
	}
	for _, s := range wants(out) {
		if s.To == testPeer("gw2") {
			t.Errorf("asked %v", s)
		}
	}
	for _, s := range only[SendHead](out) {
		if s.Origin == door.origin {
			t.Errorf("announced %v", s)
		}
	}
	if p := h.r.Status().Peers; len(p) != 1 || p[0].Peer != testPeer("gw3") {
		t.Errorf("%+v", p)
	}
}

// TestRetired: of an author whose key the charter replaced nothing is taken but
// what counts and is not here yet.
func TestRetired(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(40)
	b := newHistory(t, "issuer", ledger.CommunityLog, 2).fill(10)
	h := newUp(t, Config{}, a.at(10))
	h.step(RightsChanged{testRights().change("issuer", func(x *Author) {
		x.Retired, x.Counted = true, map[ledger.Incarnation]int64{a.origin.Incarnation: 25}
	})})
	h.hear("gw2", b.head(10, 0))
	h.hear("gw2", a.head(40, 40)) // the thief's
	h.hear("gw2", a.head(25, 10)) // what counts
	if h.store(); h.size(a) != 25 || h.size(b) != 0 {
		t.Fatalf("holds %d and %d", h.size(a), h.size(b))
	}
	h.hear("gw2", a.head(40, 25))
	h.hear("gw2", Head{Author: a.pub(), Note: a.note(25, 600)})
	out := h.wait(time.Minute)
	if h.store(); h.size(a) != 25 || h.whole[a.origin].Time != uint64(testStart.Unix()) || len(wants(out)) != 0 {
		t.Errorf("holds %d of %d, asks %v", h.size(a), h.whole[a.origin].Time, wants(out))
	}
	// What counts of it is still given.
	if out := h.hear("gw2", Want{Origin: a.origin, From: 3}); len(only[SendGive](out)) != 1 {
		t.Errorf("%v", out)
	}
}

// TestStrays: heads that were heard before the rights named their authors are
// not lost.
func TestStrays(t *testing.T) {
	t.Parallel()
	door := newHistory(t, "gw3", ledger.DoorLog, 1).fill(5)
	rights := testRights()
	all := rights.Authors
	rights.Authors = map[ledger.KeyID]Author{testPeer("gw1"): all[testPeer("gw1")], testPeer("steward"): all[testPeer("steward")]}
	h := newHost(t, Config{}, Started{Rights: rights})
	h.step(LinkUp{lan, []Scope{All, Node}})
	own := newHistory(t, "gw1", ledger.DoorLog, 1).fill(4)
	h.step(Stored{own.at(4)})
	if out := append(h.hear("gw3", door.head(5, 5)), h.hear("gw3", own.held("gw3", 4, true))...); len(out) != 0 {
		t.Fatalf("%v", out)
	}
	out := h.step(RightsChanged{testRights()})
	if w := wants(out); len(w) != 1 || w[0].To != testPeer("gw3") {
		t.Errorf("asked %v", w)
	}
	if s := only[StoreHeld](out); len(s) != 1 || s[0].Peer != testPeer("gw3") || len(s[0].Head.Others) != 2 {
		t.Errorf("noted %v", s)
	}
}

// TestStrangers: another node's gateway is given what is the community's, after
// everybody else, and however many strangers ask, no more than a few wait.
func TestStrangers(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	h := newUp(t, Config{}, l.at(20))
	given := only[SendGive](h.step(Received{Link: lan, Scope: All, From: testPeer("somebody"), Message: Want{Origin: l.origin, From: 3}}))
	if len(given) != 1 || given[0].To != testPeer("somebody") || given[0].From != 3 {
		t.Fatalf("%v", given)
	}
	for i := range 1000 {
		h.step(Received{Link: lan, Scope: All, From: testPeer(fmt.Sprint("stranger ", i)), Message: Want{Origin: l.origin}})
	}
	if s := h.r.Status(); len(h.r.guests.queue) > h.r.cfg.Gives || len(s.Peers) > 1 || s.Counts.Throttled == 0 {
		t.Errorf("%d wait, %d peers, %+v", len(h.r.guests.queue), len(s.Peers), s.Counts)
	}
}

// TestNodeStaysInTheNode: door logs and the node's ledger are given to its
// gateways and stewards, whomever else a broker lets in and whatever rights these
// have elsewhere.
func TestNodeStaysInTheNode(t *testing.T) {
	t.Parallel()
	door := newHistory(t, "gw1", ledger.DoorLog, 1).fill(20)
	node := newHistory(t, "steward", ledger.NodeLog, 1).fill(20)
	rights := testRights()
	rights.Authors[testPeer("abroad")] = Author{Key: testPub("abroad"), Hold: testPub("abroad hold"), Name: "another node's"}
	rights.Authors[testPeer("formerly")] = Author{
		Key: testPub("formerly"), Kinds: []ledger.LogKind{ledger.NodeLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.NodeLog: testNode}, Retired: true, Name: "steward"}
	rights.Authors[testPeer("neighbour")] = Author{
		Key: testPub("neighbour"), Kinds: []ledger.LogKind{ledger.DirectoryLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.DirectoryLog: {9}}, Name: "steward"}
	for name, given := range map[string]bool{
		"gw2": true, "steward": true,
		"issuer": false, "hub": false, "abroad": false, "formerly": false, "neighbour": false, "nobody": false,
	} {
		h := newUp(t, Config{}, door.at(20), node.at(20))
		h.step(RightsChanged{rights})
		for _, l := range []*history{door, node} {
			out := h.step(Received{Link: lan, Scope: Node, From: testPeer(name), Message: Want{Origin: l.origin, From: 3}})
			out = append(out, h.wait(time.Millisecond)...)
			if n := len(only[SendGive](out)); (n == 1) != given {
				t.Errorf("%s asks for %v: %d answers", name, l.origin, n)
			}
		}
	}
}
