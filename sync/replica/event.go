package replica

import (
	"fmt"
	"time"

	"tombolo/sync/ledger"
)

// Moment is what a step knows of the world beside its event.
type Moment struct {
	// Now is the clock. Where it moves by itself only freshness is judged by it:
	// a step back counts as no time at all, a step forward makes what waits due.
	Now  time.Time
	Rand uint64 // fresh random bits; they only spread peers over time
}

// LinkID names one of this participant's links.
type LinkID uint8

// Scope says who may see a message.
type Scope uint8

// The scopes. A link is given those that it carries.
const (
	All  Scope = iota // the whole community
	Node              // one node
	Hub               // one participant and the community's hub

	scopes = 3
)

func (s Scope) String() string {
	switch s {
	case All:
		return "all"
	case Node:
		return "node"
	case Hub:
		return "hub"
	}
	return fmt.Sprintf("scope %d", uint8(s))
}

// ScopeOf is the scope that a kind of ledger travels in. What this version does
// not know stays within the node.
func ScopeOf(k ledger.LogKind) Scope {
	switch k {
	case ledger.CommunityLog, ledger.DirectoryLog, ledger.CensusLog:
		return All
	case ledger.ReportLog:
		return Hub
	}
	return Node
}

// Event is what happens to a replica.
type Event interface{ event() }

// Started is the first event, and the only one of its type: what is durable.
type Started struct {
	Rights   Rights
	Ledgers  []Ledger
	Charters []Chain
	Forked   []ledger.Fork // the evidence that is stored, verified
}

// Ledger is how far one is stored.
type Ledger struct {
	Head ledger.Head // whole and durable; of Size 0, with its Origin, when there is only a part
	Edge ledger.Tree // of all that is stored, the part beyond Head included
}

// Chain is a verified chain of charters.
type Chain = ledger.Charters

// RightsChanged brings new rights in the place of the old.
type RightsChanged struct{ Rights Rights }

// ChartersChanged brings the chains that are pinned, as they are stored now.
type ChartersChanged struct{ Chains []Chain }

// LinkUp says that a link is connected and has subscribed.
type LinkUp struct {
	Link   LinkID
	Scopes []Scope
}

// LinkDown ends a link, and every peer's presence on it.
type LinkDown struct{ Link LinkID }

// PeerUp says that a peer is there on a link. A peer that is heard is there as
// well, so this may come late or not at all.
type PeerUp struct {
	Link LinkID
	Peer Peer
}

// PeerDown says that a peer left a link.
type PeerDown struct {
	Link LinkID
	Peer Peer
}

// Received is a message as a link decoded it. From is what the topic says, and
// nothing else vouches for it.
type Received struct {
	Link    LinkID
	Scope   Scope
	From    Peer
	Message Message
	Live    bool // its sender sent it now: no broker had kept it
}

// Stored tells how far a ledger is durable now. It answers every Store that
// succeeded, once it and all before it of that ledger are durable; and it comes
// whenever a ledger grew otherwise: own appends, another program's, a file that
// was read in.
type Stored struct{ Ledger Ledger }

// NotStored answers a Store that failed. Later ones of the same ledger that were
// under way fail with it, as there is a gap before them.
type NotStored struct {
	Origin ledger.Origin
	Err    error
	Edge   ledger.Tree // what is durable
	Giver  Peer
}

// Convicted says that the evidence is durable now, whoever found it.
type Convicted struct{ Evidence ledger.Fork }

// Tick comes at the time that [Replica.Wake] named, or later.
type Tick struct{}

func (Started) event()         {}
func (RightsChanged) event()   {}
func (ChartersChanged) event() {}
func (LinkUp) event()          {}
func (LinkDown) event()        {}
func (PeerUp) event()          {}
func (PeerDown) event()        {}
func (Received) event()        {}
func (Stored) event()          {}
func (NotStored) event()       {}
func (Convicted) event()       {}
func (Tick) event()            {}
