package replica_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// simFile is a disk that is a file of package store: what holds of the one in
// memory has to hold of it.
type simFile struct {
	w    *simWorld
	dir  string
	path string
	*store.Store
}

func (w *simWorld) openFile(dir string, was []byte) *simFile {
	w.opened++
	f := &simFile{w: w, dir: dir, path: filepath.Join(dir, fmt.Sprint("store", w.opened, ".db"))}
	if was != nil {
		if err := os.WriteFile(f.path, was, 0o600); err != nil {
			panic(err)
		}
	}
	f.Store = simMust(store.Open(f.path))
	return f
}

// newDisk is an empty one.
func (w *simWorld) newDisk(h *simHost) simDisk {
	if w.files == "" {
		return newSimMemory()
	}
	h.guard.dir = simMust(os.MkdirTemp(w.files, "guard"))
	return w.openFile(simMust(os.MkdirTemp(w.files, "host")), nil)
}

func simHeldOf(i store.Info) simHeld {
	return simHeld{head: i.Head, edge: i.Tree, generation: i.Generation, charter: i.Charter, seen: i.Seen}
}

func (f *simFile) held() (all []simHeld) {
	for _, i := range simMust(f.Ledgers()) {
		all = append(all, simHeldOf(i))
	}
	return all
}

func (f *simFile) info(o ledger.Origin) (store.Info, bool) {
	i, err := f.Ledger(o)
	if errors.Is(err, store.ErrNoLedger) {
		return i, false
	}
	return simMust(i, err), true
}

func (f *simFile) ledger(o ledger.Origin) (simHeld, bool) {
	i, ok := f.info(o)
	return simHeldOf(i), ok
}

func (f *simFile) edge(o ledger.Origin) (ledger.Tree, bool) {
	t, err := f.Edge(o)
	if errors.Is(err, store.ErrNoLedger) {
		return t, false
	}
	return simMust(t, err), true
}

func (f *simFile) parts() (all []ledger.Origin) {
	for _, p := range simMust(f.Partials()) {
		if _, whole := f.info(p.Origin); !whole {
			all = append(all, p.Origin)
		}
	}
	return all
}

func (f *simFile) entries(o ledger.Origin, lo, hi int64) (all []ledger.Entry) {
	i, ok := f.info(o)
	if !ok {
		return nil
	}
	for e, err := range f.Entries(i, lo, min(hi, i.Size)) {
		all = append(all, simMust(e, err))
	}
	return all
}

func (f *simFile) stretch(o ledger.Origin, from int64, most int) (ledger.Head, ledger.Stretch, error) {
	i, ok := f.info(o)
	if !ok {
		return i.Head, ledger.Stretch{}, store.ErrNoLedger
	}
	s, err := f.Stretch(i, from, most)
	return i.Head, s, err
}

func (f *simFile) compare(h ledger.Head) (*ledger.Fork, error) { return f.Compare(h) }

func (f *simFile) forks() []ledger.Fork { return simMust(f.Forks()) }

func (f *simFile) charters(id ledger.CharterID) ledger.Charters {
	c, err := f.Charters(id)
	if errors.Is(err, store.ErrNotFound) {
		return ledger.Charters{}
	}
	return simMust(c, err)
}

func (f *simFile) acks(o ledger.Origin) map[replica.Peer]int64 {
	all := map[replica.Peer]int64{}
	for _, h := range simMust(f.Held(o)) {
		if h.Role == ledger.RoleHold {
			all[h.Peer] = h.Size
		}
	}
	return all
}

func (f *simFile) extend(x ledger.Extension, seen int64) error {
	_, err := f.Extend(seen, x)
	return err
}

func (f *simFile) forget(o ledger.Origin) {
	if err := f.Forget(o); err != nil {
		panic(err)
	}
}

func (f *simFile) addFork(e ledger.Fork, seen int64) error { return f.AddFork(e, seen) }

func (f *simFile) addHeld(peer replica.Peer, h ledger.Head, seen int64) error {
	return f.AddHeld(peer, h, seen)
}

func (f *simFile) addCharter(s ledger.SignedCharter) error {
	_, _, err := f.AddCharter(s)
	return err
}

// backup copies the file between two commits.
func (f *simFile) backup() simBackup {
	db := simMust(store.Database(f.path, 1))
	defer db.Close()
	simMust(db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"))
	return simFileBackup{f.w, f.dir, simMust(os.ReadFile(f.path))}
}

type simFileBackup struct {
	w   *simWorld
	dir string
	was []byte
}

func (b simFileBackup) restore() simDisk { return b.w.openFile(b.dir, b.was) }

func (f *simFile) close() {
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// author is the store's own, with its guard.
func (f *simFile) author(cfg simAuthorConfig) (simAuthor, error) {
	a, err := f.OpenAuthor(store.AuthorConfig{
		Key: cfg.key, Community: cfg.community, Kind: cfg.kind, Charter: cfg.charter,
		Guard: store.Guard{Dir: cfg.guard.dir, Boot: fmt.Sprint("boot ", cfg.guard.boot)},
		Now:   cfg.now, Rand: simSalts(cfg.random),
	})
	return simFileAuthor{a, cfg.key}, err
}

type simSalts func([]byte)

func (r simSalts) Read(b []byte) (int, error) {
	r(b)
	return len(b), nil
}

type simFileAuthor struct {
	*store.Author
	key ed25519.PrivateKey
}

func (a simFileAuthor) origin() ledger.Origin { return a.Head().Origin }

func (a simFileAuthor) append(now time.Time, bodies ...ledger.Body) error {
	drafts := make([]store.Draft, len(bodies))
	for i, b := range bodies {
		drafts[i] = store.Draft{Body: b, Time: now}
	}
	_, err := a.Append(drafts...)
	return err
}

func (a simFileAuthor) drop(now time.Time, first, last int64) error {
	return a.Drop(first, last, "retention")
}

// copyTo makes another machine's guard of the volatile memory that this is.
func (g *simGuard) copyTo(other *simGuard) {
	for o, c := range g.signed {
		other.signed[o] = c
	}
	other.boot = g.boot
	if g.dir == "" {
		return
	}
	for _, e := range simMust(os.ReadDir(g.dir)) {
		if err := os.WriteFile(filepath.Join(other.dir, e.Name()), simMust(os.ReadFile(filepath.Join(g.dir, e.Name()))), 0o600); err != nil {
			panic(err)
		}
	}
}
