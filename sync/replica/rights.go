package replica

import (
	"crypto/ed25519"
	"slices"

	"tombolo/sync/ledger"
)

// Rights says whose ledgers count, and whose word. The host makes it from the
// charters and the node's ledgers, anew whenever these change; the replica does
// not change it, nor does the host after handing it over.
type Rights struct {
	Community  ledger.CharterID
	Node       ledger.CharterID // zero: none
	Authors    map[ledger.KeyID]Author
	Heartbeats []ledger.Cosigner
}

// Author is a participant by its key: one that writes, acknowledges, witnesses,
// or only asks.
type Author struct {
	Key     ed25519.PublicKey
	Kinds   []ledger.LogKind                    // of the ledgers that it may write
	Charter map[ledger.LogKind]ledger.CharterID // what a ledger's Begin must name
	// Retired: nothing is taken beyond what reaches Counted first, and of other
	// incarnations nothing.
	Retired bool
	Counted map[ledger.Incarnation]int64 // sizes
	// Removed: its messages are ignored and nothing is given to it. What it wrote
	// stays where it is: nobody can tell whether it wrote more before its removal
	// or whoever stole it after.
	Removed bool
	Hold    ed25519.PublicKey // nil: none
	Witness ed25519.PublicKey // nil: none
	TLS     ed25519.PublicKey // a gateway's: what it shows to a broker; not looked at here
	Name    string
}

// author is the one who may write a ledger of that name.
func (r *Rights) author(o ledger.Origin) (Author, bool) {
	a, ok := r.Authors[o.Author]
	if !ok || o.Community != r.Community || !slices.Contains(a.Kinds, o.Kind) {
		return Author{}, false
	}
	if ScopeOf(o.Kind) == Node && r.Node.IsZero() {
		return Author{}, false
	}
	return a, true
}

// hub tells whether somebody is the community's hub now: it writes the census,
// and reads what gateways report.
func (r *Rights) hub(name Peer) bool {
	a, ok := r.Authors[name]
	return ok && !a.Removed && !a.Retired && slices.Contains(a.Kinds, ledger.CensusLog)
}

// mayRead tells whether somebody is given a ledger's entries. In the place of the
// whole community everybody is whom a broker lets in there; a report is for the
// hub, and for its author, who may have lost its disk.
func (r *Rights) mayRead(name Peer, o ledger.Origin) bool {
	switch ScopeOf(o.Kind) {
	case All:
		return true
	case Hub:
		return name == o.Author || r.hub(name)
	}
	return r.member(name)
}

// member tells whether somebody belongs to the node now: its gateways and
// stewards. A broker that lets others in does not make them so.
func (r *Rights) member(name Peer) bool {
	a, ok := r.Authors[name]
	return ok && !a.Removed && !a.Retired && !r.Node.IsZero() && (a.Charter[ledger.NodeLog] == r.Node || a.Charter[ledger.DoorLog] == r.Node)
}
