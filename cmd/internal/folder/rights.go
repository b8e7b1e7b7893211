package folder

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// Rights says whose ledgers count here, by the charters that are held and by
// what the stewards wrote: issuers, the pinned node's stewards and gateways, and
// of other nodes of the community whose charter is held the directories and the
// gateways that these name. A key with two roles is retired once both are: which
// entries count is decided where they are projected.
//
// A ledger that cannot be understood to its end counts up to there. The first
// call reads the ledgers, later ones what has been added; callers must not change
// what is returned.
func (f *Folder) Rights() (replica.Rights, error) {
	f.rights.mu.Lock()
	defer f.rights.mu.Unlock()
	community, err := f.Community()
	if err != nil {
		return replica.Rights{}, err
	}
	node, err := f.Node()
	if err != nil && !errors.Is(err, ErrNoNode) {
		return replica.Rights{}, err
	}
	r := replica.Rights{Community: community.ID(), Node: node.ID(), Authors: map[ledger.KeyID]replica.Author{}, Heartbeats: community.Cosigners()}
	allow(&r, community, ledger.Issuer, ledger.CommunityLog)
	serve(&r, community)
	serves, err := f.serves()
	if err != nil {
		return r, err
	}
	all, err := f.store.Ledgers()
	if all == nil && err != nil {
		return r, err
	}
	own, _ := f.Public(SigningKey) // a desk has none
	var gateways []Gateway
	if node.Len() > 0 {
		allow(&r, node, ledger.Steward, ledger.NodeLog, ledger.DirectoryLog)
		if err := f.rights.read(f, all, node, ledger.NodeLog); err != nil {
			return r, err
		}
		gateways = f.rights.gateways(node.ID())
		for _, g := range gateways {
			id := ledger.KeyIDOf(g.Keys.Signing[:])
			if _, there := r.Authors[id]; there {
				continue // who enrols an issuer's key does not take its rights away
			}
			a := replica.Author{
				Key: g.Keys.Signing[:], Name: g.Name, Removed: !g.Active(), Hold: g.Keys.Hold[:], Witness: g.Keys.Witness[:],
				Kinds: []ledger.LogKind{ledger.DoorLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.DoorLog: node.ID()},
			}
			if g.Keys.Signing == own { // nobody else's report is anybody's but the hub's
				reports(&a, node.ID())
			}
			r.Authors[id] = a
		}
	}
	chains, err := f.nodes(community.ID())
	if err != nil {
		return r, err
	}
	// Charters first: a directory claims no key that one of them names.
	for _, c := range chains {
		if c.ID() != node.ID() {
			allowAbroad(&r, c)
		}
	}
	for _, c := range chains {
		if err := f.rights.read(f, all, c, ledger.DirectoryLog); err != nil {
			return r, err
		}
	}
	var registered map[ledger.CharterID]int
	if serves {
		if err := f.rights.read(f, all, community, ledger.CommunityLog); err != nil {
			return r, err
		}
		registered = f.rights.registered(community.ID())
	}
	accept(&r, f.rights.claims(chains, registered, all), gateways, func(node ledger.CharterID) bool {
		_, ok := registered[node]
		return ok
	})
	return r, nil
}

// nodes are the chains of a community's nodes whose charters are held.
func (f *Folder) nodes(community ledger.CharterID) (out []ledger.Charters, err error) {
	ids, err := f.store.CharterIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		chain, err := f.store.Charters(id)
		if err != nil {
			return nil, err
		}
		if c := chain.Latest(); c.Kind == ledger.NodeCharter && c.Community == community {
			out = append(out, chain)
		}
	}
	return out, nil
}

// allowAbroad adds another node's stewards, for its directory. Of whoever has
// rights here already it changes none.
func allowAbroad(r *replica.Rights, chain ledger.Charters) {
	theirs := replica.Rights{Authors: map[ledger.KeyID]replica.Author{}}
	allow(&theirs, chain, ledger.Steward, ledger.DirectoryLog)
	for id, a := range theirs.Authors {
		if _, there := r.Authors[id]; !there {
			r.Authors[id] = a
		}
	}
}

// allow adds the keys that have a role by a chain of charters.
func allow(r *replica.Rights, chain ledger.Charters, role ledger.AuthorRole, kinds ...ledger.LogKind) {
	for _, c := range chain.Latest().Authors {
		if c.Role != role {
			continue
		}
		id := ledger.KeyIDOf(c.Key[:])
		a, there := r.Authors[id]
		if !there {
			a = replica.Author{Key: c.Key[:], Retired: true, Name: string(role), Charter: map[ledger.LogKind]ledger.CharterID{}, Counted: map[ledger.Incarnation]int64{}}
		}
		for _, k := range kinds {
			if !slices.Contains(a.Kinds, k) {
				a.Kinds = append(a.Kinds, k)
				a.Charter[k] = chain.ID()
			}
		}
		a.Retired = a.Retired && c.Retired
		for _, e := range c.Counted {
			a.Counted[e.Incarnation] = e.Size
		}
		r.Authors[id] = a
	}
}

// enrolments are the few entries that say who takes part in what, of all ledgers
// as far as they were read: those that give and take a gateway's keys, register a
// node, open an epoch. Ledgers have many others.
type enrolments struct {
	mu  sync.Mutex
	all map[ledger.Origin]*enrolling // under mu
}

// enrolling is one ledger's.
type enrolling struct {
	chain ledger.CharterID // that it counts by
	upTo  int64
	root  tlog.Hash // of so many entries
	limit int64     // how many count now
	found []Record  // in their order
}

// read reads what was added to the ledgers of a kind that count by a chain, of all
// that the store holds. One that cannot be read further keeps what it gave.
func (en *enrolments) read(f *Folder, all []store.Info, chain ledger.Charters, kind ledger.LogKind) error {
	if en.all == nil {
		en.all = map[ledger.Origin]*enrolling{}
	}
	for _, i := range all {
		if i.Origin.Kind != kind || i.Charter != chain.ID() {
			continue
		}
		limit, ok, err := chain.Counts(writing[kind].role, i.Origin, i.Size, ledger.Hashes(f.store.Reader(i)))
		if err != nil || !ok {
			delete(en.all, i.Origin)
			continue
		}
		e := en.all[i.Origin]
		if e == nil || !e.continues(f, i) {
			e = &enrolling{chain: chain.ID()}
			en.all[i.Origin] = e
		}
		e.limit = limit
		e.follow(f, i)
	}
	return nil
}

// continues tells whether what was read is how the ledger begins.
func (e *enrolling) continues(f *Folder, i store.Info) bool {
	if e.upTo == i.Size {
		return e.root == i.Root
	}
	if e.upTo == 0 || e.upTo > i.Size {
		return e.upTo == 0
	}
	root, err := tlog.TreeHash(e.upTo, ledger.Hashes(f.store.Reader(i)))
	return err == nil && root == e.root
}

// follow reads on, up to what cannot be read or understood.
func (e *enrolling) follow(f *Folder, i store.Info) {
	for more := true; more && e.upTo < i.Size; {
		index := e.upTo
		for entry, err := range f.store.Entries(i, e.upTo, min(i.Size, e.upTo+ledger.ChunkSize)) {
			r, err := enrolment(i, index, entry, err)
			if err != nil {
				more = false
				break
			}
			if r != nil {
				e.found = append(e.found, *r)
			}
			index++
		}
		root, err := tlog.TreeHash(index, ledger.Hashes(f.store.Reader(i)))
		if err != nil || index == e.upTo {
			e.found = slices.DeleteFunc(e.found, func(r Record) bool { return r.Index >= e.upTo })
			return
		}
		e.upTo, e.root = index, root
	}
}

// enrolment is nil for an entry that is none of these; err is the reading's.
func enrolment(i store.Info, index int64, entry ledger.Entry, err error) (*Record, error) {
	if err != nil {
		return nil, err
	}
	leaf, err := ledger.ParseLeaf(entry.Leaf)
	if err != nil {
		return nil, err
	}
	if leaf.Critical && !leaf.Kind.Known() {
		return nil, ledger.ErrUnknownKind
	}
	switch leaf.Kind {
	case ledger.KindGatewayEnrolled, ledger.KindGatewayRemoved, ledger.KindDirectoryKeys, ledger.KindDirectoryGone,
		ledger.KindNodeRegistered, ledger.KindEpochOpened:
		if entry.Dropped() {
			return nil, nil
		}
		r, err := record(i, index, entry)
		return &r, err
	}
	return nil, nil
}

// of lists what counts of a chain's ledgers of a kind, oldest first.
func (en *enrolments) of(chain ledger.CharterID, kind ledger.LogKind) (out []Record) {
	for _, o := range slices.SortedFunc(maps.Keys(en.all), ledger.Origin.Compare) {
		e := en.all[o]
		if e.chain != chain || o.Kind != kind {
			continue
		}
		for _, r := range e.found {
			if r.Index < e.limit {
				out = append(out, r)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Record) int { return a.Time.Compare(b.Time) })
	return out
}

// gateways lists those of a node, as [Folder.Gateways] does.
func (en *enrolments) gateways(node ledger.CharterID) []Gateway {
	all := map[[32]byte]*Gateway{}
	records := en.of(node, ledger.NodeLog)
	for _, e := range records {
		if b, ok := e.Body.(*ledger.GatewayEnrolled); ok && all[b.Keys.Signing] == nil {
			all[b.Keys.Signing] = &Gateway{Name: b.Gateway, Keys: b.Keys, Enrolled: e.Time}
		}
	}
	for _, e := range records {
		if b, ok := e.Body.(*ledger.GatewayRemoved); ok {
			if g := all[b.Signing]; g != nil && g.Active() {
				g.Removed, g.Why = e.Time, b.Why
			}
		}
	}
	var out []Gateway
	for _, g := range all {
		out = append(out, *g)
	}
	slices.SortFunc(out, byNameAndTime)
	return out
}

func byNameAndTime(a, b Gateway) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), a.Enrolled.Compare(b.Enrolled), slices.Compare(a.Keys.Signing[:], b.Keys.Signing[:]))
}

// Enrolled is [Folder.Gateways] for whoever asks again and again: it reads what
// has been added since, and what of the node's ledgers can be understood.
func (f *Folder) Enrolled() ([]Gateway, error) {
	f.rights.mu.Lock()
	defer f.rights.mu.Unlock()
	node, err := f.Node()
	if err != nil {
		return nil, err
	}
	all, err := f.store.Ledgers()
	if all == nil && err != nil {
		return nil, err
	}
	if err := f.rights.read(f, all, node, ledger.NodeLog); err != nil {
		return nil, err
	}
	return f.rights.gateways(node.ID()), nil
}
