package replica

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// reporting are testRights with the right of gateways to report.
func reporting(gateways ...string) Rights {
	r := testRights()
	for _, g := range gateways {
		r = r.change(g, func(a *Author) {
			a.Kinds = append(slices.Clone(a.Kinds), ledger.ReportLog)
			a.Charter = map[ledger.LogKind]ledger.CharterID{ledger.DoorLog: testNode, ledger.ReportLog: testNode}
		})
	}
	return r
}

// newReporter is gw1 with a link into its node and one to the hub.
func newReporter(t tb, ledgers ...Ledger) *host {
	h := newHost(t, Config{}, Started{Rights: reporting("gw1"), Ledgers: ledgers})
	h.step(LinkUp{lan, []Scope{All, Node}})
	h.step(LinkUp{wan, []Scope{All, Hub}})
	return h
}

// newHub is the hub, which belongs to no node.
func newHub(t tb, cfg Config, rights Rights, ledgers ...Ledger) *host {
	cfg.Self, cfg.Observer = testPeer("hub"), true
	rights.Node = ledger.CharterID{}
	h := newHost(t, cfg, Started{Rights: rights, Ledgers: ledgers})
	h.step(LinkUp{wan, []Scope{All, Hub}})
	return h
}

// TestReportGoesToTheHub: it is announced, given and acknowledged between its author
// and the hub, and in no other place.
func TestReportGoesToTheHub(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw1", ledger.ReportLog, 1).fill(20)
	h := newReporter(t, l.at(10))
	out := h.wait(time.Second)
	out = append(out, h.step(Stored{l.at(20)})...)
	out = append(out, h.wait(time.Minute)...)
	heads := 0
	for _, a := range only[SendHead](out) {
		if heads++; a.Link != wan || a.Scope != Hub || a.Origin != l.origin {
			t.Errorf("%+v", a)
		}
	}
	if heads < 2 {
		t.Errorf("announced %d times", heads)
	}
	if n := len(only[SendHeld](out)); n != 0 {
		t.Errorf("it acknowledges its own ledger %d times", n)
	}
	for _, c := range []struct {
		from  string
		scope Scope
		given int
	}{
		{"gw2", Hub, 0}, {"steward", Hub, 0}, {"issuer", Hub, 0}, {"somebody", Hub, 0}, {"heartbeat", Hub, 0},
		{"hub", All, 0}, {"hub", Node, 0}, {"hub", Hub, 1},
	} {
		link := wan
		if c.scope == Node {
			link = lan
		}
		out := h.step(Received{Link: link, Scope: c.scope, From: testPeer(c.from), Message: Want{Origin: l.origin}})
		out = append(out, h.wait(time.Second)...)
		if n := len(only[SendGive](out)); n != c.given {
			t.Errorf("%s is given %d times in the scope %v", c.from, n, c.scope)
		}
		// A head to compare with is answered by nobody's entries either.
		if out := h.step(Received{Link: link, Scope: c.scope, From: testPeer(c.from), Message: Want{Origin: l.origin, Note: l.note(5, 0)}}); c.given == 0 && len(only[Compare](out)) != 0 {
			t.Errorf("%s has it compared in the scope %v", c.from, c.scope)
		}
	}
	held := only[StoreHeld](h.hearOn(wan, "hub", l.held("hub", 20, true)))
	if len(held) != 1 || held[0].Peer != testPeer("hub") || len(held[0].Head.Others) != 2 {
		t.Errorf("%+v", held)
	}
	// A hub that was retired is none.
	h.step(RightsChanged{reporting("gw1").change("hub", func(a *Author) { a.Retired = true })})
	h.step(Received{Link: wan, Scope: Hub, From: testPeer("hub"), Message: Want{Origin: l.origin}})
	if n := len(only[SendGive](h.wait(time.Second))); n != 0 {
		t.Errorf("a retired hub is given %d times", n)
	}
}

// TestReportsOfOthers: a gateway takes no other's report, whoever shows it one.
func TestReportsOfOthers(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw2", ledger.ReportLog, 1).fill(5)
	h := newReporter(t)
	var out []Action
	for _, from := range []string{"gw2", "hub", "somebody"} {
		out = append(out, h.hearOn(wan, from, l.head(5, 0))...)
		out = append(out, h.hearOn(wan, from, l.give(0, 5, 5))...)
	}
	out = append(out, h.wait(10*time.Minute)...)
	if len(only[Store](out)) != 0 || len(wants(out)) != 0 || len(only[SendHeld](out)) != 0 || len(only[SendHead](out)) != 0 {
		t.Errorf("%v", out)
	}
	if s := h.r.Status().Ledgers; len(s) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestHubTakesReports: as many as it has rights to, and gives each back to its
// author alone.
func TestHubTakesReports(t *testing.T) {
	t.Parallel()
	mine, others := newHistory(t, "gw1", ledger.ReportLog, 1).fill(40), newHistory(t, "gw2", ledger.ReportLog, 1).fill(40)
	h := newHub(t, Config{}, reporting("gw1"))
	h.answer(h.hearOn(wan, "gw1", mine.head(40, 40)), mine)
	if out := h.hearOn(wan, "gw2", others.head(40, 40)); len(wants(out)) != 0 {
		t.Errorf("%v", out)
	}
	if h.size(mine) != 40 || h.size(others) != 0 {
		t.Fatalf("holds %d and %d", h.size(mine), h.size(others))
	}
	held := only[SendHeld](h.wait(time.Second))
	if len(held) != 1 || held[0].Scope != Hub || held[0].Head.Origin != mine.origin || !held[0].Witness {
		t.Errorf("%+v", held)
	}
	for from, given := range map[string]int{"gw1": 1, "gw2": 0, "issuer": 0, "somebody": 0} {
		out := h.hearOn(wan, from, Want{Origin: mine.origin, From: 3})
		out = append(out, h.wait(time.Second)...)
		if g := only[SendGive](out); len(g) != given || given > 0 && (g[0].To != testPeer(from) || g[0].Scope != Hub || g[0].From != 3) {
			t.Errorf("%s is given %+v", from, g)
		}
	}
	// Its Begin names the node's charter, as a door log's does.
	foreign := newHistory(t, "gw1", ledger.ReportLog, 2)
	foreign.write(&ledger.Begin{Charter: testCommunity})
	if out := h.hearOn(wan, "gw1", foreign.head(1, 0)); len(only[Store](out)) != 0 {
		t.Errorf("a report for another charter: %v", out)
	}
	// Two histories of a report convict its author, and nobody but the hub's place hears of it.
	forked := mine.fork(30).fill(45)
	out := h.hearOn(wan, "gw1", Proof{mine.forkOf(forked, 40, 40).Marshal()})
	if f := only[StoreFork](out); len(f) != 1 {
		t.Fatalf("%v", out)
	} else if out = h.step(Convicted{f[0].Fork}); len(only[Send](out)) != 1 || only[Send](out)[0].Scope != Hub {
		t.Errorf("%v", out)
	}
}

// TestWhoIsAskedForReports: its author alone, be its birth heard or not, however
// many others come.
func TestWhoIsAskedForReports(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw1", ledger.ReportLog, 1).fill(40)
	h := newHub(t, Config{}, reporting("gw1", "gw2", "gw3"))
	out := h.hearOn(wan, "gw1", l.head(40, 40))
	for _, g := range []string{"gw2", "gw3", "gw4", "issuer"} {
		out = append(out, h.step(PeerUp{wan, testPeer(g)})...)
	}
	out = append(out, h.hearOn(wan, "gw2", l.head(40, 40))...) // in its name: it may know nothing of it
	if w := wants(out); len(w) != 1 || w[0].To != testPeer("gw1") {
		t.Errorf("%+v", w)
	}
	out = h.wait(5 * time.Minute)
	if w := wants(out); len(w) < 3 {
		t.Errorf("asked %d times while nothing comes", len(w))
	}
	for _, w := range wants(out) {
		if w.To != testPeer("gw1") {
			t.Errorf("%v is asked for gw1's report", w.To)
		}
	}
	h.answer(h.hearOn(wan, "gw1", l.head(40, 40)), l)
	h.answer(h.wait(5*time.Minute), l)
	if h.size(l) != 40 {
		t.Errorf("holds %d", h.size(l))
	}
}

// TestReportIsRecovered: a gateway that lost its disk learns from the hub's
// acknowledgement how far it had reported, and has it from there.
func TestReportIsRecovered(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw1", ledger.ReportLog, 1).fill(30)
	h := newReporter(t)
	h.step(PeerUp{wan, testPeer("hub")})
	out := h.hearOn(wan, "hub", l.held("hub", 30, false))
	if s := h.r.Status(); s.Behind() != 30 {
		t.Errorf("behind by %d", s.Behind())
	}
	w := wants(out)
	if len(w) != 1 || w[0].Scope != Hub || w[0].To != testPeer("hub") || w[0].Link != wan {
		t.Fatalf("%+v", w)
	}
	h.answer(out, l)
	if h.size(l) != 30 || h.r.Status().Behind() != 0 {
		t.Errorf("holds %d", h.size(l))
	}
}

// TestRightToReportsComes: of two processes of a hub one takes over what the other
// read: it has heard all heads, and asks without waiting for another.
func TestRightToReportsComes(t *testing.T) {
	t.Parallel()
	const n = 300
	rights := testRights()
	var logs []*history
	for i := range n {
		name := fmt.Sprintf("gateway %d", i)
		rights.Authors[testPeer(name)] = Author{Key: testPub(name), Name: name}
		logs = append(logs, newHistory(t, name, ledger.ReportLog, 1).fill(3))
	}
	h := newHub(t, Config{Strays: n, Wants: 64, Checks: 1e9}, rights)
	for i, l := range logs {
		h.hearOn(wan, fmt.Sprintf("gateway %d", i), l.head(2, 1))
		h.hearOn(wan, fmt.Sprintf("gateway %d", i), l.head(3, 2)) // the newest is what counts
	}
	if s := h.r.Status(); len(s.Ledgers) != 0 || len(h.r.heads.of) != n {
		t.Fatalf("%d ledgers, %d strays", len(s.Ledgers), len(h.r.heads.of))
	}
	grant := func(yes bool) []Action {
		r := rights
		r.Node, r.Authors = ledger.CharterID{}, map[ledger.KeyID]Author{}
		for id, a := range rights.Authors {
			if yes && len(a.Kinds) == 0 && a.Name != "" {
				a.Kinds, a.Charter = []ledger.LogKind{ledger.ReportLog}, map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: testNode}
			}
			r.Authors[id] = a
		}
		return h.step(RightsChanged{r})
	}
	h.answer(grant(true), logs...)
	for range 20 {
		h.answer(h.wait(100*time.Millisecond), logs...)
	}
	for i, l := range logs {
		if h.size(l) != 3 {
			t.Fatalf("holds %d of 3 entries of gateway %d's report", h.size(l), i)
		}
	}
	// What was heard while there was no right, and while it was about to be asked for,
	// is there when the right comes back.
	lost := logs[0].fill(5)
	pending := logs[1].fill(5)
	h.hearOn(wan, "gateway 1", pending.head(5, 5))
	grant(false)
	h.hearOn(wan, "gateway 0", lost.head(5, 5))
	out := grant(true)
	out = append(out, h.wait(time.Second)...)
	h.answer(out, logs...)
	h.answer(h.wait(10*time.Second), logs...)
	if h.size(lost) != 5 || h.size(pending) != 5 {
		t.Errorf("holds %d and %d of 5", h.size(lost), h.size(pending))
	}
}

// TestStraysAreBounded: the newest of each ledger are remembered, by their number.
func TestStraysAreBounded(t *testing.T) {
	t.Parallel()
	h := newHub(t, Config{Strays: 10}, testRights())
	l := newHistory(t, "a stranger", ledger.ReportLog, 1).fill(9)
	for size := range int64(9) {
		h.hearOn(wan, "a stranger", l.head(size+1, size))
	}
	for i := range byte(30) {
		h.hearOn(wan, "a stranger", newHistory(t, "another", ledger.ReportLog, i).fill(1).head(1, 1))
		h.hearOn(wan, "a stranger", l.head(9, 9)) // again and again
	}
	if n := len(h.r.heads.of); n != 10 {
		t.Errorf("%d are remembered", n)
	}
	found := 0
	for _, s := range h.r.heads.order {
		if c, ok := peek(s.message.(Head).Note); ok && !s.stale && s.origin == l.origin {
			if found++; c.Size != 9 {
				t.Errorf("the head at %d is remembered", c.Size)
			}
		}
		if len(s.message.(Head).Tail) > 0 {
			t.Error("a tail is remembered")
		}
	}
	if found != 1 {
		t.Errorf("%d heads of one ledger are remembered", found)
	}
}

// TestReportsCrowdNobody: of each kind of ledger there is a bound by itself, and one
// gateway's reports are few.
func TestReportsCrowdNobody(t *testing.T) {
	t.Parallel()
	rights := reporting("gw1", "gw2", "gw3")
	h := newHost(t, Config{Self: testPeer("hub"), Ledgers: 100, LedgersPerAuthor: 20, Checks: 1e9}, Started{Rights: rights})
	h.step(LinkUp{wan, []Scope{All, Node, Hub}})
	count := func(kind ledger.LogKind) (n int) {
		for o := range h.r.books {
			if o.Kind == kind {
				n++
			}
		}
		return n
	}
	for i := range byte(60) {
		for _, g := range []string{"gw1", "gw2"} {
			l := newHistory(t, g, ledger.ReportLog, i).fill(2)
			h.hearOn(wan, g, l.head(2, 0))
			h.store()
		}
	}
	if n := count(ledger.ReportLog); n != 2*20 {
		t.Errorf("%d report ledgers of two gateways", n)
	}
	for i := range byte(60) {
		h.hearOn(wan, "gw3", newHistory(t, "gw3", ledger.DoorLog, i).fill(2).head(2, 0))
		h.store()
	}
	if n := count(ledger.DoorLog); n != 25 {
		t.Errorf("%d door logs beside them", n)
	}
	h.hearOn(wan, "gw3", newHistory(t, "gw3", ledger.ReportLog, 1).fill(2).head(2, 0))
	if n := count(ledger.ReportLog); n != 2*20+1 {
		t.Errorf("%d report ledgers: one gateway's are in another's way", n)
	}
	for s, n := range h.r.tracked {
		if s.author == (ledger.KeyID{}) && n != count(s.kind) {
			t.Errorf("%d of %v are counted, %d are there", n, s.kind, count(s.kind))
		}
	}
}

// TestUrgency: revocations go before everything, and what gateways write for
// themselves comes last.
func TestUrgency(t *testing.T) {
	t.Parallel()
	all := []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog, ledger.CensusLog, ledger.DoorLog}
	for i, k := range all[1:] {
		if rankOf(all[i]) >= rankOf(k) {
			t.Errorf("%s is no more urgent than %s", all[i], k)
		}
	}
	if rankOf(ledger.ReportLog) != rankOf(ledger.DoorLog) {
		t.Error("a report and a door log differ")
	}
	scopes := map[ledger.LogKind]Scope{
		ledger.CommunityLog: All, ledger.DirectoryLog: All, ledger.CensusLog: All, ledger.NodeLog: Node, ledger.DoorLog: Node, ledger.ReportLog: Hub, "diary": Node,
	}
	for k, want := range scopes {
		if got := ScopeOf(k); got != want {
			t.Errorf("%s travels in the scope %v", k, got)
		}
	}
}

// BenchmarkHubIntake is what the core costs a hub of so many gateways: each has its
// report's head with a tail taken in, stored and acknowledged.
func BenchmarkHubIntake(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rights := testRights()
			var heads []Head
			var from []Peer
			for i := range n {
				name := fmt.Sprintf("gateway %d", i)
				rights.Authors[testPeer(name)] = Author{Key: testPub(name), Name: name, Kinds: []ledger.LogKind{ledger.ReportLog},
					Charter: map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: testNode}}
				l := newHistory(b, name, ledger.ReportLog, 1)
				binary.BigEndian.PutUint64(l.origin.Incarnation[:], uint64(i))
				heads, from = append(heads, l.fill(3).head(3, 0)), append(from, testPeer(name))
			}
			for b.Loop() {
				h := newHub(b, Config{Ledgers: 2 * n, Peers: 2 * n, Strays: n, Wants: 64}, rights)
				h.unchecked = true
				for i, m := range heads {
					h.step(Received{Link: wan, Scope: Hub, From: from[i], Message: m})
					if i%100 == 99 {
						h.store()
						h.wait(time.Millisecond)
					}
				}
				h.store()
				h.wait(5 * time.Second)
				if s := h.r.Status(); len(s.Ledgers) != n {
					b.Fatalf("%d ledgers of %d", len(s.Ledgers), n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/report")
		})
	}
}

// TestDiskIsBehind: no more reports are asked for than the store keeps up with; who is
// revoked is asked for all the same. Nothing is forgotten: it comes as the store goes on.
func TestDiskIsBehind(t *testing.T) {
	t.Parallel()
	const n, most = 200, 32
	rights := testRights()
	logs := map[string]*history{}
	for i := range n {
		name := fmt.Sprintf("gateway %d", i)
		rights.Authors[testPeer(name)] = Author{Key: testPub(name), Name: name, Kinds: []ledger.LogKind{ledger.ReportLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: testNode}}
		logs[name] = newHistory(t, name, ledger.ReportLog, 1).fill(3)
	}
	h := newHub(t, Config{Wants: most, Checks: 1e9}, rights)
	var asked []Send
	give := func(out []Action) {
		for w := wants(out); len(w) > 0; w = w[1:] {
			asked = append(asked, w[0])
			for name, l := range logs {
				if testPeer(name) == w[0].To {
					w = append(w, wants(h.hearOn(wan, name, l.give(0, 3, 3)))...)
				}
			}
		}
	}
	for name, l := range logs {
		give(h.hearOn(wan, name, l.head(3, 3)))
	}
	for range 100 {
		give(h.wait(time.Second))
	}
	if len(h.pending) < most || len(h.pending) > 2*most || len(asked) != len(h.pending) {
		t.Fatalf("%d reports are asked for, and %d wait for the disk", len(asked), len(h.pending))
	}
	issuer := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(5)
	if w := wants(h.hearOn(wan, "issuer", issuer.head(5, 5))); len(w) != 1 || w[0].To != testPeer("issuer") {
		t.Errorf("the issuer is asked %+v", w)
	}
	h.hearOn(wan, "issuer", issuer.give(0, 5, 5))
	for range 3 * n / most {
		give(h.store())
	}
	for name, l := range logs {
		if h.size(l) != 3 {
			t.Fatalf("holds %d of 3 entries of the report of %s; %d were asked for", h.size(l), name, len(asked))
		}
	}
	if h.size(issuer) != 5 || len(asked) != n || h.r.flying != 0 {
		t.Errorf("holds %d of 5 entries of the issuer's; %d were asked for, %d are under way", h.size(issuer), len(asked), h.r.flying)
	}
}
