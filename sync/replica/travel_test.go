package replica

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestRevocationTravels: one message, no question.
func TestRevocationTravels(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
	h := newUp(t, Config{}, l.at(10))
	out := h.hear("issuer", l.head(11, 10))
	if s := only[Store](out); len(s) != 1 || !s[0].Extension.Whole() || len(wants(out)) != 0 {
		t.Fatalf("%v", out)
	}
	h.store()
	if h.size(l) != 11 {
		t.Fatalf("holds %d", h.size(l))
	}
	// It is news on the other link, and acknowledged on both.
	out = h.wait(600 * time.Millisecond)
	if heads := only[SendHead](out); len(heads) == 0 || heads[0].Link != wan {
		t.Errorf("announced %v", heads)
	}
	if held := only[SendHeld](out); len(held) < 2 || !held[0].Witness {
		t.Errorf("acknowledged %v", held)
	}
}

// answer has peers that hold these histories answer the wants among actions, as
// honest hosts do, until nothing more follows.
func (h *host) answer(actions []Action, all ...*history) {
	h.tb.Helper()
	for range 10_000 {
		var next []Action
		for _, s := range wants(actions) {
			w := s.Message.(Want)
			for _, l := range all {
				if l.origin != w.Origin || len(w.Note) > 0 || w.From >= l.tree.Size() {
					continue
				}
				from := w.From
				for range GiveMessages {
					to := min(from+testGive, l.tree.Size())
					if from == to {
						break
					}
					next = append(next, h.step(Received{Link: s.Link, Scope: s.Scope, From: s.To, Message: l.give(from, to, l.tree.Size())})...)
					from = to
				}
			}
		}
		next = append(next, h.store()...)
		if len(next) == 0 {
			return
		}
		actions = next
	}
	h.tb.Fatal("it never ends")
}

const testGive = 7 // entries of a Give

// TestCatchUp: who is behind asks one peer, and goes on asking until it is not.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(200)
	h := newUp(t, Config{})
	out := h.hear("gw2", l.head(200, 200))
	w := wants(out)
	if len(w) != 1 || w[0].To != testPeer("gw2") || w[0].Message.(Want).From != 0 {
		t.Fatalf("asked %v", w)
	}
	if s := h.r.Status(); len(s.Ledgers) != 1 || s.Ledgers[0].Behind != 200 || s.Ledgers[0].Wanting != testPeer("gw2") || s.Behind() != 0 {
		t.Errorf("status %+v", s.Ledgers)
	}
	h.answer(out, l)
	if h.size(l) != 200 {
		t.Fatalf("holds %d of 200", h.size(l))
	}
	if s := h.r.Status(); s.Ledgers[0].Behind != 0 || s.Ledgers[0].Wanting != (Peer{}) || s.Ledgers[0].Partial != 0 {
		t.Errorf("status %+v", s.Ledgers)
	}
}

// TestPartSurvivesARestart: what is durable is not asked for again.
func TestPartSurvivesARestart(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(200)
	h := newUp(t, Config{}, Ledger{ledger.Head{Checkpoint: ledger.Checkpoint{Origin: l.origin}}, l.treeAt(150)})
	if s := h.r.Status().Ledgers; len(s) != 1 || s[0].Partial != 150 || s[0].Held != 0 {
		t.Errorf("status %+v", s)
	}
	out := h.hear("gw2", l.head(200, 200))
	if w := wants(out); len(w) != 1 || w[0].Message.(Want).From != 150 {
		t.Fatalf("asked %v", w)
	}
	h.answer(out, l)
	if h.size(l) != 200 {
		t.Errorf("holds %d of 200", h.size(l))
	}
}

// TestTheNextPeerIsAsked: whoever does not answer is left for another.
func TestTheNextPeerIsAsked(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(20)
	h := newUp(t, Config{})
	first := wants(h.hear("gw2", l.head(20, 20)))
	h.hear("gw3", l.head(20, 20))
	if more := wants(h.wait(4 * time.Second)); len(more) != 0 {
		t.Fatalf("asked %v before the first was given up", more)
	}
	second := wants(h.wait(2 * time.Second))
	if len(first) != 1 || len(second) != 1 || first[0].To == second[0].To {
		t.Fatalf("asked %v, then %v", first, second)
	}
	// Nobody answers: it goes on, ever more slowly.
	n := len(wants(h.wait(10 * time.Minute)))
	if n < 10 || n > 60 {
		t.Errorf("asked %d times in 10 minutes", n)
	}
	// Somebody comes: at once.
	if w := wants(h.step(PeerUp{lan, testPeer("gw4")})); len(w) > 1 {
		t.Errorf("asked %v", w)
	}
}

// TestAnybodyIsAskedInTheEnd: a peer that holds the ledger need not have said so.
func TestAnybodyIsAskedInTheEnd(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw1", ledger.DoorLog, 1).fill(30)
	h := newUp(t, Config{}) // its disk is new
	h.step(PeerUp{lan, testPeer("gw3")})
	out := h.hear("gw1", l.head(30, 30)) // the broker retained its own head
	if h.r.Status().Behind() != 30 {
		t.Errorf("own ledgers are behind by %d", h.r.Status().Behind())
	}
	out = append(out, h.wait(3*time.Second)...)
	w := wants(out)
	if len(w) == 0 || w[0].To != testPeer("gw3") {
		t.Fatalf("asked %v", w)
	}
	h.answer(w2actions(w[:1]), l)
	if h.size(l) != 30 || h.r.Status().Behind() != 0 {
		t.Errorf("holds %d, behind by %d", h.size(l), h.r.Status().Behind())
	}
}

func w2actions(w []Send) (out []Action) {
	for _, s := range w {
		out = append(out, s)
	}
	return out
}

// TestOwnLedgerFromAnAcknowledgement: a sibling's Held names more than is here.
func TestOwnLedgerFromAnAcknowledgement(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw1", ledger.DoorLog, 1).fill(30)
	h := newUp(t, Config{}, l.at(12)) // an old backup
	out := h.hear("gw2", l.held("gw2", 30, false))
	if s := only[StoreHeld](out); len(s) != 1 || s[0].Peer != testPeer("gw2") || len(s[0].Head.Others) != 1 || s[0].Head.Others[0].Role != ledger.RoleHold {
		t.Errorf("%v", s)
	}
	if h.r.Status().Behind() != 18 {
		t.Errorf("behind by %d", h.r.Status().Behind())
	}
	h.answer(out, l)
	if h.size(l) != 30 {
		t.Errorf("holds %d", h.size(l))
	}
}

// TestOwnAppends go out at once, everywhere they may be seen, with all that is
// new there as the tail; many in a moment go out together.
func TestOwnAppends(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw1", ledger.DoorLog, 1).fill(20)
	h := newUp(t, Config{}, l.at(10))
	h.wait(time.Second)
	out := only[SendHead](h.step(Stored{l.at(11)}))
	if len(out) != 1 || out[0] != (SendHead{lan, Node, l.origin, 10}) {
		t.Fatalf("announced %v", out)
	}
	for n := int64(12); n <= 15; n++ {
		if out := only[SendHead](h.step(Stored{l.at(n)})); len(out) != 0 {
			t.Fatalf("announced %v", out)
		}
	}
	out = only[SendHead](h.wait(20 * time.Millisecond))
	if len(out) != 1 || out[0].TailFrom != 11 {
		t.Errorf("announced %v", out)
	}
	// A refreshed head has no tail.
	h.wait(time.Second)
	fresh := Ledger{l.headAt(15, 60), l.treeAt(15)}
	if out := only[SendHead](h.step(Stored{fresh})); len(out) != 1 || out[0].TailFrom != 15 {
		t.Errorf("announced %v", out)
	}
}

// TestSuppression: what somebody else announced is not announced again, until it
// is time to repeat it.
func TestSuppression(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
	h := newUp(t, Config{}, l.at(10))
	h.hearOn(lan, "gw2", l.head(10, 10))
	h.hearOn(wan, "hub", l.head(10, 10))
	if out := only[SendHead](h.wait(10 * time.Second)); len(out) != 0 {
		t.Fatalf("announced %v", out)
	}
	h.hearOn(lan, "issuer", l.head(11, 10))
	h.store()
	h.hearOn(wan, "hub", l.head(11, 10))
	if out := only[SendHead](h.wait(10 * time.Second)); len(out) != 0 {
		t.Fatalf("announced %v", out)
	}
	// Nobody else repeats it: this one does, at growing intervals.
	day := only[SendHead](h.wait(24 * time.Hour))
	if n := len(day); n < 2*24 || n > 2*65 {
		t.Errorf("announced %d times in a day", n)
	}
	// An old head is answered, with what its announcer needs; not at every call.
	out := h.hearOn(lan, "gw3", l.head(10, 10))
	out = append(out, h.wait(time.Second)...)
	for range 20 {
		out = append(out, h.hearOn(lan, "gw3", l.head(10, 10))...)
		out = append(out, h.wait(100*time.Millisecond)...)
	}
	if heads := only[SendHead](out); len(heads) != 1 || heads[0].TailFrom != 10 || heads[0].Link != lan {
		t.Errorf("answered %v", heads)
	}
}

// TestBehindAndAlone: the newer head is all that is left of somebody. The older one is
// announced, so that those answer who are there and have not spoken yet.
func TestBehindAndAlone(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
	for what, retained := range map[string]bool{"retained": true, "said now": false} {
		h := newHost(t, Config{}, Started{Rights: testRights(), Ledgers: []Ledger{l.at(10)}})
		h.step(LinkUp{lan, []Scope{All, Node}})
		var out []Action
		for _, size := range []int64{10, 11, 10} { // in whatever order a broker hands them out
			out = append(out, h.step(Received{Link: lan, Scope: All, From: testPeer("gw2"), Message: l.head(size, size), Live: !retained})...)
		}
		out = append(out, h.wait(300*time.Millisecond)...)
		heads := only[SendHead](out)
		if retained && (len(heads) != 1 || heads[0].TailFrom != 10) || !retained && len(heads) != 0 {
			t.Errorf("%s: announced %v", what, heads)
		}
		h.hear("gw3", l.head(11, 10)) // who was there answers, with what is missing
		h.store()
		if h.size(l) != 11 {
			t.Errorf("%s: holds %d", what, h.size(l))
		}
	}
}

// TestAcknowledgements come at most once a second, and witnesses once a minute,
// for what grew.
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "gw2", ledger.DoorLog, 1).fill(2000)
	h := newUp(t, Config{})
	h.hear("gw2", l.head(1, 0))
	h.store()
	var held []SendHeld
	for n := int64(2); n <= 1200; n++ { // 120 s
		h.hear("gw2", l.head(n, n-1))
		h.store()
		held = append(held, only[SendHeld](h.wait(100*time.Millisecond))...)
	}
	witnessed := 0
	for _, s := range held {
		if s.Link != lan || s.Scope != Node {
			t.Fatalf("%+v", s)
		}
		if s.Witness {
			witnessed++
		}
	}
	if len(held) < 110 || len(held) > 121 || witnessed < 2 || witnessed > 3 {
		t.Errorf("%d acknowledgements, %d of them witnessed", len(held), witnessed)
	}
	// The last growth is witnessed even if nothing follows; a refresh is not news.
	if last := only[SendHeld](h.wait(time.Minute)); len(last) == 0 || !last[len(last)-1].Witness {
		t.Errorf("%v", last)
	}
	h.step(Stored{Ledger{l.headAt(1200, 500), l.treeAt(1200)}})
	if more := only[SendHeld](h.wait(time.Second)); len(more) != 0 {
		t.Errorf("a refreshed head was acknowledged: %v", more)
	}
	// It is repeated, less and less: one may have got lost.
	if day := only[SendHeld](h.wait(24 * time.Hour)); len(day) < 5 || len(day) > 15 || !day[0].Witness {
		t.Errorf("repeated %d times in a day", len(day))
	}
}

// TestLinkUpPublishesAgain, own ledgers first, paced.
func TestLinkUpPublishesAgain(t *testing.T) {
	t.Parallel()
	var all []Ledger
	for i := range byte(50) {
		all = append(all, newHistory(t, "gw2", ledger.DoorLog, i).fill(2).at(2))
	}
	own := newHistory(t, "gw1", ledger.DoorLog, 1).fill(5)
	all = append(all, own.at(5))
	h := newHost(t, Config{}, Started{Rights: testRights(), Ledgers: all})
	out := h.step(LinkUp{lan, []Scope{All, Node}})
	if heads := only[SendHead](out); len(heads) != 1 || heads[0].Origin != own.origin || heads[0].TailFrom != 5 {
		t.Fatalf("announced %v", heads)
	}
	second := h.wait(time.Second)
	if n := len(only[SendHead](second)) + len(only[SendHeld](second)); n > 45 {
		t.Errorf("%d messages in the first second", n)
	}
	rest := append(second, h.wait(8*time.Second)...)
	if n, m := len(only[SendHead](rest)), len(only[SendHeld](rest)); n != 50 || m != 50 {
		t.Errorf("%d heads, %d acknowledgements", n, m)
	}
	// Up again: again.
	h.step(LinkDown{lan})
	if out := h.wait(time.Hour); len(out) != 0 {
		t.Errorf("without a link: %v", out)
	}
	rest = append(h.step(LinkUp{lan, []Scope{All, Node}}), h.wait(10*time.Second)...)
	if n, m := len(only[SendHead](rest)), len(only[SendHeld](rest)); n != 51 || m != 50 {
		t.Errorf("%d heads, %d acknowledgements", n, m)
	}
}

// TestUrgentFirst: a community's ledgers take the place of door logs.
func TestUrgentFirst(t *testing.T) {
	t.Parallel()
	h := newUp(t, Config{Wants: 2, WantsPerPeer: 4})
	for i := range byte(5) {
		h.hear("gw2", newHistory(t, "gw2", ledger.DoorLog, i).fill(5).head(5, 5))
	}
	asked := func() (kinds []ledger.LogKind) {
		for _, b := range h.r.asked {
			kinds = append(kinds, b.origin.Kind)
		}
		return kinds
	}
	if k := asked(); len(k) != 2 {
		t.Fatalf("asked for %v", k)
	}
	h.hear("gw2", newHistory(t, "steward", ledger.NodeLog, 1).fill(5).head(5, 5))
	h.hear("gw2", newHistory(t, "issuer", ledger.CommunityLog, 1).fill(5).head(5, 5))
	h.hear("gw2", newHistory(t, "issuer2", ledger.CommunityLog, 1).fill(5).head(5, 5))
	for _, k := range asked() {
		if k != ledger.CommunityLog {
			t.Errorf("asked for %v", asked())
		}
	}
}

// TestLostGive: what is missing in between is asked for again, without waiting.
func TestLostGive(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(100)
	h := newUp(t, Config{})
	h.hear("gw2", l.head(100, 100))
	h.hear("gw3", l.head(100, 100))
	asked := h.r.asked[0].want.peer
	name := nameOf(asked)
	h.hear(name, l.give(0, 10, 100))
	var out []Action
	for from := int64(20); from < 10+10*GiveMessages; from += 10 { // 10 to 19 is lost
		out = append(out, h.hear(name, l.give(from, from+10, 100))...)
	}
	if w := wants(out); len(w) != 1 || w[0].Message.(Want).From != 10 {
		t.Errorf("asked %v", w)
	}
}

// TestOwnIsUrgent: its author waits for it.
func TestOwnIsUrgent(t *testing.T) {
	t.Parallel()
	h := newUp(t, Config{Wants: 1})
	h.hear("gw2", newHistory(t, "gw2", ledger.DoorLog, 1).fill(5).head(5, 5))
	own := newHistory(t, "gw1", ledger.DoorLog, 9).fill(5)
	if w := wants(h.hear("gw2", own.head(5, 5))); len(w) != 1 || w[0].Message.(Want).Origin != own.origin {
		t.Errorf("asked %v", w)
	}
}

// TestStoreFails: a full disk is nobody's fault, and is tried again.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
	h := newUp(t, Config{}, l.at(10))
	out := h.hear("issuer", l.head(11, 10))
	if len(h.pending) != 1 {
		t.Fatal(out)
	}
	h.pending = nil
	out = h.step(NotStored{l.origin, errTestGap, l.treeAt(10), testPeer("issuer")})
	if len(only[Blame](out)) != 0 || len(wants(out)) != 0 {
		t.Errorf("%v", out)
	}
	h.hear("issuer2", newHistory(t, "issuer2", ledger.CommunityLog, 1).fill(3).head(3, 0))
	if s := h.r.Status().Ledgers; s[0].Origin != l.origin && s[1].Origin != l.origin {
		t.Error(s)
	}
	out = h.hear("gw2", l.head(11, 10)) // the tail is at hand: it is tried again
	if len(only[Store](out)) != 1 {
		t.Errorf("%v", out)
	}
	h.store()
	if h.size(l) != 11 || h.r.books[l.origin].refused != nil {
		t.Errorf("holds %d, %v", h.size(l), h.r.books[l.origin].refused)
	}
}

// TestAskWhoSpeaks: who sent a head just now is asked for the entries, though its birth
// was not heard, rather than somebody who is there and has said nothing of them; of
// what a broker kept its sender may be gone. Whoever was asked so, and then announces
// what it was asked for, is asked again at once.
func TestAskWhoSpeaks(t *testing.T) {
	t.Parallel()
	for _, live := range []bool{true, false} {
		l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
		h := newUp(t, Config{}, l.at(5))
		h.step(PeerUp{Link: wan, Peer: testPeer("hub")})
		asked := wants(h.step(Received{Link: wan, Scope: All, From: testPeer("steward"), Message: l.head(11, 11), Live: live}))
		want := "hub"
		if live {
			want = "steward"
		}
		if len(asked) != 1 || asked[0].To != testPeer(want) {
			t.Fatalf("live %v: asks %+v, not the %s", live, asked, want)
		}
		again := wants(h.hearOn(wan, "hub", l.head(11, 11)))
		if live && len(again) != 0 || !live && (len(again) != 1 || again[0].To != testPeer("hub")) {
			t.Errorf("live %v: once the hub has it, it asks %+v", live, again)
		}
		if again = wants(h.hearOn(wan, "hub", l.head(11, 11))); len(again) != 0 {
			t.Errorf("live %v: it asks for what is on its way: %+v", live, again)
		}
	}
	// It was there a while ago.
	a, b := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11), newHistory(t, "issuer2", ledger.CommunityLog, 1).fill(11)
	h := newUp(t, Config{}, a.at(11), b.at(5))
	h.step(Received{Link: wan, Scope: All, From: testPeer("steward"), Message: a.head(11, 11), Live: true})
	h.wait(liveWhile)
	h.step(PeerUp{Link: wan, Peer: testPeer("hub")})
	asked := wants(h.step(Received{Link: wan, Scope: All, From: testPeer("steward"), Message: b.head(11, 11)}))
	if len(asked) != 1 || asked[0].To != testPeer("hub") {
		t.Errorf("asks %+v", asked)
	}
}

// TestWantedIsAnnounced: who was asked for what it was about to have announces that when
// it has it, with the entries, though somebody else had announced it there.
func TestWantedIsAnnounced(t *testing.T) {
	t.Parallel()
	for _, wanted := range []bool{true, false} {
		l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
		h := newUp(t, Config{}, l.at(5))
		h.wait(10 * time.Second) // what is held was announced
		h.step(Received{Link: wan, Scope: All, From: testPeer("issuer"), Message: l.head(11, 11), Live: true})
		if wanted {
			for range 3 {
				h.step(Received{Link: wan, Scope: All, From: testPeer("somebody"), Message: Want{Origin: l.origin, From: 5}})
			}
			h.step(Received{Link: wan, Scope: All, From: testPeer("somebody"), Message: Want{Origin: l.origin, From: 11}}) // nobody has that
		}
		h.step(Received{Link: wan, Scope: All, From: testPeer("issuer"), Message: l.give(5, 11, 11)})
		var heads []SendHead
		for _, s := range only[SendHead](append(h.store(), h.wait(time.Second)...)) {
			if s.Link == wan {
				heads = append(heads, s)
			}
		}
		if wanted && (len(heads) != 1 || heads[0].TailFrom != 5) || !wanted && len(heads) != 0 {
			t.Errorf("wanted %v: announced %+v", wanted, heads)
		}
	}
}
