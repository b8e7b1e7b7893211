package folder

import (
	"errors"
	"slices"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// ErrNoEvaluator is why no epoch can be opened.
var ErrNoEvaluator = errors.New("the community's charter names no evaluator: whoever holds its charter keys adds one (`tombolo charter update community --service evaluator.request`)")

// IsHub tells whether this folder is the hub's: it holds the hub's key.
func (f *Folder) IsHub() (bool, error) { return f.HasKey(HubKey) }

// serves tells whether the right to report is known here: the hub takes reports,
// and the evaluator answers who may report.
func (f *Folder) serves() (bool, error) {
	for _, role := range []Role{HubKey, EvaluatorKey} {
		if has, err := f.HasKey(role); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// serving is the key in force that a community's charter gives a role of which
// there is one.
func serving(community ledger.Charters, role ledger.AuthorRole) (key [32]byte, ok bool) {
	for _, a := range community.Latest().Authors {
		if a.Role == role && !a.Retired {
			return a.Key, true
		}
	}
	return key, false
}

// HubAuthor is the key by which the hub is known, by the community's charter.
func (f *Folder) HubAuthor() (key [32]byte, ok bool, err error) {
	c, err := f.Community()
	if err != nil {
		return key, false, err
	}
	key, ok = serving(c, ledger.Hub)
	return key, ok, nil
}

// EvaluatorAuthor is the evaluator's, or [ErrNoEvaluator].
func (f *Folder) EvaluatorAuthor() (key [32]byte, err error) {
	c, err := f.Community()
	if err != nil {
		return key, err
	}
	key, ok := serving(c, ledger.Evaluator)
	if !ok {
		err = ErrNoEvaluator
	}
	return key, err
}

// serve adds the hub and the evaluator by the community's charter.
func serve(r *replica.Rights, community ledger.Charters) {
	allow(r, community, ledger.Hub, ledger.CensusLog)
	allow(r, community, ledger.Evaluator)
	key, ok := serving(community, ledger.Hub)
	if !ok {
		return
	}
	id := ledger.KeyIDOf(key[:])
	hub := r.Authors[id]
	if hold, ok := serving(community, ledger.HubHold); ok {
		hub.Hold = hold[:]
	}
	if witness, ok := serving(community, ledger.HubWitness); ok {
		hub.Witness = witness[:]
	}
	r.Authors[id] = hub
}

// reports gives a gateway of a node the right to report for it.
func reports(a *replica.Author, node ledger.CharterID) {
	kinds := map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: node}
	for k, id := range a.Charter {
		kinds[k] = id
	}
	a.Kinds, a.Charter = append(slices.Clone(a.Kinds), ledger.ReportLog), kinds
}

// registered are the nodes that an issuer made part of the community, numbered in
// that order.
func (en *enrolments) registered(community ledger.CharterID) map[ledger.CharterID]int {
	out := map[ledger.CharterID]int{}
	for _, e := range en.of(community, ledger.CommunityLog) {
		if b, ok := e.Body.(*ledger.NodeRegistered); ok {
			if _, there := out[b.Node]; !there {
				out[b.Node] = len(out)
			}
		}
	}
	return out
}

// Epoch is one that an issuer opened, with the evaluator's word for its key.
type Epoch struct {
	Record
	ID     ledger.EpochID
	Opened *ledger.EpochOpened
}

// Epochs lists those that count, oldest first: opened by an issuer, and offered
// by an evaluator whom the community's charter names or named. The first call
// reads the ledgers, later ones what has been added.
func (f *Folder) Epochs() ([]Epoch, error) {
	f.rights.mu.Lock()
	defer f.rights.mu.Unlock()
	community, err := f.Community()
	if err != nil {
		return nil, err
	}
	all, err := f.store.Ledgers()
	if all == nil && err != nil {
		return nil, err
	}
	if err := f.rights.read(f, all, community, ledger.CommunityLog); err != nil {
		return nil, err
	}
	var out []Epoch
	for _, r := range f.rights.of(community.ID(), ledger.CommunityLog) {
		b, ok := r.Body.(*ledger.EpochOpened)
		if ok && community.CheckOffer(b) == nil {
			out = append(out, Epoch{Record: r, ID: b.ID(), Opened: b})
		}
	}
	return out, nil
}
