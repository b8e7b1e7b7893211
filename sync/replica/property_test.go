package replica

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

// TestOrderOfArrival: whatever true, old, repeated, damaged and forged messages
// come in whatever order, what is held is at every step a prefix of what the
// author wrote, and in the end all of it.
func TestOrderOfArrival(t *testing.T) {
	t.Parallel()
	logs := []*history{
		newHistory(t, "issuer", ledger.CommunityLog, 1).fill(40),
		newHistory(t, "steward", ledger.NodeLog, 1).fill(23),
		newHistory(t, "gw2", ledger.DoorLog, 1).fill(61),
		newHistory(t, "gw1", ledger.DoorLog, 2).fill(17), // its own, lost
	}
	rapid.Check(t, func(t *rapid.T) {
		h := newUp(t, Config{Checks: 1e9})
		for range rapid.IntRange(5, 60).Draw(t, "messages") {
			l := rapid.SampledFrom(logs).Draw(t, "ledger")
			size := rapid.Int64Range(1, l.tree.Size()).Draw(t, "size")
			from := rapid.Int64Range(0, size).Draw(t, "from")
			to := rapid.Int64Range(min(from+1, size), size).Draw(t, "to")
			peer := rapid.SampledFrom([]string{"gw1", "gw2", "gw3", "hub", "somebody"}).Draw(t, "peer")
			var m Message
			switch rapid.IntRange(0, 5).Draw(t, "message") {
			case 0:
				m = l.head(size, size)
			case 1:
				m = l.head(size, from)
			case 2:
				m = l.give(min(from, to-1), to, size)
			case 3:
				g := l.give(min(from, to-1), to, size)
				i := rapid.IntRange(0, len(g.Entries)-1).Draw(t, "entry")
				g.Entries[i].Body = append([]byte(nil), g.Entries[i].Body...)
				g.Entries[i].Body[0] ^= 1
				m = g
			case 4:
				h.wait(time.Duration(rapid.IntRange(1, 8000).Draw(t, "ms")) * time.Millisecond)
				continue
			case 5:
				h.store()
				continue
			}
			h.hear(peer, m)
			for _, l := range logs {
				if x := h.edges[l.origin]; x != l.treeAt(x.Size()) {
					t.Fatalf("%v: what is held is not what was written", l.origin)
				}
			}
		}
		// In the end everybody announces what there is, and answers.
		h.step(LinkDown{lan})
		sent := h.step(LinkUp{lan, []Scope{All, Node}})
		for _, gw := range []string{"gw3", "gw4"} {
			sent = append(sent, h.step(PeerUp{lan, testPeer(gw)})...)
			for _, l := range logs {
				sent = append(sent, h.hear(gw, l.head(l.tree.Size(), l.tree.Size()))...)
			}
		}
		sent = append(sent, h.store()...)
		whole := func(l *history) bool { return h.size(l) == l.tree.Size() }
		for i := 0; i < 200 && (i == 0 || !(whole(logs[0]) && whole(logs[1]) && whole(logs[2]) && whole(logs[3]))); i++ {
			h.answer(sent, logs...)
			sent = append(h.wait(5*time.Second), h.store()...)
		}
		for _, l := range logs {
			if !whole(l) {
				t.Fatalf("%v: holds %d of %d; %+v", l.origin, h.size(l), l.tree.Size(), h.r.Status().Ledgers)
			}
		}
		if h.r.Status().Behind() != 0 || len(h.r.asked) != 0 {
			t.Fatalf("still behind: %+v", h.r.Status().Ledgers)
		}
	})
}

// TestDeterminism: the same moments and events yield the same actions, so that a
// simulation's seed reproduces.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	run := func() (out string) {
		h := newUp(t, Config{})
		var all []*history
		for i := range byte(6) {
			all = append(all, newHistory(t, fmt.Sprint("gw", 1+i%4), ledger.DoorLog, i).fill(9+int64(i)))
		}
		for n := range 60 {
			l := all[n%len(all)]
			from := fmt.Sprint("gw", 2+n%3)
			acts := h.hear(from, l.head(int64(1+n%9), int64(n%7)%int64(1+n%9)))
			acts = append(acts, h.hear(from, Want{Origin: l.origin})...)
			acts = append(acts, h.wait(300*time.Millisecond)...)
			acts = append(acts, h.store()...)
			for _, a := range acts {
				out += sentence(a) + "\n"
			}
		}
		return out
	}
	first := run()
	for range 3 {
		if again := run(); again != first {
			t.Fatalf("one run:\n%s\nanother:\n%s", first, again)
		}
	}
}
