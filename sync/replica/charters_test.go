package replica

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// testChain is a node's chain of charters of so many versions; forks of it
// differ from a version on.
func testChain(t *testing.T, versions int, other string, from int) ledger.Charters {
	t.Helper()
	var chain ledger.Charters
	c := ledger.Charter{
		Format: 1, Kind: ledger.NodeCharter, Version: 1, Slug: "casa", Community: testCommunity,
		Keys: [][32]byte{[32]byte(testPub("owner"))}, Threshold: 1,
	}
	for v := 1; v <= versions; v++ {
		if v > 1 {
			c = chain.Next()
			name := fmt.Sprint("steward ", v)
			if v >= from {
				name += other
			}
			c.Authors = insertAuthor(c.Authors, ledger.Author{Role: ledger.Steward, Key: [32]byte(testPub(name))})
		}
		b, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if chain, err = ledger.CheckCharter(chain, ledger.SignCharter(b, testKey("owner"))); err != nil {
			t.Fatal(err)
		}
	}
	return chain
}

func insertAuthor(all []ledger.Author, a ledger.Author) []ledger.Author {
	i := 0
	for i < len(all) && bytes.Compare(all[i].Key[:], a.Key[:]) < 0 {
		i++
	}
	return append(all[:i:i], append([]ledger.Author{a}, all[i:]...)...)
}

func version(c ledger.Charters, v int) Charter {
	_, s := c.Version(v)
	return Charter{s.Marshal()}
}

// newPinned is a replica that is pinned to a node's chain.
func newPinned(t *testing.T, chain ledger.Charters) *host {
	rights := testRights()
	rights.Node = chain.ID()
	h := newHost(t, Config{}, Started{Rights: rights, Charters: []Chain{chain}})
	h.step(LinkUp{lan, []Scope{All, Node}})
	return h
}

func charters(actions []Action) (out []Send) {
	for _, s := range only[Send](actions) {
		if _, ok := s.Message.(Charter); ok {
			out = append(out, s)
		}
	}
	return out
}

// TestChartersAreAnnounced in both scopes, oldest first, unless somebody else
// did; and again where a link comes up.
func TestChartersAreAnnounced(t *testing.T) {
	t.Parallel()
	chain := testChain(t, 3, "", 0)
	h := newPinned(t, chain)
	h.step(Received{Link: lan, Scope: Node, From: testPeer("gw2"), Message: version(chain, 2)})
	out := charters(h.wait(2 * time.Second))
	var said []string
	for _, s := range out {
		for v := 1; v <= 3; v++ {
			if bytes.Equal(s.Message.(Charter).Signed, version(chain, v).Signed) {
				said = append(said, fmt.Sprintf("%v%d", s.Scope, v))
			}
		}
	}
	for _, want := range []string{"all1", "all2", "all3", "node1", "node3"} {
		if !slices.Contains(said, want) {
			t.Errorf("%v lacks %s", said, want)
		}
	}
	if len(said) != 5 {
		t.Errorf("announced %v", said)
	}
	h.step(ChartersChanged{[]Chain{chain}}) // nothing new
	if more := charters(h.wait(30 * time.Minute)); len(more) != 0 {
		t.Errorf("announced again: %d", len(more))
	}
	if day := charters(h.wait(24 * time.Hour)); len(day) < 6*12 || len(day) > 6*25 {
		t.Errorf("announced %d charters in a day", len(day))
	}
	h.step(ChartersChanged{[]Chain{testChain(t, 4, "", 0)}})
	if more := charters(h.wait(2 * time.Second)); len(more) != 2 {
		t.Errorf("announced %d charters for a new version in two scopes", len(more))
	}
	h.step(LinkUp{wan, []Scope{All}})
	if more := charters(h.wait(2 * time.Second)); len(more) != 4 || more[0].Link != wan {
		t.Errorf("announced %d on the other link", len(more))
	}
}

// TestCharterFollows: each that follows is stored, in whatever order they come,
// from whomever.
func TestCharterFollows(t *testing.T) {
	t.Parallel()
	chain := testChain(t, 5, "", 0)
	for _, order := range [][]int{{2, 3, 4, 5}, {5, 4, 3, 2}, {3, 2, 5, 5, 4}, {4, 3, 3, 5, 2}} {
		h := newPinned(t, testChain(t, 1, "", 0))
		var stored []ledger.SignedCharter
		for _, v := range order {
			for _, s := range only[StoreCharter](h.step(Received{Link: lan, Scope: All, From: testPeer("somebody"), Message: version(chain, v)})) {
				stored = append(stored, s.Signed)
			}
		}
		if len(stored) != 4 {
			t.Errorf("%v: stored %d", order, len(stored))
			continue
		}
		for i, s := range stored {
			if _, want := chain.Version(i + 2); s.Hash() != want.Hash() {
				t.Errorf("%v: %d is another", order, i+2)
			}
		}
	}
}

// TestCharterRefused: what does not follow changes nothing.
func TestCharterRefused(t *testing.T) {
	t.Parallel()
	chain, other := testChain(t, 3, "", 0), testChain(t, 4, " of another", 3)
	unsigned := func(v int) Charter {
		_, s := other.Version(v)
		s.Signatures = nil
		return Charter{s.Marshal()}
	}
	foreign := ledger.Charter{
		Format: 1, Kind: ledger.NodeCharter, Version: 1, Slug: "villa", Community: testCommunity,
		Keys: [][32]byte{[32]byte(testPub("another owner"))}, Threshold: 1,
	}
	foreignBytes, err := foreign.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		m     Charter
		blame error
		says  string
	}{
		{"the same again", version(chain, 3), nil, ""},
		{"an older one", version(chain, 1), nil, ""},
		{"another of a version, signed by the same keys", version(other, 3), ledger.ErrCharterChain, "signed two charters of version 3"},
		{"another of a version, unsigned", unsigned(3), ledger.ErrThreshold, ""},
		{"a next one of another history", version(other, 4), ledger.ErrCharterChain, ""},
		{"another node's", Charter{ledger.SignCharter(foreignBytes, testKey("another owner")).Marshal()}, nil, ""},
		{"truncated", Charter{version(chain, 3).Signed[:40]}, ledger.ErrCharter, ""},
		{"nothing", Charter{}, ledger.ErrCharter, ""},
		{"too long", Charter{make([]byte, ledger.MaxCharter+1)}, ledger.ErrCharter, ""},
		{"no charter within", Charter{ledger.SignCharter([]byte("x"), testKey("owner")).Marshal()}, ledger.ErrCharter, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newPinned(t, chain)
			out := h.step(Received{Link: lan, Scope: All, From: testPeer("gw2"), Message: tt.m})
			if len(only[StoreCharter](out)) != 0 {
				t.Error("stored")
			}
			b := only[Blame](out)
			if (len(b) > 0) != (tt.blame != nil) || len(b) > 0 && (!errors.Is(b[0].Err, tt.blame) || !bytes.Contains([]byte(b[0].Err.Error()), []byte(tt.says))) {
				t.Errorf("blamed %v, want %v", b, tt.blame)
			}
		})
	}
}

// TestCharterFlood: those that came too early are bounded.
func TestCharterFlood(t *testing.T) {
	t.Parallel()
	chain := testChain(t, 40, "", 0)
	h := newPinned(t, testChain(t, 1, "", 0))
	for v := 40; v > 2; v-- {
		h.step(Received{Link: lan, Scope: All, From: testPeer("gw2"), Message: version(chain, v)})
	}
	if n := len(h.r.chains[0].later); n > maxLater {
		t.Errorf("%d wait", n)
	}
	if n := len(only[StoreCharter](h.step(Received{Link: lan, Scope: All, From: testPeer("gw2"), Message: version(chain, 2)}))); n < 2 {
		t.Errorf("stored %d", n)
	}
}

// TestRemovedHerald: what somebody announced who was removed since counts with
// nobody, so whoever holds it announces it again.
func TestRemovedHerald(t *testing.T) {
	t.Parallel()
	chain := testChain(t, 2, "", 9)
	h := newPinned(t, chain)
	h.wait(2 * time.Second)
	h.step(Received{Link: lan, Scope: All, From: testPeer("gw2"), Message: version(chain, 2)})
	r := testRights()
	r.Node = chain.ID()
	gone := r.Authors[testPeer("gw2")]
	gone.Removed = true
	r.Authors[testPeer("gw2")] = gone
	out := append(h.step(RightsChanged{r}), h.wait(2*time.Second)...)
	if said := len(charters(out)); said != 4 {
		t.Errorf("announces %d, want two versions in two scopes", said)
	}
}

// TestUntold: a participant that is there for a moment knows what of its charters
// is still to be announced, and by whomever it was.
func TestUntold(t *testing.T) {
	t.Parallel()
	h := newPinned(t, testChain(t, 2, "", 9))
	untold := func() int {
		s := h.r.Status()
		if s.Charters != 2 || len(s.Links) != 1 || s.Links[0].Link != lan {
			t.Fatalf("%d charters, links %+v", s.Charters, s.Links)
		}
		return s.Links[0].Untold
	}
	if n := untold(); n != 4 {
		t.Errorf("two versions in two scopes: %d are untold", n)
	}
	h.step(Received{Link: lan, Scope: All, From: testPeer("gw2"), Message: version(testChain(t, 2, "", 9), 1)})
	if n := untold(); n != 3 {
		t.Errorf("after somebody else announced one: %d", n)
	}
	h.wait(2 * time.Second)
	if n := untold(); n != 0 {
		t.Errorf("after all were announced: %d", n)
	}
	h.step(LinkDown{lan})
	if s := h.r.Status(); len(s.Links) != 0 {
		t.Errorf("a link that is down is listed: %+v", s.Links)
	}
}
