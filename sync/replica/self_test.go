package replica

import (
	"testing"

	"tombolo/sync/ledger"
)

// TestRetainedOfOneself: what a broker retained of a participant that has lost
// its disk since is as good as anybody's, and may be all that there is: others do
// not repeat what was said.
func TestRetainedOfOneself(t *testing.T) {
	t.Parallel()
	chain := testChain(t, 2, "", 9)
	first, err := ledger.CheckCharter(ledger.Charters{}, func() ledger.SignedCharter { _, s := chain.Version(1); return s }())
	if err != nil {
		t.Fatal(err)
	}
	h := newPinned(t, first)
	if out := h.step(Received{Link: lan, Scope: Node, From: testPeer("gw1"), Message: version(chain, 2)}); len(only[StoreCharter](out)) != 1 {
		t.Errorf("the charter: %v", out)
	}
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(5)
	other := l.fork(3).fill(5)
	h = newUp(t, Config{}, l.at(5))
	if out := h.hear("gw1", Proof{l.forkOf(other, 5, 5).Marshal()}); len(only[StoreFork](out)) != 1 {
		t.Errorf("the proof: %v", out)
	}
	for _, a := range h.hear("gw1", Charter{[]byte("nonsense")}) {
		if b, ok := a.(Blame); ok {
			t.Errorf("blames itself: %v", b.Err)
		}
	}
}
