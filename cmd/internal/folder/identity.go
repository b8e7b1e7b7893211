package folder

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// ErrUnvouched says that a gateway has nothing to prove itself to phones with;
// whatever wraps it says what is missing, and who can mend it.
var ErrUnvouched = errors.New("phones cannot be used")

// Identity is what this gateway proves itself to phones with; nil, without an
// error, as long as a link is missing: [Folder.Vouched] says which. The first
// call reads the ledgers from their beginning, later ones what has been added.
func (f *Folder) Identity() (*card.Identity, error) {
	id, err := f.Vouched()
	if errors.Is(err, ErrUnvouched) {
		return nil, nil
	}
	return id, err
}

// Vouched is Identity with an [ErrUnvouched] in place of nil. Of several
// credentials it is the oldest: most phones know its issuer.
func (f *Folder) Vouched() (*card.Identity, error) {
	community, err := f.Community()
	if err != nil {
		return nil, err
	}
	node, err := f.Node()
	if err != nil {
		return nil, err
	}
	gateway, err := f.Public(SigningKey)
	if err != nil {
		return nil, err
	}
	key, reader, err := f.Reader()
	if errors.Is(err, ErrNoKey) {
		return nil, unvouched("this gateway has no reader key yet: `tombolod init` makes it, with the name that the gateway has, and a new %s for a steward to approve", f.requestPath())
	}
	if err != nil {
		return nil, err
	}
	nodes, gateways, err := f.links.read(f)
	if err != nil {
		return nil, err
	}
	c := card.Credential{Community: passport.CommunityID(community.ID()), Node: passport.NodeID(node.ID()), Gateway: gateway, Reader: reader}
	var steward [32]byte // the last one that vouched for the gateway, if no issuer did for any
	for _, g := range gateways {
		b := g.body.(*ledger.GatewayVouched)
		if b.Gateway != gateway || b.Reader != reader || !inForce(node, ledger.Steward, g.author) {
			continue
		}
		steward = g.author
		c.Steward, c.GatewaySig = g.author, b.Signature
		for _, n := range nodes {
			b := n.body.(*ledger.NodeVouched)
			if b.Node != node.ID() || b.Steward != c.Steward || !inForce(community, ledger.Issuer, n.author) {
				continue
			}
			c.Issuer, c.NodeSig = n.author, b.Signature
			if c.Verify([][32]byte{c.Issuer}) == nil {
				return &card.Identity{Credential: c, Key: key}, nil
			}
		}
	}
	if steward == [32]byte{} {
		return nil, unvouched("no steward of node %q has vouched for this gateway's reader key: take %s to one, who answers with `tombolo gateway approve`, and import the answer here (`tombolo ledger import`)", node.Latest().Slug, f.requestPath())
	}
	return nil, unvouched("no issuer of community %q has vouched for node %q and its steward %s: an issuer does with `tombolo node register`; import that ledger here (`tombolo ledger import`)", community.Latest().Slug, node.Latest().Slug, Fingerprint(steward))
}

func unvouched(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnvouched, fmt.Sprintf(format, args...))
}

func (f *Folder) requestPath() string { return filepath.Join(f.dir, RequestFile) }

// inForce tells whether the newest charter names a key in a role. A retired
// key's words have no date that a phone could check, so they are void.
func inForce(chain ledger.Charters, role ledger.AuthorRole, key [32]byte) bool {
	return slices.ContainsFunc(chain.Latest().Authors, func(a ledger.Author) bool {
		return a.Role == role && a.Key == key && !a.Retired
	})
}

// link is a NodeVouched or a GatewayVouched as it stands in a ledger.
type link struct {
	origin ledger.Origin
	index  int64
	author [32]byte
	time   int64
	body   ledger.Body
}

// links are those of all ledgers, as far as they were read: a community's may
// have a million entries, and few of them are links.
type links struct {
	mu   sync.Mutex
	upTo map[ledger.Origin]int64
	all  []link
}

// read gives the links that count, oldest first.
func (l *links) read(f *Folder) (nodes, gateways []link, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upTo == nil {
		l.upTo = map[ledger.Origin]int64{}
	}
	limits := map[ledger.Origin]int64{}
	for _, kind := range []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog} {
		counted, err := f.counted(kind)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range counted {
			limits[c.Origin] = c.limit
			if err := l.follow(f, c); err != nil {
				return nil, nil, fmt.Errorf("%v: %w", c.Origin, err)
			}
		}
	}
	for _, x := range l.all {
		switch {
		case x.index >= limits[x.origin]: // also of a ledger that counts no more
		case x.body.Kind() == ledger.KindNodeVouched:
			nodes = append(nodes, x)
		default:
			gateways = append(gateways, x)
		}
	}
	return nodes, gateways, nil
}

// follow reads what was added to a ledger.
func (l *links) follow(f *Folder, c countedLedger) error {
	for at := l.upTo[c.Origin]; at < c.limit; {
		end := min(c.limit, at+ledger.ChunkSize)
		var found []link
		index := at
		for e, err := range f.store.Entries(c.Info, at, end) {
			if err != nil {
				return err
			}
			x, err := linkOf(c.Info, index, e)
			if err != nil {
				return &ledger.At{First: index, Last: index, Err: err}
			}
			if x != nil {
				found = append(found, *x)
			}
			index++
		}
		if index != end {
			return &ledger.At{First: index, Last: end - 1, Err: ledger.ErrTruncated}
		}
		if len(found) > 0 {
			l.all = append(l.all, found...)
			slices.SortStableFunc(l.all, func(a, b link) int { return cmp.Compare(a.time, b.time) })
		}
		at = end
		l.upTo[c.Origin] = at
	}
	return nil
}

// linkOf is nil for an entry that is none.
func linkOf(i store.Info, index int64, e ledger.Entry) (*link, error) {
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || e.Dropped() || (leaf.Kind != ledger.KindNodeVouched && leaf.Kind != ledger.KindGatewayVouched) {
		return nil, err
	}
	r, err := record(i, index, e)
	if err != nil {
		return nil, err
	}
	return &link{i.Origin, index, [32]byte(i.Author), e.Time, r.Body}, nil
}
