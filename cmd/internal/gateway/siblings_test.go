package gateway

import (
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

// TestHeardOf: whose word is missing in a decision's record.
func TestHeardOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	old, gw2, gw3 := ledger.KeyID{1}, ledger.KeyID{2}, ledger.KeyID{3}
	siblings := map[ledger.KeyID]string{gw2: "gw2", gw3: "gw3"}
	log := func(author ledger.KeyID, kind ledger.LogKind, behind int64, since time.Duration, forked bool) peer.LedgerStatus {
		at := now.Add(-since)
		return peer.LedgerStatus{Origin: ledger.Origin{Kind: kind, Author: author}.String(), Behind: behind, Since: &at, Forked: forked}
	}
	for _, tt := range []struct {
		name   string
		change func(*peer.Status)
		want   []string
	}{
		{"all are there", func(*peer.Status) {}, nil},
		{"the own link is down", func(s *peer.Status) { s.Links[0].Up = false }, []string{"gw2", "gw3"}},
		{"there is none", func(s *peer.Status) { s.Links[0].Own = false }, []string{"gw2", "gw3"}},
		{"one is on another link alone", func(s *peer.Status) { s.Peers[1].Links = []string{"hub"} }, []string{"gw3"}},
		{"one was never heard", func(s *peer.Status) { s.Peers = s.Peers[:1] }, []string{"gw3"}},
		{"something is on its way", func(s *peer.Status) {
			s.Ledgers = append(s.Ledgers, log(gw2, ledger.DoorLog, 1, behindPatience-1, false))
		}, nil},
		{"... for too long", func(s *peer.Status) {
			s.Ledgers = append(s.Ledgers, log(gw2, ledger.DoorLog, 1, behindPatience, false))
		}, []string{"gw2"}},
		{"... by a clock that was set back", func(s *peer.Status) { s.Ledgers = append(s.Ledgers, log(gw2, ledger.DoorLog, 1, -time.Hour, false)) }, []string{"gw2"}},
		{"it came", func(s *peer.Status) { s.Ledgers = append(s.Ledgers, log(gw2, ledger.DoorLog, 0, time.Hour, false)) }, nil},
		{"one signed two histories", func(s *peer.Status) { s.Ledgers = append(s.Ledgers, log(gw3, ledger.DoorLog, 0, 0, true)) }, []string{"gw3"}},
		{"a steward's ledger is behind", func(s *peer.Status) { s.Ledgers = append(s.Ledgers, log(gw3, ledger.NodeLog, 9, time.Hour, false)) }, nil},
		{"a stranger's is", func(s *peer.Status) {
			s.Ledgers = append(s.Ledgers, log(ledger.KeyID{9}, ledger.DoorLog, 9, time.Hour, false))
		}, nil},
	} {
		s := peer.Status{
			Links: []peer.LinkStatus{{Name: "node", Own: true, Up: true}, {Name: "hub", Up: true}},
			Peers: []peer.PeerStatus{{Peer: gw2.String(), Links: []string{"node"}}, {Peer: gw3.String(), Links: []string{"hub", "node"}}},
		}
		tt.change(&s)
		if got := missing(heardOf(s, siblings, now)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		// One that was followed by another of its name, and not removed, changes nothing.
		if got := missing(heardOf(s, map[ledger.KeyID]string{old: "gw2", gw2: "gw2", gw3: "gw3"}, now)); !slices.Equal(got, tt.want) {
			t.Errorf("%s, with another's key of old: %q, want %q", tt.name, got, tt.want)
		}
	}
}
