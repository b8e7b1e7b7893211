package folder

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"syscall"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// writing says with which key and by whose word each kind of ledger is written.
var writing = map[ledger.LogKind]struct {
	key  Role
	role ledger.AuthorRole
}{
	ledger.CommunityLog: {IssuerKey, ledger.Issuer},
	ledger.NodeLog:      {StewardKey, ledger.Steward},
	ledger.DirectoryLog: {StewardKey, ledger.Steward},
	ledger.DoorLog:      {SigningKey, ""},
	ledger.ReportLog:    {SigningKey, ""},
	ledger.CensusLog:    {HubKey, ledger.Hub},
}

// byGateway tells whether gateways write ledgers of a kind: an enrolment gives
// them the right, not a charter.
func byGateway(kind ledger.LogKind) bool { return kind == ledger.DoorLog || kind == ledger.ReportLog }

// belongs is the chain of charters that ledgers of a kind begin with.
func (f *Folder) belongs(kind ledger.LogKind) (ledger.Charters, error) {
	if kind == ledger.CommunityLog || kind == ledger.CensusLog {
		return f.Community()
	}
	return f.Node()
}

// chainOf is the chain of charters that a ledger of somebody's begins with. The
// directories of the community's other nodes count by their own.
func (f *Folder) chainOf(o ledger.Origin) (ledger.Charters, error) {
	own, err := f.belongs(o.Kind)
	if o.Kind != ledger.DirectoryLog {
		return own, err
	}
	if err != nil && !errors.Is(err, ErrNoNode) {
		return own, err
	}
	if own.Len() > 0 {
		if _, ok := author(own, ledger.Steward, o.Author); ok {
			return own, nil
		}
	}
	ids, err := f.store.CharterIDs()
	if err != nil {
		return own, err
	}
	for _, id := range ids {
		chain, err := f.store.Charters(id)
		if err != nil {
			return own, err
		}
		if c := chain.Latest(); c.Kind == ledger.NodeCharter && c.Community == o.Community {
			if _, ok := author(chain, ledger.Steward, o.Author); ok {
				return chain, nil
			}
		}
	}
	return own, fmt.Errorf("%w: no node's charter that is held names a steward %v", ErrNobody, o.Author)
}

// Author prepares to write this folder's own ledger of a kind. It returns
// [ErrNoKey], or [ErrNotAuthor] when no charter in force names the key, or the
// gateway was not enrolled, or the key was convicted of signing two histories.
func (f *Folder) Author(kind ledger.LogKind) (*store.Author, error) {
	w, ok := writing[kind]
	if !ok {
		return nil, fmt.Errorf("no key writes %q ledgers", kind)
	}
	community, err := f.CommunityID()
	if err != nil {
		return nil, err
	}
	if community.IsZero() {
		return nil, ErrUnpinned
	}
	chain, err := f.belongs(kind)
	if err != nil {
		return nil, err
	}
	key, err := f.Key(w.key)
	if err != nil {
		return nil, err
	}
	pub := key.Public().(ed25519.PublicKey)
	switch {
	case byGateway(kind):
		if name, err := f.Gateway(); err != nil {
			return nil, err
		} else if name == "" {
			return nil, fmt.Errorf("%w: the gateway was not enrolled; take its gateway.request to a steward", ErrNotAuthor)
		}
	default:
		if a, ok := author(chain, w.role, ledger.KeyIDOf(pub)); !ok || a.Retired {
			return nil, fmt.Errorf("%w: the charter of %q in force does not name this folder's %s key %s; whoever holds its charter keys can add it (`tombolo charter update`)",
				ErrNotAuthor, chain.Latest().Slug, w.role, hex.EncodeToString(pub))
		}
	}
	// A gateway's own doors go on, and so do its ledgers.
	if !byGateway(kind) {
		if convicted, err := f.convicted(ledger.Origin{Community: community, Kind: kind, Author: ledger.KeyIDOf(pub)}); err != nil {
			return nil, err
		} else if convicted {
			return nil, fmt.Errorf("%w as %s: %w: no gateway projects more of it; make a key in another folder, and let it follow this one (`tombolo charter update %s --retire-%s … --successor …`)",
				ErrNotAuthor, w.role, ErrForked, chain.Latest().Kind, w.role)
		}
	}
	guard, err := Guard()
	if kind == ledger.CensusLog {
		guard, err = f.HubGuard()
	}
	if err != nil {
		return nil, err
	}
	return f.store.OpenAuthor(store.AuthorConfig{
		Key: key, Community: community, Kind: kind, Charter: chain.ID(),
		Guard: guard, Now: f.Now, Rand: rand.Reader,
	})
}

// Guard is the one of this user on this machine; TOMBOLO_GUARD names another
// directory.
func Guard() (store.Guard, error) {
	g, err := store.DefaultGuard()
	if dir := os.Getenv("TOMBOLO_GUARD"); dir != "" {
		g.Dir = dir
	}
	return g, err
}

// hubGuard is where tombolo-hub.service has the guard, below the system's /run.
const hubGuard = "tombolo-hub"

// HubGuard is the guard of the hub of this folder: what is typed beside a hub that runs
// as a service has to go by the same, or it would begin another census ledger. It is
// [Guard] where TOMBOLO_GUARD says so, and where the folder is no service's.
func (f *Folder) HubGuard() (store.Guard, error) { return f.hubGuard("/run") }

func (f *Folder) hubGuard(run string) (store.Guard, error) {
	g, err := Guard()
	if err != nil || os.Getenv("TOMBOLO_GUARD") != "" {
		return g, err
	}
	dir := filepath.Join(run, hubGuard)
	of, err := owner(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return g, err
	}
	own, err := owner(f.dir)
	if err != nil {
		return g, err
	}
	if of != own { // another's hub
		return g, nil
	}
	if of != os.Geteuid() {
		name := fmt.Sprintf("#%d", of)
		if u, err := user.LookupId(fmt.Sprint(of)); err == nil {
			name = u.Username
		}
		return g, fmt.Errorf("%w: run this as that user (sudo -u '%s' …)", ErrHubUser, name)
	}
	g.Dir = dir
	return g, nil
}

// ErrHubUser is why nobody but the hub's user writes as the hub.
var ErrHubUser = errors.New("the hub of this folder is a service, and has its guard against signing two histories as a user of its own")

// owner is whose a file is.
func owner(path string) (uid int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s: nobody knows whose it is", path)
	}
	return int(st.Uid), nil
}

// author finds a key among a charter's authors, retired ones included: no
// version of a charter ever leaves one out.
func author(chain ledger.Charters, role ledger.AuthorRole, id ledger.KeyID) (ledger.Author, bool) {
	for _, a := range chain.Latest().Authors {
		if a.Role == role && ledger.KeyIDOf(a.Key[:]) == id {
			return a, true
		}
	}
	return ledger.Author{}, false
}
