package replica

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestFloodOfWants: each is answered once, peers take turns, and the rest is
// dropped.
func TestFloodOfWants(t *testing.T) {
	t.Parallel()
	var all []Ledger
	var logs []*history
	for i := range byte(20) {
		l := newHistory(t, "gw1", ledger.DoorLog, i).fill(5)
		logs, all = append(logs, l), append(all, l.at(5))
	}
	h := newUp(t, Config{}, all...)
	h.hear("gw3", logs[0].held("gw3", 5, false)) // it is there
	var out []Action
	for n := range 2000 {
		out = append(out, h.hear("gw2", Want{Origin: logs[n%20].origin, From: int64(n % 5)})...)
		if n == 1000 {
			out = append(out, h.hear("gw3", Want{Origin: logs[3].origin})...)
		}
	}
	gives := only[SendGive](out)
	if len(gives) > givesBurst+2 {
		t.Errorf("%d answers at once", len(gives))
	}
	out = h.wait(50 * time.Millisecond)
	served := false
	for i, g := range only[SendGive](out) {
		if g.To == testPeer("gw3") {
			served = true
			if i > 1 {
				t.Errorf("gw3 was the %d.", i+1)
			}
		}
	}
	if !served && !slices.ContainsFunc(gives, func(g SendGive) bool { return g.To == testPeer("gw3") }) {
		t.Error("gw3 was not answered beside the flood")
	}
	n := 0
	for range 100 { // a second of it
		for i := range 20 {
			n += len(only[SendGive](h.hear("gw2", Want{Origin: logs[i].origin})))
		}
		n += len(only[SendGive](h.wait(10 * time.Millisecond)))
	}
	if n > givesPerPeerSecond+givesBurst+2 || n < givesPerPeerSecond/2 {
		t.Errorf("%d answers in a second", n)
	}
	if c := h.r.Status().Counts; c.Throttled == 0 || c.Repeated == 0 {
		t.Errorf("%+v", c)
	}
}

// TestFloodOfOrigins: one author, or nobody, announces ledgers without end.
func TestFloodOfOrigins(t *testing.T) {
	t.Parallel()
	h := newUp(t, Config{Checks: 1e9})
	door := func(author string, n int) Head {
		l := newHistory(t, author, ledger.DoorLog, 0)
		l.origin.Incarnation = ledger.Incarnation{byte(n >> 8), byte(n), 7}
		return l.fill(1).head(1, 1)
	}
	m := make([]Head, 1000)
	for i := range m {
		m[i] = door("gw3", i)
	}
	for i := range m {
		h.hear("gw2", m[i])
	}
	if n := h.r.heardOf[testPeer("gw3")]; n != 256 {
		t.Errorf("%d ledgers of one author", n)
	}
	// Another author's is tracked all the same, and a stored one always.
	if w := h.hear("gw2", newHistory(t, "issuer", ledger.CommunityLog, 1).fill(3).head(3, 0)); len(only[Store](w)) != 1 {
		t.Errorf("%v", w)
	}
	h.store()
	stored := newHistory(t, "gw3", ledger.DoorLog, 9).fill(3)
	h.step(Stored{stored.at(3)})
	if h.r.books[stored.origin] == nil {
		t.Error("a stored ledger is not tracked")
	}
	// Nobody's: not even verified.
	for i := range 500 {
		h.hear("gw2", door("somebody", i))
	}
	if n := len(h.r.heads.of); n > h.r.cfg.Strays {
		t.Errorf("%d strays", n)
	}
	if c := h.r.Status().Counts; c.Throttled < 744 || c.Strangers < 500 {
		t.Errorf("%+v", c)
	}
}

// TestFloodOfLedgers: all of them together are bounded too.
func TestFloodOfLedgers(t *testing.T) {
	t.Parallel()
	h := newUp(t, Config{Checks: 1e9, Ledgers: 100, LedgersPerAuthor: 40})
	for i := range byte(60) {
		for _, gw := range []string{"gw2", "gw3", "gw4"} {
			h.hear("gw2", newHistory(t, gw, ledger.DoorLog, i).fill(1).head(1, 1))
		}
	}
	if n := len(h.r.books); n != 75 {
		t.Errorf("%d ledgers", n)
	}
}

// TestStoredDoorLogs: a gateway that begins door logs without end, and gives them,
// keeps nobody's else out, and least of all an issuer's.
func TestStoredDoorLogs(t *testing.T) {
	t.Parallel()
	h := newUp(t, Config{Checks: 1e9, Ledgers: 100, LedgersPerAuthor: 40})
	for i := range byte(200) {
		h.hear("gw3", newHistory(t, "gw3", ledger.DoorLog, i).fill(1).head(1, 0))
		h.store()
	}
	if n := len(h.r.books); n != 25 {
		t.Errorf("%d ledgers", n)
	}
	for _, l := range []*history{newHistory(t, "issuer", ledger.CommunityLog, 1), newHistory(t, "steward", ledger.NodeLog, 1), newHistory(t, "gw2", ledger.DoorLog, 1)} {
		h.hear("gw3", l.fill(3).head(3, 0))
		if h.store(); h.size(l) != 3 {
			t.Errorf("%v: it holds %d entries", l.origin, h.size(l))
		}
	}
}

// TestFloodOfSignatures: what one sender may have checked is bounded, and others
// go on beside it.
func TestFloodOfSignatures(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(12)
	h := newUp(t, Config{Checks: 10}, l.at(10))
	blames := 0
	for i := range 1000 {
		note := l.note(11, int64(i))
		note[len(note)-5] ^= 1
		blames += len(only[Blame](h.hear("gw2", Head{Author: l.pub(), Note: note})))
	}
	if blames > 100 {
		t.Errorf("%d signatures were checked", blames)
	}
	for i := range 1000 { // of names without rights, all together
		note := l.note(11, int64(i))
		note[len(note)-5] ^= 1
		blames += len(only[Blame](h.hear(fmt.Sprint("nobody ", i), Head{Author: l.pub(), Note: note})))
	}
	if blames > 200 {
		t.Errorf("%d signatures were checked", blames)
	}
	if out := h.hear("gw3", l.head(11, 10)); len(only[Store](out)) != 1 {
		t.Errorf("%v", out)
	}
	if len(h.r.peers) != 2 {
		t.Errorf("%d peers", len(h.r.peers))
	}
}

// TestFloodOfGivers: made-up names push nobody out who has rights.
func TestFloodOfGivers(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(12)
	h := newUp(t, Config{}, l.at(10))
	for i := range 100 {
		h.hear(fmt.Sprint("nobody ", i), l.head(12, 12))
	}
	h.hear("gw2", l.head(12, 12))
	for i := range 100 {
		h.hear(fmt.Sprint("somebody ", i), l.head(12, 12))
	}
	b := h.r.books[l.origin]
	found := false
	for _, g := range b.givers {
		found = found || g.peer == testPeer("gw2")
	}
	if !found || len(b.givers) != 8 {
		t.Errorf("%d givers, gw2 among them: %v", len(b.givers), found)
	}
	for range 3 {
		for _, w := range wants(h.wait(6 * time.Second)) {
			if w.To == testPeer("gw2") {
				return
			}
		}
	}
	t.Error("gw2 was not asked")
}

// TestFloodOfPeers and of heads of every size keep memory where it is.
func TestFloodMemory(t *testing.T) {
	// Not parallel: it measures memory.
	rights := testRights()
	for i := range 6000 {
		key := testPub(fmt.Sprint("peer ", i))
		rights.Authors[ledger.KeyIDOf(key)] = Author{Key: key}
	}
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(300)
	h := newHost(t, Config{Checks: 1e9, Peers: 1000}, Started{Rights: rights})
	h.step(LinkUp{lan, []Scope{All, Node}})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 6000 {
		h.hear(fmt.Sprint("peer ", i), l.head(int64(1+i%300), int64(1+i%300)))
		h.hear(fmt.Sprint("peer ", i), Want{Origin: l.origin})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("%d bytes more", grown)
	}
	if len(h.r.peers) > 1000 || len(h.r.books) != 1 {
		t.Errorf("%d peers, %d books", len(h.r.peers), len(h.r.books))
	}
	runtime.KeepAlive(h)
}

// TestLinks: more than there can be are ignored, and what is not up says nothing.
func TestLinks(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(3)
	h := newUp(t, Config{})
	for i := range LinkID(40) {
		h.step(LinkUp{10 + i, []Scope{All, 7}})
	}
	if n := len(h.r.links); n != maxLinks {
		t.Errorf("%d links", n)
	}
	h.step(LinkDown{99})
	h.step(PeerUp{99, testPeer("gw2")})
	h.step(PeerDown{99, testPeer("gw2")})
	if out := h.hearOn(99, "gw2", l.head(3, 0)); len(out) != 0 {
		t.Errorf("%v", out)
	}
	if out := h.step(Received{Link: lan, Scope: 7, From: testPeer("gw2"), Message: l.head(3, 0)}); len(out) != 0 {
		t.Errorf("%v", out)
	}
	h.step(LinkDown{lan})
	if out := h.hear("gw2", l.head(3, 0)); len(out) != 0 {
		t.Errorf("%v", out)
	}
}

// TestClockJumps: back is no time at all, ahead makes what waits due.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(30)
	h := newUp(t, Config{})
	h.hear("gw2", l.head(30, 30))
	h.hear("gw3", l.head(30, 30))
	h.now = h.now.Add(-3 * 24 * time.Hour)
	h.step(Tick{})
	if at, ok := h.r.Wake(); !ok || at.Sub(h.now) > 6*time.Second {
		t.Fatalf("wakes in %v", at.Sub(h.now))
	}
	if w := wants(h.wait(6 * time.Second)); len(w) != 1 {
		t.Errorf("asked %v", w)
	}
	h.now = h.now.Add(40 * 24 * time.Hour)
	out := h.step(Tick{})
	h.answer(append(out, h.wait(10*time.Second)...), l)
	if h.size(l) != 30 {
		t.Errorf("holds %d", h.size(l))
	}
}
