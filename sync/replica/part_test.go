package replica

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestPartOfALostHead: an author gave a part of its newest head and left; what
// all others hold whole is shorter than the part.
func TestPartOfALostHead(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(96)
	h := newUp(t, Config{})
	h.step(PeerUp{lan, testPeer("issuer")})
	h.hear("issuer", l.head(96, 96))
	h.hear("issuer", l.give(0, 68, 96))
	h.store()
	h.step(PeerDown{lan, testPeer("issuer")})
	h.step(PeerUp{lan, testPeer("gw2")})
	if out := append(h.hear("gw2", l.head(59, 59)), h.wait(partPatience-time.Second)...); len(only[Forget](out)) != 0 {
		t.Fatal("the part is given up at once")
	}
	out := h.wait(2 * time.Second)
	if f := only[Forget](out); len(f) != 1 || f[0].Origin != l.origin {
		t.Fatalf("the part is kept: %v", out)
	}
	h.edges[l.origin] = ledger.Tree{}
	out = h.step(Stored{Ledger{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: l.origin}}}})
	out = append(out, h.wait(time.Minute)...)
	asked := false
	for _, s := range wants(out) {
		asked = asked || s.To == testPeer("gw2") && s.Message.(Want).From == 0
	}
	if !asked {
		t.Fatalf("nobody is asked for what can be had: %v", out)
	}
	h.hear("gw2", l.give(0, 59, 59))
	h.store()
	if h.size(l) != 59 {
		t.Fatalf("holds %d", h.size(l))
	}
}

// TestPartInProgress: a shorter head does not throw away what keeps coming.
func TestPartInProgress(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(96)
	h := newUp(t, Config{})
	h.hear("issuer", l.head(96, 96))
	for n := int64(10); n <= 90; n += 10 {
		h.hear("issuer", l.give(n-10, n, 96))
		h.store()
		out := append(h.hear("gw2", l.head(5, 5)), h.wait(partPatience*2/3)...)
		if len(only[Forget](out)) != 0 {
			t.Fatalf("forgotten at %d", n)
		}
	}
	h.hear("issuer", l.give(90, 96, 96))
	h.store()
	if h.size(l) != 96 {
		t.Fatalf("holds %d", h.size(l))
	}
}
