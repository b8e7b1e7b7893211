package peer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/sync/link"
	"tombolo/sync/replica"
)

// Status is a picture of a participant, and how it is shown as JSON: names of
// fields stay as they are, and new ones may follow.
type Status struct {
	Self    string         `json:"self"` // key id
	Ledgers []LedgerStatus `json:"ledgers"`
	Peers   []PeerStatus   `json:"peers"`
	Links   []LinkStatus   `json:"links"`
	Counts  replica.Counts `json:"counts"`
}

// LedgerStatus is a ledger that is held or was heard of.
type LedgerStatus struct {
	Origin  string     `json:"origin"`
	Kind    string     `json:"kind"`
	Author  string     `json:"author"`         // key id
	Name    string     `json:"name,omitempty"` // the author's, as far as the node's ledgers and charters give one
	Own     bool       `json:"own,omitempty"`
	Held    int64      `json:"held"`              // entries, whole and durable
	Time    uint64     `json:"time"`              // of the held head, Unix seconds
	Partial int64      `json:"partial,omitempty"` // entries that are stored and not whole yet, those held included
	Newest  int64      `json:"newest"`            // entries of the newest head that was heard
	Heard   uint64     `json:"heard"`             // its time, Unix seconds
	Behind  int64      `json:"behind"`
	Since   *time.Time `json:"since,omitempty"`   // it is behind
	Wanting string     `json:"wanting,omitempty"` // whom it was asked of
	Forked  bool       `json:"forked,omitempty"`
	Refused string     `json:"refused,omitempty"` // why it cannot be stored
}

// PeerStatus is another participant that was heard.
type PeerStatus struct {
	Peer   string     `json:"peer"` // key id
	Name   string     `json:"name,omitempty"`
	Links  []string   `json:"links"` // that it is on now, by its own word
	Heard  *time.Time `json:"heard,omitempty"`
	Blames int        `json:"blames,omitempty"` // messages that did not verify
	Shun   *time.Time `json:"shun,omitempty"`   // it is not asked before
}

// LinkStatus is one link.
type LinkStatus struct {
	Name   string     `json:"name"`
	Broker string     `json:"broker"`
	Scopes []string   `json:"scopes"`
	Own    bool       `json:"own"` // it carries the node's scope
	Up     bool       `json:"up"`
	Since  *time.Time `json:"since,omitempty"`
	Error  string     `json:"error,omitempty"` // why it is down
	Untold int        `json:"untold_charters"` // versions of charters that nobody has announced on it yet
	Stats  link.Stats `json:"-"`
}

// Status is a picture of the participant now. It may be called at any time.
func (n *Node) Status() Status {
	n.mu.Lock()
	r, rights := n.replica.Status(), n.rights
	names := maps.Clone(n.names)
	present := maps.Clone(n.present)
	n.mu.Unlock()
	for id, a := range rights.Authors { // what a steward wrote goes before what a peer says of itself
		if a.Name != "" {
			names[id] = a.Name
		}
	}
	s := Status{Self: n.cfg.Self.String(), Counts: r.Counts, Ledgers: []LedgerStatus{}, Peers: []PeerStatus{}, Links: []LinkStatus{}}
	for _, l := range r.Ledgers {
		out := LedgerStatus{
			Origin: l.Origin.String(), Kind: string(l.Origin.Kind), Author: l.Origin.Author.String(), Name: names[l.Origin.Author],
			Own: l.Own, Held: l.Held, Time: l.Time, Partial: l.Partial, Newest: l.Newest, Heard: l.Heard, Behind: l.Behind,
			Since: moment(l.Since), Forked: l.Forked,
		}
		if l.Wanting != (replica.Peer{}) {
			out.Wanting = l.Wanting.String()
		}
		if l.Refused != nil {
			out.Refused = l.Refused.Error()
		}
		s.Ledgers = append(s.Ledgers, out)
	}
	for _, p := range r.Peers {
		out := PeerStatus{Peer: p.Peer.String(), Name: names[p.Peer], Links: []string{}, Heard: moment(p.Heard), Blames: p.Blames, Shun: moment(p.Shun)}
		for id, l := range n.cfg.Links {
			if present[presence{replica.LinkID(id), p.Peer}] {
				out.Links = append(out.Links, l.Name)
			}
		}
		s.Peers = append(s.Peers, out)
	}
	for i, l := range n.links {
		cfg := n.cfg.Links[i]
		stats := l.Stats()
		out := LinkStatus{Name: cfg.Name, Broker: cfg.Broker, Own: slices.Contains(cfg.Scopes, replica.Node), Up: stats.Up, Since: moment(stats.Since), Untold: r.Charters, Stats: stats}
		for _, known := range r.Links {
			if known.Link == replica.LinkID(i) {
				out.Untold = known.Untold
			}
		}
		for _, scope := range cfg.Scopes {
			out.Scopes = append(out.Scopes, scope.String())
		}
		if !stats.Up && stats.LastError != nil {
			out.Error = stats.LastError.Error()
		}
		s.Links = append(s.Links, out)
	}
	slices.SortFunc(s.Ledgers, func(a, b LedgerStatus) int { return strings.Compare(a.Origin, b.Origin) })
	return s
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// called is a peer in words.
func (n *Node) called(p replica.Peer) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.rights.Authors[p]; ok && a.Name != "" {
		return a.Name
	}
	return p.String()
}

// ErrBehind says that peers announce more of an own ledger than arrives.
var ErrBehind = errors.New("peers announce more of this participant's own ledger than they give")

// Recovered waits until whatever peers announce of own ledgers is durable here:
// an author whose disk was set back would otherwise name an old end of its
// ledger as its last. Peers have patience long to say so; nobody answering is an
// answer, too. While entries arrive it waits on; ErrBehind says that none did
// for as long. Run must run.
func (n *Node) Recovered(ctx context.Context, patience time.Duration) error {
	tick := time.NewTicker(patience / 32)
	defer tick.Stop()
	until, last := time.Now().Add(patience), int64(-1)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		over := !time.Now().Before(until)
		if !over && last < 0 { // they may still say so
			continue
		}
		n.mu.Lock()
		behind := n.replica.Status().Behind()
		n.mu.Unlock()
		switch {
		case behind == 0:
			return nil
		case behind != last:
			last, until = behind, time.Now().Add(patience)
		case over:
			return fmt.Errorf("%w: %d entries are missing", ErrBehind, behind)
		}
	}
}
