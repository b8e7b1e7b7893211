package replica

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestBehindTogether: of a newer head all that is left is what a broker retained. Those
// who are behind, and do not know each other, do not go on telling each other so.
func TestBehindTogether(t *testing.T) {
	t.Parallel()
	l := newHistory(t, "issuer", ledger.CommunityLog, 1).fill(11)
	names := []string{"gateway abroad", "another gateway abroad"}
	var all []*host
	for _, name := range names {
		h := newHost(t, Config{Self: testPeer(name)}, Started{Rights: testRights(), Ledgers: []Ledger{l.at(10)}})
		h.step(LinkUp{lan, []Scope{All}})
		h.step(Received{Link: lan, Scope: All, From: testPeer("issuer"), Message: l.head(11, 11)})
		all = append(all, h)
	}
	said := 0
	for range 3600 { // seconds
		for i, h := range all {
			for range only[SendHead](h.wait(time.Second)) {
				said++
				all[1-i].step(Received{Link: lan, Scope: All, From: testPeer(names[i]), Message: l.head(10, 10), Live: true})
			}
		}
	}
	t.Logf("%d announcements in an hour", said)
	if said > 20 {
		t.Errorf("%d announcements", said)
	}
}
