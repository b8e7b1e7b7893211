package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Errors of a folder.
var (
	ErrNoFolder  = errors.New("no Tombolo folder")
	ErrUnpinned  = errors.New("this folder belongs to no community yet: make one with `tombolo community new`, or import its ledgers with `tombolo ledger import FILE --pin`")
	ErrNoNode    = errors.New("this folder belongs to no node yet: make one with `tombolo node new`, or import its ledgers with `tombolo ledger import FILE --pin`")
	ErrPinned    = errors.New("this folder is pinned already; use another one (--dir)")
	ErrNotAuthor = errors.New("no right to write")
)

// Folder is an open folder. It is safe for concurrent use, except for Now.
type Folder struct {
	// Now is the clock of signatures and of what is seen. It is [time.Now];
	// whoever needs another sets it before anything else.
	Now func() time.Time

	dir    string
	store  *store.Store
	links  links
	rights enrolments
}

const ledgersFile = "ledgers.db"

// Open opens the folder at dir. With create a missing one is made, with mode
// 0700. It returns [ErrNoFolder], or [store.ErrNewer].
func Open(dir string, create bool) (*Folder, error) {
	path := filepath.Join(dir, ledgersFile)
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder: %w", err)
		}
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s: name another with --dir, or begin one with `tombolo community new`, `tombolo ledger import FILE --pin` or, on a gateway, `tombolod init`", ErrNoFolder, dir)
	} else if err != nil {
		return nil, err
	}
	s, err := store.Open(path)
	if err != nil {
		return nil, err
	}
	return On(dir, s), nil
}

// On is a folder whose ledgers are elsewhere, as a hub's may be: s is closed with
// it. Its keys are in dir.
func On(dir string, s *store.Store) *Folder { return &Folder{Now: time.Now, dir: dir, store: s} }

// Close closes the folder.
func (f *Folder) Close() error { return f.store.Close() }

// Dir is the folder's path as it was given to Open.
func (f *Folder) Dir() string { return f.dir }

// Store is the folder's ledgers.
func (f *Folder) Store() *store.Store { return f.store }

// The names of pins, see the package's documentation.
const (
	pinCommunity = "community"
	pinNode      = "node"
	pinGateway   = "gateway"
)

func (f *Folder) pinned(name string) (id ledger.CharterID, err error) {
	b, err := f.store.Pinned(name)
	if errors.Is(err, store.ErrNotFound) {
		return id, nil
	}
	if err != nil {
		return id, err
	}
	if len(b) != len(id) {
		return id, fmt.Errorf("the pin %q holds %d bytes", name, len(b))
	}
	return ledger.CharterID(b), nil
}

// CommunityID is the pinned community's id, zero when none is pinned.
func (f *Folder) CommunityID() (ledger.CharterID, error) { return f.pinned(pinCommunity) }

// NodeID is the pinned node's id, zero when none is pinned.
func (f *Folder) NodeID() (ledger.CharterID, error) { return f.pinned(pinNode) }

// Community is the chain of charters of the pinned community, or [ErrUnpinned].
func (f *Folder) Community() (ledger.Charters, error) { return f.chain(pinCommunity, ErrUnpinned) }

// Node is the chain of charters of the pinned node, or [ErrNoNode].
func (f *Folder) Node() (ledger.Charters, error) { return f.chain(pinNode, ErrNoNode) }

func (f *Folder) chain(name string, missing error) (ledger.Charters, error) {
	id, err := f.pinned(name)
	if err != nil {
		return ledger.Charters{}, err
	}
	if id.IsZero() {
		return ledger.Charters{}, missing
	}
	return f.store.Charters(id)
}

// Gateway is the slug under which this gateway was enrolled, or "".
func (f *Folder) Gateway() (string, error) {
	b, err := f.store.Pinned(pinGateway)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return string(b), err
}

// Found stores a first charter, verified, and pins the folder to its chain. It
// returns [ErrPinned] when the place is taken by another.
func (f *Folder) Found(signed ledger.SignedCharter) (ledger.CharterID, error) {
	chain, err := ledger.CheckCharter(ledger.Charters{}, signed)
	if err != nil {
		return ledger.CharterID{}, err
	}
	id := chain.ID()
	name := pinCommunity
	if chain.Latest().Kind == ledger.NodeCharter {
		name = pinNode
		community, err := f.CommunityID()
		if err != nil {
			return id, err
		}
		if community != chain.Latest().Community {
			return id, fmt.Errorf("node %q is of the community %v, not of the one that is pinned here", chain.Latest().Slug, chain.Latest().Community)
		}
	}
	if have, err := f.pinned(name); err != nil {
		return id, err
	} else if !have.IsZero() && have != id {
		return id, fmt.Errorf("%w: its %s is %v", ErrPinned, name, have)
	}
	if _, _, err := f.store.AddCharter(signed); err != nil {
		return id, err
	}
	return id, f.store.Pin(name, id[:])
}

// Registries lists the domains under which the community's delegations count.
func (f *Folder) Registries() ([]passport.Domain, error) {
	chain, err := f.Community()
	if err != nil {
		return nil, err
	}
	var out []passport.Domain
	for _, r := range chain.Registries() {
		out = append(out, passport.Domain{ChainID: r.ChainID, Registry: r.Address})
	}
	return out, nil
}
