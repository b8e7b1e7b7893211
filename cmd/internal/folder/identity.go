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

// ErrUnvouched says that what a gateway proves itself to phones with is not in
// order; whatever wraps it says what is missing, and who can mend it.
var ErrUnvouched = errors.New("phones cannot be used")

// ErrRetired says that there is a credential, but by a key that a charter has
// retired since. It wraps [ErrUnvouched].
var ErrRetired error = retired{}

type retired struct{}

func (retired) Error() string { return "not every phone believes this gateway any more" }

func (retired) Unwrap() error { return ErrUnvouched }

// Vouched is what this gateway proves itself to phones with; without it they
// are not asked. Of several credentials it is one whose issuer and steward the
// newest charters name, and of these the oldest: most phones know its issuer. A
// credential of retired keys is better than none, as the judges are the phones:
// they know no node's charter, may not have met the community's newest, and at
// a home believe their gateway whatever the charters say; it comes with an
// [ErrRetired]. With any other [ErrUnvouched] there is none.
//
// The first call reads the ledgers from their beginning, later ones what has
// been added.
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
		return nil, unvouched(ErrUnvouched, "this gateway has no reader key yet: `tombolod init` makes it, with the name that the gateway has, and a new %s for a steward to approve", f.requestPath())
	}
	if err != nil {
		return nil, err
	}
	nodes, gateways, err := f.links.read(f, community.ID(), node.ID())
	if err != nil {
		return nil, err
	}
	c := card.Credential{Community: passport.CommunityID(community.ID()), Node: passport.NodeID(node.ID()), Gateway: gateway, Reader: reader}
	lack := noSteward
	for _, g := range gateways {
		b := g.body.(*ledger.GatewayVouched)
		if b.Gateway != gateway || b.Reader != reader {
			continue
		}
		if lack == noSteward || lack == noIssuer && inForce(node, ledger.Steward, g.author) {
			lack, c.Steward = noIssuer, g.author
		}
		for _, n := range nodes {
			word := n.body.(*ledger.NodeVouched)
			if word.Node != node.ID() || word.Steward != g.author {
				continue
			}
			now := nothing
			switch {
			case !inForce(community, ledger.Issuer, n.author):
				now = issuerRetired
			case !inForce(node, ledger.Steward, g.author):
				now = stewardRetired
			}
			if now < lack {
				lack = now
				c.Issuer, c.NodeSig, c.Steward, c.GatewaySig = n.author, word.Signature, g.author, b.Signature
			}
		}
	}
	id := &card.Identity{Credential: c, Key: key}
	const (
		approve  = "take %s to %s, who answers with `tombolo gateway approve`, and import the answer here (`tombolo ledger import`)"
		register = "%s does with `tombolo node register`; import that ledger here (`tombolo ledger import`)"
	)
	switch lack {
	case nothing:
		return id, nil
	case stewardRetired:
		return id, unvouched(ErrRetired, "its steward %s is no longer one of node %q: "+approve, Fingerprint(c.Steward), node.Latest().Slug, f.requestPath(), "one who is")
	case issuerRetired:
		return id, unvouched(ErrRetired, "the issuer %s, who vouched for node %q, is no longer one of community %q: "+register, Fingerprint(c.Issuer), node.Latest().Slug, community.Latest().Slug, "one who is")
	case noIssuer:
		return nil, unvouched(ErrUnvouched, "no issuer of community %q has vouched for node %q and its steward %s: "+register, community.Latest().Slug, node.Latest().Slug, Fingerprint(c.Steward), "an issuer")
	}
	return nil, unvouched(ErrUnvouched, "no steward of node %q has vouched for this gateway's reader key: "+approve, node.Latest().Slug, f.requestPath(), "one")
}

// What a credential lacks, the less the better.
const (
	nothing        = iota
	stewardRetired // phones do not see it, but whoever asks the node does
	issuerRetired  // phones see it that have the community's newest charter
	noIssuer
	noSteward
)

func unvouched(is error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", is, fmt.Sprintf(format, args...))
}

func (f *Folder) requestPath() string { return filepath.Join(f.dir, RequestFile) }

// inForce tells whether the newest charter names a key in a role, not as retired.
func inForce(chain ledger.Charters, role ledger.AuthorRole, key [32]byte) bool {
	return slices.ContainsFunc(chain.Latest().Authors, func(a ledger.Author) bool {
		return a.Role == role && a.Key == key && !a.Retired
	})
}

// link is a NodeVouched or a GatewayVouched as it stands in a ledger, whose
// signature is its author's.
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
func (l *links) read(f *Folder, community, node ledger.CharterID) (nodes, gateways []link, err error) {
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
			if err := l.follow(f, c, community, node); err != nil {
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

// follow reads what was added to a ledger. A link that its author did not sign is
// none: it is looked at this once.
func (l *links) follow(f *Folder, c countedLedger, community, node ledger.CharterID) error {
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
			if x != nil && signedLink(x.body, x.author, community, node) {
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
