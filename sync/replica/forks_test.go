package replica

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestForkAtOneSize: two heads are evidence enough.
func TestForkAtOneSize(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(10)
	b := a.fork(8).fill(10)
	h := newUp(t, Config{}, a.at(10))
	out := h.hear("gw2", b.head(10, 10))
	f := only[StoreFork](out)
	if len(f) != 1 || len(only[Blame](out)) != 0 {
		t.Fatalf("%v", out)
	}
	h.convicted(f[0].Fork, a, b)
}

// TestForkOfHeadsAlone: neither history is held.
func TestForkOfHeadsAlone(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	b := a.fork(8).fill(20)
	h := newUp(t, Config{}, a.at(5))
	h.hear("gw2", a.head(20, 20))
	f := only[StoreFork](h.hear("gw3", b.head(20, 20)))
	if len(f) != 1 {
		t.Fatal("no evidence")
	}
	h.convicted(f[0].Fork, a, b)
}

// TestForkAtTwoSizes: whoever holds the larger compares.
func TestForkAtTwoSizes(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	b := a.fork(8).fill(10)
	h := newUp(t, Config{}, a.at(20))
	c := only[Compare](h.hear("gw2", b.head(10, 10)))
	if len(c) != 1 || c[0].With != testPeer("gw2") || c[0].Head.Size != 10 {
		t.Fatalf("%v", c)
	}
	if again := only[Compare](h.hear("gw3", b.head(10, 10))); len(again) != 0 {
		t.Errorf("compared again: %v", again)
	}
	h.convicted(b.forkOf(a, 10, 20), a, b)
}

// TestDoubt: entries that do not fit lead to the question with the own head, and
// its answer to evidence.
func TestDoubt(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(10)
	b := a.fork(8).fill(20)
	h := newUp(t, Config{}, a.at(10))
	out := h.hear("gw2", b.head(20, 20))
	w := wants(out)
	if len(w) != 1 {
		t.Fatalf("%v", out)
	}
	out = h.hear("gw2", b.give(10, 15, 20))
	w = wants(out)
	if len(only[Blame](out)) != 1 || len(only[Store](out)) != 0 || len(w) == 0 {
		t.Fatalf("%v", out)
	}
	doubt := w[0].Message.(Want)
	if w[0].To != testPeer("gw2") || doubt.Origin != a.origin || string(doubt.Note) != string(a.note(10, 0)) {
		t.Fatalf("asked %v", w[0])
	}
	// The other side.
	other := newUp(t, Config{Self: testPeer("gw2")}, b.at(20))
	if c := only[Compare](other.hear("gw1", doubt)); len(c) != 1 || c[0].Head.Size != 10 || c[0].With != testPeer("gw1") {
		t.Fatalf("%v", c)
	}
	f := a.forkOf(b, 10, 20)
	proof := only[Send](other.step(Convicted{f}))
	if len(proof) != 2 {
		t.Fatalf("%v", proof)
	}
	// It comes back: this side verifies it, and takes back its blame.
	if s := only[StoreFork](h.hear("gw2", proof[0].Message)); len(s) != 1 {
		t.Fatal("the evidence was not taken")
	}
	h.convicted(f, a, b)
	if p := h.r.peers[testPeer("gw2")]; len(p.blames) != 0 {
		t.Errorf("still blamed: %v", p.blames)
	}
}

// convicted checks what follows evidence that is durable.
func (h *host) convicted(f ledger.Fork, a, b *history) {
	h.tb.Helper()
	held := h.size(a)
	out := h.step(Convicted{f})
	links := map[LinkID]bool{}
	for _, s := range only[Send](out) {
		if p, ok := s.Message.(Proof); ok && string(p.Evidence) == string(f.Marshal()) && s.Scope == All && s.To == (Peer{}) {
			links[s.Link] = true
		}
	}
	if !links[lan] || !links[wan] {
		h.tb.Fatalf("the evidence was not announced: %v", out)
	}
	if again := h.step(Convicted{f}); len(again) != 0 {
		h.tb.Errorf("announced twice: %v", again)
	}
	if more := only[StoreFork](h.hear("gw3", Proof{f.Marshal()})); len(more) != 0 {
		h.tb.Errorf("stored twice")
	}
	// Nothing more of that ledger, of neither history.
	for _, l := range []*history{a, b} {
		l.fill(30)
		h.hear("gw2", l.head(30, held))
		h.hear("gw3", l.give(held, 30, 30))
	}
	out = append(h.hear("gw2", Want{Origin: a.origin}), h.wait(time.Hour)...)
	if len(wants(out)) != 0 || len(only[SendGive](out)) != 0 || len(only[SendHead](out)) != 0 || len(only[SendHeld](out)) != 0 {
		h.tb.Errorf("%v", out)
	}
	if len(h.pending) != 0 {
		h.tb.Error("entries were taken")
	}
	if s := h.r.Status().Ledgers; len(s) != 1 || !s[0].Forked {
		h.tb.Errorf("%+v", s)
	}
	// Announced again on a link that comes up.
	h.step(LinkDown{lan})
	n := 0
	for _, s := range only[Send](h.step(LinkUp{lan, []Scope{All, Node}})) {
		if _, ok := s.Message.(Proof); ok {
			n++
		}
	}
	if n != 1 {
		h.tb.Errorf("announced %d times on a link that came up", n)
	}
}

// TestEvidenceIsChecked before it is stored or passed on.
func TestEvidenceIsChecked(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(10)
	b := a.fork(8).fill(10)
	h := newUp(t, Config{}, a.at(10))
	f := a.forkOf(b, 10, 10)
	f.B = a.note(10, 60) // the same history
	f.Prefix = a.tree.Root()
	if out := h.hearOn(lan, "gw2", Proof{f.Marshal()}); len(only[StoreFork](out)) != 0 || len(only[Blame](out)) != 1 {
		t.Errorf("%v", out)
	}
	// Of an author without rights.
	c := newHistory(t, "somebody", ledger.CommunityLog, 1).fill(10)
	if out := h.hear("gw2", Proof{c.forkOf(c.fork(8).fill(10), 10, 10).Marshal()}); len(out) != 0 {
		t.Errorf("%v", out)
	}
}

// TestForkKnownAtStart stays known, and is announced.
func TestForkKnownAtStart(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	b := a.fork(8).fill(20)
	h := newHost(t, Config{}, Started{Rights: testRights(), Ledgers: []Ledger{a.at(10)}, Forked: []ledger.Fork{a.forkOf(b, 20, 20)}})
	out := h.step(LinkUp{wan, []Scope{All}})
	if s := only[Send](out); len(s) != 1 || len(only[SendHead](out)) != 0 {
		t.Errorf("%v", out)
	}
	if out := h.hearOn(wan, "gw2", a.head(20, 10)); len(out) != 0 {
		t.Errorf("%v", out)
	}
}

// TestRetiredAndForked: what counts of it is still taken.
func TestRetiredAndForked(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	b := a.fork(12).fill(20)
	h := newUp(t, Config{}, a.at(10))
	h.step(Convicted{a.forkOf(b, 20, 20)})
	h.step(RightsChanged{testRights().change("issuer", func(x *Author) {
		x.Retired, x.Counted = true, map[ledger.Incarnation]int64{a.origin.Incarnation: 12}
	})})
	h.hear("gw2", a.head(12, 10))
	if h.store(); h.size(a) != 12 {
		t.Errorf("holds %d", h.size(a))
	}
	h.hear("gw2", a.head(20, 12))
	if h.store(); h.size(a) != 12 {
		t.Errorf("holds %d", h.size(a))
	}
}

// TestPartThatFitsNobody is let go of, so that the other history can be had and
// compared.
func TestPartThatFitsNobody(t *testing.T) {
	t.Parallel()
	a := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(30)
	b := a.fork(8).fill(40)
	h := newUp(t, Config{}, Ledger{a.headAt(5, 0), a.treeAt(20)})
	var out []Action
	for _, gw := range []string{"gw2", "gw3"} {
		h.hear(gw, b.head(40, 40))
		out = append(out, h.hear(gw, b.give(20, 30, 40))...)
	}
	f := only[Forget](out)
	if len(f) != 1 || f[0].Origin != a.origin {
		t.Fatalf("%v", out)
	}
	h.edges[a.origin] = a.treeAt(5)
	out = h.step(Stored{Ledger{a.headAt(5, 0), a.treeAt(5)}})
	out = append(out, h.wait(10*time.Second)...)
	h.answer(out, b)
	if h.size(b) != 40 {
		t.Errorf("holds %d", h.size(b))
	}
}
