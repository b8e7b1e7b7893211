package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// pastWorld is what the folder's ledgers said at the moments that a door log
// names: a roster of its own, projected as far as the gateway's was. It
// implements panel.World.
type pastWorld struct {
	folder    *folder.Folder
	community ledger.CharterID
	node      ledger.CharterID
	gateway   [32]byte
	other     *policy.Policy // in place of every signed one, or nil

	dir        string // where the roster is; "" before the first
	roster     *roster.Roster
	sizes      map[string]int64 // what roster.Until shows
	last       *ledger.Basis
	generation uint64
	policies   map[[32]byte]*policy.Policy // signed ones that are not the roster's choice, by hash
	lost       []ledger.Origin             // siblings' door logs that are not here as far as they were heard
}

func newPastWorld(f *folder.Folder, community, node ledger.CharterID, gateway [32]byte, other *policy.Policy) *pastWorld {
	return &pastWorld{folder: f, community: community, node: node, gateway: gateway, other: other, policies: map[[32]byte]*policy.Policy{}}
}

func (w *pastWorld) close() error {
	var errs []error
	if w.roster != nil {
		errs = append(errs, w.roster.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// reopen begins a roster that knows nothing.
func (w *pastWorld) reopen() error {
	if err := w.close(); err != nil {
		return err
	}
	w.roster, w.dir = nil, ""
	dir, err := os.MkdirTemp("", "tombolo-replay-")
	if err != nil {
		return err
	}
	w.dir, w.sizes = dir, map[string]int64{}
	w.roster, err = roster.Open(roster.Config{
		Path: filepath.Join(dir, "roster.db"), Source: roster.Until(gateway.Source(w.folder.Store()), w.sizes),
		Community: w.community, Node: w.node, Gateway: w.gateway,
	})
	return err
}

// project brings the roster to the sizes of a Basis.
func (w *pastWorld) project(b *ledger.Basis, c access.Clock) (*roster.View, error) {
	shown := map[string]int64{}
	for _, s := range b.Sources {
		shown[s.Origin] = s.Size
	}
	shrunk := w.roster == nil
	for origin, size := range w.sizes {
		shrunk = shrunk || shown[origin] < size
	}
	if shrunk { // the gateway's roster was made again, or is another
		if err := w.reopen(); err != nil {
			return nil, err
		}
	}
	for origin, size := range shown {
		w.sizes[origin] = size
	}
	v, err := w.roster.Project(c)
	if err != nil {
		return nil, err
	}
	have := map[string]int64{}
	for _, s := range v.Sources {
		have[s.Origin] = s.Size
	}
	for _, s := range b.Sources {
		if have[s.Origin] < s.Size {
			return nil, w.behind(v, s, have[s.Origin])
		}
	}
	return v, nil
}

// errBehind marks ledgers that are not here as far as the gateway had them.
var errBehind = errors.New("bring them with `tombolo ledger export` at the gateway and `tombolo ledger import` here")

func (w *pastWorld) behind(v *roster.View, s ledger.Source, have int64) error {
	why := ""
	for _, p := range v.Problems {
		if o, err := ledger.ParseOrigin(s.Origin); err == nil && p.Part == string(o.Kind)+"/"+o.Author.String()+"/"+o.Incarnation.String() {
			why = "; " + p.What
		}
	}
	return fmt.Errorf("it was decided on %s of %s, and here %d count%s: %w", count(s.Size, "entry", "entries"), s.Origin, have, why, errBehind)
}

// pass follows a Basis before the stretch, where the roster may remember when it
// first saw something: the end of a home, or a Forgive. What cannot be followed is
// told where it matters.
func (w *pastWorld) pass(b *ledger.Basis, c access.Clock) {
	for _, s := range b.Sources {
		if o, err := ledger.ParseOrigin(s.Origin); err == nil && o.Kind == ledger.NodeLog && w.sizes[s.Origin] != s.Size {
			_, _ = w.project(b, c)
			return
		}
	}
}

// Basis is panel.World's.
func (w *pastWorld) Basis(b *ledger.Basis, c access.Clock) (*access.Basis, error) {
	v, err := w.project(b, c)
	if err != nil {
		return nil, err
	}
	basis := v.Basis
	if basis.Policy, err = w.policy(b, v.Policy); err != nil {
		return nil, err
	}
	// A gateway writes a Basis when its roster has changed, or its clock.
	if w.last == nil || w.last.Clock == b.Clock || !sameLedgers(w.last, b) {
		w.generation++
	}
	w.last = b
	basis.Generation = w.generation
	return &basis, nil
}

func sameLedgers(a, b *ledger.Basis) bool {
	if a.Policy != b.Policy || !bytes.Equal(a.Hash, b.Hash) || len(a.Sources) != len(b.Sources) {
		return false
	}
	for i := range a.Sources {
		if a.Sources[i].Origin != b.Sources[i].Origin || a.Sources[i].Size != b.Sources[i].Size {
			return false
		}
	}
	return true
}

// policy is the one that a Basis names: by its hash, as the gateway's software
// may have read others than this one.
func (w *pastWorld) policy(b *ledger.Basis, newest *policy.Policy) (*policy.Policy, error) {
	switch {
	case len(b.Hash) == 0:
		return nil, nil
	case w.other != nil:
		return w.other, nil
	}
	hash := [32]byte(b.Hash)
	if newest != nil && newest.Hash() == hash {
		return newest, nil
	}
	if p := w.policies[hash]; p != nil {
		return p, nil
	}
	for r, err := range w.folder.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		if signed, ok := r.Body.(*ledger.Policy); ok && policy.Hash(signed.File) == hash {
			p, err := policy.Parse(fmt.Sprintf("signed policy %d", signed.Version), signed.File)
			if err != nil {
				return nil, fmt.Errorf("it was decided by policy version %d, which this program cannot use: %w", b.Policy, err)
			}
			w.policies[hash] = p
			return p, nil
		}
	}
	return nil, fmt.Errorf("it was decided by policy version %d, which is not in the node's ledgers here: %w", b.Policy, errBehind)
}

// ByKey is panel.World's.
func (w *pastWorld) ByKey(id passport.KeyID) (access.Holder, error) { return w.roster.ByKey(id) }

// Sibling is panel.World's.
func (w *pastWorld) Sibling(log ledger.Origin, from, size int64) ([]panel.Logged, error) {
	told, err := w.sibling(log, from, size)
	if errors.Is(err, panel.ErrNotHeld) && !slices.Contains(w.lost, log) {
		w.lost = append(w.lost, log)
	}
	return told, err
}

func (w *pastWorld) sibling(log ledger.Origin, from, size int64) (told []panel.Logged, err error) {
	s := w.folder.Store()
	l, err := s.Ledger(log)
	switch {
	case errors.Is(err, store.ErrNoLedger):
		return nil, panel.ErrNotHeld
	case err != nil:
		return nil, err
	case l.Size < size:
		return nil, panel.ErrNotHeld
	}
	index := from
	for e, err := range s.Entries(l, from, size) {
		var leaf ledger.Leaf
		if err == nil {
			leaf, err = ledger.ParseLeaf(e.Leaf)
		}
		switch {
		case err != nil:
		case !access.Heard(leaf.Kind):
			index++
			continue
		case e.Dropped():
			return nil, panel.ErrNotHeld
		}
		var body ledger.Body
		if err == nil {
			_, body, err = e.Open(ledger.DoorLog, index)
		}
		if err != nil {
			return nil, fmt.Errorf("%v: %w", log, &ledger.At{First: index, Last: index, Err: err})
		}
		told = append(told, panel.Logged{Index: index, Time: e.Time, Body: body})
		index++
	}
	return told, nil
}
