package gateway

import (
	"context"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/sync/peer"
)

// DoStatus asks a daemon how it takes part in the exchange of ledgers.
const DoStatus = "status"

// Status is how a gateway that runs takes part, and how far what it has counts at
// its doors. It is shown as JSON: names of fields stay as they are.
type Status struct {
	Gateway  string `json:"gateway"`
	Software string `json:"software"`
	peer.Status
	// Projected is how many entries of each ledger, by origin, decisions are made
	// on.
	Projected map[string]int64 `json:"projected"`
	Policy    uint64           `json:"policy"`          // version in force, 0 for none
	Trial     bool             `json:"trial,omitempty"` // it is tried
	// RosterAge is for how many seconds no issuer was heard, -1 if none ever was or
	// without a clock.
	RosterAge int64    `json:"roster_age"`
	Clock     bool     `json:"clock"`    // it is believed
	Missing   []string `json:"missing"`  // the node's other gateways of which not all is known, as they cannot be reached or are behind
	Problems  []string `json:"problems"` // what a steward has to know of the roster and the wiring
	Broker    *Broker  `json:"broker,omitempty"`

	Census *CensusFigures `json:"census,omitempty"`
}

// Broker is the broker that a gateway runs.
type Broker struct {
	Listen  string `json:"listen"`
	Clients int    `json:"clients"`
}

// AskStatus asks the daemon that runs on a folder. Its errors are those of [Ask].
func AskStatus(ctx context.Context, dir string) (Status, error) {
	a, err := ask(ctx, dir, Request{Do: DoStatus})
	if err != nil || a.Status == nil {
		return Status{}, err
	}
	return *a.Status, nil
}

// rosterAge is since when the issuers were not heard, as decisions have it:
// negative if they never were, and without a clock.
func rosterAge(v *roster.View, c access.Clock) time.Duration {
	if !c.Known() {
		return -1
	}
	return v.Age(c.Now)
}

// status is a picture of the gateway now.
func (g *Gateway) status() *Status {
	v, clock := g.roster.View(), g.clock()
	s := &Status{Gateway: g.Name, Software: g.cfg.Software, Projected: map[string]int64{}, RosterAge: -1, Clock: clock.Known(), Trial: v.Trial != nil, Missing: []string{}, Problems: []string{}}
	s.Status = peer.Status{Self: g.self.String(), Ledgers: []peer.LedgerStatus{}, Peers: []peer.PeerStatus{}, Links: []peer.LinkStatus{}}
	if node := g.net.peer.Load(); node != nil {
		s.Status = node.Status()
	}
	for _, source := range v.Sources {
		s.Projected[source.Origin] = source.Size
	}
	if v.Policy != nil {
		s.Policy = uint64(v.Policy.Version)
	}
	if age := rosterAge(v, clock); age >= 0 {
		s.RosterAge = int64(age / time.Second)
	}
	s.Missing = append(s.Missing, missing(heardOf(s.Status, v.Siblings, clock.Now))...)
	for _, p := range g.problems(v) {
		if !p.note {
			s.Problems = append(s.Problems, p.Part+": "+p.What)
		}
	}
	s.Census = g.censusFigures()
	if b := g.net.running(); b != nil {
		s.Broker = &Broker{Listen: b.Addr().String(), Clients: b.Clients()}
	}
	return s
}
